"""What a site says itself, joined with the national directory: for one search, and for one person. Its word wins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace

from bridge.model import Person
from bridge.people.directories.entries import entry_of
from bridge.people.directory import Directory
from bridge.people.national.files.merging import rank_of
from bridge.people.national.kept.lookup import Lookup
from bridge.people.searching.entry import Entry
from bridge.people.searching.folding import fold
from bridge.people.searching.memory import MemoryTerms


async def local_entries(local: Directory, lookup: Lookup | None) -> Sequence[Entry]:
    """The people of a site as entries, with what the national directory knows of them beside."""
    people = [person async for person in _everyone(local)]
    known: Mapping[str, Entry] = {}
    if lookup is not None:
        known = {entry.id: entry for entry in await lookup.entries([person.id for person in people])}
    return [_joined(person, known.get(person.id)) for person in people]


async def _everyone(local: Directory) -> AsyncIterator[Person]:
    async for page in local.everyone():
        for person in page:
            yield person


def _joined(person: Person, known: Entry | None) -> Entry:
    here = entry_of(person)
    if known is None:
        return here
    if set(fold(person.name)) >= set(fold(f"{known.given} {known.family}")):
        here = replace(here, given=known.given, family=known.family)  # (known apart there, and guessed here)
    return replace(
        known, given=here.given, family=here.family, profession=here.profession or known.profession,
        places=tuple(dict.fromkeys((*here.places, *known.places))),
        boxes=tuple(dict.fromkeys((*here.boxes, *known.boxes))), accounts=here.accounts, closed=False,
    )  # fmt: skip


class JoinedTerms:
    """See :class:`bridge.people.searching.terms.Terms`; the entries of ``local`` stand in for those of the same id."""

    def __init__(self, lookup: Lookup, local: Sequence[Entry]) -> None:
        self._lookup = lookup
        self._local = MemoryTerms(local)
        self._ids = {entry.id for entry in local}

    async def near(self, word: str, limit: int) -> Sequence[str]:
        """See :class:`bridge.people.searching.terms.Terms`; those of the site come first."""
        here = await self._local.near(word, limit)
        return list(dict.fromkeys((*here, *await self._lookup.near(word, limit))))[:limit]

    async def begins(self, prefix: str, limit: int) -> Sequence[str]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        here = await self._local.begins(prefix, limit)
        every = list(dict.fromkeys((*await self._lookup.begins(prefix, limit), *here)))
        count = await self.count(every)
        return sorted(every, key=lambda word: (-count.get(word, 0), word))[:limit]

    async def count(self, words: Collection[str]) -> Mapping[str, int]:
        """See :class:`bridge.people.searching.terms.Terms`; somebody whom both have counts twice."""
        found = dict(await self._lookup.count(words))
        for word, many in (await self._local.count(words)).items():
            found[word] = found.get(word, 0) + many
        return found

    async def holding(self, groups: Sequence[Collection[str]], limit: int) -> Sequence[Entry]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        here = await self._local.holding(groups, limit)
        there = await self._lookup.holding(groups, limit + min(len(self._ids), limit))
        every = [*here, *(entry for entry in there if entry.id not in self._ids)]
        return sorted(every, key=lambda entry: (rank_of(entry), entry.id))[:limit]

    async def entries(self, ids: Sequence[str]) -> Sequence[Entry]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        here = {entry.id: entry for entry in await self._local.entries(ids)}
        there = {entry.id: entry for entry in await self._lookup.entries([one for one in ids if one not in here])}
        return [(here | there)[ident] for ident in ids if ident in here or ident in there]
