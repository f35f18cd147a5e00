"""The search in a directory: what is found, and that it costs what it finds."""

from __future__ import annotations

import random
from typing import SupportsIndex, overload

import pytest

from bridge.model import Address, Person
from bridge.people.directories.entries import entry_of
from bridge.people.directories.flatfile import FlatFile
from bridge.people.searching.entry import Workplace
from bridge.people.searching.index_words import words_of
from bridge.people.searching.memory import MemoryTerms
from tests.core.make import PEOPLE, person

ROWS = [
    Person("rpps:10000000001", "Dr Anaïs Martin", "Médecin généraliste", "CHU de Lyon"),
    Person("rpps:10000000002", "Jean-Pierre Martinez", "Cardiologue", "Saint-Étienne"),
    Person("rpps:10000000003", "Léa L’Œuf", "Sage-femme", "Lyon"),
    Person("rpps:10000000004", "Bob Saint-Martin", "", ""),
]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("martin", "142"), ("MARTIN lyon", "1"), ("mart ly", "1"), ("martinez", "2"), ("etienne", "2"),
        ("Saint Étienne", "2"), ("pierre", "2"), ("jean pierre", "2"), ("jean-pierre", "2"), ("10000000003", "3"),
        ("1000000000", "3124"), ("sage-femme", "3"), ("l'œuf", "3"), ("anais", "1"), ("", ""), ("-", ""),
        ("generaliste lyon", "1"), ("martin martin", "142"), ("m", "124"), ("lea lœuf sage femme", "3"),
    ],
)  # fmt: skip
async def test_what_is_found(query: str, rows: str) -> None:
    assert "".join(found.id[-1] for found in await FlatFile(ROWS).search(query, 9)) == rows


@pytest.mark.parametrize(
    ("name", "given", "family"),
    [
        ("Anna Martin", "Anna", "Martin"), ("Dr MARTIN Anna", "Anna", "MARTIN"),
        ("Pr. Yann Le Goff", "Yann", "Le Goff"),
        ("Aymeric de la Tour", "Aymeric", "de la Tour"), ("Martin", "", "Martin"), ("ANNA MARTIN", "ANNA", "MARTIN"),
        ("Jean Paul Roux", "Jean Paul", "Roux"), ("LE GOFF Yann", "Yann", "LE GOFF"), ("Dr", "", "Dr"),
    ],
)  # fmt: skip
def test_one_field_holds_all_names(name: str, given: str, family: str) -> None:
    entry = entry_of(Person("rpps:10000000001", name))
    assert (entry.given, entry.family) == (given, family)


def test_one_field_holds_house_and_town_and_addresses_are_ways() -> None:
    found = entry_of(PEOPLE[0])
    assert found.boxes == tuple(a.id for a in PEOPLE[0].addresses if a.network == "mail")
    assert entry_of(person("10000000001", "A", "pandalab:x")).accounts == (Address("pandalab", "x"),)
    for place, expected in (
        ("Clinique des Lilas, Grenoble", Workplace("Clinique des Lilas", "Grenoble")),
        ("Lyon", Workplace(town="Lyon")),
        ("CHU de Lyon", Workplace("CHU de Lyon")),
    ):
        assert entry_of(Person("rpps:10000000001", "A", "", place)).places == (expected,)


async def test_nothing_is_missed() -> None:
    """The same as a look at every entry."""
    chance = random.Random(7)

    def word() -> str:
        return "".join(chance.choice("abé") for _ in range(chance.randint(1, 4)))

    entries = [entry_of(Person(f"rpps:{n:011}", f"{word()} {word()}", word(), word())) for n in range(300)]
    terms = MemoryTerms(entries)
    for _ in range(300):
        groups = [[chance.choice("fgct") + word().replace("é", "e") + chance.choice(["", "*"])] for _ in range(2)]
        slow = [
            entry.id
            for entry in entries
            if all(any(_holds(have, way) for have in words_of(entry) for way in group) for group in groups)
        ]
        assert [entry.id for entry in await terms.holding(groups, 300)] == slow


def _holds(have: str, way: str) -> bool:
    return have.startswith(way[:-1]) if way.endswith("*") else have == way


class Watched(list[str]):
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
async def test_a_search_costs_what_it_finds(size: int) -> None:
    rows = (Person(f"rpps:{10**10 + n}", f"Dr n{n}", "Médecin", f"Lyon{n % 500}") for n in range(size))
    terms = MemoryTerms(map(entry_of, rows))
    terms._texts = texts = Watched(terms._texts)
    for groups, most in (
        ([["cmedecin"], ["fzzz"]], 0), ([["fn77"], ["cmedecin"]], 1), ([[f"i{10**10 + 7}"], ["cmedecin"]], 1),
        ([["fzzz"]], 0),
    ):  # fmt: skip
        texts.looks = 0
        await terms.holding(groups, 9)
        assert texts.looks <= most, groups


async def test_the_limit_holds_and_people_are_whole() -> None:
    directory = FlatFile([*PEOPLE, *(person(f"2000000{n:04}", f"Zoé {n}", f"pandalab:z{n}") for n in range(1200))])
    assert [p.name for p in await directory.search("zoe", 3)] == ["Zoé 0", "Zoé 1", "Zoé 10"]
    assert [p.id for p in await directory.search("petit", 50)] == ["rpps:10000000003"]
    pages = [len(page) async for page in directory.everyone()]
    assert pages == [499, 500, 205]  # who is on Matrix only is not among them
