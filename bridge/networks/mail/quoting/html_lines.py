"""The HTML side of a mail as lines, and the same HTML without some of them. Pure: nothing is loaded or cleaned.

Sources: the markup that mail programs write around what they quote; HTML Living Standard §15.3 for what is a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring, tostring

from bridge.networks.mail.mime.safe_html import unended

MOST_HTML = 2_000_000  # characters
MOST_TAGS = 40_000
MOST_DEPTH = 400  # elements in one another; more than any mail program writes, less than what any tool stumbles over

_HIDDEN = {"script", "style", "head", "title", "template", "noscript", "svg", "math", "object", "select", "textarea"}
_VOID = {"br", "hr", "img", "input", "wbr"}
_SPACED = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "pre", "blockquote"}
_BLOCKS = _SPACED | {
    "address", "article", "aside", "body", "center", "dd", "div", "dl", "dt", "fieldset", "figure", "footer", "form",
    "header", "html", "li", "main", "nav", "section", "tbody", "tfoot", "thead", "tr",
}  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")  # what lxml refuses to write
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_NO_MARGIN = re.compile(r"margin(?:-top|-bottom)?: ?0")
_INVISIBLE = re.compile(r"display: ?none")
_OUTLOOK_BORDER = re.compile(
    r"border-top: ?(?:solid )?#?(?:e1e1e1|b5c4df|ccc)|border-top: ?(?:solid|1)[^;]{0,12}(?:#e1e1e1|#b5c4df)"
)

_QUOTE_IDS = {
    "divrplyfwdmsg", "appendonsend", "reply-intro", "zwchr", "mail-editor-reference-message-container",
    "isreplycontent", "olk_src_body_section", "replysplit",
}  # fmt: skip
_QUOTE_CLASSES = {
    "gmail_quote", "gmail_quote_container", "gmail_attr", "gmail_extra", "moz-cite-prefix", "yahoo_quoted",
    "protonmail_quote", "outlookmessageheader", "ms-outlook-mobile-reference-message", "zmail_extra",
}  # fmt: skip
_SIGNATURE_IDS = {
    "signature",
    "applemailsignature",
    "ms-outlook-mobile-signature",
    "composer_signature",
    "ymail_android_signature",
}
_SIGNATURE_CLASSES = {
    "gmail_signature",
    "moz-signature",
    "protonmail_signature_block",
    "k9mail-signature",
    "ms-outlook-mobile-signature",
}


@dataclass(frozen=True, slots=True)
class Page:
    """HTML as lines of text; ``quotes`` and ``signatures`` are numbers of lines where the markup shows one."""

    lines: tuple[str, ...] = field(repr=False)
    quotes: frozenset[int]
    signatures: frozenset[int]
    _root: HtmlElement = field(repr=False)
    _pieces: tuple[_Piece, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of text, or an element without text, that belongs to one line."""

    line: int
    element: HtmlElement
    where: str  # "text", "tail" or "self"
    start: int
    end: int


def read(html: str) -> Page | None:
    """The lines of the HTML; None if it is empty, or too large, deep or broken to be taken apart safely."""
    if len(html) > MOST_HTML or html.count("<") > MOST_TAGS:
        return None
    parser = HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=True, encoding="utf-8")
    try:
        root = document_fromstring(
            unended(html).replace("\0", "").encode("utf-8", "replace"), parser=parser, ensure_head_body=True
        )
    except (etree.LxmlError, ValueError, AssertionError):
        return None
    reader = _Reader()
    return reader.page(root) if reader.walk(root) else None


def without(page: Page, dropped: Set[int]) -> str:
    """The HTML of the body without these lines. The page is used up by it."""
    live: set[HtmlElement] = set()
    for piece in page._pieces:
        if piece.line not in dropped:
            _keep(piece, live)
    for piece in reversed(page._pieces):  # from the end, so that places in a text stay right
        if piece.line in dropped:
            _blank(piece)
    for element in {
        piece.element if piece.where != "tail" else _holder(piece) for piece in page._pieces if piece.line in dropped
    }:
        _drop(element, live)
    body = page._root.find("body")
    return tostring(page._root if body is None else body, encoding="unicode", with_tail=False).strip()


def _holder(piece: _Piece) -> HtmlElement:
    parent = piece.element.getparent() if piece.where == "tail" else None
    return piece.element if parent is None else parent


def _keep(piece: _Piece, live: set[HtmlElement]) -> None:
    element: HtmlElement | None = _holder(piece)
    while element is not None and element not in live:
        live.add(element)
        element = element.getparent()


def _blank(piece: _Piece) -> None:
    if piece.where == "text":
        said = piece.element.text or ""
        piece.element.text = said[: piece.start] + said[piece.end :]
    elif piece.where == "tail":
        said = piece.element.tail or ""
        piece.element.tail = said[: piece.start] + said[piece.end :]


def _drop(element: HtmlElement, live: set[HtmlElement]) -> None:
    """Take out the largest element around this one in which nothing is kept."""
    top: HtmlElement | None = None
    at: HtmlElement | None = element
    while at is not None and at not in live and at.tag not in {"body", "html"}:
        top, at = at, at.getparent()
    if top is not None and top.getparent() is not None:
        top.drop_tree()


class _Reader:
    """Walks the tree once, without recursion, and writes lines."""

    def __init__(self) -> None:
        self._lines: list[list[str]] = [[]]
        self._depths: list[int] = [0]
        self._pieces: list[_Piece] = []
        self._quotes: set[int] = set()
        self._signatures: set[int] = set()
        self._announced: list[set[int]] = []
        self._hidden = self._pre = self._cited = 0

    def page(self, root: HtmlElement) -> Page:
        """What was read."""
        said = ["".join(parts).rstrip() for parts in self._lines]
        lines = tuple("> " * depth + line if line else "" for line, depth in zip(said, self._depths, strict=True))
        return Page(lines, frozenset(self._quotes), frozenset(self._signatures), root, tuple(self._pieces))

    def walk(self, root: HtmlElement) -> bool:
        """Read the tree; False if it is too deep."""
        depth = 0
        for event, element in _events(root):
            depth += 1 if event == "start" else -1
            if depth > MOST_DEPTH:
                return False
            if event == "start":
                self._open(element)
            else:
                self._close(element)
        return True

    def _open(self, element: HtmlElement) -> None:
        if self._hidden or _is_hidden(element):
            self._hidden += 1
            return
        tag = element.tag
        if tag in _BLOCKS or tag == "hr":
            self._line(_is_spaced(element))
        if _is_cited(element):
            self._cited += 1
            self._depths[-1] = self._cited
        self._announce(element)
        if tag == "pre":
            self._pre += 1
        if tag in {"td", "th"} and self._lines[-1]:
            self._lines[-1].append(" ")
        if tag in _VOID:
            self._pieces.append(_Piece(len(self._lines) - 1, element, "self", 0, 0))
            if tag in {"br", "hr"}:
                self._line(forced=tag == "br")
        self._say(element, "text", element.text)

    def _close(self, element: HtmlElement) -> None:
        if self._hidden:
            self._hidden -= 1
        else:
            if _is_cited(element):
                self._line()
                self._cited -= 1
                self._depths[-1] = self._cited
            if element.tag == "pre":
                self._pre -= 1
            if element.tag in _BLOCKS:
                self._line(_is_spaced(element))
        if not self._hidden and element.tag != "html":
            self._say(element, "tail", element.tail)

    def _announce(self, element: HtmlElement) -> None:
        """Note the line on which the markup shows a quotation or a signature."""
        here = len(self._lines) - 1
        if _is_quote(element):
            self._quotes.add(here)
        elif (
            _matches(element, _SIGNATURE_IDS, _SIGNATURE_CLASSES)
            or "__sig_" in (element.get("data-marker") or "").lower()
        ):
            self._signatures.add(here)

    def _line(self, spaced: bool = False, forced: bool = False) -> None:
        """Begin a new line unless this one is new; ``spaced`` leaves an empty one before it, ``forced`` ends any."""
        if self._lines[-1] or forced:
            self._next()
        if spaced and len(self._lines) > 1 and self._lines[-2] and not self._lines[-1]:
            self._move_hints()
            self._next()

    def _next(self) -> None:
        self._lines.append([])
        self._depths.append(self._cited)

    def _move_hints(self) -> None:
        """What was announced on a line that stays empty is announced on the next."""
        here = len(self._lines) - 1
        for noted in (self._quotes, self._signatures):
            if here in noted:
                noted.add(here + 1)

    def _say(self, element: HtmlElement, where: str, text: str | None) -> None:
        if text and _CONTROL.search(text):
            text = _CONTROL.sub("", text)
            setattr(element, where, text)
        start = 0
        for number, piece in enumerate((text or "").split("\n") if self._pre else [text or ""]):
            if number:
                self._line(forced=True)
            end = start + len(piece)
            said = piece if self._pre else _BLANKS.sub(" ", piece)
            said = said if self._lines[-1] or self._pre else said.lstrip(" ")
            if said:
                self._lines[-1].append(said.replace("\u00a0", " "))
            if piece:
                self._pieces.append(_Piece(len(self._lines) - 1, element, where, start, end))
            start = end + 1


def _events(root: HtmlElement) -> Iterator[tuple[str, HtmlElement]]:
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if isinstance(element, HtmlElement):
            yield event, element


def _style(element: HtmlElement) -> str:
    return (element.get("style") or "")[:2000].lower()


def _is_hidden(element: HtmlElement) -> bool:
    return element.tag in _HIDDEN or bool(_INVISIBLE.search(_style(element)))


def _is_spaced(element: HtmlElement) -> bool:
    """Whether browsers leave room around it."""
    if element.tag not in _SPACED or _NO_MARGIN.search(_style(element)):
        return False
    return not (element.get("class") or "").lower().startswith("mso")


def _is_cited(element: HtmlElement) -> bool:
    """Whether it is a quotation, not merely indented."""
    if element.tag != "blockquote":
        return False
    marked = (element.get("type") or "").lower() == "cite" or "border-left" in _style(element)
    return marked or bool(element.get("cite")) or _matches(element, set(), _QUOTE_CLASSES)


def _is_quote(element: HtmlElement) -> bool:
    if _matches(element, _QUOTE_IDS, _QUOTE_CLASSES) or _is_cited(element):
        return True
    if (element.get("data-marker") or "") in {"__DIVIDER__", "__HEADERS__", "__QUOTED_TEXT__"}:
        return True
    return element.tag == "div" and bool(_OUTLOOK_BORDER.search(_style(element)))


def _matches(element: HtmlElement, ids: Set[str], classes: Set[str]) -> bool:
    """Whether its id or one of its classes is among these; ``x_`` is what Outlook puts before what it quotes."""
    ident = (element.get("id") or "").lower().removeprefix("x_")
    return ident in ids or any(
        one.removeprefix("x_") in classes for one in (element.get("class") or "").lower().split()[:20]
    )
