"""HTML of mails: made harmless and kept readable, and its text for those who see no HTML. Pure.

Two readers, on purpose: libxml2 (bounded in depth, linear in time) prunes and simplifies, nh3 (a real HTML5 parser) has
the last word on what is allowed; after it only invisible characters are taken out, which are no markup.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from html import escape, unescape
from urllib.parse import unquote

import nh3
from lxml import etree
from lxml.html import defs

from bridge.networks.mail.mime.charsets import readable, visible
from bridge.networks.mail.mime.htmltext import write_text

MOST_HTML = 2_000_000  # characters
MOST_TAGS = 60_000  # and entities
MOST_TEXT = 400_000  # characters
MOST_LINK = 2000

# The subset of Matrix clients (client-server API, "m.room.message msgtypes"), and tables with their spans.
_TAGS = {
    "a", "b", "blockquote", "br", "caption", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "i", "img", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td",
    "tfoot", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
_ATTRIBUTES: dict[str, set[str]] = {
    "*": set(),
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
_GONE = {
    "applet", "area", "audio", "base", "button", "canvas", "embed", "frame", "frameset", "head", "iframe", "input",
    "link", "map", "math", "meta", "noembed", "noframes", "noscript", "object", "option", "param", "portal", "script",
    "select", "source", "style", "svg", "template", "textarea", "title", "track", "video", "xml",
}  # fmt: skip
_END = re.compile(r"</(?:html|body)\s*>", re.IGNORECASE)
_TAG = re.compile(r"<[a-zA-Z/][^<>]*>?")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_CID = re.compile(r"cid:([^\"'\s<>)]{1,400})", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
_BOLD = re.compile(r"font-weight\s*:\s*(?:bold|bolder|[6-9]00)|font\s*:[^;]*\bbold\b", re.IGNORECASE)
_STRUCK = re.compile(r"text-decoration[a-z-]*\s*:[^;]*line-through", re.IGNORECASE)
_CAN_HOLD_INLINE = {"a", "dd", "div", "dt", "font", "li", "p", "span", "td", "th", "label", "center"}


def _allowed(tag: str, attribute: str, value: str) -> str | None:
    """Numbers are numbers, links go to pages or mailboxes, pictures are parts of the same mail (RFC 2392)."""
    if attribute in ("colspan", "rowspan", "start", "width", "height"):
        return value if _NUMBER.fullmatch(value.strip()) else None
    is_cid = value.strip()[:4].lower() == "cid:"
    if attribute == "src":
        return value if is_cid else None
    if attribute == "href":
        return None if is_cid or len(value) > MOST_LINK else value
    return value


@lru_cache(maxsize=1)
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_allowed,
        clean_content_tags={"script", "style"},
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        url_relative="deny",
        link_rel=None,
    )


def clean(html: str, inline: Collection[str] = ()) -> str:
    """HTML that loads nothing, runs nothing and hides nothing; tables, lists, links survive. Never raises.

    ``inline``: the Content-IDs of pictures that the mail brings along; other ``cid:`` pictures go. What is too large,
    too deep or has too many tags comes back as its text. Bold and struck-out text of styles becomes tags, other style
    goes.
    """
    root = _tree(html)
    if root is None or len(html) > MOST_HTML or html.count("<") + html.count("&") > MOST_TAGS:
        text = to_text(html)
        return "<p>" + escape(text).replace("\n", "<br>\n") + "</p>" if text else ""
    _prune(root, frozenset(inline))
    body = root.find("body")
    source = etree.tostring(root if body is None else body, encoding="unicode", method="html")
    return visible(_cleaner().clean(source)).strip()


def to_text(html: str, most: int = MOST_TEXT) -> str:
    """The readable text: tables as rows, lists with marks, links with targets, quotes with ``>``.

    At most ``most`` characters. Never raises.
    """
    root = _tree(html)
    if root is None:
        return _stripped(html, most)
    _drop(root)
    for element, tag in _elements(root):
        if tag in _CAN_HOLD_INLINE:
            _style_as_tags(element)
    return visible(write_text(root, most))


def _stripped(html: str, most: int) -> str:
    """What is left without tags, for HTML that no reader takes (deeper than 256 elements)."""
    text = re.sub(r"<(script|style)\b[^>]{0,1000}>[^<]*", " ", html[:MOST_HTML], flags=re.IGNORECASE)
    text = visible(readable(unescape(re.sub(r"<[a-zA-Z/!?][^<>]*>?", " ", text))))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)[:most]


def content_ids(html: str) -> frozenset[str]:
    """The Content-IDs that the HTML refers to."""
    return frozenset(unquote(found) for found in _CID.findall(html[:MOST_HTML]))


def is_torn(html: str) -> bool:
    """Whether words may stand inside of what looks like a tag or a comment: one without an end, or of no known name."""
    return html.rfind("<!--") > html.rfind("-->") or any(map(_is_wordy, _TAG.findall(html)))


def _is_wordy(tag: str) -> bool:
    if not tag.endswith(">") or tag.count('"') % 2:
        return True
    name, *words = tag[1:-1].split()
    return bool(words) and "=" not in tag and ":" not in name and words != ["/"] and name.lower() not in defs.tags


def unended(html: str) -> str:
    """The HTML without the ends of its document: libxml2 reads nothing after them, and servers write there."""
    return _END.sub("</x>", html)


def _tree(html: str) -> etree._Element | None:
    """The tree, None if there is none or if it is too deep to be read whole."""
    data = visible(readable(unended(html[: MOST_HTML * 2]))).encode()
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, recover=True, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser) if data.strip() else None
    except (etree.LxmlError, ValueError):
        return None
    return None if any(error.level_name == "FATAL" for error in parser.error_log) else root


def _elements(root: etree._Element) -> Iterator[tuple[etree._Element, str]]:
    """Every element with its tag, in order; a list first, because the tree changes meanwhile."""
    for element in list(root.iter()):
        if isinstance(element.tag, str):
            yield element, element.tag


def _drop(root: etree._Element) -> None:
    """Takes out what no reader sees: scripts, styles, heads, forms' controls, hidden text."""
    for element, tag in _elements(root):
        if tag in _GONE or "hidden" in element.attrib or _HIDDEN.search(element.get("style", "")[:2000]):
            _remove(element)


def _remove(element: etree._Element) -> None:
    """Removes an element, not the text after it."""
    parent = element.getparent()
    if parent is None:
        return
    if element.tail:
        before = element.getprevious()
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
        element.tail = None
    parent.remove(element)


def _prune(root: etree._Element, inline: frozenset[str]) -> None:
    _drop(root)
    for element, tag in _elements(root):
        for name, value in element.attrib.items():
            if not value.isascii():
                element.set(name, visible(value))
        if tag == "img":
            _picture(element, inline)
        elif tag in _CAN_HOLD_INLINE:
            _style_as_tags(element)


def _picture(element: etree._Element, inline: frozenset[str]) -> None:
    source = element.get("src", "").strip()
    if source[:4].lower() == "cid:" and unquote(source[4:]) in inline:
        element.set("src", "cid:" + unquote(source[4:]))
        return
    instead = element.get("alt", "").strip()[:200]
    element.tail = (f"[{instead}]" if instead else "") + (element.tail or "")
    _remove(element)


def _style_as_tags(element: etree._Element) -> None:
    """Bold marks values out of range and struck-out text is withdrawn: both mean something in a result."""
    style = element.get("style", "")[:2000]
    for pattern, tag in ((_BOLD, "strong"), (_STRUCK, "s")):
        if style and pattern.search(style):
            inner = etree.Element(tag)
            inner.text, element.text = element.text, None
            inner.extend(list(element))
            element.append(inner)
