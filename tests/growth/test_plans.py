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
from tests.growth.reasons import FEW, FIRST, PAGES, SORTED, WHOLE

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
