"""One load is written: everybody of the sorted records and of the load before, in the order of their ids.

A part is ended in one transaction with how far it has come. A draft that was left half-way goes on there, and first
takes away the rows of a part that was not ended. In memory are the words of two parts, one for each rank.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bridge.parts.failpoint import failpoint
from bridge.people.national.files.merging import NOT_REACHED, REACHED, entry_of, rank_of
from bridge.people.national.kept import grams, postings
from bridge.people.national.kept.lookup import state_of
from bridge.people.national.kept.tables import FINISHED, Tables
from bridge.people.national.loads.succession import CLOSED, Kept, Succession
from bridge.people.searching.index_words import words_of

_PAGE = 5000
_ROWS = 8192  # entries that are written at once
_GRAMS = 5000  # rows in one transaction


@dataclass(slots=True)
class _Filling:
    """A part that is being filled, with its rows."""

    part: postings.IndexPart
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    marks: list[tuple[str, int]] = field(default_factory=list)
    last: str = ""


class Building:
    """A draft that is written, or goes on being written."""

    def __init__(self, draft: Tables, succession: Succession, told: Callable[[int], None]) -> None:
        """``told``: how many people have been looked at."""
        self._draft = draft
        self._succession = succession
        self._told = told
        self._parts: list[int] = []
        self._done: dict[int, str] = {}  # the last id on disk, by rank
        self._filling: dict[int, _Filling] = {}

    async def write(self, people: Iterator[tuple[str, str]], old: Tables | None) -> None:
        """Everybody: of the new records, and of the load before."""
        self._parts = json.loads(await state_of(self._draft, "parts") or "[]")
        done = json.loads(await state_of(self._draft, "done") or "{}")
        self._done = {int(rank): ident for rank, ident in done.items()}
        firsts = [postings.first_of(self._next_part(rank)) for rank in (REACHED, NOT_REACHED)]
        begun = [(first, first + postings.PART) for first in firsts]
        await self._draft.write({}, [("forget-entries", begun), ("forget-marks", begun)])
        number = 0
        async for ident, lines, before in joined(people, old):
            kept = self._succession.next(lines, before)
            if kept is not None:
                await self._add(ident, kept)
            number += 1
            if not number & 0xFFF:
                self._told(number)
        for rank in list(self._filling):
            await self._flush(rank)
        self._told(number)

    async def _add(self, ident: str, kept: Kept) -> None:
        entry = entry_of(ident, kept.lines, closed=kept.standing == CLOSED)
        rank = rank_of(entry)
        if ident <= self._done.get(rank, ""):
            return
        filling = self._filling.get(rank)
        if filling is None:
            filling = self._filling[rank] = _Filling(postings.IndexPart(self._next_part(rank)))
        words = words_of(entry)
        unique = {word for word in words if postings.is_unique(word)}
        number = filling.part.add(words - unique)
        filling.entries.append((number, ident, rank, kept.print, kept.standing, kept.since, kept.said, kept.lines))
        filling.marks += marks_of(ident, entry.boxes, unique, number)
        filling.last = ident
        if filling.part.full:
            await self._flush(rank)
        elif len(filling.entries) >= _ROWS:
            await self._draft.write({"entry": filling.entries, "mark": filling.marks})
            filling.entries, filling.marks = [], []
            failpoint("directory.rows.after-commit")

    def _next_part(self, rank: int) -> int:
        return postings.part_of(rank, sum(postings.rank_of_part(part) == rank for part in self._parts))

    async def _flush(self, rank: int) -> None:
        filling = self._filling.pop(rank)
        self._parts = sorted([*self._parts, filling.part.part])
        self._done[rank] = filling.last
        notes = [("parts", json.dumps(self._parts)), ("done", json.dumps(self._done))]
        rows = {"entry": filling.entries, "mark": filling.marks, "posting": list(filling.part.postings())}
        failpoint("directory.part.before-commit")
        await self._draft.write(rows, [("put", notes)])
        failpoint("directory.part.after-commit")


async def joined(people: Iterator[tuple[str, str]], old: Tables | None) -> AsyncIterator[tuple[str, str, Kept | None]]:
    """Every id of the new records or of the load before, in order: what is said now, and what was kept."""
    ident, lines = next(people, ("", ""))
    if old is not None:
        async for was, kept in pages(old):
            while ident and ident < was:
                yield ident, lines, None
                ident, lines = next(people, ("", ""))
            if ident == was:
                yield ident, lines, kept
                ident, lines = next(people, ("", ""))
            else:
                yield was, "", kept
    while ident:
        yield ident, lines, None
        ident, lines = next(people, ("", ""))


async def pages(load: Tables) -> AsyncIterator[tuple[str, Kept]]:
    """Everybody of a load, in the order of their ids."""
    last = ""
    while rows := await load.all("page", last, _PAGE):
        for row in rows:
            yield row["id"], Kept(row["lines"], row["standing"], row["since"], row["said"], bytes(row["print"]))
        last = rows[-1]["id"]


def marks_of(ident: str, boxes: tuple[str, ...], unique: set[str], number: int) -> list[tuple[str, int]]:
    """The rows by which one entry is found exactly: its mailboxes as they are, and its unique words.

    An RPPS number needs none: it is in the id.
    """
    own = f"i{ident.removeprefix('rpps:')}"
    return [(word, number) for word in sorted({*boxes, *unique}) if word != own]


async def finish(draft: Tables, told: Callable[[int], None]) -> None:
    """Indexes, the vocabulary and its trigrams; may be done again. ``told``: how many words have been read."""
    tables, words = FINISHED[:-1], FINISHED[-1:]
    await draft.change(tables)
    await draft.change(("forget-words", "forget-grams", "finish-words", *words))
    made, last = grams.Grams(), 0
    while rows := await draft.all("words-page", last, _PAGE):
        for row in rows:
            if grams.has_grams(row["word"]):
                made.add(row["number"], row["word"])
        last = rows[-1]["number"]
        told(last)
    batch: list[tuple[str, bytes]] = []
    for one in made.rows():
        batch.append(one)
        if len(batch) == _GRAMS:
            await draft.write({"gram": batch})
            batch = []
    await draft.write({"gram": batch})
    await draft.change(("analyze",))
