"""The function that runs many statements together, and what the statements say of themselves."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from appservice.process.app import COMPONENTS
from bridge.db import open_database
from bridge.db.postgres import Postgres
from bridge.db.postgres.together import Statement
from tests.core.db.notes import STATEMENTS, component, write

pytestmark = pytest.mark.postgres


_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"


async def test_every_statement_of_the_program_that_gives_nothing_back_can_wait(pg_url: str) -> None:
    made = await open_database(pg_url, COMPONENTS)
    assert isinstance(made, Postgres)
    try:
        assert set(made._together.steps) == {name for name, s in made._statements.items() if s.gives_nothing}
        assert len(made._together.steps) > 80
    finally:
        await made.close()


async def test_the_tables_of_every_statement_are_those_that_the_server_sees(pg_url: str) -> None:
    """A table that is overlooked would let a transaction not see what it has written."""
    made = await open_database(pg_url, COMPONENTS)
    assert isinstance(made, Postgres)
    async with made._connections._places:
        connection = await asyncpg.connect(pg_url)
    try:
        for name, statement in made._statements.items():
            prepared = await connection.prepare(statement.text)
            plan = (await prepared.explain(*[None] * len(prepared.get_parameters())))[0]["Plan"]
            assert set(_relations(plan)) <= statement.tables, name
            assert statement.gives_nothing == (not prepared.get_attributes()), name
            assert statement.only_reads == (_is_reading(plan)), name
    finally:
        await connection.close()
        await made.close()


def _relations(plan: dict[str, object]) -> list[str]:
    found = [str(plan["Relation Name"])] if "Relation Name" in plan else []
    below = plan.get("Plans", [])
    assert isinstance(below, list)
    return found + [relation for one in below for relation in _relations(one)]


def _is_reading(plan: dict[str, object]) -> bool:
    below = plan.get("Plans", [])
    assert isinstance(below, list)
    return plan["Node Type"] not in ("ModifyTable", "LockRows") and all(_is_reading(one) for one in below)


@pytest.mark.parametrize(
    ("text", "writes", "tables"),
    [
        ("SELECT a FROM b WHERE c = $1", "", "b"),
        ("SELECT 1 FROM a x, b y JOIN c ON true WHERE d IN (SELECT e FROM f)", "", "a b c f"),
        ("INSERT INTO a (b) SELECT c FROM d ON CONFLICT (b) DO UPDATE SET b = 1;", "a", "a d"),
        ("UPDATE a SET b = (SELECT max(c) FROM d)", "a", "a d"),
        ("DELETE FROM a USING b WHERE a.x = b.x", "a", "a b"),
        ("WITH x AS (SELECT y FROM z FOR UPDATE)\nDELETE FROM a USING x WHERE true", "a", "a x z"),
    ],
)
def test_tables(text: str, writes: str, tables: str) -> None:
    statement = Statement.of(text)
    assert statement.writes == frozenset(writes.split())
    assert statement.tables == frozenset(tables.split())


async def functions(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch("SELECT proname FROM pg_proc WHERE proname LIKE 'liaison_run%' ORDER BY proname")
    return [row["proname"] for row in rows]


async def test_the_function_is_made_once_and_that_of_another_version_goes(
    pg: Postgres, pg_url: str, tmp_path: Path, somebody: asyncpg.Connection
) -> None:
    [first, beside] = await functions(somebody)
    made = await somebody.fetchval("SELECT oid FROM pg_proc WHERE proname = $1", first)
    await pg.close()
    again = await open_database(pg_url, [component(tmp_path)])
    await again.close()
    assert await somebody.fetchval("SELECT oid FROM pg_proc WHERE proname = $1", first) == made
    more = STATEMENTS + "-- name: all_gone\nDELETE FROM note;\n"
    newer = await open_database(pg_url, [component(tmp_path / "newer", more)])
    second = await functions(somebody)
    assert {first, beside}.isdisjoint(second)
    await write(newer, "a", "b")
    await newer.close()
    older = await open_database(pg_url, [component(tmp_path)])
    await write(older, "c", "d")
    await older.close()
    assert await functions(somebody) == [first, beside]


async def test_without_statements_there_is_no_function(
    pg_url: str, tmp_path: Path, somebody: asyncpg.Connection
) -> None:
    bare = await open_database(pg_url, [component(tmp_path, "")])
    await bare.close()
    assert await functions(somebody) == []
