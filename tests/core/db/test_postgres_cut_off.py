"""Transactions on PostgreSQL that are cancelled, cut off, too many or in one another's way: nothing is half done."""

from __future__ import annotations

import asyncio
import os
import signal

import asyncpg
import pytest

from bridge.db.postgres import Postgres, connections
from bridge.errors import Unavailable
from tests.core.db.notes import until, words, write

pytestmark = pytest.mark.postgres


_BLOCKED = "wait_event_type = 'Lock'"


async def test_a_transaction_that_is_cancelled_while_it_is_sent_leaves_nothing(
    pg: Postgres, somebody: asyncpg.Connection, pg_url: str
) -> None:
    async with somebody.transaction():
        await somebody.execute("INSERT INTO note (word) VALUES ('theirs')")
        tasks = [asyncio.create_task(write(pg, f"w{n}", "theirs")) for n in range(20)]  # more than connections
        await until(pg_url, _BLOCKED, 16)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(r, asyncio.CancelledError) for r in results), results
        await asyncio.gather(*(write(pg, f"next {n}") for n in range(20)))  # all places are free again
    assert sorted(await words(pg)) == sorted(["theirs", *(f"next {n}" for n in range(20))])


async def test_a_transaction_of_the_servers_that_is_cancelled_leaves_nothing_locked(
    pg: Postgres, somebody: asyncpg.Connection, pg_url: str
) -> None:
    await write(pg, "a", "b")

    async def take(*, for_ever: bool) -> None:
        async with pg.transaction("test") as tx:
            await tx.one("note.take", "a")
            if for_ever:
                await asyncio.Event().wait()
            await tx.one("note.take", "b")

    async with somebody.transaction():
        await somebody.execute("SELECT word FROM note WHERE word = 'b' FOR UPDATE")
        between = asyncio.create_task(take(for_ever=True))
        await until(pg_url, "state = 'idle in transaction' AND query LIKE 'DELETE%'")
        between.cancel()
        await asyncio.gather(between, return_exceptions=True)
        within = asyncio.create_task(take(for_ever=False))
        await until(pg_url, _BLOCKED)
        within.cancel()
        await asyncio.gather(within, return_exceptions=True)
    assert await words(pg) == ["a", "b"]
    await take(for_ever=False)
    assert await words(pg) == []


_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE $1"


async def test_a_connection_that_is_cut_off_while_it_commits_is_unavailable(
    pg: Postgres, somebody: asyncpg.Connection, pg_url: str
) -> None:
    async with somebody.transaction():
        await somebody.execute("INSERT INTO note (word) VALUES ('theirs')")
        task = asyncio.create_task(write(pg, "lost", "theirs"))
        await until(pg_url, _BLOCKED)
        await somebody.execute(_CUT, "SELECT liaison_run%")
        with pytest.raises(Unavailable):
            await task
    assert await words(pg) == ["theirs"]


async def test_a_connection_that_is_cut_off_between_two_statements_is_unavailable(
    pg: Postgres, somebody: asyncpg.Connection
) -> None:
    async def cut_off() -> None:
        async with pg.transaction("test") as tx:
            await tx.run("note.add", "lost", None, None, None)
            assert len(await tx.all("note.notes")) == 1
            await somebody.execute(_CUT, "SELECT word, size%")
            await tx.run("note.add", "lost, too", None, None, None)

    with pytest.raises(Unavailable):
        await cut_off()
    assert await words(pg) == []
    await write(pg, "next")


async def test_a_deadlock_is_unavailable_and_can_be_tried_again(pg: Postgres) -> None:
    await write(pg, "a", "b")
    both = asyncio.Barrier(2)

    async def take(first: str, then: str) -> None:
        async with pg.transaction("test") as tx:
            await tx.one("note.lock", first)
            await both.wait()
            await tx.run("note.gone", then)

    results = await asyncio.gather(take("a", "b"), take("b", "a"), return_exceptions=True)
    assert sorted(type(r).__name__ for r in results) == ["NoneType", "Unavailable"]
    assert len(await words(pg)) == 1


async def test_more_transactions_than_connections_wait_for_their_turn(pg: Postgres) -> None:
    async def read_own(n: int) -> None:
        async with pg.transaction("test") as tx:
            await tx.run("note.add", f"w{n}", None, None, None)
            assert f"w{n}" in [row["word"] for row in await tx.all("note.notes")]

    await asyncio.gather(*(read_own(n) for n in range(100)))
    assert len(await words(pg)) == 100


async def test_a_server_that_has_frozen_is_unavailable_and_what_waits_goes_on_beside_it(
    pg: Postgres, somebody: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_COMMAND", 0.5)
    monkeypatch.setattr(connections, "_FAREWELL", 0.5)
    await write(pg, "before")
    [(connection, _)] = pg._connections._idle
    frozen = connection.get_server_pid()
    assert await somebody.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", frozen) == 1
    os.kill(frozen, signal.SIGSTOP)
    try:
        results = await asyncio.gather(*(write(pg, f"w{n}") for n in range(5)), return_exceptions=True)
        assert [type(r) for r in results] == [Unavailable] + [type(None)] * 4  # the others went on a new connection
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert set(await words(pg)) >= {"before", "w1", "w2", "w3", "w4"}  # whether w0 is there nobody could say


async def test_a_connection_that_nobody_used_for_long_is_not_trusted(
    pg: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(pg, "before")
    [(old, _)] = pg._connections._idle
    monkeypatch.setattr(connections, "_IDLE", -1.0)
    await write(pg, "after")
    assert old not in [kept for kept, _ in pg._connections._idle]
    assert await words(pg) == ["before", "after"]
