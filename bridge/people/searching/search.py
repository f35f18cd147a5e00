"""From a query to people: asks a store step by step, more widely each time, in a bounded number of statements. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bridge.people.searching import crafts
from bridge.people.searching.asked import Query, Sought, freely, narrowly, says, strictly, understood
from bridge.people.searching.entry import Entry
from bridge.people.searching.index_words import CRAFT, FAMILY, GIVEN, SOUND, STRUCTURE, TOWN
from bridge.people.searching.judging import Fitting, Found, Near
from bridge.people.searching.sounds import sound
from bridge.people.searching.terms import Terms
from bridge.people.searching.typing_errors import SHORTEST, alike, one_off, wrong_letter

CANDIDATES = 100
"""Entries that one statement of a search reads."""

MOST_WRITTEN = 100
"""People with whom one has written that a search looks at, the latest first."""

_FEW = 5
_MISTYPED = {FAMILY: 3.0, GIVEN: 4.0, TOWN: 4.0, STRUCTURE: 4.5}  # what it costs to be found by a typing error
_MISTYPED_CRAFT = 3.8
_WRONG_LETTER = 0.3  # is less likely than one that is missing, doubled or out of place
_SOUNDS = 3.5
_FAR = 5.0  # a second typing error
_MOST_WORDS = 4  # of a query, in which errors are looked for: each stands for some 1,800 others
_NEAR_WORDS = 40
_LONG = 7


@dataclass(frozen=True, slots=True)
class Asking:
    """By whom it is asked: their person id, and with whom they have written (person ids, the latest first).

    ``reached`` says how somebody is reached: 2 now, 1 by mail only, 0 not yet.
    """

    person: str | None = None
    written: Sequence[str] = ()
    reached: Callable[[Entry], int] | None = None


NOBODY = Asking()
"""It is not known by whom it is asked."""


class Search:
    """Finds entries in a store. It asks first for what was written, and more widely only where that finds few."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    async def find(self, query: str, limit: int, asking: Asking = NOBODY) -> Sequence[Found]:
        """Who is meant, the likeliest first. Nobody of the red list and nobody who has closed is among them.

        At most six statements, and ``CANDIDATES`` entries of each, more only if more are to be found.
        """
        asked = understood(query)
        if not asked.parts:
            return []
        near, close = await self._near(asking)
        pool = {e.id: e for e in close}
        await self._fill(pool, strictly(asked.parts), near, max(limit, CANDIDATES))
        found = _ranked(Fitting(asked, asked.parts, near), pool.values())
        if len(found) < _FEW and not (found and found[0].whole):
            found = await self._wider(asked, pool, near)
        return found[:limit]

    async def _wider(self, asked: Query, pool: dict[str, Entry], near: Near) -> list[Found]:
        wider = await self._widened(freely(asked.parts))
        await self._fill(pool, wider)
        judge = Fitting(asked, wider, near)
        found = _ranked(judge, pool.values())
        if found or len(wider) < 2 or not await self._fill_without_one(asked, wider, pool):
            return found
        return _ranked(judge, pool.values(), left_out=1)

    async def _near(self, asking: Asking) -> tuple[Near, Sequence[Entry]]:
        """The one who asks, and the people with whom they have written."""
        written = list(asking.written[:MOST_WRITTEN])
        ids = [asking.person, *written] if asking.person else written
        entries = await self._terms.entries(ids) if ids else []
        near = Near(frozenset(written)) if asking.reached is None else Near(frozenset(written), reached=asking.reached)
        own = next((e for e in entries if e.id == asking.person), None)
        return near.at(own) if own is not None else near, entries

    async def _fill(
        self, pool: dict[str, Entry], parts: Sequence[Sought], near: Near | None = None, most: int = CANDIDATES
    ) -> None:
        found = await self._terms.holding(_groups(parts), most)
        pool |= {e.id: e for e in found}
        if len(found) == most and near is not None:  # there are more: the likeliest, and of these those nearby
            groups = _groups(narrowly(parts))
            pool |= {e.id: e for e in await self._terms.holding(groups, most)}
            if near.towns:
                pool |= {e.id: e for e in await self._terms.holding([*groups, near.towns], most)}

    async def _widened(self, parts: Sequence[Sought]) -> list[Sought]:
        """The same parts, found also by one typing error, by their sound, or written as one word."""
        words = [part.word for part in parts if len(part.word) >= SHORTEST and not says(part)][:_MOST_WORDS]
        nearly = {word: one_off(word) for word in words}
        pairs = {a.word + b.word: (a, b) for a, b in pairwise(parts) if a.word and b.word}
        wanted = {kind + one for some in nearly.values() for one in some for kind in _MISTYPED}
        wanted |= {FAMILY + pair for pair in pairs} | {kind + word for word in words for kind in _MISTYPED}
        known = await self._terms.count(wanted) if wanted else {}
        wider = [_wider(part, nearly.get(part.word, ()), known) for part in parts]
        for pair, both in pairs.items():
            if FAMILY + pair in known:
                wider = [
                    _also(part, {FAMILY + pair: 0.5}) if part.word in {b.word for b in both} else part for part in wider
                ]
        return await self._far(wider, parts)

    async def _far(self, wider: list[Sought], parts: Sequence[Sought]) -> list[Sought]:
        """A long word that nothing is near to may have two errors; one such word is looked for."""
        for place, (part, more) in enumerate(zip(parts, wider, strict=True)):
            found = any(way not in part.ways for way in more.ways if way[0] != SOUND)
            if len(part.word) >= _LONG and not found and not says(part):
                some = await self._terms.near(FAMILY + part.word, _NEAR_WORDS)
                wider[place] = _also(more, {word: _FAR for _, word in alike(FAMILY + part.word, some, 2)})
                break
        return wider

    async def _fill_without_one(self, asked: Query, wider: Sequence[Sought], pool: dict[str, Entry]) -> bool:
        """Everything but one part, the one that is the least likely to be a name; False: no name would be left."""
        known = await self._terms.count({way for part in asked.parts for way in part.ways if not way.endswith("*")})
        least = min(range(len(wider)), key=lambda n: (_named(asked.parts[n], known), -n))
        left = [part for n, part in enumerate(wider) if n != least]
        if not any(_named(part, known) > 1 for n, part in enumerate(asked.parts) if n != least):
            return False
        await self._fill(pool, left)
        return True


def _groups(parts: Sequence[Sought]) -> list[Collection[str]]:
    return [part.group for part in parts if not part.weak] or [part.group for part in parts]


def _ranked(judge: Fitting, entries: Collection[Entry], left_out: int = 0) -> list[Found]:
    some = (judge.judged(entry, left_out) for entry in entries)
    return sorted((found for found in some if found is not None), key=_order)


def _order(found: Found) -> tuple[float, str, str, str]:
    return found.cost, found.entry.family, found.entry.given, found.entry.id


def _wider(part: Sought, nearly: Collection[str], known: Mapping[str, int]) -> Sought:
    if len(part.word) < SHORTEST:
        return part
    more = {
        kind + one: cost + _WRONG_LETTER * wrong_letter(part.word, one)
        for one in nearly
        for kind, cost in _MISTYPED.items()
        if kind + one in known
    }
    if code := sound(part.word):
        more[SOUND + code] = _SOUNDS
    forms = [form[0] for form in crafts.ASKED if len(form) == 1 and len(form[0]) >= SHORTEST]
    for _, form in alike(part.word, forms, 1):
        more |= {CRAFT + key: _MISTYPED_CRAFT for key in crafts.ASKED[form,]}
    return _also(part, more)


def _also(part: Sought, more: Mapping[str, float]) -> Sought:
    return replace(part, ways={**more, **part.ways})


def _named(part: Sought, known: Mapping[str, int]) -> int:
    """How much a part is likely to be a name: 0 nobody has it, 1 something else, 2 a given name, 3 a family name."""
    have = {way[0] for way in part.ways if way in known}
    if FAMILY in have or SOUND in have:
        return 3
    return 2 if GIVEN in have else 1 if have else 0
