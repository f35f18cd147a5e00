"""A database goes to another engine, and back: every row as it was, and the hub goes on with the same keys."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from appservice.process import proof
from appservice.process.command import main
from appservice.process.safekeeping.moving import EVERY, carried, move
from appservice.rights.whole import whole
from bridge.db import Database, fence_of, open_database
from bridge.db.carrying.carriage import NotCarried, sum_of
from bridge.db.carrying.ends import end_of
from bridge.db.carrying.tables import Sum, Table, tables_of
from bridge.errors import Unavailable
from deploy.world.postgres import Postgres
from tests.core.db.own import teach
from tests.matrix.make import SEAL, World, meet
from tests.matrix.process.test_life import life, sessions
from tests.matrix.process.test_sealing import fill

pytestmark = pytest.mark.postgres


@pytest.fixture
def server(postgres: Postgres) -> str:
    """An empty database."""
    return asyncio.run(postgres.create_database())


async def sums(url: str) -> dict[str, Sum]:
    """What a database holds."""
    end = await end_of(url, readonly=True)
    try:
        return {table.name: await sum_of(end, table) for table in tables_of(EVERY)}
    finally:
        await end.close()


async def filled(url: str) -> None:
    """A database with rows in every table that seals, and a few more."""
    db = await open_database(url, EVERY)
    await fill(db, SEAL, 3)
    await proof.prove(db, SEAL)
    async with db.transaction("test") as tx:
        await tx.run("process.life-begin", "hub", "here")
        await tx.run("store.add_conversation", "c1", 1)
        await tx.run("store.add_leg", "c1", "pandalab", "chat")
        for n in range(1200):  # more than a page
            await tx.run("trail.note", n, "message", None, f"m{n}", "é", "sent", None)
        await tx.run("store.add_message", *_message("m1"))
        await tx.run("store.add_recipient", "m1", "rpps:1", "pandalab", 5)
    await db.close()


def _message(ident: str) -> Sequence[Any]:
    return (ident, "c1", "pandalab", f"ref {ident}", "chat", "rpps:1", "cleo", "text", 1, 2)


async def test_there_and_back_every_row_is_as_it_was(tmp_path: Path, server: str) -> None:
    first, third = f"sqlite:///{tmp_path}/one.db", f"sqlite:///{tmp_path}/three.db"
    await filled(first)
    before = await sums(first)
    assert all(before[name].rows for name in ("delivery", "recipient", "trail_new", "e2ee_in", "life"))
    await move(first, server)
    came = await sums(server)
    assert {n for n in before if came[n] != before[n]} == {"life"}  # its place
    await numbers_go_on(server)
    came = await sums(server)
    await move(server, third)
    back = await sums(third)
    assert {n for n in came if back[n] != came[n]} == {"life"}
    await numbers_go_on(third)


async def numbers_go_on(url: str) -> None:
    """What the database numbers by itself comes after what is there."""
    db = await open_database(url, EVERY)
    try:
        last = await one(db, "SELECT MAX(n) AS n FROM mail_in")
        ident = f"new{await one(db, 'SELECT COUNT(*) AS n FROM message')}"
        place = await one(db, "SELECT MAX(pos) AS n FROM message")
        teach(db, "test.mail", "INSERT INTO mail_in (envelope, raw, received_at) VALUES ($1, $2, 1)")
        async with db.transaction("test") as tx:
            await tx.run("test.mail", b"", b"")
            await tx.run("store.add_message", *_message(ident))
            await tx.run("store.add_recipient", ident, "rpps:1", "pandalab", 5)
        assert await one(db, "SELECT MAX(n) AS n FROM mail_in") > last
        assert await one(db, f"SELECT pos AS n FROM message WHERE id = '{ident}'") > place
        trail = f"SELECT COUNT(*) AS n FROM trail_new WHERE subject = '{ident}'"
        assert await one(db, trail) == 1
    finally:
        await db.close()


async def one(db: Database, text: str) -> int:
    """A number."""
    teach(db, "test.one", text)
    row = await db.one("test.one")
    assert row is not None
    return int(row["n"])


async def test_nothing_is_moved_where_anything_is_wrong(
    tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other = f"sqlite:///{tmp_path}/one.db", f"sqlite:///{tmp_path}/other.db"
    await filled(first)
    await filled(other)
    for source, target, why in (
        (first, other, "not empty"), (first, first, "the same"), (f"sqlite:///{tmp_path}/none.db", server, "no file"),
    ):  # fmt: skip
        with pytest.raises(NotCarried, match=why):
            await move(source, target)
    db = await open_database(first, EVERY)
    with pytest.raises(NotCarried, match="the first database: another hub uses"):
        await move(first, server)
    await db.close()
    await nothing_after_a_takeover(first, server)
    with closing(sqlite3.connect(tmp_path / "one.db")) as raw, raw:
        raw.execute("UPDATE message SET chat = 'a' || char(0) || 'b'")
    assert await asyncio.to_thread(main, ["move", first, server]) == 1
    assert "message.chat: a text holds a NUL" in capsys.readouterr().err
    assert sum(one.rows for name, one in (await sums(server)).items() if name != "migration") == 0
    with closing(sqlite3.connect(tmp_path / "one.db")) as raw, raw:
        raw.execute("UPDATE message SET chat = 'chat'")
    assert await asyncio.to_thread(main, ["move", first, server]) == 0
    assert "each as it was" in capsys.readouterr().out


async def nothing_after_a_takeover(source: str, server: str) -> None:
    """Whoever writes on a connection of their own asks for the lease there, too."""
    target = await open_database(server, EVERY)
    raw = await asyncpg.connect(server)
    async with whole(server, fence_of(target)) as erasing:
        await erasing.begin()
        await raw.execute("UPDATE lease SET fence = fence + 1, holder = 'another'")
        with pytest.raises(Unavailable, match="database_in_use"):
            await carried(source, server, EVERY, target)
        await erasing.commit()
        with pytest.raises(Unavailable, match="database_in_use"):
            await erasing.begin()
    await target.close()
    await raw.execute("UPDATE lease SET until = '-infinity'")
    await raw.close()


async def test_the_hub_goes_on_with_the_same_ratchets(
    world: World, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    old = f"sqlite:///{world.folder}/hub.db"
    async with world.node(old) as node:
        await life(node).begin()
        chat = await meet(world, node)
        await node.write(chat.chat, "avant", by="anna")
        await chat.ben.heard("avant")
    await move(old, server)
    await chat.ben.say(chat.room, "pendant")
    async with world.node(server) as node:
        await life(node).begin()
        await node.got("pendant")
        await node.write(chat.chat, "après", by="anna")
        await chat.ben.heard("après")
    assert len(sessions(world, chat.room)) == 1
    assert "another place" not in caplog.text
    async with world.node(old) as node:
        with pytest.raises(Exception, match="of another hub"):
            await life(node).begin()


def test_a_table_knows_what_it_numbers() -> None:
    tables = {table.name: table for table in tables_of(EVERY)}
    assert isinstance(tables["mail_in"], Table)
    assert (tables["mail_in"].numbered, tables["message"].numbered) == ("n", None)
    assert next(iter(tables)) == "conversation"
