"""What has changed since the files were made, written into the load in use; a running hub takes it up by itself.

Who has changed is written anew behind all others (rank ``FRESH`` of the postings) and is gone from the old place. So it
stays until the next load, which keeps whatever was said after its files were made.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.db.database import Row
from bridge.errors import Unavailable
from bridge.people.national.files.merging import entry_of, print_of, rank_of
from bridge.people.national.files.records import DirectoryRecord, to_lines
from bridge.people.national.kept import grams, postings
from bridge.people.national.kept.lookup import state_of
from bridge.people.national.kept.tables import Loads, Tables
from bridge.people.national.loads.building import marks_of
from bridge.people.national.loads.succession import ACTIVE, CLOSED
from bridge.people.searching.index_words import words_of

Change = tuple[str, Sequence[DirectoryRecord] | None]
"""An entry by id with all that a source says of it now; None: it is closed."""

_TOGETHER = 1000  # changes in one transaction
_FIRST_FRESH = postings.first_of(postings.part_of(postings.FRESH, 0))


@dataclass(slots=True)
class Applied:
    """How many entries a delta has changed, closed, and left as they were."""

    changed: int = 0
    closed: int = 0
    same: int = 0


@dataclass(slots=True)
class _Batch:
    """What one transaction writes."""

    entries: list[tuple[Any, ...]] = field(default_factory=list)
    marks: list[tuple[str, int]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)  # how many entries more, or fewer, have a word
    places: dict[tuple[str, int], list[int]] = field(default_factory=dict)  # by word (or beginning) and part


class Delta:
    """Changes of one source (``name``), as it was at ``generated`` (``AAAAMMJJhhmm``, UTC)."""

    def __init__(self, loads: Loads, name: str, generated: str) -> None:
        self._loads = loads
        self._name = name
        self._generated = generated
        self.applied = Applied()

    async def apply(self, changes: AsyncIterable[Change]) -> Applied:
        """Write them. Raises Unavailable: directory_in_use (an import runs: again later), directory_empty (no load).

        The same delta twice changes nothing the second time; an older one changes nobody of whom a later one spoke.
        """
        async with self._loads.alone():
            number = await self._loads.current()
            if number is None:
                raise Unavailable("directory_empty", alone=True)
            load = await self._loads.open(number)
            try:
                async for some in _chunks(changes):
                    await self._some(load, some)
            finally:
                await load.close()
        return self.applied

    async def _some(self, load: Tables, changes: Mapping[str, Sequence[DirectoryRecord] | None]) -> None:
        known = {row["id"]: row for row in await load.all("of", list(changes))}
        deltas = json.loads(await state_of(load, "deltas") or "{}")
        source = str(max(map(int, deltas), default=0) + 1)
        fresh = int(await state_of(load, "fresh") or 0)
        batch = _Batch()
        for ident, records in changes.items():
            row = known.get(ident)
            if (said := self._said(row, records, source)) is not None:
                self._put(batch, (ident, *said), row, _FIRST_FRESH + fresh + len(batch.entries))
        if not batch.entries:
            return
        deltas[source] = {"name": self._name, "generated": self._generated}
        notes = {"deltas": json.dumps(deltas), "fresh": fresh + len(batch.entries), "version": source}
        await _write(load, batch, [(key, str(value)) for key, value in notes.items()])

    def _said(self, row: Row | None, records: Sequence[DirectoryRecord] | None, source: str) -> tuple[str, int] | None:
        """The lines and the standing of a changed entry; None: it stays as it is."""
        if row is not None and row["said"] > self._generated:
            return None
        if records is not None:
            lines, standing = to_lines(record._replace(source=source) for record in records), ACTIVE
        elif row is not None:
            lines, standing = row["lines"], CLOSED
        else:
            return None
        if row is not None and row["standing"] == standing and bytes(row["print"]) == print_of(lines):
            self.applied.same += 1
            return None
        self.applied.closed += records is None
        self.applied.changed += records is not None
        return lines, standing

    def _put(self, batch: _Batch, said: tuple[str, str, int], row: Row | None, number: int) -> None:
        ident, lines, standing = said
        entry = entry_of(ident, lines, closed=standing == CLOSED)
        words = words_of(entry)
        unique = {word for word in words if postings.is_unique(word)}
        if row is not None:
            batch.lost.append(row["number"])
            before = words_of(entry_of(ident, row["lines"], closed=row["standing"] == CLOSED))
            batch.words.subtract(word for word in before if not postings.is_unique(word))
        batch.words.update(words - unique)
        for word in postings.kept_words(words - unique):
            batch.places.setdefault((word, number >> 16), []).append(number & 0xFFFF)
        batch.marks += marks_of(ident, entry.boxes, unique, number)
        batch.entries.append(
            (number, ident, rank_of(entry), print_of(lines), standing, self._generated, self._generated, lines)
        )


async def _write(load: Tables, batch: _Batch, notes: list[tuple[str, str]]) -> None:
    counts = {word: many for word, many in batch.words.items() if many}
    known = {row["word"] for row in await load.all("vocabulary", list(counts))}
    new = sorted(word for word in counts if word not in known)
    last = int((await load.all("last-word"))[0]["number"] or 0)
    numbers = {word: last + 1 + place for place, word in enumerate(new)}
    todo: list[tuple[str, Sequence[Sequence[Any]]]] = [
        ("replaced", [(number,) for number in batch.lost]),
        ("unmark", [(number,) for number in batch.lost]),
        ("lost", [(number,) for number in batch.lost]),
        ("entered", batch.entries),
        ("marked", batch.marks),
        ("new-word", [(numbers[word], word, counts[word]) for word in new]),
        ("counted", [(word, many) for word, many in counts.items() if word in known]),
        ("posted", await _postings(load, batch.places)),
        ("grammed", await _grams(load, numbers)),
        ("put", notes),
    ]
    await load.write({}, [(name, rows) for name, rows in todo if rows])


async def _postings(load: Tables, places: Mapping[tuple[str, int], list[int]]) -> list[tuple[str, int, int, bytes]]:
    """The rows of these words, with what they held before."""
    rows = []
    for part in sorted({part for _, part in places}):
        new = {word: some for (word, where), some in places.items() if where == part}
        held = {row["word"]: row["docs"] for row in await load.all("postings", list(new), part, part)}
        for word, some in new.items():
            before = postings.places_of(postings.unpack(held[word])) if word in held else ()
            every = array("H", sorted({*before, *some}))
            rows.append((word, part, len(every), postings.pack(every)))
    return rows


async def _grams(load: Tables, words: Mapping[str, int]) -> list[tuple[str, bytes]]:
    """The rows of the trigrams of new words, with the words that had them before."""
    new: dict[str, list[int]] = {}
    for word, number in words.items():
        for gram in grams.grams_of(word) if grams.has_grams(word) else ():
            new.setdefault(gram, []).append(number)
    held = {row["gram"]: row["words"] for row in await load.all("grams", list(new))}
    return [(gram, bytes(held.get(gram, b"")) + grams.pack(some)) for gram, some in new.items()]


async def _chunks(changes: AsyncIterable[Change]) -> AsyncIterator[dict[str, Sequence[DirectoryRecord] | None]]:
    """Some at a time; of somebody who comes twice the last word counts."""
    some: dict[str, Sequence[DirectoryRecord] | None] = {}
    async for ident, records in changes:
        some[ident] = records
        if len(some) == _TOGETHER:
            yield some
            some = {}
    if some:
        yield some


async def listed(changes: Iterable[Change]) -> AsyncIterator[Change]:
    """Changes that are there already."""
    for change in changes:
        yield change
