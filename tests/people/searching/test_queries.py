"""What people ask, as they write it, finds whom they mean: on every store alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest

from bridge.people.searching.entry import Entry
from bridge.people.searching.memory import MemoryTerms
from bridge.people.searching.search import Search
from bridge.people.searching.terms import Terms
from tests.people.searching.population import Query, known, population, queries

STATEMENTS = 6


class Counted:
    """A store that counts what it is asked."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.statements = 0

    async def near(self, word: str, limit: int) -> Sequence[str]:
        self.statements += 1
        return await self._terms.near(word, limit)

    async def begins(self, prefix: str, limit: int) -> Sequence[str]:
        self.statements += 1
        return await self._terms.begins(prefix, limit)

    async def count(self, words: Collection[str]) -> Mapping[str, int]:
        self.statements += 1
        return await self._terms.count(words)

    async def holding(self, groups: Sequence[Collection[str]], limit: int) -> Sequence[Entry]:
        self.statements += 1
        return await self._terms.holding(groups, limit)

    async def entries(self, ids: Sequence[str]) -> Sequence[Entry]:
        self.statements += 1
        return await self._terms.entries(ids)


async def asked(terms: Terms, some: Sequence[Query]) -> tuple[list[str], list[str]]:
    """Queries whose person is not the first one; those whose person is not among the first five."""
    counted = Counted(terms)
    second, lost = [], []
    for query in some:
        counted.statements = 0
        found = [one.entry.id for one in await Search(counted).find(query.asked, 10)]
        assert counted.statements <= STATEMENTS, query
        if found[:1] != [query.meant]:
            second.append(query.asked)
        if query.meant not in found[:5]:
            lost.append(query.asked)
    return second, lost


@pytest.fixture(scope="module")
def crowd() -> list[Entry]:
    return population()


@pytest.mark.parametrize("held", [False, True], ids=["seen", "held back"])
async def test_the_right_person_comes_first(crowd: list[Entry], held: bool) -> None:
    some = [query for query in queries() if query.held == held]
    second, lost = await asked(MemoryTerms(crowd), some)
    assert len(second) <= len(some) * 0.05, second
    assert lost == []


def test_the_table_is_large_enough_and_names_people_who_are_there(crowd: list[Entry]) -> None:
    assert len(crowd) >= 20_000
    assert sum(not query.held for query in queries()) >= 240
    assert sum(query.held for query in queries()) == 60
    assert {query.meant for query in queries()} <= {entry.id for entry in known()}
