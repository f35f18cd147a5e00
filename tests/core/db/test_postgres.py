"""PostgreSQL that dies and comes back: nothing is told to be safe that is not, and never do two hubs write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from bridge.db import Database, brief, open_database
from bridge.db.postgres import lease
from bridge.errors import Unavailable
from deploy.world.postgres import Postgres
from deploy.world.waiting import PATIENCE
from tests.core.db.test_db import component, opened, words, write

# a server that is killed leaves the connection that was being made to it to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed connection:ResourceWarning")


@pytest.fixture
async def own_server() -> AsyncIterator[Postgres]:
    """A server of this test's own, to be killed: what it committed is on disk."""
    server = Postgres(durable=True)
    await server.start()
    yield server
    await server.stop()


async def until(db: Database, word: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await write(db, word)
            except Unavailable:
                await asyncio.sleep(0.05)


async def gone(db: Database) -> None:
    """The server's own processes may end a moment after it."""
    with suppress(Unavailable):
        async with asyncio.timeout(PATIENCE):
            while True:
                await words(db)


async def test_a_lost_server_is_unavailable_and_comes_back(own_server: Postgres, tmp_path: Path) -> None:
    url = await own_server.create_database()
    async with opened(url, tmp_path) as db:
        await write(db, "before")
        await own_server.kill()
        await gone(db)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await write(db, "meanwhile")
            with pytest.raises(Unavailable):
                await words(db)
            with pytest.raises(Unavailable):
                await db.one("note.word", "before")
        with pytest.raises(Unavailable):
            await open_database(url, [component(tmp_path)])
        assert not db.working  # and with it /ready
        await own_server.start()
        await until(db, "after")
        assert await words(db) == ["before", "after"]


async def test_the_lock_that_went_with_the_server_is_taken_again(own_server: Postgres, tmp_path: Path) -> None:
    url = await own_server.create_database()
    async with opened(url, tmp_path) as db:
        await own_server.kill()
        await own_server.start()
        await until(db, "mine")
        somebody = await asyncpg.connect(url)
        async with asyncio.timeout(PATIENCE):
            while not (await lease.look(somebody)).locked:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await somebody.close()
        with pytest.raises(Unavailable, match="database_in_use"):
            await open_database(url, [component(tmp_path)])


async def test_a_connection_lost_in_the_middle_is_unavailable(own_server: Postgres, tmp_path: Path) -> None:
    async with opened(await own_server.create_database(), tmp_path) as db:

        async def write_while_it_dies() -> None:
            async with db.transaction("test") as tx:
                await tx.run("note.add", "x", None)
                await own_server.kill()
                await tx.run("note.add", "y", None)

        with pytest.raises(Unavailable):
            await write_while_it_dies()
        await own_server.start()
        await until(db, "z")
        assert await words(db) == ["z"]


async def test_a_connection_that_breaks_between_two_steps_is_unavailable(
    own_server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen when the server was restarted under load: asyncpg names it an error of its own."""
    async with opened(await own_server.create_database(), tmp_path) as db:

        async def broken(*_: object) -> None:
            raise asyncpg.InternalClientError("got result for unknown protocol state")

        with monkeypatch.context() as patch:
            patch.setattr(asyncpg.Connection, "fetch", broken)
            with pytest.raises(Unavailable):
                await words(db)
            with pytest.raises(Unavailable):
                await write(db, "lost")
        await write(db, "next")  # on a new connection: nobody knows what became of the other
        assert await words(db) == ["next"]


async def test_a_password_that_is_wrong_by_now_is_unavailable(own_server: Postgres, tmp_path: Path) -> None:
    url = (await own_server.create_database()).replace("postgres@", "nobody@")
    with pytest.raises(Unavailable) as refused:
        await open_database(url, [component(tmp_path)])
    assert brief(refused.value.__cause__ or refused.value).startswith("InvalidAuthorizationSpecificationError (28000)")
