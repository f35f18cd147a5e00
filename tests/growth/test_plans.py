"""The plan of every statement, on both engines: none reads a table that grows, none sorts what may be many."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bridge.db import read_statements
from deploy.world.postgres import Postgres
from tests.core.db.versions import COMPONENTS
from tests.growth.large import connect, core, mail
from tests.growth.large_matrix import keys, matrix
from tests.growth.measure import InPostgres, InSqlite
from tests.growth.plans import Plan, PostgresPlans, SqlitePlans
from tests.growth.reasons import FEW, FIRST, KNOWN, KNOWN_TO_SQLITE, ONE_EACH, PAGES, SORTED, WHOLE
from tests.growth.spread import others, spread

NAMES = sorted(name for component in COMPONENTS for name in read_statements(component, "sqlite"))
SIZE = 2_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sqlite() -> AsyncIterator[SqlitePlans]:
    db = InSqlite()
    yield SqlitePlans(db)
    await db.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def postgresql(postgres: Postgres) -> AsyncIterator[PostgresPlans]:
    db = await InPostgres.open(await postgres.create_database())
    await db.fill(core(SIZE) | connect(SIZE) | mail(SIZE) | matrix(SIZE) | keys(SIZE))
    yield await PostgresPlans.of(db)
    await db.close()


def faults(name: str, sql: str, plan: Plan) -> set[str]:
    """What is wrong with a plan."""
    if name in WHOLE:
        return set()
    many = plan.paths - FEW.keys()
    fine = (PAGES if "LIMIT" in sql else set()) | (FIRST if re.search(r"\bM(IN|AX)\(", sql) else set())
    return (
        plan.whole
        | (many - fine)
        | ({"sorts what may be many"} if plan.sorts and many and name not in SORTED else set())
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", NAMES)
async def test_sqlite_looks_at_few_rows(sqlite: SqlitePlans, name: str) -> None:
    sql = sqlite.statements[name]
    assert faults(name, sql, await sqlite.plan(name)) == set()


@pytest.mark.postgres
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", NAMES)
async def test_postgresql_looks_at_few_rows(postgresql: PostgresPlans, name: str) -> None:
    sql = postgresql.statements[name]
    assert faults(name, sql, await postgresql.plan(name)) == set()


def but(found: set[str]) -> set[str]:
    """Without what a planner may well do: read a table whole that has a row for the hub, or for each product."""
    return found - {f"SCAN {table}" for table in ONE_EACH}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.postgres
async def test_a_planner_who_knows_a_large_hub_goes_the_same_ways(postgres: Postgres) -> None:
    """With the statistics of a million rows nothing forbids it a scan; SQLite knows sizes once somebody analyses."""
    large, small = await InPostgres.open(await postgres.create_database()), InSqlite()
    await small.fill(spread(SIZE))
    await large.fill(spread(SIZE) | others(small, SIZE))
    await small.fill(others(small, SIZE))
    small.connection.execute("ANALYZE")
    planner, analysed = await PostgresPlans.of(large), SqlitePlans(small)
    await planner.in_a_hub(500)
    found = {}
    for plans, reasons in ((planner, KNOWN), (analysed, KNOWN_TO_SQLITE)):
        for name in NAMES:
            sql = plans.statements[name]
            found[name, plans] = but(faults(name, sql, await plans.plan(name))) - reasons.get(name, set())
        plans.statements["test.scan"] = "SELECT id FROM message WHERE kind = 'text'"
        assert faults("test.scan", "", await plans.plan("test.scan")) == {"SCAN message"}
    for db in (large, small):
        await db.close()
    assert {name: wrong for (name, _), wrong in found.items() if wrong} == {}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.postgres
async def test_a_new_statement_that_scans_is_found(sqlite: SqlitePlans, postgresql: PostgresPlans) -> None:
    for plans in (sqlite, postgresql):
        for name, sql in (
            ("test.scan", "SELECT id FROM message WHERE kind = 'text'"),
            ("test.room", "SELECT id FROM message WHERE conversation = 'c'"),
            ("test.sort", "SELECT id FROM message WHERE conversation = 'c' ORDER BY sent_at LIMIT 10"),
        ):
            plans.statements[name] = sql
            assert faults(name, sql, await plans.plan(name)), (name, sql)
