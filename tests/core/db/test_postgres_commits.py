"""Transactions on PostgreSQL that share a commit: each is there or not, on its own account, when its block was left."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from bridge.db.database import Conflict
from bridge.db.postgres import Postgres, commits
from bridge.errors import Unavailable
from tests.core.db.notes import Trips, until, words, write

pytestmark = pytest.mark.postgres

_ASLEEP = "wait_event = 'PgSleep'"


async def slow(db: Postgres) -> None:
    """A commit that takes a minute, unless somebody ends it."""
    async with db.transaction("test") as tx:
        await tx.run("note.slow", "slow")


async def end(somebody: asyncpg.Connection) -> None:
    await somebody.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_ASLEEP}")


async def test_many_writers_share_a_commit(pg: Postgres) -> None:
    before = pg.counts.copy()
    with Trips(pg) as trips:
        await asyncio.gather(*(write(pg, f"w{n}") for n in range(200)))
    done = pg.counts.since(before)
    assert (done.transactions, done.commits) == (200, trips.count)
    assert done.commits <= 1 + 4  # the first at once, the others by fifty
    assert len(await words(pg)) == 200


async def test_nobody_returns_before_the_server_has_it(pg: Postgres, somebody: asyncpg.Connection) -> None:
    turn = asyncio.Lock()  # somebody's connection can be asked one thing at a time

    async def writer(n: int) -> None:
        for k in range(5):
            await write(pg, f"w{n}-{k}")
            async with turn:
                assert await somebody.fetchval("SELECT 1 FROM note WHERE word = $1", f"w{n}-{k}") == 1

    await asyncio.gather(*(writer(n) for n in range(20)))
    assert pg.counts.commits < 100


async def test_what_goes_together_is_not_mixed_up(pg: Postgres) -> None:
    rows = [
        (f"word {n}", None if n % 3 else n, -n if n % 2 else None, bytes([n]) * n if n % 5 else None) for n in range(60)
    ]

    async def mixed(n: int) -> None:
        async with pg.transaction("test") as tx:
            if n % 4 == 0:
                await tx.run("note.twice", f"before {n}", bytes([n]))
            await tx.run("note.add", *rows[n])
            await tx.many("note.other", [(f"{n}/{k}",) for k in range(n % 4)])

    await asyncio.gather(*(mixed(n) for n in range(60)))
    found = {r["word"]: (r["word"], r["size"], r["at"], r["raw"]) for r in await pg.all("note.notes")}
    assert [found[row[0]] for row in rows] == rows
    assert {found[f"before {n}"][3] for n in range(0, 60, 4)} == {bytes([n]) for n in range(0, 60, 4)}
    assert len(await pg.all("note.others")) == sum(n % 4 for n in range(60))


async def test_one_that_fails_fails_alone(pg: Postgres) -> None:
    await write(pg, "there")
    before = pg.counts.copy()
    jobs = [write(pg, f"w{n}", "there") if n % 10 == 5 else write(pg, f"w{n}") for n in range(40)]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(r) for r in results] == [Conflict if n % 10 == 5 else type(None) for n in range(40)]
    assert sorted(await words(pg)) == sorted(["there", *(f"w{n}" for n in range(40) if n % 10 != 5)])
    assert pg.counts.since(before).commits == 2  # the first, and all the others


@pytest.mark.parametrize("word", ["a\0b", "\ud800"])
async def test_a_text_that_no_database_can_hold_harms_nobody_beside_it(pg: Postgres, word: str) -> None:
    results = await asyncio.gather(
        write(pg, "a"), write(pg, "b"), write(pg, "c", word), write(pg, "d"), return_exceptions=True
    )
    assert [type(r) for r in results if r is not None] != []
    assert [r is None for r in results] == [True, True, False, True]
    assert not isinstance(results[2], Unavailable)
    assert sorted(await words(pg)) == ["a", "b", "d"]


async def test_nobody_else_waits_for_who_waits_for_a_lock(
    pg: Postgres, somebody: asyncpg.Connection, pg_url: str
) -> None:
    async with somebody.transaction():
        await somebody.execute("INSERT INTO note (word) VALUES ('theirs')")
        first = asyncio.create_task(write(pg, "theirs"))
        await asyncio.gather(*(write(pg, f"w{n}") for n in range(5)))
        second = asyncio.create_task(write(pg, "lost", "theirs"))
        await asyncio.gather(*(write(pg, f"v{n}") for n in range(5)))
        await until(pg_url, "wait_event_type = 'Lock'", 2)
        assert not first.done()
    results = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(r) for r in results] == [Conflict] * 2
    assert len(await words(pg)) == 11


async def test_a_lock_that_is_let_go_lets_who_waited_write(
    pg: Postgres, somebody: asyncpg.Connection, pg_url: str
) -> None:
    transaction = somebody.transaction()
    await transaction.start()
    await somebody.execute("INSERT INTO note (word) VALUES ('theirs')")
    task = asyncio.create_task(write(pg, "theirs"))
    await until(pg_url, "wait_event_type = 'Lock'")
    await transaction.rollback()
    await task
    assert await words(pg) == ["theirs"]


async def test_a_commit_that_is_cut_off_fails_for_all_that_share_it(
    pg: Postgres, somebody: asyncpg.Connection, pg_url: str
) -> None:
    tasks = [asyncio.create_task(slow(pg) if n == 3 else write(pg, f"w{n}")) for n in range(6)]
    await until(pg_url, _ASLEEP)
    await end(somebody)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(r) for r in results] == [type(None)] + [Unavailable] * 5  # the first had gone at once
    assert await words(pg) == ["w0"]
    await write(pg, "next")


async def test_who_is_cancelled_before_the_commit_has_written_nothing_and_the_others_have(
    pg: Postgres, somebody: asyncpg.Connection, pg_url: str
) -> None:
    first = asyncio.create_task(slow(pg))
    await until(pg_url, _ASLEEP)
    tasks = [asyncio.create_task(write(pg, f"w{n}")) for n in range(10)]
    await asyncio.sleep(0)  # they have come to the end of their blocks
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks[::2], return_exceptions=True)
    await end(somebody)
    with pytest.raises(Unavailable):
        await first
    await asyncio.gather(*tasks[1::2])
    assert sorted(await words(pg)) == [f"w{n}" for n in range(1, 10, 2)]


async def test_who_is_cancelled_during_the_commit_takes_nobody_along(
    pg: Postgres, somebody: asyncpg.Connection, pg_url: str
) -> None:
    first = asyncio.create_task(slow(pg))
    await until(pg_url, _ASLEEP)
    waiting = [asyncio.create_task(write(pg, f"w{n}")) for n in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await asyncio.gather(*waiting)
    assert sorted(await words(pg)) == ["w0", "w1", "w2"]
    assert await pg.all("note.others") == []


async def test_who_waits_for_a_commit_while_the_lease_is_lost_writes_nothing(
    pg: Postgres, somebody: asyncpg.Connection, pg_url: str
) -> None:
    first = asyncio.create_task(slow(pg))
    await until(pg_url, _ASLEEP)
    waiting = asyncio.create_task(write(pg, "old"))
    await asyncio.sleep(0)
    await somebody.execute("UPDATE lease SET fence = fence + 1")
    await end(somebody)
    results = await asyncio.gather(first, waiting, return_exceptions=True)
    assert [type(r) for r in results] == [Unavailable] * 2
    async with asyncio.timeout(20):
        await pg.taken_over()
    assert await words(pg) == []


async def test_large_ones_do_not_pile_up_in_one_commit(pg: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "_SIZE", 1000)

    async def large(n: int) -> None:
        async with pg.transaction("test") as tx:
            await tx.run("note.add", f"w{n}", None, None, b"x" * 400)

    before = pg.counts.copy()
    await asyncio.gather(*(large(n) for n in range(11)))
    assert pg.counts.since(before).commits == 1 + 5
    monkeypatch.setattr(commits, "_SIZE", 10)
    await asyncio.gather(*(large(n) for n in range(11, 14)))
    assert len(await words(pg)) == 14


async def test_what_was_begun_before_the_end_is_finished(pg: Postgres, somebody: asyncpg.Connection) -> None:
    tasks = [asyncio.create_task(write(pg, f"w{n}")) for n in range(100)]
    await asyncio.sleep(0)
    await pg.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    there = await somebody.fetchval("SELECT count(*) FROM note")
    assert there == sum(r is None for r in results) == 100
