"""What goes wrong when two things happen at once, or when somebody means harm: each was seen to fail once."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from appservice.arriving.inbox import Parked
from appservice.arriving.transactions import Item
from bridge.errors import Unavailable
from bridge.model import Address
from deploy.world.postgres import Postgres
from deploy.world.waiting import until, wait_for
from tests.matrix.arriving.test_gaps import lost
from tests.matrix.make import ANNA, CLEO, Node, World, ghost, meet


async def members(node: Node, room: str) -> set[Address]:
    """Who is in the room's conversation, as the hub knows it."""
    found = await node.hub.facts.chat("matrix", room)
    assert found is not None
    return {member.address for member in found.members}


async def rest(world: World, node: Node, seconds: float = 0.5) -> None:
    """Let everything that came in be worked on."""
    await asyncio.sleep(seconds)
    await world.stub.idle()
    await until(lambda: node.matrix.idle)


async def becomes_member(node: Node, room: str, user: str) -> None:
    """Wait until the hub knows somebody as a member."""

    async def look() -> bool:
        return Address("matrix", user) in await members(node, room)

    await wait_for(look, f"{user} to be a member")


async def test_a_stranger_whom_a_member_lets_in_gets_no_keys(world: World) -> None:
    eve = await world.human("eve", "evil.example")
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.member(chat.room, "invite", eve.mxid)
        await eve.member(chat.room, "join")
        await chat.ben.heard("espace de confiance")
        await rest(world, node)
        await node.write(chat.chat, "secret", by="anna")
        await chat.ben.heard("secret")
        await rest(world, node, 1.5)
        assert "secret" not in [seen.text for seen in eve.seen]


async def test_who_declines_gets_no_kept_keys(world: World) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.member(chat.room, "invite", eve.mxid)
        await rest(world, node)
        await node.write(chat.chat, "pas pour Eve", by="anna")
        await chat.ben.heard("pas pour Eve")
        rows = await node.db.all("e2ee.kept", eve.mxid, chat.room, "", "")
        await eve.member(chat.room, "leave")
        await rest(world, node)
        await node.matrix.engine.flush()
        shares = await node.db.all("e2ee.shares", rows[0]["session_id"])
        assert (eve.mxid, "sent") not in [(r["user_id"], r["state"]) for r in shares]


@pytest.mark.parametrize("first", ["ghost", "eve"])
async def test_a_join_that_was_seen_early_still_counts(world: World, first: str) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await meet(world, node)
        await node.warm(CLEO)
    order = [ghost(CLEO), eve.mxid] if first == "ghost" else [eve.mxid, ghost(CLEO)]
    for user in order:
        await chat.ben.member(chat.room, "invite", user)
    await eve.member(chat.room, "join")
    async with world.node() as node:
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
        await becomes_member(node, chat.room, eve.mxid)


async def test_a_leave_that_was_seen_early_still_counts(world: World) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await meet(world, node)
        await node.warm(CLEO)
        await chat.ben.member(chat.room, "invite", eve.mxid)
        await eve.member(chat.room, "join")
        await becomes_member(node, chat.room, eve.mxid)
    await chat.ben.member(chat.room, "invite", ghost(CLEO))
    await eve.member(chat.room, "leave")
    async with world.node() as node:
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
        await rest(world, node, 1.5)
        assert Address("matrix", eve.mxid) not in await members(node, chat.room)


async def test_the_last_event_of_a_room_may_be_the_lost_one(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
    await chat.ben.say(chat.room, "poussé")
    with lost(world):
        await chat.ben.say(chat.room, "perdu, le dernier")
    async with world.node() as node:
        await node.got("perdu, le dernier")
        assert node.texts() == ["poussé", "perdu, le dernier"]


async def test_a_comparison_that_fails_is_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appservice.arriving.gaps._SILENT_AFTER", 0.2)
    async with world.node() as node:
        chat = await meet(world, node)
        gaps = node.matrix._gaps
        await until(lambda: not gaps._suspected.is_set() and not gaps.due(chat.room))  # the comparison of the start
        with lost(world):
            await chat.ben.say(chat.room, "perdu")
        page, calls = gaps._page, 0

        async def once(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise Unavailable("homeserver_rate_limit", 1.0)
            return await page(*args)

        monkeypatch.setattr(gaps, "_page", once)
        gaps.suspect()
        await node.got("perdu")


async def test_a_key_that_comes_while_its_event_is_parked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        chat.ben.rotate(chat.room)
        park, shared = node.matrix._inbox._park, False

        async def slow(item: Item, why: Parked) -> None:
            nonlocal shared
            if not shared:
                shared = True
                await chat.ben.share(chat.room)
                await asyncio.sleep(0.5)
            await park(item, why)

        monkeypatch.setattr(node.matrix._inbox, "_park", slow)
        await chat.ben.say(chat.room, "garé", share=False)
        await node.got("garé")


async def test_nothing_is_remembered_of_those_who_came(world: World) -> None:
    async with world.node() as node:
        await node.warm(ANNA)
        for n in range(3):
            human = await world.human(f"human{n}", "chu.example")
            await node.write(f"chat{n}", "bonjour", by="anna", to=(f"matrix:{human.mxid}",))
            await human.member(await human.invited(), "join")
        await rest(world, node, 1.5)
        assert not node.matrix._membership._inviters


async def test_an_event_nested_too_deep_to_write_blocks_nobody(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        deep = b"[" * 300 + b"]" * 300
        event = b'{"event_id":"$deep","room_id":"%b","sender":"@eve:x","type":"m.x","content":{"a":%b}}'
        raw = b'{"events":[' + event % (chat.room.encode(), deep) + b"]}"
        await node.matrix._transactions.take(raw)
        await node.matrix._transactions.take(raw)
        await chat.ben.say(chat.room, "après")
        await node.got("après")
        with pytest.raises(TypeError):
            orjson.dumps(orjson.loads(deep))  # why this needs care


async def test_a_nul_from_a_stranger_does_not_block_an_inbox(world: World, postgres: Postgres) -> None:
    """On PostgreSQL: SQLite takes a NUL."""
    async with world.node(await postgres.create_database()) as node:
        chat = await meet(world, node)
        content = {
            "algorithm": "m.megolm.v1.aes-sha2", "code": "m.unverified", "room_id": "!a\u0000", "session_id": "x",
        }  # fmt: skip
        eve = await world.human("eve", "evil.example")
        await eve.to_device("m.room_key.withheld", {ghost(ANNA): {"*": content}})
        await asyncio.sleep(0.5)
        chat.ben.rotate(chat.room)
        await chat.ben.say(chat.room, "nouvelle session")
        await node.got("nouvelle session")


async def test_an_invitation_that_is_faster_than_its_own_server(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        world.stub.fault("POST .*/join/", 2, status=403)
        room = await ben.create_room(ghost(ANNA), is_direct=True)
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")


async def test_an_invitation_of_nobody_is_declined(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node():
        nobody = ghost("99999999999")
        room = await ben.create_room(nobody, is_direct=True)
        await until(lambda: world.stub.world.rooms[room].membership(nobody) == "leave")


async def test_control_characters_do_not_reach_a_product(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.say(chat.room, "a\u0000b\u0007c\td\ne")
        await node.got("abc\td\ne")
