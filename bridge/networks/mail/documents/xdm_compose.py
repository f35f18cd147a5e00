"""A conforming IHE_XDM.ZIP from documents and metadata: ISO 9660 names, ebRIM 3.0, own README and INDEX. Pure.

Source: IHE ITI TF-1 16.1 (layout, names), TF-3 4.2 (metadata). The same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import unicodedata
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lxml import etree

from bridge.errors import Refused
from bridge.networks.mail.documents.card import line
from bridge.networks.mail.documents.patient import NATIONAL, Patient

FOLDER = "IHE_XDM/SUBSET01/"
MOST = 99_999  # documents; names have five digits

_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
_LCM = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
_RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
_SPACE = uuid.UUID("6f2e1f0c-7d8d-5f2b-9a7e-3d1c0c6b7a51")  # our own, for ids that the same input gives again
_STABLE = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
_NODE = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
_DOCUMENT = {
    "author": "93606bcf-9494-43ec-9b4e-a7748d1a838d",
    "class": "41a5887f-8865-4c09-adf7-e362475b143a",
    "type": "f0306f51-975f-434e-a61c-c59651d33983",
    "format": "a09d5840-386c-46f2-b5ad-9c3699a4309d",
    "facility": "f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
    "practice": "cccf5598-8b07-4b77-a05e-ae952c785ead",
    "confidentiality": "f4f85eac-e6cb-4883-b524-f2705394840f",
    "unique": "2e82c1f6-a085-4c72-9da3-8640a32e42ab",
    "patient": "58a6f841-87b3-4a3e-92fd-a8ffeff98427",
}
_SET = {
    "author": "a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d",
    "content": "aa543740-bdda-424e-8c96-df4873be8500",
    "source": "554ac39e-e3fe-47fe-b233-965d2a147832",
    "unique": "96fdda7c-d067-4183-912e-bf5ee74998a8",
    "patient": "6b5aea1a-874d-4603-a4bc-96a0a7b38446",
}
_ENDINGS = {"text/xml": "XML", "application/xml": "XML", "application/pdf": "PDF", "text/plain": "TXT",
            "image/jpeg": "JPG", "image/png": "PNG"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Code:
    """A value of a code system (its OID) with the label people read."""

    value: str
    system: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote it; ``rpps`` is the national identifier (12 digits with its type, e.g. 8 + RPPS)."""

    family: str
    given: str
    rpps: str = ""
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A document to send. ``codes`` may hold class, type, format, facility, practice, confidentiality."""

    data: bytes = field(repr=False)
    mime: str
    title: str = field(repr=False)
    created: datetime
    author: Author
    codes: tuple[tuple[str, Code], ...]
    language: str = "fr-FR"


@dataclass(frozen=True, slots=True)
class Submission:
    """What goes into one archive: one patient (with at least one id), ``source`` an OID of the sender's own.

    ``family`` and ``given`` are the patient's names as written; without them the folded ones are used.
    """

    entries: tuple[ArchiveEntry, ...]
    patient: Patient = field(repr=False)
    author: Author
    sent: datetime
    source: str
    content: Code
    product: str = "Liaison"
    contact: str = ""
    family: str = field(default="", repr=False)
    given: str = field(default="", repr=False)


def compose(submission: Submission) -> bytes:
    """The archive. Raises Refused: ``xdm_no_document``, ``xdm_too_many``, ``xdm_no_patient_id``."""
    if not submission.entries:
        raise Refused("xdm_no_document")
    if len(submission.entries) > MOST:
        raise Refused("xdm_too_many", about=str(MOST))
    if not submission.patient.ids:
        raise Refused("xdm_no_patient_id")
    names = [f"DOC{n:05d}.{_ENDINGS.get(one.mime, 'BIN')}" for n, one in enumerate(submission.entries, 1)]
    files = {"README.TXT": _readme(submission, names), "INDEX.HTM": _index(submission, names)}
    files[f"{FOLDER}METADATA.XML"] = _metadata(submission, names)
    files |= {FOLDER + name: one.data for name, one in zip(names, submission.entries, strict=True)}
    return _zip(files, submission.sent)


def _zip(files: dict[str, bytes], when: datetime) -> bytes:
    packed = io.BytesIO()
    moment = when.astimezone(UTC)
    stamp = (max(1980, min(2107, moment.year)), moment.month, moment.day, moment.hour, moment.minute, moment.second)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, stamp)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 0
            archive.writestr(info, data)
    return packed.getvalue()


def _readme(sent: Submission, names: Sequence[str]) -> bytes:
    """Plain ASCII with CRLF, for any system. It names the sender, no patient."""
    lines = [
        "DOCUMENTS MEDICAUX (IHE XDM)", "", "EMETTEUR", f"  {sent.author.given} {sent.author.family}",
        f"  {sent.author.organisation}", f"  {sent.contact}", "", "LOGICIEL", f"  {sent.product}", "", "MODE D'EMPLOI",
        "  Ouvrez INDEX.HTM dans un navigateur, ou integrez l'archive dans votre logiciel.", "", "CONTENU",
        "  INDEX.HTM", f"  {FOLDER}METADATA.XML", *(f"  {FOLDER}{name}" for name in names), "",
    ]  # fmt: skip
    plain = "\r\n".join(line(one, 200) if not one.startswith("  ") else "  " + line(one, 200) for one in lines)
    letters = unicodedata.normalize("NFKD", plain)
    return letters.encode("ascii", "ignore")


def _index(sent: Submission, names: Sequence[str]) -> bytes:
    items = "".join(
        f'<li><a href="{FOLDER}{name}">{html.escape(line(one.title) or name)}</a></li>\r\n'
        for name, one in zip(names, sent.entries, strict=True)
    )
    who = html.escape(line(f"{sent.author.given} {sent.author.family} {sent.author.organisation}"))
    page = (
        '<!DOCTYPE html>\r\n<html lang="fr"><head><meta charset="utf-8"><title>Documents</title></head>\r\n'
        f"<body><h1>Documents médicaux</h1>\r\n<p>Envoyés par {who}.</p>\r\n<ul>\r\n{items}</ul>\r\n"
        '<p><a href="README.TXT">README.TXT</a></p></body></html>\r\n'
    )
    return page.encode()


def _metadata(sent: Submission, names: Sequence[str]) -> bytes:
    root = etree.Element(f"{{{_LCM}}}SubmitObjectsRequest", nsmap={"lcm": _LCM, "rim": _RIM})
    listed = _child(root, "RegistryObjectList")
    identity = "|".join([sent.sent.isoformat(), *(hashlib.sha256(one.data).hexdigest() for one in sent.entries)])
    package = _package(listed, sent, identity)
    for name, one in zip(names, sent.entries, strict=True):
        ident = _extrinsic(listed, sent, one, name)
        link = _child(listed, "Association", id=_uuid(f"link|{ident}|{package}"), sourceObject=package,
                      targetObject=ident, associationType=_MEMBER)  # fmt: skip
        _slot(link, "SubmissionSetStatus", "Original")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _package(parent: etree._Element, sent: Submission, identity: str) -> str:
    ident = _uuid(f"set|{identity}")
    package = _child(parent, "RegistryPackage", id=ident)
    _slot(package, "submissionTime", _time(sent.sent))
    _label(package, sent.content.label or "Documents")
    _author(package, _SET["author"], ident, sent.author)
    _coded(package, _SET["content"], ident, sent.content)
    for key, name, value in (
        ("unique", "uniqueId", _oid(f"set|{identity}")),
        ("source", "sourceId", sent.source),
        ("patient", "patientId", _cx(sent.patient)),
    ):
        _external(package, _SET[key], ident, f"XDSSubmissionSet.{name}", value)
    _child(parent, "Classification", id=_uuid(f"node|{ident}"), classifiedObject=ident, classificationNode=_NODE)
    return ident


def _extrinsic(parent: etree._Element, sent: Submission, one: ArchiveEntry, name: str) -> str:
    identity = f"{name}|{hashlib.sha256(one.data).hexdigest()}|{sent.sent.isoformat()}"
    ident = _uuid(identity)
    document = _child(parent, "ExtrinsicObject", id=ident, mimeType=one.mime, objectType=_STABLE)
    _slot(document, "creationTime", _time(one.created))
    _slot(document, "hash", hashlib.sha1(one.data, usedforsecurity=False).hexdigest())
    _slot(document, "languageCode", one.language)
    _slot(document, "size", str(len(one.data)))
    _slot(document, "sourcePatientId", _cx(sent.patient))
    _slot(document, "sourcePatientInfo", *_info(sent))
    _slot(document, "URI", name)
    _label(document, one.title)
    _author(document, _DOCUMENT["author"], ident, one.author)
    for key, code in one.codes:
        _coded(document, _DOCUMENT[key], ident, code)
    _external(document, _DOCUMENT["patient"], ident, "XDSDocumentEntry.patientId", _cx(sent.patient))
    _external(document, _DOCUMENT["unique"], ident, "XDSDocumentEntry.uniqueId", _oid(identity))
    return ident


def _child(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    kept = {name: _clean(value) for name, value in attributes.items()}
    return etree.SubElement(parent, f"{{{_RIM}}}{tag}", kept)


def _clean(text: str) -> str:
    """Text that XML can carry."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def _slot(parent: etree._Element, name: str, *values: str) -> None:
    listed = _child(_child(parent, "Slot", name=name), "ValueList")
    for value in values:
        _child(listed, "Value").text = _clean(value)


def _label(parent: etree._Element, text: str) -> None:
    _child(_child(parent, "Name"), "LocalizedString", value=line(text))


def _coded(parent: etree._Element, scheme: str, ident: str, code: Code) -> None:
    one = _child(parent, "Classification", id=_uuid(f"{scheme}|{ident}"), classifiedObject=ident,
                 classificationScheme=f"urn:uuid:{scheme}", nodeRepresentation=code.value)  # fmt: skip
    _slot(one, "codingScheme", code.system)
    _label(one, code.label or code.value)


def _author(parent: etree._Element, scheme: str, ident: str, author: Author) -> None:
    one = _child(parent, "Classification", id=_uuid(f"{scheme}|{ident}"), classifiedObject=ident,
                 classificationScheme=f"urn:uuid:{scheme}", nodeRepresentation="")  # fmt: skip
    names = f"{_part(author.family)}^{_part(author.given)}"
    tail = "^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS" if author.rpps else ""
    _slot(one, "authorPerson", f"{_part(author.rpps)}^{names}{tail}")
    if author.organisation:
        _slot(one, "authorInstitution", _part(author.organisation))


def _external(parent: etree._Element, scheme: str, ident: str, name: str, value: str) -> None:
    one = _child(parent, "ExternalIdentifier", id=_uuid(f"{name}|{ident}"), registryObject=ident,
                 identificationScheme=f"urn:uuid:{scheme}", value=value)  # fmt: skip
    _label(one, name)


def _part(text: str) -> str:
    """A value inside an HL7 field: its separators are taken out."""
    return re.sub(r"[\^~&|\\]", " ", line(text, 120))


def _cx(patient: Patient) -> str:
    """The patient's id as CX, the national number first."""
    root, number = min(patient.ids, key=lambda one: (one[0] not in NATIONAL, one))
    return f"{_part(number)}^^^&{_part(root)}&ISO"


def _info(sent: Submission) -> list[str]:
    patient = sent.patient
    family = sent.family or min(patient.families, default="")
    given = sent.given or min(patient.givens, default="")
    found = [f"PID-5|{_part(family)}^{_part(given)}^^^"] if family else []
    found += [f"PID-7|{patient.birth.replace('-', '')}"] if patient.birth else []
    return found + ([f"PID-8|{patient.sex}"] if patient.sex else [])


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S")


def _uuid(text: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_SPACE, text)}"


def _oid(text: str) -> str:
    """An OID made of a UUID (ITU-T X.667)."""
    return f"2.25.{uuid.uuid5(_SPACE, text).int}"
