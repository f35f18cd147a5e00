"""CDA R2: what the header says, the structured body as HTML, embedded documents taken out. Pure.

Source: HL7 CDA R2, CI-SIS "Structuration minimale". Nothing is fetched, no style sheet is followed, times with odd
offsets are read as far as they go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bridge.model import File
from bridge.networks.mail.documents import card as cards
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.card import Card, line
from bridge.networks.mail.documents.cda.body import CdaBody
from bridge.networks.mail.documents.cda.header import root_of
from bridge.networks.mail.documents.cda.times import readable_time
from bridge.networks.mail.documents.patient import Patient
from bridge.networks.mail.documents.xmlsafe import Element, attribute, children, every, first, text_of

_USED = frozenset({"CL", "SP"})  # EntityNamePartQualifier: the name in use, the spouse's name
__all__ = ["Cda", "card", "looks_like", "parse", "readable_time"]


@dataclass(frozen=True, slots=True)
class Cda:
    """One document. ``code`` is the type (LOINC or TRE_A05), ``created`` an HL7 time, ``marks`` what it flags."""

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
    marks: tuple[str, ...] = field(default=(), repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()


def looks_like(data: bytes) -> bool:
    """Whether it is XML that names a ClinicalDocument (in an 8-bit or 16-bit charset)."""
    start = data[:200_000].replace(b"\0", b"")
    return re.match(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*<", start) is not None and b"ClinicalDocument" in start


def parse(data: bytes) -> Cda:
    """The document. Raises Refused: codes of xmlsafe, ``cda_no_document``."""
    root = root_of(data)
    role = first(root, "recordTarget/patientRole")
    code = first(root, "code")
    body = CdaBody(line(text_of(first(root, "title")), 80) or "document")
    body.read(root)
    return Cda(
        line(text_of(first(root, "title"))), line(attribute(code, "code"), 80), line(attribute(code, "displayName")),
        attribute(first(root, "effectiveTime"), "value")[:30], _patient(role), _people(root, "author/assignedAuthor"),
        _people(root, "informationRecipient/intendedRecipient"), _id(first(root, "id")), _id(first(root, "setId")),
        line(attribute(first(root, "versionNumber"), "value"), 10),
        line(attribute(first(root, "confidentialityCode"), "code"), 10), _replaced(root),
        body.text, body.html, body.marks, tuple(body.files), tuple(dict.fromkeys(body.problems)),
    )  # fmt: skip


def card(document: Cda) -> Card:
    """Type, date, author and patient, then the body."""
    pairs = [
        ("Type", document.label if document.label != document.title else ""), ("Date", readable_time(document.created)),
        ("Auteur", ", ".join(document.authors[:5])), *patients.identity(document.patient),
        ("Version", document.version if document.replaces else ""),
        ("Attention", "remplace un document précédent" if document.replaces else ""),
        ("Joint", ", ".join(one.name for one in document.files[:5])),
    ]  # fmt: skip
    made = cards.card(document.title or document.label or "Document médical", pairs, document.text, document.html,
                      document.marks)  # fmt: skip
    return Card(made.title, made.text, made.html, document.files)


def _id(element: Element | None) -> str:
    return line("^".join(part for part in (attribute(element, "root"), attribute(element, "extension")) if part), 200)


def _patient(role: Element | None) -> Patient:
    if role is None:
        return Patient()
    ids = [(attribute(one, "root"), attribute(one, "extension")) for one in list(children(role, "id"))[:20]]
    names = list(every(role, "patient/name"))[:10]
    families, givens = (
        sorted((one for name in names for one in children(name, kind)), key=_place) for kind in ("family", "given")
    )
    used = [text_of(one) for kind in (families, givens) for one in kind if _USED & set(_qualifiers(one))]
    sex = attribute(first(role, "patient/administrativeGenderCode"), "code")
    birth = attribute(first(role, "patient/birthTime"), "value")
    every_family, every_given = ([text_of(one) for one in found[:20]] for found in (families, givens))
    return patients.make(ids, every_family, every_given, birth, sex, " ".join(used[:4]))


def _qualifiers(part: Element) -> list[str]:
    return attribute(part, "qualifier").upper().split()


def _place(part: Element) -> int:
    """The civil state comes first (BR), names in use last: the first one is the one that a card calls the patient's."""
    said = _qualifiers(part)
    return 0 if "BR" in said else 2 if _USED & set(said) else 1


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
