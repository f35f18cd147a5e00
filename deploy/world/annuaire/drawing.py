"""Draws from weighted tables, the same for the same seed."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate, pairwise
from random import Random
from typing import Generic, TypeVar

from deploy.world.annuaire import tables

T = TypeVar("T")
_PARTICLES = {"DE", "DA", "DO", "DOS", "DU", "LE", "LA", "VAN", "DEN", "BEN", "MC", "THI"}
_SAINTS = tables.SAINTS.split()
_FIRSTS = tables.FIRSTS.split()
_MIDDLES = tables.MIDDLES.split()
_LASTS = tables.LASTS.split()


class Urn(Generic[T]):
    """Things with weights."""

    def __init__(self, things: Sequence[T], weights: Sequence[float]) -> None:
        self._things = things
        self._sums = list(accumulate(weights))
        self._whole = self._sums[-1]

    def draw(self, random: Random) -> T:
        """One of them."""
        return self._things[bisect(self._sums, random.random() * self._whole)]


def pairs(text: str) -> Urn[str]:
    """``word weight word weight …``, where ``-`` stands for a blank or an apostrophe or itself."""
    words = text.split()
    return Urn(words[::2], [float(weight) for weight in words[1::2]])


def rare_names(random: Random, many: int = 90_000) -> Urn[str]:
    """Up to so many names that hardly anybody bears, the first ones more often."""
    made = {
        "".join((random.choice(_FIRSTS), *random.choices(_MIDDLES, k=random.choice((1, 2))), random.choice(_LASTS)))
        for _ in range(many)
    }
    names = sorted(made)
    random.shuffle(names)
    return Urn(names, [1 / (place + 50) for place in range(len(names))])


def towns(random: Random) -> Urn[tuple[str, str, str]]:
    """Name, postcode, department; behind the large ones some thousand small communes."""
    found: list[tuple[str, str, str]] = []
    weights: list[float] = []
    for word in tables.TOWNS.split():
        name, codes, weight = word.split(":")
        first, _, last = codes.partition("-")
        many = range(int(first), int(last) + 1) if last else [None]
        for code in many:
            postcode = first if code is None else f"{code:05d}"
            department = postcode[:3] if postcode.startswith("97") else postcode[:2]
            called = f"{name} {code % 100:02d}" if code is not None else name
            found.append((called, postcode.replace("2A", "20").replace("2B", "20"), department))
            weights.append(float(weight) / len(many))
    rare = rare_names(random, 5000)
    for place in range(1, 96):
        for number in range(60):
            begin = random.choice(("saint-" + random.choice(_SAINTS), rare.draw(random), rare.draw(random)))
            end = random.choice(("", "", "-sur-" + rare.draw(random), "-les-bains", "-en-" + rare.draw(random)))
            found.append((begin + end, f"{place:02d}{number * 10:03d}", f"{place:02d}"))
            weights.append(0.12)
    return Urn(found, weights)


def coded(text: str) -> Urn[tuple[str, str]]:
    """``code:label:weight``, several of them."""
    found = re.findall(r"(\w+):([^:]+):(\d+)", " ".join(text.split()))
    return Urn([(code, label) for code, label, _ in found], [float(weight) for _, _, weight in found])


def written(name: str) -> str:
    """A family name as the files write it: ``le-goff`` is LE GOFF, ``d-almeida`` D'ALMEIDA."""
    words = name.upper().split("-")
    text = words[0]
    for before, word in pairwise(words):
        text += ("'" if len(before) == 1 else " " if before in _PARTICLES else "-") + word
    return text
