"""Pure: what one line of a public file, or one answer of the FHIR API, says of one professional or service mailbox.

A record is a tuple of texts and a line of text at the same time: an import sorts some millions of them on disk, so each
costs what a line costs. Everything known of somebody is the sorted set of the records; :mod:`.merging` makes an entry
of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

ACTIVITY, KNOW_HOW, MAILBOX = "A", "K", "M"
"""Kinds: an activity at a structure, a speciality, a mailbox. Each comes from one of the public files."""

PERSONAL, OF_ORGANISATION = "PER", "ORG"
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_UNSEEN = re.compile(r"[\xad\u200b-\u200f\u2060\ufeff\ufffd]+")
_BLANKS = re.compile(r"\s+")
_RPPS = re.compile(r"8(\d{11})")
_NATIONAL = re.compile(r"[0-9A-Z]{2,20}")
_ADDRESS = re.compile(r"[^@\s,;<>\"()|]+@[^@\s,;<>\"()|]+\.[^@\s,;<>\"()|.]+")


class DirectoryRecord(NamedTuple):
    """One statement of one source; what it does not say is empty.

    ``kind`` as above. ``site`` is the national id of the structure (IDNST: ``1`` + FINESS, ``3`` + SIRET), else
    the technical one after ``T``. ``box`` is the type of the mailbox ``address`` (PER, ORG, CAB, APP). ``source`` is
    empty for the file of that kind in the same load, else the number of the delta that said it.
    """

    kind: str
    family: str = ""
    given: str = ""
    title: str = ""
    profession_code: str = ""
    profession: str = ""
    speciality_code: str = ""
    speciality: str = ""
    site: str = ""
    structure: str = ""
    service: str = ""
    town: str = ""
    postcode: str = ""
    department: str = ""
    box: str = ""
    address: str = ""
    source: str = ""


def to_line(record: DirectoryRecord) -> str:
    """The record as one line, without its end."""
    return "\t".join(record).rstrip("\t")


def to_record(line: str) -> DirectoryRecord:
    """The record that a line was made of."""
    return DirectoryRecord(*line.split("\t"))


def to_lines(records: Iterable[DirectoryRecord]) -> str:
    """All of somebody: sorted, each once."""
    return "\n".join(sorted({to_line(record) for record in records}))


def to_records(lines: str) -> list[DirectoryRecord]:
    """See :func:`to_lines`."""
    return [DirectoryRecord(*line.split("\t")) for line in lines.split("\n")] if lines else []


def clean(text: str) -> str:
    """A field without what has no place in it: control characters, invisible ones, blanks at its ends or doubled."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split()) if "  " in text else text.strip()
    return _clean_odd(text)


@lru_cache(8192)  # labels with accents, which many share
def _clean_odd(text: str) -> str:
    return _BLANKS.sub(" ", _ODD.sub(" ", _UNSEEN.sub("", text))).strip()


def person_id(national: str, kind: str = "", number: str = "") -> str | None:
    """The id of a professional of the house: ``rpps:<11 digits>``, else ``idnps:<national id>``; None: there is none.

    ``national`` is the IDNPS (type digit and number); ``kind`` (8 RPPS, 0 ADELI) and ``number`` are its parts, which
    help where it is missing.
    """
    national = national.upper() or (kind + number.upper() if kind and number else "")
    if found := _RPPS.fullmatch(national):
        return f"rpps:{found[1]}"
    return f"idnps:{national}" if _NATIONAL.fullmatch(national) else None


def box_address(text: str) -> str | None:
    """A mailbox's address as the mail leg writes it, or None if it is none."""
    address = text.lower()
    return address if _ADDRESS.fullmatch(address) and len(address) <= 254 else None
