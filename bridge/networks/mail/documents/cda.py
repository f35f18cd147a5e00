"""CDA R2: what the header says, the structured body as HTML, embedded documents taken out. Pure.

Source: HL7 CDA R2, CI-SIS "Structuration minimale". Nothing is fetched, no style sheet is followed, times with odd
offsets are read as far as they go.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import card as cards
from bridge.networks.mail.documents import narrative
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.card import Card, line
from bridge.networks.mail.documents.patient import Patient
from bridge.networks.mail.documents.xmlsafe import Element, attribute, children, every, first, parse_xml, tag, text_of

MOST_FILE = 32 << 20  # bytes, decoded
MOST_MEDIA = 20

_ENDINGS = {"application/pdf": "pdf", "text/plain": "txt", "text/rtf": "rtf", "application/rtf": "rtf",
            "text/html": "html", "image/png": "png", "image/jpeg": "jpg", "image/tiff": "tif"}  # fmt: skip
_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(?:(\d{2})(\d{2}))?")


@dataclass(frozen=True, slots=True)
class Cda:
    """One document. ``code`` is the type (LOINC or TRE_A05), ``created`` an HL7 time, ``body`` (text, html)."""

    title: str = field(repr=False)
    code: str
    label: str = field(repr=False)
    created: str
    patient: Patient = field(repr=False)
    authors: tuple[str, ...] = field(default=(), repr=False)
    recipients: tuple[str, ...] = field(default=(), repr=False)
    id: str = field(default="", repr=False)
    set_id: str = field(default="", repr=False)
    version: str = ""
    confidentiality: str = ""
    replaces: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()


def looks_like(data: bytes) -> bool:
    """Whether it is XML that names a ClinicalDocument (in an 8-bit or 16-bit charset)."""
    start = data[:200_000].replace(b"\0", b"")
    return re.match(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*<", start) is not None and b"ClinicalDocument" in start


def parse(data: bytes) -> Cda:
    """The document. Raises Refused: codes of xmlsafe, ``cda_no_document``."""
    root = parse_xml(data)
    if tag(root) != "clinicaldocument":
        raise Refused("cda_no_document")
    role = first(root, "recordTarget/patientRole")
    code = first(root, "code")
    body = _Body(line(text_of(first(root, "title")), 80) or "document")
    body.read(root)
    return Cda(
        line(text_of(first(root, "title"))), line(attribute(code, "code"), 80), line(attribute(code, "displayName")),
        attribute(first(root, "effectiveTime"), "value")[:30], _patient(role), _people(root, "author/assignedAuthor"),
        _people(root, "informationRecipient/intendedRecipient"), _id(first(root, "id")), _id(first(root, "setId")),
        line(attribute(first(root, "versionNumber"), "value"), 10),
        line(attribute(first(root, "confidentialityCode"), "code"), 10), _replaced(root),
        body.text, body.html, tuple(body.files), tuple(dict.fromkeys(body.problems)),
    )  # fmt: skip


def card(document: Cda) -> Card:
    """Type, date, author and patient, then the body."""
    born = patients.french_date(document.patient.birth)
    pairs = [
        ("Type", document.label if document.label != document.title else ""), ("Date", readable_time(document.created)),
        ("Auteur", ", ".join(document.authors[:5])), ("Patient", document.patient.label), ("Né(e) le", born),
        ("Version", document.version if document.replaces else ""),
        ("Attention", "remplace un document précédent" if document.replaces else ""),
        ("Joint", ", ".join(one.name for one in document.files[:5])),
    ]  # fmt: skip
    made = cards.card(document.title or document.label or "Document médical", pairs, document.text, document.html)
    return Card(made.title, made.text, made.html, document.files)


def readable_time(value: str) -> str:
    """``20240106113623+100`` as ``06/01/2024 11:36`` (local time of the writer); odd values as they are."""
    found = _TIME.match(value)
    if found is None:
        return line(value, 30)
    day = "/".join(part for part in (found[3], found[2], found[1]) if part)
    return f"{day} {found[4]}:{found[5]}" if found[4] and found[3] else day


def _id(element: Element | None) -> str:
    return line("^".join(part for part in (attribute(element, "root"), attribute(element, "extension")) if part), 200)


def _patient(role: Element | None) -> Patient:
    if role is None:
        return Patient()
    ids = [(attribute(one, "root"), attribute(one, "extension")) for one in list(children(role, "id"))[:20]]
    names = list(every(role, "patient/name"))[:10]
    families = [text_of(one) for name in names for one in children(name, "family")]
    givens = sorted(
        (one for name in names for one in children(name, "given")), key=lambda g: attribute(g, "qualifier") == ""
    )
    sex = attribute(first(role, "patient/administrativeGenderCode"), "code")
    birth = attribute(first(role, "patient/birthTime"), "value")
    return patients.make(ids, families[:20], [text_of(one) for one in givens[:20]], birth, sex)


def _people(root: Element, path: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for one in list(every(root, path))[:20] if (name := _person(one))))


def _person(role: Element) -> str:
    """``DR Pierre DIDOT (Pharmacie des 4 cantons)``; the device or the organisation if no person is named."""
    name = next((found for kind in ("assignedPerson", "informationRecipient") if (found := first(role, f"{kind}/name"))
                 is not None), None)  # fmt: skip
    parts = (
        [] if name is None else [text_of(one) for kind in ("suffix", "given", "family") for one in children(name, kind)]
    )
    who = " ".join(parts) or text_of(name) or text_of(first(role, "assignedAuthoringDevice/softwareName"))
    place = text_of(first(role, "representedOrganization/name")) or text_of(first(role, "receivedOrganization/name"))
    return line(f"{who} ({place})" if who and place else who or place, 150)


def _replaced(root: Element) -> str:
    """The id of the document that this one replaces (relatedDocument RPLC)."""
    for one in children(root, "relatedDocument"):
        if attribute(one, "typeCode").upper() == "RPLC":
            return _id(first(one, "parentDocument/id"))
    return ""


class _Body:
    """The body's text and HTML, and what was embedded in it."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.text = self.html = ""
        self.files: list[File] = []
        self.problems: list[str] = []

    def read(self, root: Element) -> None:
        """Level 1 (an embedded document) or level 2 and 3 (sections); images of sections as files."""
        plain = first(root, "component/nonXMLBody/text")
        structured = first(root, "component/structuredBody")
        if plain is not None:
            self.embedded(plain)
        elif structured is not None:
            self.text, self.html = narrative.render(structured)
            media = [one for one in structured.iter() if tag(one) == "observationmedia"]
            for one in media[:MOST_MEDIA]:
                self.take(first(one, "value"), f"image-{len(self.files) + 1}")
        else:
            self.problems.append("cda_no_body")

    def embedded(self, element: Element) -> None:
        """The document of a nonXMLBody; plain text is shown as well."""
        found = self.take(element, self.title)
        if found is not None and found.mime == "text/plain":
            self.text = found.data.decode("utf-8", "replace")[: cards.MOST_HTML]
            self.html = f"<p>{cards.escape(self.text)}</p>"

    def take(self, element: Element | None, stem: str) -> File | None:
        """The bytes of an ED value as a file; nothing is fetched, nothing unpacked."""
        if element is None:
            return None
        mime = cards.mime_type(attribute(element, "mediaType") or "text/plain")
        if attribute(element, "compression"):
            self.problems.append("cda_compressed")
        elif first(element, "reference") is not None:
            self.problems.append("cda_elsewhere")
        elif (data := self.decoded(element)) is not None:
            name = cards.file_name(f"{stem}.{_ENDINGS.get(mime, 'bin')}")
            self.files.append(File(name, mime, data))
            return self.files[-1]
        return None

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
