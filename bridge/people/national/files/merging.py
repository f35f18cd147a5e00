"""Pure: all records of somebody, of whatever source, become one entry; the same ones give the same entry."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from bridge.people.national.files import naming
from bridge.people.national.files.records import ACTIVITY, MAILBOX, PERSONAL, DirectoryRecord, to_records
from bridge.people.searching.entry import Entry, Workplace

_SOURCE = len(DirectoryRecord._fields) - 1  # the last field of a record

REACHED, NOT_REACHED = 0, 1
"""Ranks: those who can be written to come first in every search."""


def entry_of(ident: str, lines: str, *, closed: bool = False) -> Entry:
    """The entry of these records (see :func:`.records.to_lines`)."""
    records = to_records(lines)
    if ident.startswith("mail:"):
        return _service(ident, records, closed)
    return _person(ident, records, closed)


def rank_of(entry: Entry) -> int:
    """See :data:`REACHED`."""
    return REACHED if entry.boxes or entry.accounts else NOT_REACHED


def print_of(lines: str) -> bytes:
    """What tells whether anything said of somebody has changed; it does not matter which source said so."""
    if any(line.count("\t") == _SOURCE for line in lines.split("\n")):
        lines = "\n".join(sorted({without_source(line) for line in lines.split("\n")}))
    return hashlib.blake2b(lines.encode(), digest_size=8).digest()


def without_source(line: str) -> str:
    """A record's line as it is in a file."""
    return line.rpartition("\t")[0].rstrip("\t") if line.count("\t") == _SOURCE else line


def _person(ident: str, records: Sequence[DirectoryRecord], closed: bool) -> Entry:
    practice = [r for r in records if r.kind == ACTIVITY] or records
    family, given = _most((r.family, r.given) for r in practice)
    profession = _most((r.profession or r.profession_code,) for r in practice)[0]
    professions = _each(naming.label(r.profession or r.profession_code) for r in records)
    specialities = _each(naming.label(r.speciality or r.speciality_code) for r in records)
    main = naming.label(profession)
    return Entry(
        ident, "person", naming.name(family), naming.name(given), naming.title(_title(records)), main,
        (*specialities, *(one for one in professions if one not in (main, *specialities))), _places(records),
        _boxes(records), _others(records, family), closed=closed,
    )  # fmt: skip


def _service(ident: str, records: Sequence[DirectoryRecord], closed: bool) -> Entry:
    structure = _most((r.structure,) for r in records)[0]
    service = _most((r.service,) for r in records)[0]
    name = " – ".join(part for part in (service, structure) if part) or ident.removeprefix("mail:")
    return Entry(
        ident, "service", name, places=_places(records), boxes=_boxes(records), organisation=structure, closed=closed
    )


def _most(values: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """What most of the records say; of two that are as frequent the first of the alphabet."""
    count = Counter(value for value in values if any(value))
    if not count:
        return ("", "")
    return min(count, key=lambda value: (-count[value], value))


def _title(records: Sequence[DirectoryRecord]) -> str:
    """A title of practice (Dr, Pr) rather than a civility."""
    said = sorted({r.title for r in records if r.title}, key=lambda t: (naming.title(t) not in ("Pr", "Dr"), t))
    return said[0] if said else ""


def _each(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _places(records: Sequence[DirectoryRecord]) -> tuple[Workplace, ...]:
    """Every place once; where a site is named twice, the first line that knows its town counts."""
    return tuple(dict.fromkeys(_distinct(records)))


def _distinct(records: Sequence[DirectoryRecord]) -> Iterator[Workplace]:
    known: set[str] = set()
    told = [r for r in records if r.structure or r.town or r.postcode]
    for r in sorted(told, key=lambda r: (not r.town, r.kind)):
        key = r.site or f"{r.structure}|{r.town}|{r.postcode}"
        if key not in known:
            known.add(key)
            yield Workplace(r.structure, naming.town(r.town), r.postcode, r.department)


def _boxes(records: Sequence[DirectoryRecord]) -> tuple[str, ...]:
    """Her own ones first."""
    boxes = sorted({(r.box != PERSONAL, r.address) for r in records if r.kind == MAILBOX})
    return _each(address for _, address in boxes)


def _others(records: Sequence[DirectoryRecord], family: str) -> tuple[str, ...]:
    return _each(naming.name(r.family) for r in records if r.family and r.family != family)
