"""How well somebody fits a query, and how near they are to whom it is asked by. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from bridge.people.searching.asked import Query, Sought
from bridge.people.searching.entry import Entry
from bridge.people.searching.folding import fold, is_particle
from bridge.people.searching.index_words import STRUCTURE, TOWN, words_of

_KEPT = 8192
_DEPARTMENT = 4  # letters of a department's code, with its kind

LEFT_OUT = 8.0
"""What it costs that a part of the query is not found at all."""

# What it brings to be near to the one who asks, in the measure of what it costs to fit less well.
_WRITTEN_WITH = 3.5
_SAME_HOUSE = 1.2
_SAME_TOWN = 0.9
_SAME_DEPARTMENT = 0.3
_REACHED = (0.0, 0.3, 0.8)  # nobody yet, by mail only, now
_NOT_A_SERVICE = 1.0
_WITHOUT = 3.0  # what nearly everybody has, and this one has not
_OWN_HOUSE = 0.5  # the house is half of a service's name
_UNASKED = 0.1  # for each name that somebody bears and that was not asked for


@dataclass(frozen=True, slots=True)
class Near:
    """The one who asks: with whom they have written (person ids), their houses, towns and departments, as words.

    ``reached``: 2 who can be written to now, 1 by mail only, 0 nobody yet.
    """

    written: frozenset[str] = frozenset()
    houses: frozenset[str] = frozenset()
    towns: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    reached: Callable[[Entry], int] = lambda entry: 2 if entry.accounts else min(1, len(entry.boxes))

    def at(self, entry: Entry) -> Near:
        """The same one, whose entry in the directory this is."""
        places = {word for word in words_of(entry) if word[0] == TOWN}
        numbers = {word for word in places if word[1].isdigit()}
        return replace(
            self,
            houses=_houses(entry),
            towns=frozenset(places - numbers),
            departments=frozenset(word for word in numbers if len(word) <= _DEPARTMENT),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who was found. ``cost``: less is better; ``whole``: by whole words, as they were asked for."""

    entry: Entry
    cost: float
    whole: bool


class Fitting:
    """How entries fit the parts of one query, and how near they are to the one who asks."""

    def __init__(self, query: Query, parts: Sequence[Sought], near: Near) -> None:
        self._parts = [(part.weak, sorted(part.ways.items(), key=lambda way: way[1])) for part in parts]
        self._asked = "".join(part.text for part in parts)
        self._service = query.service
        self._near = near

    def judged(self, entry: Entry, left_out: int = 0) -> Found | None:
        """None where a part is not found; ``left_out``: so many may be missing."""
        text = _text(entry)
        own_house = _OWN_HOUSE if entry.kind == "service" else 0.0
        cost, missing, whole = 0.0, 0, True
        for weak, ways in self._parts:
            way, costs = next((pair for pair in ways if _has(text, pair[0])), ("", _WITHOUT if weak else LEFT_OUT))
            missing += not way and not weak
            if missing > left_out:
                return None
            whole = whole and bool(way) and not way.endswith("*")
            cost += costs - (own_house if way[:1] == STRUCTURE else 0.0)
        if missing == len(self._parts):
            return None
        cost += self._unasked(entry) + (_NOT_A_SERVICE if self._service and entry.kind != "service" else 0.0)
        return Found(entry, round(cost - self._nearness(entry, text), 3), whole)

    def _unasked(self, entry: Entry) -> float:
        names = [name for name in fold(entry.family) if not is_particle(name)]
        return _UNASKED * sum(name not in self._asked for name in names)

    def _nearness(self, entry: Entry, text: str) -> float:
        near = self._near
        brings = _REACHED[near.reached(entry)]
        if entry.id in near.written:
            brings += _WRITTEN_WITH
        if near.houses and _houses(entry) & near.houses:
            brings += _SAME_HOUSE
        if any(_has(text, town) for town in near.towns):
            brings += _SAME_TOWN
        elif any(_has(text, code) for code in near.departments):
            brings += _SAME_DEPARTMENT
        return brings


@lru_cache(_KEPT)
def _text(entry: Entry) -> str:
    """Each word of an entry has a blank before it and one after."""
    return f" {' '.join(words_of(entry))} "


def _has(text: str, way: str) -> bool:
    return f" {way[:-1]}" in text if way[-1] == "*" else f" {way} " in text


def _houses(entry: Entry) -> frozenset[str]:
    return frozenset(" ".join(fold(place.structure)) for place in entry.places if place.structure)
