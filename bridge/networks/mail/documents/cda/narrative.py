"""The narrative of CDA sections as plain HTML and as text that says the same; nothing is loaded or run. Pure.

Source: HL7 CDA R2, 4.3.5 (narrative block): text struck out there (``revised="delete"``) is no longer valid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.networks.mail.documents.card import escape
from bridge.networks.mail.documents.xmlsafe import Element, attribute, children, first, tag, text_of
from bridge.networks.mail.mime.columns import Columns, span
from bridge.networks.mail.mime.scripts import lowered, raised

MOST = 400_000  # characters of HTML; what is longer is cut between elements
DEEPEST = 60  # elements within elements; what lies deeper is shown as text only

_PLAIN = {
    "paragraph": "p", "table": "table", "thead": "thead", "tbody": "tbody", "tfoot": "tbody", "tr": "tr", "td": "td",
    "th": "th", "item": "li", "sup": "sup", "sub": "sub",
}  # fmt: skip
_STYLES = {"bold": "strong", "italics": "em", "underline": "u", "emphasis": "em"}
_BREAKS = {"p": "\n", "li": "\n", "h4": "\n", "ul": "\n", "ol": "\n"}
_DROPPED = {"col", "colgroup", "footnoteref", "script", "style", "object", "embed"}
_NO_PICTURE = "image absente du document"


@dataclass(slots=True)
class _Page:
    pictures: Mapping[str, str] = field(default_factory=dict)
    html: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    tables: list[Columns] = field(default_factory=list)
    size: int = 0
    depth: int = 0

    @property
    def full(self) -> bool:
        return self.size > MOST

    def tag(self, markup: str) -> None:
        self.html.append(markup)
        self.size += len(markup)

    def say(self, text: str | None) -> None:
        """Text between tags; spaces folded, as HTML does."""
        if text and not self.full:
            folded = re.sub(r"\s+", " ", text[:MOST])
            self.text.append(folded)
            self.tag(escape(folded))


def render(structured: Element, pictures: Mapping[str, str] | None = None) -> tuple[str, str]:
    """All sections of a structuredBody as (text, HTML). ``pictures``: what stands for an element's ``ID``."""
    page = _Page(pictures or {})
    for component in children(structured, "component"):
        for section in children(component, "section"):
            _section(page, section)
    if page.full:
        page.tag("<p>… Suite dans le document joint. / Continued in the attached document.</p>")
        page.text.append("\n…")
    text = re.sub(r" ?\n[\n ]*", "\n", re.sub(r"[ \t]+", " ", "".join(page.text)))
    return text.strip(), "".join(page.html)


def _section(page: _Page, section: Element) -> None:
    title = text_of(first(section, "title"))
    if title and not page.full:
        page.text.append("\n")
        page.tag("<h4>")
        page.say(title)
        page.tag("</h4>")
        page.text.append("\n")
    body = first(section, "text")
    if body is not None:
        _inside(page, body)
        page.text.append("\n")
    for component in children(section, "component"):
        for inner in children(component, "section"):
            _section(page, inner)


def _inside(page: _Page, element: Element) -> None:
    if page.depth >= DEEPEST:
        page.say(text_of(element))
        return
    page.depth += 1
    page.say(element.text)
    for child in element:
        if page.full:
            break
        _element(page, child)
        page.say(child.tail)
    page.depth -= 1


def _element(page: _Page, element: Element) -> None:
    """One element of the narrative; unknown ones give their text."""
    name = tag(element)
    if name in _DROPPED:
        return
    if name == "br":
        page.tag("<br>")
        page.text.append("\n")
    elif name == "rendermultimedia":
        shown = [page.pictures.get(one, _NO_PICTURE) for one in attribute(element, "referencedObject").split()]
        page.say("".join(f"[{one}]" for one in shown or [_NO_PICTURE]))
        page.say(" " + text_of(element) if text_of(element) else "")
    else:
        _wrapped(page, element, _names(element, name))


def _names(element: Element, name: str) -> list[str]:
    """The HTML elements that stand for it, outermost first."""
    if name == "list":
        return ["ol" if attribute(element, "listType") == "ordered" else "ul"]
    if name == "caption":
        parent = element.getparent()
        return ["caption"] if parent is not None and tag(parent) == "table" else ["strong"]
    found = [_PLAIN[name]] if name in _PLAIN else []
    if name in ("table", "tr", "thead", "tbody", "tfoot"):
        return found
    styles = attribute(element, "styleCode").lower().split()
    found += [_STYLES[style] for style in dict.fromkeys(styles) if style in _STYLES]
    return [*found, "del"] if attribute(element, "revised").lower() == "delete" else found


def _wrapped(page: _Page, element: Element, names: list[str]) -> None:
    for name in names:
        page.tag(f"<{name}{_spans(element) if name in ('td', 'th') else ''}>")
        if name == "table":
            page.tables.append(Columns())
        elif name == "tr" and page.tables:
            page.tables[-1].begin()
    start = len(page.text)
    _inside(page, element)
    text = "".join(page.text[start:])
    for name in reversed(names):
        page.tag(f"</{name}>")
        text = _as_text(page, element, name, text)
    page.text[start:] = [text]


def _as_text(page: _Page, element: Element, name: str, text: str) -> str:
    """The text of what an HTML element holds, with what its tags say."""
    if name == "sup":
        return raised(text)
    if name == "sub":
        return lowered(text)
    if name == "del":
        return f" [supprimé : {text.strip()}] " if text.strip() else text
    if name == "li":
        return f"• {text}\n"
    if name in ("td", "th", "tr", "thead", "tbody", "table"):
        return _of_table(page, element, name, text)
    return text + ("\n" if name == "caption" else _BREAKS.get(name, ""))


def _of_table(page: _Page, element: Element, name: str, text: str) -> str:
    table = page.tables[-1] if page.tables else None
    if name == "table":
        page.tables.pop()
        return f"\n{text}\n"
    if name in ("td", "th"):
        if table is None or not table.in_row:
            return text + (" | " if element.getnext() is not None else "")
        columns, rows = (span(attribute(element, kind)) for kind in ("colspan", "rowspan"))
        table.cell(text, columns, rows)
        return ""
    if table is not None and name == "tr":
        return f"{text}{table.end()}\n"
    if table is not None:
        table.cut()
    return f"{text}\n"


def _spans(element: Element) -> str:
    found = ((name, span(attribute(element, name))) for name in ("colspan", "rowspan"))
    return "".join(f' {name}="{value}"' for name, value in found if value != 1)
