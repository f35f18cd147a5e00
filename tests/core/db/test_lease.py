"""The lease of a database: one holder, who is told when it is lost; nothing of an earlier one is ever written."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from bridge.db import Database, open_database
from bridge.db.looking import look
from bridge.db.postgres import Postgres, keeper, lease
from bridge.db.postgres.keeper import Keeper
from bridge.db.postgres.standby import Directions, Standby
from bridge.errors import Unavailable
from deploy.world.postgres import Postgres as Server
from deploy.world.waiting import PATIENCE
from tests.core.db.notes import STATEMENTS, component, until, words, write

pytestmark = pytest.mark.postgres
RELEASE = "1.0"


async def nobody(_: Directions | None) -> None:
    """Directions that are not needed."""


@asynccontextmanager
async def taken_over(url: str, folder: Path) -> AsyncIterator[Postgres]:
    """The database of another process that takes it from whoever has it."""
    connection = await keeper.connect(url)
    seen = await lease.look(connection)
    db = await Postgres.open(url, [component(folder)], await Keeper.taken(url, connection, seen, "elsewhere:1:x"))
    try:
        yield db
    finally:
        await db.close()


async def test_whoever_lost_it_writes_nothing_more_in_any_way(pg: Postgres, pg_url: str, tmp_path: Path) -> None:
    await write(pg, "mine")
    async with taken_over(pg_url, tmp_path) as other:
        await write(other, "theirs")
        await other.held()
        with pytest.raises(Unavailable, match="database_in_use"):
            await pg.held()
        with pytest.raises(Unavailable, match="database_in_use"):
            await write(pg, "alone")
        results = await asyncio.gather(*(write(pg, f"together {n}") for n in range(20)), return_exceptions=True)
        assert {type(one) for one in results} == {Unavailable}
        with pytest.raises(Unavailable, match="database_in_use"):
            async with pg.transaction("test") as tx:
                await tx.one("note.take", "mine")
        async with asyncio.timeout(PATIENCE):
            await pg.taken_over()
        assert await words(other) == ["mine", "theirs"]


async def test_what_was_begun_before_ends_before_the_next_holder_begins(
    pg: Postgres, pg_url: str, tmp_path: Path
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        async with pg.transaction("test") as tx:
            await tx.one("note.lock", "none")  # a transaction of the server's
            begun.set()
            await go.wait()
            await tx.run("note.add", "mine", None, None, None)

    task = asyncio.create_task(slowly())
    await begun.wait()
    taking = asyncio.create_task(_seen_by_another(pg_url, tmp_path))
    await until(pg_url, "wait_event_type = 'Lock'")
    go.set()
    await task
    assert await taking == ["mine"]


async def _seen_by_another(url: str, folder: Path) -> list[str]:
    async with taken_over(url, folder) as other:
        return await words(other)


async def test_a_transaction_that_stands_still_is_ended_for_the_next_holder(
    pg: Postgres, pg_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process was stopped or cut off in the middle: nobody waits for it for ever."""
    monkeypatch.setattr(lease, "_PATIENCE", 50)
    begun = asyncio.Event()

    async def stands() -> None:
        async with pg.transaction("test") as tx:
            await tx.one("note.lock", "none")
            await tx.run("note.add", "old", None, None, None)
            begun.set()
            await asyncio.sleep(0.2)
            async with taken_over(pg_url, tmp_path) as other:
                await write(other, "new")

    with pytest.raises(Unavailable):
        await stands()
    assert await words(pg) == ["new"]


async def test_of_two_who_saw_it_free_one_gets_it(pg_url: str) -> None:
    connections = [await keeper.connect(pg_url) for _ in range(2)]
    await lease.make(connections[0])
    seen = [await lease.look(one) for one in connections]
    got = await asyncio.gather(
        *(lease.take(c, s, "x:1:y") for c, s in zip(connections, seen, strict=True)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in got) == ["Unavailable", "int"]
    for one in connections:
        await one.close()


async def test_a_holder_that_has_renewed_meanwhile_keeps_it(pg: Postgres, pg_url: str) -> None:
    """Both waited for a row that a third held: its time was over when the other looked, and is not any more."""
    connection = await keeper.connect(pg_url)
    seen = await lease.look(connection)
    with pytest.raises(Unavailable, match="database_in_use"):
        await lease.take(connection, replace(seen, running=False), "elsewhere:1:x")
    await write(pg, "mine")
    await connection.close()


async def test_it_is_held_as_long_as_its_holder_lives_whatever_its_time(
    pg: Postgres, pg_url: str, tmp_path: Path, somebody: asyncpg.Connection
) -> None:
    await somebody.execute("UPDATE lease SET until = now() + interval '1 hour'")
    with pytest.raises(Unavailable, match="database_in_use"):
        await open_database(pg_url, [component(tmp_path)])
    await pg.close()
    await (await open_database(pg_url, [component(tmp_path)])).close()


async def test_a_cut_connection_does_not_lose_it(
    pg: Postgres, pg_url: str, tmp_path: Path, somebody: asyncpg.Connection
) -> None:
    before = await somebody.fetchval("SELECT fence FROM lease")
    await somebody.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = $1",
        pg_url.rpartition("/")[2],
    )
    with pytest.raises(Unavailable, match="database_in_use"):
        await open_database(pg_url, [component(tmp_path)])
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await write(pg, "mine")
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                break
    assert await somebody.fetchval("SELECT fence FROM lease") == before


async def test_a_standby_takes_over_at_once_when_the_holder_ends(pg: Postgres, pg_url: str, tmp_path: Path) -> None:
    told = list[Directions | None]()

    async def reach(directions: Directions | None) -> None:
        told.append(directions)

    waiting = asyncio.create_task(Standby(pg_url, [component(tmp_path)], RELEASE).wait(reach))
    await pg.publish("here", "secret", RELEASE)
    async with asyncio.timeout(PATIENCE):
        while Directions("here", "secret") not in told:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert "secret" not in repr(told)
    works = {worker.name: worker.works for worker in await pg.workers()}
    assert sorted(works.values()) == [False, True]
    assert not waiting.done()
    await pg.close()
    db = await Postgres.open(pg_url, [component(tmp_path)], await waiting)
    assert told[-1] is None
    assert [worker.works for worker in await db.workers()] == [True]
    await db.close()


async def test_a_standby_finds_a_holder_that_has_worked_for_days(
    pg: Postgres, pg_url: str, tmp_path: Path, somebody: asyncpg.Connection
) -> None:
    """It says once where it is; workers that ended long ago are forgotten, and it is not one of them."""
    told = asyncio.Queue[Directions | None]()
    await pg.publish("here", "secret", RELEASE)
    await somebody.execute("INSERT INTO worker (id, version) VALUES ('ended', '1.0')")
    await somebody.execute("UPDATE worker SET seen_at = now() - interval '2 days'")
    waiting = asyncio.create_task(Standby(pg_url, [component(tmp_path)], RELEASE).wait(told.put))
    assert await told.get() == Directions("here", "secret")
    assert await somebody.fetchval("SELECT count(*) FROM worker WHERE id = 'ended'") == 0
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_whoever_takes_over_leaves_the_hubs_in_other_databases_of_the_server_alone(
    pg: Postgres, pg_url: str, tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them lock the same numbers, each in its own database."""
    monkeypatch.setattr(lease, "_PATIENCE", 50)
    theirs = await open_database(await postgres.create_database(), [component(tmp_path)])
    async with theirs.transaction("test") as tx:
        await tx.one("note.lock", "none")
        with pytest.raises(Unavailable):
            await _pushed_aside(pg, pg_url, tmp_path)
        await tx.run("note.add", "theirs", None, None, None)
    assert await words(theirs) == ["theirs"]
    assert not (await look(await postgres.create_database(), [component(tmp_path)])).in_use
    await theirs.close()


async def _pushed_aside(pg: Postgres, url: str, folder: Path) -> None:
    """In the middle of a transaction."""
    async with pg.transaction("test") as tx:
        await tx.one("note.lock", "none")
        async with taken_over(url, folder):
            await tx.run("note.add", "mine", None, None, None)


async def test_no_number_is_given_a_second_time_by_an_older_copy(
    pg: Postgres, pg_url: str, tmp_path: Path, somebody: asyncpg.Connection
) -> None:
    """Its next holder would else have the number of one that still runs, and knows what came after the copy."""
    early = await somebody.fetchval("SELECT fence FROM lease")
    assert early > 1_700_000_000  # no hub of another database begins with the same
    await somebody.execute("UPDATE lease SET fence = $1", early - 1000)
    async with taken_over(pg_url, tmp_path):
        assert await somebody.fetchval("SELECT fence FROM lease") >= early
    await somebody.execute("UPDATE lease SET fence = $1", early + 100_000)
    async with taken_over(pg_url, tmp_path):
        assert await somebody.fetchval("SELECT fence FROM lease") == early + 100_001


async def test_a_standby_waits_while_somebody_else_has_the_table(
    pg: Postgres, pg_url: str, tmp_path: Path, somebody: asyncpg.Connection
) -> None:
    """A VACUUM FULL, and a role that waits for no lock: what was handed on would end with the process."""
    name = pg_url.rpartition("/")[2]
    await somebody.execute(f"ALTER DATABASE \"{name}\" SET lock_timeout = '20ms'")
    waiting = asyncio.create_task(Standby(pg_url, [component(tmp_path)], RELEASE).wait(nobody))
    await until(
        pg_url, "query LIKE '%FROM lease WHERE name%' AND query LIKE '%max(fence)%' AND pid <> pg_backend_pid()"
    )
    async with somebody.transaction():
        await somebody.execute("LOCK TABLE lease")
        await asyncio.wait({waiting}, timeout=0.7)
        assert not waiting.done()
    await pg.close()
    await (await waiting).close()


async def test_a_standby_is_sure_before_it_takes_from_a_holder_whose_connection_was_cut(pg_url: str) -> None:
    connection = await keeper.connect(pg_url)
    await lease.make(connection)
    await lease.take(connection, await lease.look(connection), "elsewhere:1:x")  # without the lock
    standby = Standby(pg_url, [], RELEASE)
    seen = await lease.look(connection)
    assert seen.doubtful
    assert not standby._may(seen)
    await lease.lock(connection)
    assert not standby._may(await lease.look(connection))
    assert standby._free_since is None
    await connection.close()


async def test_after_the_server_was_away_its_holder_may_renew_first(pg: Postgres, pg_url: str) -> None:
    """Nobody could renew meanwhile: that its time is over says nothing."""
    standby, loop = Standby(pg_url, [], RELEASE), asyncio.get_running_loop()
    over = lease.Holding(7, "elsewhere:1:x", running=False, locked=False)
    assert standby._may(over)
    standby._shaken = loop.time()
    assert not standby._may(over)
    standby._shaken = loop.time() - 3
    assert standby._may(over)


async def test_who_took_it_from_a_living_holder_is_not_taken_for_dead(
    pg: Postgres, pg_url: str, tmp_path: Path
) -> None:
    """The session's lock is the earlier holder's until that one knows; then it is the new one's at once."""
    async with taken_over(pg_url, tmp_path) as other:
        async with asyncio.timeout(PATIENCE):
            await pg.taken_over()
        await pg.close()
        async with asyncio.timeout(PATIENCE):
            while not other._keeper._locked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        looking = await keeper.connect(pg_url)
        seen = await lease.look(looking)
        await looking.close()
        assert (seen.locked, seen.doubtful, seen.free) == (True, False, False)


async def test_an_older_release_does_not_take_over_from_a_newer_one(
    pg: Postgres, pg_url: str, tmp_path: Path, somebody: asyncpg.Connection
) -> None:
    await somebody.execute("INSERT INTO migration VALUES ('note', 99), ('another', 99)")
    await pg.close()
    older = asyncio.create_task(Standby(pg_url, [component(tmp_path)], RELEASE).wait(nobody))
    await asyncio.sleep(2)
    assert not older.done()
    await somebody.execute("DELETE FROM migration WHERE number = 99 AND component = 'note'")
    await (await older).close()


async def test_a_holder_of_this_machine_that_has_died_is_known_to_have() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    machine = socket.gethostname()
    assert keeper.gone(f"{machine}:{child.pid}:x")
    assert not keeper.gone(f"{machine}:{os.getpid()}:x")
    assert not keeper.gone(f"{machine}:1:x")
    assert not keeper.gone(f"another:{child.pid}:x")
    assert not keeper.gone("")


async def test_the_lease_is_made_once_also_by_two_at_a_time(pg_url: str) -> None:
    connections = [await keeper.connect(pg_url) for _ in range(4)]
    await asyncio.gather(*(lease.make(one) for one in connections))
    assert (await lease.look(connections[0])).fence == 0
    for one in connections:
        await one.close()


async def test_a_release_without_leases_is_not_pushed_aside(pg_url: str, tmp_path: Path) -> None:
    old = await asyncpg.connect(pg_url)
    assert await old.fetchval("SELECT pg_try_advisory_lock($1)", lease.LOCK)
    with pytest.raises(Unavailable, match="database_in_use"):
        await open_database(pg_url, [component(tmp_path, STATEMENTS)])
    await old.close()
    await (await open_database(pg_url, [component(tmp_path, STATEMENTS)])).close()


async def test_a_role_that_repeats_its_reads_writes_nothing_after_it_has_waited_for_the_next_holder(
    pg_url: str, tmp_path: Path, somebody: asyncpg.Connection
) -> None:
    """A snapshot from before the wait would still show its own lease."""
    name = pg_url.rpartition("/")[2]
    await somebody.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'repeatable read'")
    pg = await open_database(pg_url, [component(tmp_path)])
    await write(pg, "mine")
    taking = await asyncpg.connect(pg_url)
    async with taking.transaction():
        await taking.execute(f"SELECT pg_advisory_xact_lock({lease._GATE})")
        late = asyncio.gather(write(pg, "late"), _locked(pg), return_exceptions=True)
        await until(pg_url, "wait_event_type = 'Lock'", 2)
        await taking.execute("UPDATE lease SET fence = fence + 1")
    assert [type(one) for one in await late] == [Unavailable, Unavailable]
    await taking.close()
    assert await words(pg) == ["mine"]
    await pg.close()


async def _locked(db: Database) -> None:
    async with db.transaction("test") as tx:
        await tx.one("note.lock", "mine")
        await tx.run("note.add", "later", None, None, None)


async def test_whoever_lost_it_while_it_began_leaves_the_functions_of_the_next_release(
    pg: Postgres, pg_url: str, tmp_path: Path
) -> None:
    """An earlier release that stood still at its start would take them away, and nobody could write any more."""
    old = component(tmp_path / "old", STATEMENTS.replace("WHERE word = $1;", "WHERE $1 = word;"))
    connection = await keeper.connect(pg_url)
    late = await Keeper.taken(pg_url, connection, await lease.look(connection), "elsewhere:1:x")
    async with taken_over(pg_url, tmp_path) as other:
        with pytest.raises(Unavailable, match="database_in_use"):
            await Postgres.open(pg_url, [old], late)
        await write(other, "theirs")
