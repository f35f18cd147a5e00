"""Subjects, names of PDF attachments and X-MSS headers of the mail standard, read leniently, written strictly. Pure.

Source: MSSanté client reference #2, rules 2.1.3, 2.1.6, 2.2.8 and 2.4; IHE ITI TF-1 XDM (``XDM/1.0/DDM``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.card import file_name, line
from bridge.networks.mail.documents.patient import Patient

_PREFIX = r"(?:\s*(?:(?:re|r[ée]f|tr|fwd?|aw|wg|i)\s*(?:\[\d+\])?\s*:|\[annule et remplace\]))"
_FORM = re.compile(rf"(?P<marks>{_PREFIX}*)\s*XDM/1\.0/DDM(?:\s*[+/]\s*(?P<label>.*)|\s*)", re.I | re.S)
_DATE = re.compile(r"\s*\b(\d{2}/\d{2}/\d{4})\s*$")
_REPLACES = re.compile(r"\[annule et remplace\]", re.I)
_CODE = re.compile(r"[A-Za-z0-9._-]{1,40}")


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject of the XDM form. It names a patient: never a room name, a topic, a log line or a notification.

    ``marks`` are the prefixes of replies and forwards; ``label`` is what follows ``XDM/1.0/DDM+``; ``kind`` the type of
    document if it could be told from the name; ``patient`` is None if no name was found.
    """

    marks: str = field(repr=False)
    label: str = field(repr=False)
    kind: str = field(repr=False)
    patient: Patient | None = field(repr=False)
    replaces: bool = False


def parse(subject: str) -> Subject | None:
    """The parts of a subject of the XDM form, None for any other subject."""
    found = _FORM.fullmatch(line(subject, 900))
    if found is None:
        return None
    label = line(found["label"] or "", 500)
    kind, patient = _patient(label)
    return Subject(line(found["marks"], 200), label, kind, patient, bool(_REPLACES.search(found["marks"])))


def _patient(label: str) -> tuple[str, Patient | None]:
    """``<label> <NOM> <prenom> [<dd/mm/yyyy>]``: NOM is the last run of upper-case words with a word after it."""
    dated = _DATE.search(label)
    birth = dated[1] if dated else ""
    words = _DATE.sub("", label).split()
    last = next((i for i in range(len(words) - 2, -1, -1) if _upper(words[i])), None)
    if last is None:
        return line(" ".join(words)), None
    start = last
    while start > 0 and _upper(words[start - 1]):
        start -= 1
    family, given = words[start : last + 1], words[last + 1 :]
    capitals = start == 0 and not birth and (len(family) > 1 or all(_upper(word) for word in given))
    if capitals or not given[0][0].isupper():  # "COMPTE RENDU", "IRM cérébrale": no name, or no telling where it begins
        return line(" ".join(words)), None
    return " ".join(words[:start]), patients.make((), [" ".join(family)], [" ".join(given)], birth)


def _upper(word: str) -> bool:
    letters = [c for c in word if c.isalpha()]
    return len(letters) > 1 and all(c.isupper() for c in letters)


def compose(kind: str, family: str = "", given: str = "", birth: str = "") -> str:
    """``XDM/1.0/DDM+<kind> <NOM> <prenom> <dd/mm/yyyy>`` on one line; ``birth`` in ISO or French form, may be empty."""
    day = patients.french_date(patients.birth_date(birth))
    parts = (line(kind, 100), line(family, 80).upper(), line(given, 80), day)
    label = " ".join(part for part in parts if part)
    return f"XDM/1.0/DDM+{label}" if label else "XDM/1.0/DDM"


def display(subject: str) -> str:
    """The subject as people see it: the XDM prefix hidden, the marks of replies kept."""
    found = parse(subject)
    if found is None:
        return line(subject, 900)
    return " ".join(part for part in (found.marks, found.label or "Document médical") if part)


def closes(subject: str) -> bool:
    """Whether the subject alone ends the exchange with a citizen (exactly ``[FIN]``)."""
    return subject.strip() == "[FIN]"


@dataclass(frozen=True, slots=True)
class PdfName:
    """``<act date>_<type>_<NOM>_<prenom>[_<file no>].pdf``; ``act`` is ``YYYYMMDD``."""

    act: str
    kind: str = field(repr=False)
    family: str = field(repr=False)
    given: str = field(repr=False)
    number: str = field(default="", repr=False)


def pdf_name(name: PdfName) -> str:
    """The name of the PDF that stands beside a CDA."""
    parts = (name.act, name.kind, name.family.upper(), name.given, name.number)
    kept = [line(part.replace("_", " "), 60) for part in parts]
    return file_name("_".join(re.sub(r'[\\/:*?"<>|]', "-", part) for part in kept if part) + ".pdf")


@dataclass(frozen=True, slots=True)
class Mss:
    """The X-MSS headers: codes of every CDA, whether any INS is qualified (None: no CDA), product reference, end."""

    codes: tuple[str, ...] = ()
    ins: bool | None = None
    product: str = ""
    ends: bool = False


def compose_mss(mss: Mss) -> tuple[tuple[str, str], ...]:
    """Header names and values; X-MSS-CODECDA and X-MSS-INS only where there is a CDA. Values hold no line break."""
    codes = tuple(code for code in dict.fromkeys(mss.codes) if _CODE.fullmatch(code))
    pairs: list[tuple[str, str]] = []
    if codes:
        pairs.append(("X-MSS-CODECDA", ",".join(codes)))
        pairs.append(("X-MSS-INS", "O" if mss.ins else "N"))
    if mss.product:
        pairs.append(("X-MSS-NIL", line(mss.product, 80)))
    if mss.ends:
        pairs.append(("X-MSS-MES", "FIN"))
    return tuple(pairs)
