"""How well somebody fits a query, and how near they are to whom it is asked by. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.people.searching.asked import Query, Sought
from bridge.people.searching.entry import Entry
from bridge.people.searching.folding import fold, is_particle
from bridge.people.searching.index_words import STRUCTURE, TOWN, words_of

LEFT_OUT = 8.0
"""What it costs that a part of the query is not found at all."""

# What it brings to be near to the one who asks, in the measure of what it costs to fit less well.
_WRITTEN_WITH = 3.5
_SAME_HOUSE = 1.2
_SAME_TOWN = 0.9
_SAME_DEPARTMENT = 0.3
_REACHED = (0.0, 0.3, 0.8)  # nobody yet, by mail only, now
_NOT_A_SERVICE = 1.0
_OWN_HOUSE = 0.5  # the house is half of a service's name
_UNASKED = 0.1  # for each name that somebody bears and that was not asked for


@dataclass(frozen=True, slots=True)
class Near:
    """The one who asks: with whom they have written, words of their houses and towns, codes of departments.

    ``reached``: 2 who can be written to now, 1 by mail only, 0 nobody yet; by entry id, where it is known.
    """

    written: frozenset[str] = frozenset()
    houses: frozenset[str] = frozenset()
    towns: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    reached: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def to(cls, entry: Entry | None, written: Collection[str], reached: Mapping[str, int]) -> Near:
        """Near to this entry of the directory, if the one who asks has one."""
        if entry is None:
            return cls(frozenset(written), reached=reached)
        places = {word for word in words_of(entry) if word[0] == TOWN}
        departments = frozenset(word for word in places if 2 <= len(word) - 1 <= 3 and word[1].isdigit())
        houses = frozenset(" ".join(fold(place.structure)) for place in entry.places if place.structure)
        towns = frozenset(word for word in places if not word[1].isdigit())
        return cls(frozenset(written), houses, towns, departments, reached)


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who was found. ``cost``: less is better; ``exact``: every part of the query is there as it was asked."""

    entry: Entry
    cost: float
    exact: bool
    whole: bool


def judged(asked: Query, parts: Sequence[Sought], entry: Entry, near: Near, left_out: int = 0) -> Found | None:
    """How an entry fits; None where a part is not found, and no more than ``left_out`` may be missing."""
    words = words_of(entry)
    text = f" {' '.join(words)} "
    costs = [_cost(part, text, _OWN_HOUSE if entry.kind == "service" else 0.0) for part in parts]
    missing = sum(cost is None for cost in costs)
    if missing > left_out or missing == len(costs):
        return None
    cost = sum(LEFT_OUT if one is None else one for one in costs)
    whole = missing == 0 and all(f" {way} " in text for part in parts for way in [_way(part, text)])
    cost += _unasked(entry, parts) + (_NOT_A_SERVICE if asked.service and entry.kind != "service" else 0.0)
    return Found(entry, round(cost - _nearness(entry, text, near), 3), missing == 0, whole)


def _cost(part: Sought, text: str, own_house: float) -> float | None:
    costs = [cost - own_house * (way[0] == STRUCTURE) for way, cost in part.ways.items() if _has(text, way)]
    return min(costs, default=3.0 if part.weak else None)


def _has(text: str, way: str) -> bool:
    return f" {way[:-1]}" in text if way.endswith("*") else f" {way} " in text


def _way(part: Sought, text: str) -> str:
    """The best way in which a part is found."""
    return min((way for way in part.ways if _has(text, way)), key=lambda way: part.ways[way], default="")


def _unasked(entry: Entry, parts: Sequence[Sought]) -> float:
    asked = {part.word for part in parts}
    text = " ".join(part.text for part in parts)
    names = [name for name in fold(entry.family) if not is_particle(name)]
    return _UNASKED * sum(name not in asked and name not in text for name in names)


def _nearness(entry: Entry, text: str, near: Near) -> float:
    reached = near.reached.get(entry.id)
    if reached is None:
        reached = 2 if entry.accounts else min(1, len(entry.boxes))
    brings = _REACHED[reached]
    if entry.id in near.written:
        brings += _WRITTEN_WITH
    if any(" ".join(fold(place.structure)) in near.houses for place in entry.places):
        brings += _SAME_HOUSE
    if any(_has(text, town) for town in near.towns):
        brings += _SAME_TOWN
    elif any(_has(text, code) for code in near.departments):
        brings += _SAME_DEPARTMENT
    return brings


def local(near: Near) -> frozenset[str]:
    """The words by which a store is asked for those in the towns of the one who asks."""
    return near.towns
