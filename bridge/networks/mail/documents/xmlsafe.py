"""XML from strangers: no DTD, no entity, no network, bounded in bytes, elements and depth. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from bridge.errors import Refused

MOST_BYTES = 32 << 20
MOST_ELEMENTS = 200_000
_STEP = 1 << 14  # bytes per feed: the DTD is seen before the content that would use it

Element = etree._Element


def parse_xml(data: bytes) -> Element:
    """The root element.

    Raises Refused: ``xml_dtd`` (any DOCTYPE, hence any entity), ``xml_too_large``, ``xml_damaged``. libxml2's own
    limits stay on (huge_tree off): 256 levels, 10 MB in one text.
    """
    if len(data) > MOST_BYTES:
        raise Refused("xml_too_large", about=f"{MOST_BYTES} bytes")
    try:
        return _fed(data)
    except (etree.XMLSyntaxError, ValueError, LookupError):
        # libxml2 itself stops at entities that grow: said as what it is
        hostile = re.search(rb"<!(?:DOCTYPE|ENTITY)", data.replace(b"\0", b""), re.I)
        raise Refused("xml_dtd" if hostile else "xml_damaged") from None


def _fed(data: bytes) -> Element:
    parser = etree.XMLPullParser(
        events=("start",), resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    elements = 0
    for start in range(0, len(data), _STEP):
        parser.feed(data[start : start + _STEP])
        elements += _started(parser, first=elements == 0)
        if elements > MOST_ELEMENTS:
            raise Refused("xml_too_large", about=f"{MOST_ELEMENTS} elements")
    root = parser.close()
    _no_dtd(root)
    return root


def _started(parser: etree.XMLPullParser[Element], *, first: bool) -> int:
    count = 0
    for _, element in parser.read_events():
        if first and count == 0:
            _no_dtd(element)
        count += 1
    return count


def _no_dtd(element: Element) -> None:
    info = element.getroottree().docinfo
    if info.internalDTD is not None or info.externalDTD is not None or info.doctype:
        raise Refused("xml_dtd")


def tag(element: Element) -> str:
    """The local name, in lower case; empty for what is no element (an entity reference)."""
    return etree.QName(element).localname.lower() if isinstance(element.tag, str) else ""


def children(element: Element, name: str) -> Iterator[Element]:
    """The children with this local name (compared without case and namespace: real documents mix both)."""
    wanted = name.lower()
    return (child for child in element if tag(child) == wanted)


def first(element: Element | None, path: str) -> Element | None:
    """The first element along a path of local names, as ``patientRole/patient/birthTime``."""
    if element is None:
        return None
    name, _, rest = path.partition("/")
    for child in children(element, name):
        found = first(child, rest) if rest else child
        if found is not None:
            return found
    return None


def every(element: Element, path: str) -> Iterator[Element]:
    """All elements along a path of local names."""
    name, _, rest = path.partition("/")
    for child in children(element, name):
        if rest:
            yield from every(child, rest)
        else:
            yield child


def attribute(element: Element | None, name: str) -> str:
    """An attribute by its local name without case, trimmed; empty if absent."""
    if element is None:
        return ""
    wanted = name.lower()
    for key, value in element.attrib.items():
        if etree.QName(key).localname.lower() == wanted:
            return value.strip()
    return ""


def text_of(element: Element | None) -> str:
    """All text below, spaces folded."""
    return "" if element is None else " ".join("".join(element.itertext(None)).split())
