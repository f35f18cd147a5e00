"""What a server has committed and no replica has: it is not told to be safe, and nobody acts on it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from bridge.db import open_database
from bridge.db.postgres import Postgres, session
from bridge.errors import Unavailable
from deploy.world.postgres import Postgres as Server
from deploy.world.waiting import PATIENCE, wait_for
from tests.core.db.notes import component, until, words, write

pytestmark = [pytest.mark.postgres, pytest.mark.filterwarnings("ignore:unclosed connection:ResourceWarning")]
_WAITS = "wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server of these tests' own; what it committed is on disk."""
    server = Server(durable=True, in_memory=True)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Postgres]:
    """The hub's side of it."""
    made = await open_database(url, [component(folder)])
    assert isinstance(made, Postgres)
    yield made
    await made.close()


async def replica(url: str, name: str) -> None:
    """Every commit waits for the replica of this name from now on; none is there. Nothing waits without a name."""
    connection = await asyncpg.connect(url)
    await connection.execute("set synchronous_commit = local")
    await connection.execute(f"alter system set synchronous_standby_names = '{name}'")
    await connection.execute("select pg_reload_conf()")
    await wait_for(lambda: _is_so(connection, name), "the setting")
    await connection.close()


async def _is_so(connection: asyncpg.Connection, name: str) -> bool:
    return bool(await connection.fetchval("show synchronous_standby_names") == name)


async def stop_waiting(url: str) -> None:
    """As an operator or a statement_timeout does: the commit is told not to wait."""
    connection = await asyncpg.connect(url)
    await connection.fetch(f"select pg_cancel_backend(pid) from pg_stat_activity where {_WAITS}")
    await connection.close()


async def again(db: Postgres) -> list[str]:
    """Read until that is possible."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Unavailable):
                return await words(db)
            await asyncio.sleep(0.05)


async def test_a_commit_that_did_not_wait_for_the_replica_is_not_acknowledged(
    own_server: Server, tmp_path: Path
) -> None:
    url = await own_server.create_database()
    async with opened(url, tmp_path) as db:
        await write(db, "before")
        await asyncio.gather(words(db), words(db))  # a connection is there for whoever reads meanwhile
        await replica(url, "nobody")
        writing = asyncio.create_task(write(db, "alone"))
        await until(url, _WAITS)
        assert await words(db) == ["before"]
        await stop_waiting(url)
        with pytest.raises(Unavailable):
            await writing
        reading = asyncio.create_task(words(db))  # the server would show it
        await until(url, _WAITS)
        assert not reading.done()
        await replica(url, "")
        assert await reading == ["before", "alone"]


async def test_a_transaction_of_the_servers_that_did_not_wait_is_not_acknowledged(
    own_server: Server, tmp_path: Path
) -> None:
    url = await own_server.create_database()
    async with opened(url, tmp_path) as db:
        await write(db, "before")
        await replica(url, "nobody")

        async def rename() -> None:
            async with db.transaction("test") as tx:
                await tx.one("note.lock", "before")
                await tx.run("note.rename", "before", "after")

        renaming = asyncio.create_task(rename())
        await until(url, _WAITS)
        await stop_waiting(url)
        with pytest.raises(Unavailable):
            await renaming
        await replica(url, "")
        assert await words(db) == ["after"]


async def test_what_a_commit_that_was_given_up_has_left_is_waited_for(own_server: Server, tmp_path: Path) -> None:
    """Its task was cancelled: the server stops waiting, shows it, and takes back nothing any more."""
    url = await own_server.create_database()
    async with opened(url, tmp_path) as db:
        await write(db, "before")
        await asyncio.gather(words(db), words(db))
        await replica(url, "nobody")

        async def rename() -> None:
            async with db.transaction("test") as tx:
                await tx.one("note.lock", "before")
                await tx.run("note.rename", "before", "after")

        renaming = asyncio.create_task(rename())
        await until(url, _WAITS)
        renaming.cancel()
        await asyncio.gather(renaming, return_exceptions=True)
        reading = [asyncio.create_task(db.one("note.notes")) for _ in range(2)]
        await until(url, _WAITS)
        assert not any(one.done() for one in reading)
        await replica(url, "")
        assert [row["word"] for row in await asyncio.gather(*reading) if row is not None] == ["after", "after"]


async def test_what_a_crashed_primary_shows_is_waited_for(own_server: Server, tmp_path: Path) -> None:
    """It has written the commit before it died, so it has it; the replica, which may be the next primary, has not."""
    url = await own_server.create_database()
    async with opened(url, tmp_path) as db:
        await write(db, "before")
        await replica(url, "nobody")
        writing = asyncio.create_task(write(db, "alone"))
        await until(url, _WAITS)
        await own_server.kill()
        with pytest.raises(Unavailable):
            await writing
        await own_server.start()
        reading = asyncio.create_task(again(db))
        await until(url, _WAITS)
        assert not reading.done()
        await replica(url, "")
        assert await reading == ["before", "alone"]


async def test_a_session_ends_when_the_other_machine_is_silent(pg_url: str) -> None:
    connection = await session.connect(pg_url)
    sock = connection._transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000
    await connection.close()
