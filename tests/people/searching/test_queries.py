"""What people ask, as they write it, finds whom they mean: on every store alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pytest

from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.kept.lookup import Lookup
from bridge.people.national.loads.guards import Limits
from bridge.people.national.loads.loading import Loading
from bridge.people.searching.entry import Entry
from bridge.people.searching.memory import MemoryTerms
from bridge.people.searching.search import Search
from bridge.people.searching.terms import Terms
from deploy.world.postgres import Postgres
from tests.people.searching.population import SIZE, Query, known, population, queries
from tests.people.searching.public_files import write

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


async def answers(terms: Terms, some: Sequence[Query]) -> list[list[str]]:
    """Whom each query finds, in order (ids)."""
    counted, given = Counted(terms), []
    for query in some:
        counted.statements = 0
        given.append([one.entry.id for one in await Search(counted).find(query.asked, 10)])
        assert counted.statements <= STATEMENTS, query
    return given


def assert_right(some: Sequence[Query], given: Sequence[Sequence[str]]) -> None:
    """The right person is the first one for 95 % of the queries, and among the first five for all."""
    pairs = list(zip(some, given, strict=True))
    second = [query.asked for query, ids in pairs if query.meant not in ids[:1]]
    assert len(second) <= len(some) * 0.05, second
    assert [query.asked for query, ids in pairs if query.meant not in ids[:5]] == []


@pytest.fixture(scope="module")
def crowd() -> list[Entry]:
    return population()


@pytest.mark.parametrize("held", [False, True], ids=["seen", "held back"])
async def test_the_right_person_comes_first(crowd: list[Entry], held: bool) -> None:
    some = [query for query in queries() if query.held == held]
    assert_right(some, await answers(MemoryTerms(crowd), some))


@pytest.mark.postgres
@pytest.mark.real_time
@pytest.mark.parametrize("size", [1_000, pytest.param(SIZE, marks=pytest.mark.long)])
async def test_both_databases_and_the_memory_give_the_same(size: int, tmp_path: Path, postgres: Postgres) -> None:
    crowd = population(size)
    files = write(tmp_path, crowd)
    some = queries() if size == SIZE else queries()[::3]
    given = []
    for url in [f"sqlite:///{tmp_path}/hub.db", await postgres.create_database()]:
        loads = loads_of(url)
        assert (await Loading(loads, tmp_path, Limits()).run(files)).state == "loaded"
        tables = await loads.open(await loads.current() or 0)
        lookup = await Lookup.at(tables)
        given.append(await answers(lookup, some))
        entries = await lookup.entries([entry.id for entry in crowd])
        await tables.close()
        await loads.close()
    assert len(entries) == len(crowd)
    assert given[0] == given[1] == await answers(MemoryTerms(entries), some)
    assert_right(some, given[0])


def test_the_table_is_large_enough_and_names_people_who_are_there(crowd: list[Entry]) -> None:
    assert len(crowd) >= 20_000
    assert sum(not query.held for query in queries()) >= 240
    assert sum(query.held for query in queries()) == 60
    assert {query.meant for query in queries()} <= {entry.id for entry in known()}
