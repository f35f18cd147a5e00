"""An older copy of the database is recognised by itself: nothing is encrypted a second time with what it holds."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appservice.process import app
from appservice.process import life as module
from appservice.process.command import main
from appservice.process.life import TYPE, Life
from appservice.process.restored.fetching import Fetching
from appservice.process.restored.noticing import CopyKind, ItemKind, Noticing
from appservice.process.restored.report import acts, lines
from bridge.config import BadConfig, read_config
from bridge.errors import Unavailable
from bridge.hub.hub import now_ms
from bridge.served import Served
from deploy.world.waiting import until
from tests.matrix.make import ANNA, SERVER, Node, World, ghost, meet
from tests.matrix.process.test_start import written


def copy(world: World, name: str) -> None:
    """As `sqlite3 hub.db ".backup copy.db"` does, while the hub runs."""
    source, target = sqlite3.connect(world.folder / "hub.db"), sqlite3.connect(world.folder / name)
    with closing(source), closing(target):
        source.backup(target)


def restore(world: World, name: str, *, in_place: bool) -> None:
    """The copy is the hub's database again; ``in_place``: the file's bytes change, and not the file."""
    for rest in ("-wal", "-shm"):
        (world.folder / f"hub.db{rest}").unlink(missing_ok=True)
    if in_place:
        (world.folder / "hub.db").write_bytes((world.folder / name).read_bytes())
    else:
        (world.folder / name).rename(world.folder / "hub.db")


def sessions(world: World, room: str) -> list[str]:
    """The Megolm sessions with which Anna's ghost has spoken in a room, in order."""
    events = world.stub.world.rooms[room].events
    hers = [e["content"] for e in events if e["sender"] == ghost(ANNA) and e["type"] == "m.room.encrypted"]
    return list(dict.fromkeys(content["session_id"] for content in hers))


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("ALARM the database")]


def life(node: Node, **more: Any) -> Life:
    return Life(node.db, node.homeserver, node.matrix.engine, **more)


@pytest.mark.parametrize("in_place", [True, False])
async def test_an_older_copy_encrypts_nothing_again(
    world: World, in_place: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.node() as node:
        mine = life(node, every=0.02)
        await mine.begin()
        chat = await meet(world, node)
        await node.write(chat.chat, "un", by="anna")
        await chat.ben.heard("un")
        copy(world, "copy.db")
        counting = asyncio.create_task(mine.run())
        await node.write(chat.chat, "deux", by="anna")
        await chat.ben.heard("deux")
        before = world.stub.account_data[world.stub.sender, TYPE]["generation"]
        await node.write(chat.chat, "trois", by="anna")
        await until(lambda: world.stub.account_data[world.stub.sender, TYPE]["generation"] > before)
        counting.cancel()
    old = sessions(world, chat.room)
    restore(world, "copy.db", in_place=in_place)
    async with world.node() as node:
        await life(node).begin()
        await node.write(chat.chat, "quatre", by="anna")
        await chat.ben.heard("quatre")
    assert len(sessions(world, chat.room)) == len(old) + 1
    assert len(alarms(caplog)) == 1
    assert ("lies in another place" in caplog.text) is not in_place


async def test_a_restart_keeps_its_sessions(world: World, caplog: pytest.LogCaptureFixture) -> None:
    chat = None
    for n in range(3):
        async with world.node() as node:
            await life(node).begin()
            chat = chat or await meet(world, node)
            await node.write(chat.chat, f"mot {n}", by="anna")
            await chat.ben.heard(f"mot {n}")
    assert chat is not None
    assert len(sessions(world, chat.room)) == 1
    assert alarms(caplog) == []


async def test_a_homeserver_that_has_forgotten_is_noticed_and_one_that_missed_a_count_is_not(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.node() as node:
        for _ in range(14):
            await life(node).begin()
        row = await node.db.one("process.life")
        assert row is not None
        assert row["confirmed"] == row["generation"] == 14
        before = dict(world.stub.account_data[world.stub.sender, TYPE])
        world.stub.account_data[world.stub.sender, TYPE] = {**before, "generation": 12}
        await life(node).begin()
        assert "ALARM" not in caplog.text
        world.stub.account_data[world.stub.sender, TYPE] = {**before, "generation": 2}
        noticing = Noticing(node.db, Served(node.matrix, node.product), now_ms)
        await Life(node.db, node.homeserver, node.matrix.engine, noticing).begin()
        assert "ALARM the homeserver has forgotten" in caplog.text
        row = await node.db.one("process.restored-last")
        assert row is not None
        assert row["kind"] == CopyKind.HOMESERVER


async def test_what_waits_in_the_copy_is_listed(world: World) -> None:
    async with world.node() as node:
        await life(node).begin()
        chat = await meet(world, node)
        world.stub.fault(r"PUT .*/send/m\.room\.encrypted/.*user_id=", times=10_000, status=503)
        accepted = await node.write(chat.chat, "attend", by="anna")
        known = world.stub.account_data[world.stub.sender, TYPE]
        known["generation"] += 5
        noticing = Noticing(node.db, Served(node.matrix, node.product), now_ms)
        await Life(node.db, node.homeserver, node.matrix.engine, noticing).begin()
        row = await node.db.one("process.restored-last")
        assert row is not None
        assert (row["kind"], row["until"]) == (CopyKind.OLDER, known["at"])
        waiting = await node.db.all("process.restored-items", row["noticed_at"], ItemKind.WAITING.value, 10)
        delivery = await node.db.one("process.waiting-in-copy", "", 1)
        assert delivery is not None
        assert [(one["id"], one["about"]) for one in waiting] == [(delivery["id"], "matrix")]
        assert accepted.conversation
        world.stub._faults.clear()


async def test_nothing_is_encrypted_before_the_homeserver_has_said_how_far_it_was(world: World) -> None:
    async with world.node() as node:
        await life(node).begin()
        chat = await meet(world, node)
        world.stub.account_data[world.stub.sender, TYPE]["generation"] += 5
        mine = life(node)
        world.stub.fault(f"GET .*/account_data/{TYPE}", 3, status=502)
        await mine.begin()
        await node.write(chat.chat, "attend", by="anna")
        await asyncio.sleep(0.2)
        assert sessions(world, chat.room) == []
        task = asyncio.create_task(mine.run())
        await chat.ben.heard("attend")
        task.cancel()
    assert len(sessions(world, chat.room)) == 1


async def test_a_new_database_beside_old_ghosts_is_a_question(world: World, tmp_path: Path) -> None:
    async with world.node() as node:
        await life(node).begin()
        await node.warm(ANNA)
    async with world.node(url=f"sqlite:///{tmp_path}/new.db") as node:
        with pytest.raises(BadConfig, match=r"database\.url: the homeserver knows .* another database.*empty"):
            await life(node).begin()
        with pytest.raises(Unavailable, match="database_age_unknown"):
            await node.matrix.engine.late("!room", "@ben:chu.example")
        await life(node).adopt()
        await life(node).begin()
    async with world.node() as node:
        with pytest.raises(BadConfig, match="of another hub"):
            await life(node).begin()


async def test_another_life_that_is_found_later_is_an_alarm_and_nothing_is_encrypted(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AGAIN", 0.02)
    async with world.node() as node:
        await life(node).begin()
    async with world.node(url=f"sqlite:///{tmp_path}/new.db") as node:
        world.stub.fault(f"GET .*/account_data/{TYPE}", 3, status=502)
        mine = life(node)
        node.matrix.hindered(lambda: mine.trouble)
        await mine.begin()  # the homeserver does not say
        assert mine.trouble == ""
        task = asyncio.create_task(mine.run())
        await until(lambda: node.matrix.trouble())
        before = world.stub.calls["_get_data"]
        await until(lambda: world.stub.calls["_get_data"] > before + 3)
        task.cancel()
        assert "liaison adopt" in node.matrix.trouble()
        with pytest.raises(Unavailable, match="database_age_unknown"):
            await node.matrix.engine.late("!room", "@ben:chu.example")
    assert len([m for m in caplog.messages if m.startswith("ALARM database.url")]) == 1


async def test_the_command_begins_a_new_life(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with world.node() as node:
        await life(node).begin()
    (tmp_path / "new").mkdir()
    path = written(tmp_path / "new", homeserver=world.stub.url, server_name=SERVER, tokens=("as-token", "hs-token"))
    with pytest.raises(BadConfig, match="liaison adopt"):
        async with app.running(read_config(Path(path))):
            pass
    assert await asyncio.to_thread(main, ["adopt", "-c", path]) == 0
    assert "this database is the hub's from now on" in capsys.readouterr().out
    caplog.clear()
    async with app.running(read_config(Path(path))) as parts:
        assert parts.life.trouble == ""
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


async def test_what_cannot_be_read_again_is_said_to_its_writer_and_listed(world: World) -> None:
    """Its key had come, is lost with the later database, and is of a session that the writer's client has ended."""
    async with world.node() as node:
        await life(node).begin()
        chat = await meet(world, node)
        copy(world, "copy.db")
    async with world.node() as node:
        await life(node).begin()
        chat.ben.rotate(chat.room)
        lost = await chat.ben.say(chat.room, "déjà lu")
        await node.got("déjà lu")
        await node.matrix.engine.catch_up()  # the homeserver forgets what was read
        chat.ben.rotate(chat.room)
    restore(world, "copy.db", in_place=True)
    async with world.node() as node:
        noticing = Noticing(node.db, Served(node.matrix, node.product), now_ms)
        await Life(node.db, node.homeserver, node.matrix.engine, noticing).begin()
        await Fetching(node.db, node.matrix, node.homeserver, now_ms).run()
        await chat.ben.heard("Il est peut-être déjà arrivé")
        await chat.ben.say(chat.room, "encore")
        await node.got("encore")
        said = "\n".join(lines(await acts(node.db)["restored"]({}), everything=True))
        assert "1 messages wait for their key now (event, room, writer)" in said
        assert f"  {lost}  {chat.room}  {chat.ben.mxid}" in said
