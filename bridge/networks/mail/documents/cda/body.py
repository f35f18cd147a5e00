"""The body of a CDA: its text and HTML, what it flags, and the files that are embedded in it. Pure.

Source: HL7 CDA R2, 4.3.4 (body), 4.3.5.5 (renderMultiMedia); HL7 V3 data types, ED.compression. Nothing is fetched.
"""

from __future__ import annotations

import base64
import binascii
import zlib

from bridge.model import File
from bridge.networks.mail.documents import card as cards
from bridge.networks.mail.documents.cda import flags, narrative
from bridge.networks.mail.documents.xmlsafe import Element, attribute, first, tag, text_of
from bridge.networks.mail.mime.file_names import ending, type_of

MOST_FILE = 32 << 20  # bytes, decoded
MOST_MEDIA = 20
_WINDOWS = {"DF": -zlib.MAX_WBITS, "ZL": zlib.MAX_WBITS, "GZ": zlib.MAX_WBITS | 16}  # RFC 1951, 1950, 1952


class CdaBody:
    """What was read of the body so far."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.text = self.html = ""
        self.marks: tuple[str, ...] = ()
        self.files: list[File] = []
        self.problems: list[str] = []
        self._room = MOST_FILE  # bytes that may still be unpacked, of all together

    def read(self, root: Element) -> None:
        """Level 1 (an embedded document) or level 2 and 3 (sections); pictures of sections as files."""
        plain = first(root, "component/nonXMLBody/text")
        structured = first(root, "component/structuredBody")
        if plain is not None:
            self.embedded(plain)
        elif structured is not None:
            self.text, self.html = narrative.render(structured, self.media(structured))
            self.marks = flags.flagged(structured)
        else:
            self.problems.append("cda_no_body")

    def embedded(self, element: Element) -> None:
        """The document of a nonXMLBody; plain text is shown as well."""
        found = self.take(element, self.title)
        if found is not None and found.mime == "text/plain":
            self.text = found.data.decode("utf-8", "replace")[: cards.MOST_HTML]
            self.html = f"<p>{cards.escape(self.text)}</p>"

    def media(self, structured: Element) -> dict[str, str]:
        """Takes the files out of the entries; what the narrative shows in their place, by the ``ID`` it refers to."""
        shown: dict[str, str] = {}
        found = [one for one in structured.iter() if _is_media(one)]
        if len(found) > MOST_MEDIA:
            self.problems.append("too_many_documents")
        for number, one in enumerate(found, 1):
            kind = "image" if attribute(_value(one), "mediaType").lower().startswith("image/") else "document"
            stem = f"{kind}-{number} {_title(one)}".strip()
            file = self.take(_value(one), stem) if number <= MOST_MEDIA else None
            for ident in _idents(one, structured):
                shown.setdefault(ident, file.name if file else f"{stem} : non lu")
        return shown

    def take(self, element: Element | None, stem: str) -> File | None:
        """The bytes of an ED value as a file, typed by what they are; None with the reason among the problems."""
        if element is None:
            return None
        if first(element, "reference") is not None and not "".join(element.itertext(None)).strip():
            self.problems.append("cda_elsewhere")
            return None
        data = self.decoded(element)
        known = type_of(data) if data is not None else None
        if data is None:
            return None
        if (packed := attribute(element, "compression")) and known in (None, "application/zip"):
            # bytes that are plainly a picture or a document are not compressed, whatever the attribute says
            data = unpacked(data, packed, self._room)
            if data is None:
                self.problems.append("cda_compressed")
                return None
            self._room -= len(data)
            known = type_of(data)
        said = cards.mime_type(attribute(element, "mediaType") or "text/plain")
        mime = known if known is not None and known != "application/zip" else said
        self.files.append(File(cards.file_name(f"{stem}{ending(mime)}"), mime, data))
        return self.files[-1]

    def decoded(self, element: Element) -> bytes | None:
        """The bytes, or None with the reason among the problems."""
        text = "".join(element.itertext(None))
        if attribute(element, "representation").upper() != "B64":
            data = text.encode("utf-8", "replace")
        else:
            try:
                data = base64.b64decode("".join(text.split()), validate=True)
            except (binascii.Error, ValueError):
                self.problems.append("cda_bad_base64")
                return None
        if not data or len(data) > MOST_FILE:
            self.problems.append("cda_no_body" if not data else "cda_file_too_large")
            return None
        return data


def unpacked(data: bytes, kind: str, most: int) -> bytes | None:
    """What was compressed (``DF``, ``ZL``, ``GZ``); None: by another way, broken, or of more than ``most`` bytes."""
    if (window := _WINDOWS.get(kind.upper())) is None:
        return None
    stream = zlib.decompressobj(window)
    try:
        found = stream.decompress(data, most + 1)
    except zlib.error:
        return None
    return found if stream.eof and 0 < len(found) <= most else None


def _is_media(element: Element) -> bool:
    """An observationMedia, or another value of an entry that holds bytes (an attached report)."""
    if tag(element) == "observationmedia":
        return True
    parent = element.getparent()
    if tag(element) not in ("value", "text") or parent is None or tag(parent) == "observationmedia":
        return False
    return attribute(element, "representation").upper() == "B64"


def _value(media: Element) -> Element | None:
    return first(media, "value") if tag(media) == "observationmedia" else media


def _title(media: Element) -> str:
    """The entry's title, or what its code or that of the nearest entry around it says."""
    node: Element | None = media
    while node is not None and tag(node) not in ("section", "structuredbody"):
        code = first(node, "code")
        for said in (
            text_of(first(node, "title")),
            attribute(code, "displayName"),
            text_of(first(code, "originalText")),
        ):
            if said:
                return cards.line(said, 60)
        node = node.getparent()
    return ""


def _idents(media: Element, structured: Element) -> list[str]:
    """Each ``ID`` by which the narrative may refer to it: its own, or that of what stands around it (a region)."""
    found: list[str] = []
    node: Element | None = media
    while node is not None and node is not structured and tag(node) not in ("section", "entry"):
        found += [ident] if (ident := attribute(node, "ID")) else []
        node = node.getparent()
    return found
