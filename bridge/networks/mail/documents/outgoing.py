"""Documents written in chat as a conforming mail: IHE_XDM.ZIP, a PDF beside each CDA, subject and X-MSS headers. Pure.

Source: MSSanté client reference #2, rules 2.1 (one patient per mail, XDM with the same documents as PDF, names) and
2.4; IHE ITI TF-1 16. This project's own choices:

- a CDA R2 document (by its content) is always sent so, or as it is where it cannot conform; ``/xdm`` as the first line
  of a message asks for it, and then the writer is told why it cannot be done;
- documents that are not surely of one patient never share a mail: what was gathered becomes several mails, and a single
  message with two patients is refused;
- a PDF is never made: it is the one in the CDA, or the one that came in the same message.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import cda, subject, xdm
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents import read as read_documents
from bridge.networks.mail.documents.cda import header as cda_header
from bridge.networks.mail.documents.cda.header import Header
from bridge.networks.mail.documents.patient import Patient
from bridge.networks.mail.documents.xdm_compose import ArchiveEntry, Author, Code, Submission

ARCHIVE = "IHE_XDM.ZIP"
COMMAND = "/xdm"
MOST = 100  # CDA documents of one mail
_PDF = "application/pdf"
_SPACE = uuid.UUID("1c0d7f56-53a5-5ad5-8f0e-6d0f6a1f5b0e")  # our own, for the OIDs of senders


@dataclass(frozen=True, slots=True)
class Sheet:
    """One CDA document that could be read, with the PDF that it holds."""

    file: File = field(repr=False)
    header: Header = field(repr=False)
    patient: Patient = field(repr=False)
    pdf: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Carried:
    """What one message of the chat carries. ``unread``: CDA documents that cannot be read; ``archive``: its one XDM."""

    files: tuple[File, ...] = field(default=(), repr=False)
    sheets: tuple[Sheet, ...] = field(default=(), repr=False)
    patients: frozenset[Patient] = field(default=frozenset(), repr=False)
    unread: int = 0
    archive: File | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: the author of the submission, how to reach them, and the hub's domain, of which its OID is made."""

    author: Author
    contact: str = field(repr=False)
    domain: str


@dataclass(frozen=True, slots=True)
class Conformed:
    """What the mail gets: its subject if it begins a thread, header fields, all its files, whose documents they are."""

    subject: str = field(repr=False)
    mss: Mapping[str, str] = field(repr=False)
    files: tuple[File, ...] = field(repr=False)
    patient: Patient = field(repr=False)


def asked(text: str) -> str | None:
    """The text without its first line ``/xdm``; None if nobody asks for it."""
    head, _, rest = text.lstrip().partition("\n")
    return rest.lstrip("\n") if head.strip().lower() == COMMAND else None


def concerned(files: Iterable[File]) -> bool:
    """Whether there is anything to do, told cheaply."""
    return any(cda.looks_like(file.data) or xdm.looks_like(file.name, file.data) for file in files)


def carried(files: Sequence[File]) -> Carried:
    """The documents of one message. Never raises."""
    sheets: list[Sheet] = []
    found = [file for file in files if cda.looks_like(file.data)]
    for file in found:
        sheets += _sheet(file)
    unread = len(found) - len(sheets)
    archives = [file for file in files if xdm.looks_like(file.name, file.data)]
    archive = archives[0] if len(archives) == 1 and not found else None
    if archive is not None:
        sheets = _packed(archive)
    return Carried(tuple(files), tuple(sheets), read_documents(files).patients, unread, archive)


def apart(messages: Sequence[Carried]) -> list[int]:
    """How many of the messages each mail takes, in order: one patient in each."""
    sizes: list[int] = []
    start = 0
    for end, one in enumerate(messages):
        if end > start and not _together([*messages[start:end], one]):
            sizes.append(end - start)
            start = end
    return [*sizes, len(messages) - start] if messages else []


def conform(messages: Sequence[Carried], sender: Sender, at: int, *, wanted: bool = False) -> Conformed | None:
    """The conforming form of one mail's messages; None: it leaves as it is. ``at`` in milliseconds since 1970.

    Raises Refused: ``xdm_several_patients``; where it is ``wanted`` also ``xdm_no_document``, ``xdm_unreadable``,
    ``xdm_no_patient_id``, ``xdm_too_many``.
    """
    if not _together(messages):
        raise Refused("xdm_several_patients")
    try:
        return _conformed(messages, sender, datetime.fromtimestamp(at / 1000, UTC), wanted)
    except Refused:
        if wanted:
            raise
        return None


def _conformed(messages: Sequence[Carried], sender: Sender, at: datetime, wanted: bool) -> Conformed:
    sheets = [sheet for one in messages for sheet in one.sheets]
    if wanted and any(one.unread for one in messages):
        raise Refused("xdm_unreadable")
    if not sheets:
        raise Refused("xdm_no_document")
    if len(sheets) > MOST:
        raise Refused("xdm_too_many", about=str(MOST))
    patient = _merged(sheets)
    archives = [one.archive for one in messages if one.archive is not None]
    loose = [sheet for one in messages if one.archive is None for sheet in one.sheets]
    if archives and (loose or len(archives) > 1):
        raise Refused("xdm_too_many", about="1")
    packed = archives[0].data if archives else xdm.compose(_submission(sheets, sender, at, patient))
    beside, taken = _pdfs(messages, at)
    gone = {id(sheet.file) for sheet in sheets} | taken | {id(file) for file in archives}
    others = [file for one in messages for file in one.files if id(file) not in gone]
    files = (File(ARCHIVE, "application/zip", packed), *beside, *others)
    headers = subject.Mss(tuple(sheet.header.type.value for sheet in sheets), any(_qualified(s) for s in sheets))
    mss = MappingProxyType(dict(subject.compose_mss(headers)))
    return Conformed(_subject(sheets, patient), mss, files, patient)


def author_of(name: str, rpps: str = "", organisation: str = "") -> Author:
    """Somebody of the directory: the family name is the words in capitals at the end, else the last word."""
    words = name.split()
    first = len(words) - 1
    while first > 1 and words[first].isupper() and words[first - 1].isupper():
        first -= 1
    number = f"8{rpps}" if len(rpps) == 11 else ""
    return Author(" ".join(words[max(0, first) :]), " ".join(words[: max(0, first)]), number, organisation)


def _sheet(file: File) -> list[Sheet]:
    try:
        found, header = cda.parse(file.data), cda_header.read(file.data)
    except Refused:
        return []
    pdf = next((one.data for one in found.files if one.data.startswith(b"%PDF-")), None)
    return [Sheet(file, header, found.patient, pdf)]


def _packed(archive: File) -> list[Sheet]:
    """The CDA documents of an archive that somebody else made: it leaves as it is."""
    try:
        documents = xdm.parse(archive.data).documents
    except Refused:
        return []
    inside = [File(one.name, one.mime, one.data) for one in documents if cda.looks_like(one.data)]
    return [sheet for file in inside for sheet in _sheet(file)]


def _together(messages: Sequence[Carried]) -> bool:
    """Whether one mail may hold them: the CDA documents surely of one patient, nothing of another one beside them."""
    sheets = [sheet for one in messages for sheet in one.sheets]
    if not sheets:
        return True
    whole = _merged(sheets)
    if len(sheets) > 1 and any(patients.same_patient(whole, sheet.patient) is not True for sheet in sheets):
        return False
    return not any(patients.same_patient(whole, other) is False for one in messages for other in one.patients)


def _merged(sheets: Sequence[Sheet]) -> Patient:
    found = patients.merged(sheet.patient for sheet in sheets)
    return max(found, key=lambda one: len(one.ids)) if found else Patient()


def _submission(sheets: Sequence[Sheet], sender: Sender, at: datetime, patient: Patient) -> Submission:
    first = sheets[0].header
    entries = tuple(
        ArchiveEntry(sheet.file.data, "text/xml", sheet.header.title or "Document", sheet.header.created or at,
              sheet.header.author if sheet.header.author.family else sender.author, sheet.header.codes,
              sheet.header.language)
        for sheet in sheets
    )  # fmt: skip
    content = first.type if first.type.value else Code("", "", "Documents")
    oid = f"2.25.{uuid.uuid5(_SPACE, sender.domain).int}"
    return Submission(
        entries, patient, sender.author, at, oid, content, contact=sender.contact, family=first.family,
        given=first.given,
    )  # fmt: skip


def _subject(sheets: Sequence[Sheet], patient: Patient) -> str:
    first = sheets[0].header
    labels = {_label(sheet) for sheet in sheets}
    label = labels.pop() if len(labels) == 1 else "Documents médicaux"
    return subject.compose(label, first.family, first.given, patient.birth)


def _label(sheet: Sheet) -> str:
    return sheet.header.type.label or sheet.header.title or "Document médical"


def _qualified(sheet: Sheet) -> bool:
    """A national number with the right key beside the five traits: what only a qualified identity may carry."""
    who = sheet.patient
    numbers = [number for root, number in who.ids if root in patients.NATIONAL and patients.valid_ins(number)]
    return bool(numbers and who.families and who.givens and who.birth and who.sex)


def _pdfs(messages: Sequence[Carried], at: datetime) -> tuple[list[File], set[int]]:
    """The PDF of each CDA under its proper name, and which attached files (by ``id``) they stand for."""
    found: list[tuple[Sheet, bytes]] = []
    taken: set[int] = set()
    for one in messages:
        loose = [file for file in one.files if file.mime == _PDF and file.data.startswith(b"%PDF-")]
        inner = {_digest(sheet.pdf) for sheet in one.sheets if sheet.pdf is not None}
        taken |= {id(file) for file in loose if _digest(file.data) in inner}
        loose = [file for file in loose if id(file) not in taken]
        bare = [sheet for sheet in one.sheets if sheet.pdf is None]
        pairs = dict(zip(map(id, bare), loose, strict=True)) if len(bare) == len(loose) else {}
        taken |= {id(file) for file in pairs.values()}
        for sheet in one.sheets:
            data = sheet.pdf if sheet.pdf is not None else pairs[id(sheet)].data if id(sheet) in pairs else None
            found += [(sheet, data)] if data is not None else []
    return _named(found, at), taken


def _named(found: Sequence[tuple[Sheet, bytes]], at: datetime) -> list[File]:
    """Each with its own name: those that would be called the same are numbered."""
    names = [(s.header.act or f"{at:%Y%m%d}", _label(s), s.header.family, s.header.given) for s, _ in found]
    files = []
    for place, (name, (_, data)) in enumerate(zip(names, found, strict=True)):
        number = str(names[: place + 1].count(name)) if names.count(name) > 1 else ""
        files.append(File(subject.pdf_name(subject.PdfName(*name, number)), _PDF, data))
    return files


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


__all__ = [
    "ARCHIVE", "Author", "Carried", "Conformed", "Sender", "apart", "asked", "author_of", "carried", "concerned",
    "conform",
]  # fmt: skip
