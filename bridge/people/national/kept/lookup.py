"""The contract of a search over the tables of one load: the same Python on both databases, so the same answers.

A database only gives the sets of entries by word (see :mod:`.postings`); all that decides order and membership is here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.db.database import Row
from bridge.people.national.files.merging import entry_of
from bridge.people.national.kept import grams, postings
from bridge.people.national.kept.tables import Tables
from bridge.people.searching.entry import Entry
from bridge.people.searching.index_words import NUMBER

CLOSED = 2
"""Standing of an entry: 0 as in the last load, 1 absent from it, 2 closed."""

_LAST = "\U0010ffff"
_PAGE = 2000
_WORDS = 10_000  # of which the beginnings of one question are made up, at most: the most frequent
_UNIQUE = 1000  # entries for which one beginning of a number or mailbox stands; if there are more, for some of them
_WINDOWS = (1, 3, 12)  # parts that are asked for at once; then all the others
_FIRST_FRESH = postings.part_of(postings.FRESH, 0)
_LAST_PART = (1 << 31) - 1


@dataclass(slots=True)
class _Group:
    """What one group of a question stands for: words with postings, and numbers of entries, as bits of their parts."""

    words: set[str] = field(default_factory=set)
    begins: set[str] = field(default_factory=set)
    numbers: dict[int, int] = field(default_factory=dict)

    def add(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            part, place = number >> 16, number & 0xFFFF
            self.numbers[part] = self.numbers.get(part, 0) | 1 << place

    def bits(self, part: int, found: Mapping[str, bytes]) -> int:
        return postings.union([found[word] for word in self.words if word in found]) | self.numbers.get(part, 0)


class Lookup:
    """See :class:`bridge.people.searching.terms.Terms`; of one load at one version."""

    def __init__(self, tables: Tables, version: int, parts: Sequence[int]) -> None:
        self.tables = tables
        self.version = version
        self._parts = list(parts)
        self._gone: dict[int, int] = {}  # bits of what a delta has replaced, by part
        self._fresh: dict[int, tuple[int, str]] = {}  # rank and id of what deltas brought, by number

    @classmethod
    async def at(cls, tables: Tables) -> Lookup:
        """A load as it is now."""
        state = {key: await state_of(tables, key) for key in ("version", "parts")}
        lookup = cls(tables, int(state["version"] or 0), json.loads(state["parts"] or "[]"))
        if lookup.version:
            gone = _Group()
            gone.add(row["number"] for row in await tables.all("gone"))
            lookup._gone = gone.numbers
            rows = await tables.all("fresh", postings.first_of(_FIRST_FRESH))
            lookup._fresh = {row["number"]: (row["rank"], row["id"]) for row in rows}
        return lookup

    async def near(self, word: str, limit: int) -> Sequence[str]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        if not grams.has_grams(word):
            return ()
        rows = await self.tables.all("grams", sorted(grams.grams_of(word)))
        numbers = grams.candidates(row["words"] for row in rows)
        words = {row["word"]: row["many"] for row in await self.tables.all("words-numbered", numbers)}
        return grams.alike(word, words, limit)

    async def begins(self, prefix: str, limit: int) -> Sequence[str]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        if postings.is_unique(prefix):
            return await self._unique_begins(prefix, limit)
        rows = await self.tables.all("begins", prefix, prefix + _LAST, limit)
        return [str(row["word"]) for row in rows]

    async def _unique_begins(self, prefix: str, limit: int) -> Sequence[str]:
        rows = await self.tables.all("marks-from", prefix, prefix + _LAST, limit)
        words = {str(row["word"]) for row in rows}
        if prefix.startswith(NUMBER):
            numbers = await self._with_number(prefix, limit)
            found = await self.tables.all("numbered", list(numbers))
            words |= {NUMBER + row["id"].removeprefix("rpps:") for row in found}
        return sorted(words)[:limit]

    async def count(self, words: Collection[str]) -> Mapping[str, int]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        unique = [word for word in words if postings.is_unique(word)]
        rows = await self.tables.all("counts", [word for word in words if not postings.is_unique(word)])
        found = {str(row["word"]): int(row["many"]) for row in rows}
        if unique:
            marked = await self._marked(unique)
            found |= {word: len(numbers) for word, numbers in marked.items()}
        return found

    async def holding(self, groups: Sequence[Collection[str]], limit: int) -> Sequence[Entry]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        asked = [await self._expanded(group) for group in groups]
        await self._add_beginnings(asked)
        if not asked or limit < 1 or not all(group.words or group.numbers for group in asked):
            return ()
        numbers = await self._of_load(asked, limit)
        if self._fresh:
            numbers += await self._of_deltas(asked, limit)
        return await self._entries(numbers, limit)

    async def entries(self, ids: Sequence[str]) -> Sequence[Entry]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        found = {row["id"]: _entry(row) for row in await self.tables.all("of", list(ids))}
        return [found[ident] for ident in ids if ident in found]

    async def with_box(self, address: str) -> Sequence[Entry]:
        """Everybody who has exactly this mailbox, in the order of their ids; the red-listed and the absent, too."""
        rows = await self.tables.all("marks", [address])
        found = await self.tables.all("numbered", [row["number"] for row in rows if self._counts(row["number"])])
        return sorted((_entry(row) for row in found), key=lambda entry: entry.id)

    async def mailboxes(self) -> AsyncIterator[Sequence[str]]:
        """Every mailbox of whoever is not closed, page by page; one of several people comes several times."""
        last, number = "", -1
        while rows := await self.tables.all("boxes-page", last, number, _PAGE):
            yield [str(row["word"]) for row in rows if row["standing"] != CLOSED and self._counts(row["number"])]
            last, number = rows[-1]["word"], rows[-1]["number"]

    # ---- what a group stands for

    async def _expanded(self, group: Collection[str]) -> _Group:
        made = _Group()
        whole = {word for word in group if not word.endswith("*")}
        made.words = {word for word in whole if not postings.is_unique(word)}
        if unique := [word for word in whole if postings.is_unique(word)]:
            for numbers in (await self._marked(unique)).values():
                made.add(numbers)
        for word in set(group) - whole:
            await self._add_beginning(made, word.removesuffix("*"))
        return made

    async def _add_beginning(self, made: _Group, begin: str) -> None:
        if postings.is_unique(begin):
            rows = await self.tables.all("marks-from", begin, begin + _LAST, _UNIQUE)
            made.add(row["number"] for row in rows if self._counts(row["number"]))
            made.add(await self._with_number(begin, _UNIQUE))
        elif postings.is_kept(begin):
            made.words.add(begin + "*")
        else:
            made.begins.add(begin)

    async def _add_beginnings(self, asked: Sequence[_Group]) -> None:
        """The words of all beginnings, in one question."""
        begins = set().union(*(group.begins for group in asked))
        rows = await self.tables.all("begin-so", sorted(begins), _LAST, _WORDS) if begins else ()
        for row in rows:
            for group in asked:
                if row["begin"] in group.begins:
                    group.words.add(row["word"])

    async def _marked(self, words: Sequence[str]) -> Mapping[str, list[int]]:
        """The entries of unique words. An RPPS number is in the id of its entry."""
        found: dict[str, list[int]] = defaultdict(list)
        for row in await self.tables.all("marks", list(words)):
            if self._counts(row["number"]):
                found[row["word"]].append(row["number"])
        rows = await self.tables.all("of", [f"rpps:{word[1:]}" for word in words if word.startswith(NUMBER)])
        for row in rows:
            if row["standing"] != CLOSED:
                found[NUMBER + row["id"].removeprefix("rpps:")].append(row["number"])
        return found

    async def _with_number(self, begin: str, limit: int) -> set[int]:
        if not begin.startswith(NUMBER):
            return set()
        low = f"rpps:{begin[1:]}"
        rows = await self.tables.all("ids-from", low, low + _LAST, limit)
        return {int(row["number"]) for row in rows}

    def _counts(self, number: int) -> bool:
        return number in self._fresh or not self._gone.get(number >> 16, 0) >> (number & 0xFFFF) & 1

    # ---- which entries

    async def _of_load(self, asked: Sequence[_Group], limit: int) -> list[int]:
        """The first numbers that every group holds. Parts come in the order of answers."""
        found: list[int] = []
        start = 0
        for size in (*_WINDOWS, len(self._parts)):
            window = self._parts[start : start + size]
            if not window or len(found) >= limit:
                break
            start += size
            for part, bits in await self._matches(asked, window[0], window[-1]):
                bits &= ~self._gone.get(part, 0)
                if bits and len(found) < limit:
                    first = postings.first_of(part)
                    found += [first + place for place in postings.places_within(bits, limit - len(found))]
        return found

    async def _of_deltas(self, asked: Sequence[_Group], limit: int) -> list[int]:
        """What came later is in no order: all of it is looked at, which is little."""
        numbers = [
            postings.first_of(part) + place
            for part, bits in await self._matches(asked, _FIRST_FRESH, _LAST_PART)
            for place in postings.places_of(bits)
        ]
        known = [number for number in numbers if number in self._fresh]
        return sorted(known, key=lambda number: self._fresh[number])[:limit]

    async def _matches(self, asked: Sequence[_Group], low: int, high: int) -> list[tuple[int, int]]:
        """The bits of each part in which every group has something."""
        words = sorted(set().union(*(group.words for group in asked)))
        found: dict[int, dict[str, bytes]] = {}
        if words:
            for row in await self.tables.all("postings", words, low, high):
                found.setdefault(row["part"], {})[row["word"]] = row["docs"]
        parts = found.keys() | {part for group in asked for part in group.numbers if low <= part <= high}
        matches = []
        for part in sorted(parts):
            bits = -1
            for group in asked:
                if not (bits := bits & group.bits(part, found.get(part, {}))):
                    break
            if bits:
                matches.append((part, bits))
        return matches

    async def _entries(self, numbers: Sequence[int], limit: int) -> Sequence[Entry]:
        rows = list(await self.tables.all("numbered", list(numbers)))
        rows.sort(key=lambda row: (row["rank"], row["id"]))
        return [_entry(row) for row in rows if row["standing"] != CLOSED][:limit]


async def state_of(tables: Tables, key: str) -> str | None:
    """What a load notes of itself."""
    rows = await tables.all("get", key)
    return str(rows[0]["value"]) if rows else None


def _entry(row: Row) -> Entry:
    return entry_of(row["id"], row["lines"], closed=row["standing"] == CLOSED)
