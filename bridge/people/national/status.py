"""What the load in use is made of, how old it is, and from where each statement about somebody comes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.people.national.files.records import DirectoryRecord, to_records
from bridge.people.national.kept.lookup import state_of
from bridge.people.national.kept.tables import Loads, Tables
from bridge.people.national.loads.guards import ReadText
from bridge.people.national.loads.loading import reads_of
from bridge.people.national.loads.succession import CLOSED, Tally, at
from bridge.people.searching.index_words import VERSION


@dataclass(frozen=True, slots=True)
class LoadStatus:
    """The load in use. ``outdated``: it was made for another search than this program's: import again."""

    number: int
    reads: Mapping[str, ReadText]
    tally: Tally
    deltas: Mapping[str, Mapping[str, str]]
    outdated: bool

    def age(self, now: datetime) -> float:
        """Seconds since the oldest of its files was generated, whatever was downloaded later."""
        return max((now - at(read.generated)).total_seconds() for read in self.reads.values())


@dataclass(frozen=True, slots=True)
class Origin:
    """One statement about somebody, who made it, and when (``AAAAMMJJhhmm``)."""

    record: DirectoryRecord
    source: str
    generated: str


async def status_of(loads: Loads) -> LoadStatus | None:
    """The load in use; None before the first import. Raises Unavailable."""
    number = await loads.current()
    if number is None:
        return None
    tables = await loads.open(number)
    try:
        tally = Tally(**json.loads(await state_of(tables, "tally") or "{}"))
        outdated = await state_of(tables, "words") != str(VERSION)
        return LoadStatus(number, await reads_of(tables), tally, await deltas_of(tables), outdated)
    finally:
        await tables.close()


async def deltas_of(load: Tables) -> dict[str, dict[str, str]]:
    """What has been applied to a load: number of the delta → its name and generation time."""
    return dict(json.loads(await state_of(load, "deltas") or "{}"))


async def origins_of(load: Tables, ident: str) -> tuple[str, Sequence[Origin]]:
    """The standing of an entry (``active``, ``absent``, ``closed``, since when; or empty) and what is said of it."""
    rows = await load.all("of", [ident])
    if not rows:
        return "", ()
    row, reads, deltas = rows[0], await reads_of(load), await deltas_of(load)
    standing = "closed" if row["standing"] == CLOSED else "absent" if row["standing"] else "active"
    return f"{standing} {row['since']}", [_origin(one, reads, deltas) for one in to_records(row["lines"])]


def _origin(record: DirectoryRecord, reads: Mapping[str, ReadText], deltas: Mapping[str, Mapping[str, str]]) -> Origin:
    if record.source in deltas:
        return Origin(record, deltas[record.source]["name"], deltas[record.source]["generated"])
    read = reads.get(record.kind)
    name = read.name if read is not None else "?"
    if record.source:  # missing since then, for the first time
        return Origin(record, f"{name} (absent)", record.source.lstrip("-"))
    return Origin(record, name, read.generated if read is not None else "")
