"""Documents of a mail: recognised by content and name, unpacked safely, shown as cards; originals stay untouched."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.errors import Refused, where
from bridge.model import File
from bridge.networks.mail.documents import apicrypt, cda, invitation, subject, tnef, words, xdm
from bridge.networks.mail.documents import card as cards
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.card import MOST_HTML, Card, escape, file_name, mime_type
from bridge.networks.mail.documents.laboratory import card as laboratory_card
from bridge.networks.mail.documents.laboratory import hl7v2, hprim
from bridge.networks.mail.documents.laboratory.results import Record
from bridge.networks.mail.documents.patient import Patient
from bridge.networks.mail.mime.alternatives import unsaid
from bridge.networks.mail.mime.safe_html import to_text

__all__ = ["Card", "Patient", "ReadDocuments", "read"]

log = logging.getLogger(__name__)

MOST_CARDS = 60
MOST_FILES = 200
MOST_PATIENTS = 200
MOST_BYTES = 128 << 20  # of all files taken out
MOST_DEPTH = 2  # a CDA in an archive in a winmail.dat

# What only says that a document is damaged or incomplete; every other refusal is a defence.
_UNREADABLE = (
    "_damaged", "_no_document", "_no_record", "_no_event", "_no_metadata",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadDocuments:
    """What the documents of one mail say.

    ``files`` are taken out of others; the originals are kept by the caller. ``problems`` are codes: ``refused: …`` for
    what is hostile or closed, ``unreadable: …`` for what is damaged, else what to check (:func:`words.say`). ``rest``:
    what the mail's text says beside the document that it is; None if it is none.
    """

    cards: tuple[Card, ...] = field(default=(), repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)
    patients: frozenset[Patient] = field(default=frozenset(), repr=False)
    problems: tuple[str, ...] = ()
    rest: str | None = field(default=None, repr=False)


def read(files: Sequence[File], subject: str = "", body: str = "") -> ReadDocuments:
    """Cards, files, patients and problems of a mail's attachments. Never raises; bounded in number and size.

    ``body``: the mail's text, which may be a file of results itself.
    """
    reader = _Reader(files)
    reader.said = body
    reader.guarded("subject", lambda: reader.subject(subject))
    reader.guarded("body", lambda: reader.body(body))
    for one in files:
        reader.file(one, 0)
    return reader.reading()


class _Reader:
    """What was found so far in the files of one mail."""

    def __init__(self, originals: Sequence[File]) -> None:
        self.cards: list[Card] = []
        self.files: list[File] = []
        self.patients: list[Patient] = []
        self.problems: list[str] = []
        self.said = ""  # the mail's own text
        self.seen = {_digest(one.data) for one in originals}
        self.left = MOST_BYTES
        self.rest: str | None = None

    def reading(self) -> ReadDocuments:
        """Everything together."""
        if len(self.patients) > MOST_PATIENTS:
            self.problems.append("too_many_documents")
        found = patients.merged(self.patients[:MOST_PATIENTS])
        if any(patients.same_patient(a, b) is False for a in found for b in found):
            self.problems.append("several_patients")
        return ReadDocuments(
            tuple(self.cards), tuple(self.files), found, tuple(dict.fromkeys(self.problems)), self.rest
        )

    def subject(self, text: str) -> None:
        """The patient that a subject of the XDM form names."""
        found = subject.parse(text)
        if found is not None and found.patient is not None:
            self.patients.append(found.patient)

    def body(self, text: str) -> None:
        """The results that the mail's text is (some programs write the file into the mail)."""
        if (found := hprim.of_body(text)) is not None:
            records, self.rest = found
            self.records(records, 0)
        elif hl7v2.looks_like(text.encode("utf-8", "replace")[:400]):
            self.records(hl7v2.parse(text.encode("utf-8", "replace")), 0)
            self.rest = ""

    def records(self, found: Sequence[Record], depth: int) -> None:
        """The records of a laboratory's file."""
        for record in found:
            self.patients.append(record.patient)
            self.problems.extend(record.problems)
            self.show(laboratory_card.card(record))
            for file in record.files:
                self.inner(file, depth)

    def guarded(self, kind: str, work: Callable[[], None]) -> bool:
        """Do it, and turn whatever goes wrong into a problem; whether it went well."""
        try:
            work()
        except Refused as no:
            self.problem(no.code)
        except Exception as bug:
            log.warning("a document (%s) was not read: %s", kind, where(bug))
            self.problems.append(f"{words.UNREADABLE}{kind}")
        else:
            return True
        return False

    def problem(self, code: str) -> None:
        """A refusal, as what it means for the reader."""
        kind = words.UNREADABLE if code.endswith(_UNREADABLE) else words.REFUSED
        self.problems.append(kind + code)

    def file(self, one: File, depth: int) -> bool:
        """Recognise a file and read it; whether a card stands for it."""
        for kind, fits, work in _KINDS:
            if fits(one):
                return self.guarded(kind, lambda work=work: work(self, one, depth))  # type: ignore[misc]
        return False

    def show(self, made: Card) -> None:
        """One card more, if there is room."""
        if len(self.cards) < MOST_CARDS:
            self.cards.append(made)
        else:
            self.problems.append("too_many_documents")

    def take(self, one: File) -> None:
        """A file taken out of another, unless the mail has the same bytes already."""
        digest = _digest(one.data)
        if digest in self.seen:
            return
        if len(self.files) >= MOST_FILES or one.size > self.left:
            self.problems.append("too_many_documents")
            return
        self.seen.add(digest)
        self.left -= one.size
        self.files.append(one)

    def inner(self, one: File, depth: int) -> None:
        """A file within a file: a card if it is a document we can show, else the file itself."""
        if depth >= MOST_DEPTH or not self.file(one, depth + 1):
            self.take(one)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _read_xdm(reader: _Reader, one: File, depth: int) -> None:
    found = xdm.parse(one.data)
    reader.patients.extend(found.patients)
    reader.problems.extend(found.problems)
    if any(document.replaces for document in found.documents):
        reader.problems.append("xdm_replaces")
    for document in found.documents:
        ending = document.name.rpartition(".")[2]
        name = f"{document.title}.{ending}" if document.title else document.name
        reader.inner(File(file_name(name), document.mime, document.data), depth)


def _read_cda(reader: _Reader, one: File, depth: int) -> None:
    found = cda.parse(one.data)
    reader.patients.append(found.patient)
    reader.problems.extend(found.problems)
    reader.show(cda.card(found))
    for file in found.files:
        reader.take(file)


def _read_hprim(reader: _Reader, one: File, depth: int) -> None:
    reader.records(hprim.parse(one.data), depth)


def _read_hl7(reader: _Reader, one: File, depth: int) -> None:
    reader.records(hl7v2.parse(one.data), depth)


def _read_tnef(reader: _Reader, one: File, depth: int) -> None:
    found = tnef.parse(one.data)
    reader.problems.extend(found.problems)
    if (found.text or found.html) and unsaid(found.text or to_text(found.html), reader.said):
        small = found.html if len(found.html) <= MOST_HTML else ""
        reader.show(
            cards.card("Message Outlook (winmail.dat)", [], found.text, small or f"<p>{escape(found.text)}</p>")
        )
    for file in found.files:
        reader.inner(file, depth)


def _read_calendar(reader: _Reader, one: File, depth: int) -> None:
    reader.show(invitation.card(one.data))


def _read_apicrypt(reader: _Reader, one: File, depth: int) -> None:
    reader.show(cards.card("Document Apicrypt v1", [], "\n".join(words.say(apicrypt.CODE))))
    raise Refused(apicrypt.CODE)


def _named(one: File, *endings: str) -> bool:
    return one.name.strip().lower().endswith(endings)


_KINDS: tuple[tuple[str, Callable[[File], bool], Callable[[_Reader, File, int], None]], ...] = (
    ("apicrypt", apicrypt.is_file, _read_apicrypt),
    ("xdm", lambda one: xdm.looks_like(one.name, one.data), _read_xdm),
    ("tnef", lambda one: tnef.looks_like(one.data) or _named(one, "winmail.dat"), _read_tnef),
    ("cda", lambda one: cda.looks_like(one.data), _read_cda),
    (
        "calendar",
        lambda one: invitation.looks_like(one.data) or mime_type(one.mime) == "text/calendar" or _named(one, ".ics"),
        _read_calendar,
    ),
    (
        "hprim",
        lambda one: (
            _named(one, ".hpr", ".hpm")
            or ((_named(one, ".txt") or one.mime.startswith("text/")) and hprim.looks_like(one.data))
        ),
        _read_hprim,
    ),
    ("hl7", lambda one: hl7v2.looks_like(one.data), _read_hl7),
)
