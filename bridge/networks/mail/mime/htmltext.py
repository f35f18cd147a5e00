"""The text of an HTML tree, written line by line. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from lxml import etree

from bridge.networks.mail.mime.columns import Columns, span
from bridge.networks.mail.mime.scripts import lowered, raised

_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "fieldset", "figure",
    "footer", "form", "header", "main", "nav", "ol", "section", "table", "tbody", "tfoot", "thead", "tr", "ul", "li",
    "caption",
}  # fmt: skip
_APART = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "pre"}  # blocks with an empty line around them
_CELL = 200  # characters: more is no value of a table but a column of a layout
_SIGNS: dict[str, Callable[[str], str]] = {
    "sup": raised,
    "sub": lowered,
    **dict.fromkeys(("del", "s", "strike"), lambda text: f"[barré : {text.strip()}]" if text.strip() else text),
}
_SPACE = re.compile(r"[ \t\r\n\f\xa0]+")
_MOST_QUOTES = 10
_MOST_SIGNS = 4  # within one another


@dataclass(slots=True)
class _Writer:
    most: int
    lines: list[str] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    size: int = 0
    quotes: int = 0
    pre: int = 0
    lists: list[int] = field(default_factory=list)  # the next number, 0 for a list without numbers
    tables: list[Columns | None] = field(default_factory=list)  # None: a layout, which holds no data
    cells: list[int] = field(default_factory=list)  # where in the line a cell of data begins
    links: list[int] = field(default_factory=list)
    signs: list[tuple[str, int]] = field(default_factory=list)  # what is raised, lowered, struck out: where it begins
    gap: int = -1  # an empty line is due, in so many quotes; -1: none is

    @property
    def in_row(self) -> bool:
        return bool(self.tables) and self.tables[-1] is not None

    def add(self, text: str | None) -> None:
        if not text or self.size > self.most:
            return
        if self.pre:
            first, *more = text.split("\n")
            self.put(first)
            for one in more:
                self.end_line()
                self.put(one)
        else:
            self.put(_SPACE.sub(" ", text))

    def put(self, text: str) -> None:
        if not self.pre and (not self.line or self.line[-1].endswith(" ")):
            text = text.lstrip(" ")
        if text:
            self.begin_line()
            self.line.append(text)
            self.size += len(text)

    def begin_line(self) -> None:
        """Writes the empty line that is due, now that something follows it."""
        if self.gap >= 0 and self.lines and not self.line:
            self.lines.append(("> " * min(self.gap, self.quotes)).rstrip())
        self.gap = -1

    def end_line(self) -> None:
        """Ends a line even if it is empty (``br``)."""
        for tag, start in reversed(self.signs[:_MOST_SIGNS]):  # each of its lines has its mark
            self.signed(tag, start)
        text = "".join(self.line)
        self.lines.append(("> " * self.quotes + text).rstrip())
        self.size += 1 + 2 * self.quotes
        self.line = []
        self.links = [0] * len(self.links)
        self.signs = [(tag, 0) for tag, _ in self.signs]

    def signed(self, tag: str, start: int) -> None:
        """Writes what stands on this line from there on as its tag says."""
        if self.line[start:]:
            self.line[start:] = [_SIGNS[tag]("".join(self.line[start:]))]

    def block(self, apart: bool = False) -> None:
        """Begins a new line if something stands on this one; ``apart``: with an empty line before."""
        if "".join(self.line).strip():
            self.end_line()
        self.line = []
        if apart:
            self.gap = self.quotes

    def text(self) -> str:
        self.block()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self.lines)).strip("\n")[: self.most]


def write_text(root: etree._Element, most: int) -> str:
    """The text of the tree, at most ``most`` characters."""
    writer = _Writer(most)
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag
        if not isinstance(tag, str):
            if event == "end":
                writer.add(element.tail)
        elif event == "start":
            _begin(writer, element, tag)
            writer.add(element.text)
        else:
            _end(writer, element, tag)
            writer.add(element.tail)
        if writer.size > most:
            break
    return writer.text()


def _begin(writer: _Writer, element: etree._Element, tag: str) -> None:
    if tag == "table":
        writer.block()
        writer.tables.append(Columns() if _holds_data(element) else None)
    elif tag in ("td", "th") and writer.in_row:
        writer.cells.append(len(writer.line))
    elif tag == "tr" or not writer.in_row:
        _begin_block(writer, element, tag)
        if tag == "tr" and writer.tables and (table := writer.tables[-1]) is not None:
            table.begin()
    elif tag in _BLOCKS | _APART:
        writer.line.append("\n")
    _begin_inline(writer, element, tag)


def _begin_block(writer: _Writer, element: etree._Element, tag: str) -> None:
    if tag in _BLOCKS or tag in _APART or tag in ("td", "th"):
        writer.block(tag in _APART)
    if tag == "blockquote":
        writer.quotes = min(writer.quotes + 1, _MOST_QUOTES)
    elif tag == "pre":
        writer.pre += 1
    elif tag in ("ul", "ol"):
        start = element.get("start", "1")
        writer.lists.append(0 if tag == "ul" else int(start) if re.fullmatch("[0-9]{1,6}", start) else 1)
    elif tag == "li":
        _mark(writer)
    elif tag == "hr":
        writer.block()
        writer.begin_line()
        writer.line.append("-" * 20)
        writer.end_line()


def _mark(writer: _Writer) -> None:
    number = writer.lists[-1] if writer.lists else 0
    writer.begin_line()
    writer.line.append("  " * (min(len(writer.lists), 10) - 1) + (f"{number}. " if number else "- "))
    if number:
        writer.lists[-1] += 1


def _begin_inline(writer: _Writer, element: etree._Element, tag: str) -> None:
    if tag == "br":
        writer.line.append("\n") if writer.in_row else writer.end_line()
    elif tag == "img":
        alt = element.get("alt", "").strip()[:200]
        writer.add(f"[{alt}]" if alt else "")
    elif tag == "a":
        writer.links.append(len(writer.line))
    elif tag in _SIGNS:
        writer.signs.append((tag, len(writer.line)))


def _end(writer: _Writer, element: etree._Element, tag: str) -> None:
    _end_inline(writer, element, tag)
    if tag == "table":
        writer.block()
        if writer.tables:
            writer.tables.pop()
    elif writer.in_row and tag in ("tr", "td", "th", "thead", "tbody", "tfoot"):
        _end_data(writer, element, tag)
    elif tag == "tr" or (not writer.in_row and (tag in _BLOCKS or tag in _APART or tag in ("td", "th"))):
        writer.block(tag in _APART)
    if writer.in_row and tag != "table":
        return
    if tag == "blockquote":
        writer.quotes = max(0, writer.quotes - 1)
    elif tag == "pre":
        writer.pre = max(0, writer.pre - 1)
    elif tag in ("ul", "ol") and writer.lists:
        writer.lists.pop()


def _end_inline(writer: _Writer, element: etree._Element, tag: str) -> None:
    if tag == "a":
        _link(writer, element.get("href", "").strip())
    elif tag in _SIGNS and writer.signs:
        sign = writer.signs.pop()
        if len(writer.signs) < _MOST_SIGNS:
            writer.signed(*sign)


def _end_data(writer: _Writer, element: etree._Element, tag: str) -> None:
    """A cell, a row, a group of rows of a table that holds data: every value stays in its column."""
    table = writer.tables[-1]
    assert table is not None
    if tag in ("td", "th"):
        start = writer.cells.pop() if writer.cells else 0
        text = "".join(writer.line[start:])
        if table.in_row:
            del writer.line[start:]
            table.cell(text, *(span(element.get(name, "")) for name in ("colspan", "rowspan")))
    elif tag == "tr":
        row = table.end()
        writer.line = [" ".join("".join(writer.line).split()), row]
        writer.block()
    else:
        table.cut()


def _link(writer: _Writer, target: str) -> None:
    shown = "".join(writer.line[writer.links.pop() if writer.links else 0 :]).strip()
    scheme, _, rest = target.partition(":")
    if scheme.lower() not in ("http", "https", "mailto", "tel") or len(target) > 500:
        return
    bare = rest.strip("/").partition("?")[0] if scheme.lower() == "mailto" else rest.strip("/")
    if bare and bare.lower() not in shown.lower():
        writer.put(f" ({target})" if shown else target)


def _holds_data(table: etree._Element) -> bool:
    """Rows of values: no table inside, at least two columns, and nothing long in a cell."""
    if next(table.iterdescendants("table"), None) is not None:
        return False
    columns = 0
    for row in table.iterdescendants("tr"):
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        columns = max(columns, len(cells))
        for cell in cells:
            if (
                sum(len(text) for text in cell.itertext()) > _CELL
                or next(cell.iterdescendants("blockquote"), None) is not None
            ):
                return False
    return columns > 1
