"""The search in a directory: what is found, and that it costs what it finds."""

from __future__ import annotations

import random
from typing import SupportsIndex, overload

import pytest

from bridge.people.directories.flatfile import FlatFile
from bridge.people.directories.index import Index, fold
from tests.core.make import PEOPLE, person

ROWS = [
    ("Dr Anaïs Martin", "Médecin généraliste", "CHU de Lyon", "10000000001"),
    ("Jean-Pierre Martinez", "Cardiologue", "Saint-Étienne", "10000000002"),
    ("Léa L’Œuf", "Sage-femme", "Lyon", "10000000003"),
    ("Bob Saint-Martin", "", "", "10000000004"),
]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("martin", [0, 3, 1]), ("MARTIN lyon", [0]), ("mart ly", [0]), ("martinez", [1]), ("etienne", [1]),
        ("Étienne saint", [1]), ("pierre", [1]), ("jean pierre", [1]), ("jean-pierre", [1]), ("10000000003", [2]),
        ("1000000000", [0, 1, 2, 3]), ("sage-femme", [2]), ("l'œuf", [2]), ("anais", [0]), ("artin", []), ("", []),
        ("-", []), ("martin zz", []), ("medecin cardiologue", []), ("martin martin", [0, 3, 1]), ("m", [0, 3, 1]),
    ],
)  # fmt: skip
def test_what_is_found(query: str, rows: list[int]) -> None:
    assert list(Index(ROWS).find(query)) == rows


def test_nothing_is_missed() -> None:
    """The same as a look at every row."""
    chance = random.Random(7)

    def word() -> str:
        return "".join(chance.choice("abé") for _ in range(chance.randint(1, 4)))

    rows = [tuple(f"{word()} {word()}" for _ in range(3)) for _ in range(300)]
    index = Index(rows)
    for _ in range(300):
        query = " ".join(word() for _ in range(chance.randint(1, 3)))
        slow = {
            number
            for number, fields in enumerate(rows)
            if all(any(have.startswith(w) for field in fields for have in fold(field)) for w in fold(query))
        }
        found = list(index.find(query))
        assert set(found) == slow
        assert len(found) == len(slow)


class Counted(list[str]):
    """A list that knows how often it was looked into."""

    looks = 0

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> str: ...
    @overload
    def __getitem__(self, key: slice, /) -> list[str]: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> str | list[str]:
        self.looks += 1
        return super().__getitem__(key)


@pytest.mark.parametrize("size", [1_000, 20_000])
def test_a_search_costs_what_it_finds(size: int) -> None:
    index = Index([(f"Dr n{n}", "Médecin", f"Lyon{n % 500}", f"{10**10 + n}") for n in range(size)])
    index._texts = texts = Counted(index._texts)
    for query, most in (("medecin zzz", 0), ("n77 medecin", 1), (f"{10**10 + 7} dr", 1), ("zzz", 0)):
        texts.looks = 0
        next(index.find(query), None)
        assert texts.looks <= most, query


async def test_the_limit_holds_and_people_are_whole() -> None:
    directory = FlatFile([*PEOPLE, *(person(f"2000000{n:04}", f"Zoé {n}", f"pandalab:z{n}") for n in range(1200))])
    assert [p.name for p in await directory.search("zoe", 3)] == ["Zoé 0", "Zoé 1", "Zoé 2"]
    assert [p.id for p in await directory.search("petit", 50)] == ["rpps:10000000003"]
    pages = [len(page) async for page in directory.everyone()]
    assert pages == [499, 500, 205]  # who is on Matrix only is not among them
