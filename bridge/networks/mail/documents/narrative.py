"""The narrative of CDA sections as plain HTML: text, lists and tables survive, nothing is loaded or run. Pure.

Source: HL7 CDA R2, 4.3.5 (narrative block).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bridge.networks.mail.documents.card import escape
from bridge.networks.mail.documents.xmlsafe import Element, attribute, children, first, tag, text_of

MOST = 400_000  # characters of HTML; what is longer is cut between elements
DEEPEST = 60  # elements within elements; what lies deeper is shown as text only

_PLAIN = {
    "paragraph": "p", "table": "table", "thead": "thead", "tbody": "tbody", "tfoot": "tbody", "tr": "tr", "td": "td",
    "th": "th", "item": "li", "sup": "sup", "sub": "sub",
}  # fmt: skip
_STYLES = {"bold": "strong", "italics": "em", "underline": "u", "emphasis": "em"}
_BREAKS = {"p": "\n", "tr": "\n", "li": "\n", "table": "\n", "h4": "\n", "ul": "\n", "ol": "\n"}
_DROPPED = {"col", "colgroup", "footnoteref", "script", "style", "object", "embed"}
_SPAN = re.compile(r"[1-9][0-9]?")


@dataclass(slots=True)
class _Page:
    html: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
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


def render(structured: Element) -> tuple[str, str]:
    """All sections of a structuredBody as (text, HTML)."""
    page = _Page()
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
        page.say("[image jointe]")
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
    styles = attribute(element, "styleCode").lower().split()
    return found + [
        _STYLES[style] for style in dict.fromkeys(styles) if style in _STYLES and name not in ("table", "tr")
    ]


def _wrapped(page: _Page, element: Element, names: list[str]) -> None:
    for name in names:
        page.tag(f"<{name}{_spans(element) if name in ('td', 'th') else ''}>")
    if names and names[0] == "li":
        page.text.append("• ")
    _inside(page, element)
    for name in reversed(names):
        page.tag(f"</{name}>")
        if name in ("td", "th"):
            page.text.append(" | " if element.getnext() is not None else "")
        else:
            page.text.append(_BREAKS.get(name, ""))


def _spans(element: Element) -> str:
    found = ((name, attribute(element, name)) for name in ("colspan", "rowspan"))
    return "".join(f' {name}="{value}"' for name, value in found if _SPAN.fullmatch(value) and value != "1")
