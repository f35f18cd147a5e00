"""After an older copy was put back: every room is compared, and what nobody can know is listed under its right name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appservice.process.life import Life
from appservice.process.restored import fetching
from appservice.process.restored.fetching import Fetching
from appservice.process.restored.noticing import Noticing
from appservice.process.restored.report import acts
from appservice.rooms import doors
from bridge.errors import Unavailable
from bridge.hub.hub import now_ms
from bridge.served import Served
from deploy.world.waiting import until
from tests.matrix.make import ANNA, Node, World, ghost, meet
from tests.matrix.process.test_life import copy, life, restore


async def test_rooms_invitations_and_events_of_after_the_copy_are_found_and_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_PATIENCE", 0.3)
    async with world.node() as node:
        await life(node).begin()
        chat, far = await meet(world, node), await meet(world, node, "eve")
        copy(world, "copy.db")
    async with world.node() as node:
        await life(node).begin()
        again = await chat.ben.say(chat.room, "après la copie")
        await node.got("après la copie")
        await node.write(chat.chat, "de nous", by="anna")
        await chat.ben.heard("de nous")
        sent = [e for e in world.stub.world.rooms[chat.room].events if e["sender"] == ghost(ANNA)][-1]["event_id"]
        new = await chat.ben.create_room(ghost(ANNA))
        await until(lambda: world.stub.world.rooms[new].membership(ghost(ANNA)) == "join")
        await until(lambda: node.matrix.idle)
        world.stub.fault("POST .*/join/", 1_000_000, status=503)
        invited = await chat.ben.create_room(ghost(ANNA))
        await until(lambda: world.stub.calls.get("_invite", 1) > 0)
    world.stub._faults.clear()
    restore(world, "copy.db", in_place=True)
    world.stub.fault(f"GET .*{far.room.removeprefix('!').partition(':')[0]}.*/messages", 1_000_000, status=503)
    async with world.node() as node:
        noticing = Noticing(node.db, Served(node.matrix, node.product), now_ms)
        await Life(node.db, node.homeserver, node.matrix.engine, noticing).begin()
        asking = Fetching(node.db, node.matrix, node.homeserver, now_ms)
        with monkeypatch.context() as patch:
            patch.setattr(node.matrix, "trouble", lambda: "the homeserver is away")
            assert not await asking._fetch(), "later"
        await at_the_end_of_its_inbox(node, world)  # meanwhile: the invitation is not after this place any more
        await asking.run()
        found: dict[str, Any] = (await acts(node.db)["restored"]({}))["items"]
        assert [new, ghost(ANNA)] in found["room"]
        assert [far.room, ""] in found["unreached"]
        assert [chat.room, ""] not in found["unreached"]
        assert [again, chat.room] in found["again"]
        assert [sent, chat.room] in found["ours"]
        assert [sent, chat.room] not in found["again"]
        await until(lambda: world.stub.world.rooms[invited].membership(ghost(ANNA)) == "join")


async def test_an_invitation_that_was_withdrawn_meanwhile_does_not_decline_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "_JOIN_AGAIN", ())
    async with world.node() as node:
        await life(node).begin()
        chat = await meet(world, node)
        world.stub.fault("POST .*/join/", 1_000_000, status=503)
        room = await chat.ben.create_room(ghost(ANNA))
        await until(lambda: world.stub.calls.get("_invite", 1) > 0)
        world.stub._faults.clear()
        world.stub.fault("POST .*/join/", 1_000_000, status=403)
        event = {"type": "m.room.member", "state_key": ghost(ANNA), "sender": chat.ben.mxid, "room_id": room}
        await node.matrix.again.invited(
            event | {"content": {"membership": "invite"}, "event_id": "", "invite_room_state": []}
        )
        assert world.stub.world.rooms[room].membership(ghost(ANNA)) == "invite"
        world.stub._faults.clear()
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) in ("join", "leave"))


async def at_the_end_of_its_inbox(node: Node, world: World) -> None:
    """As after an outage that is over, or after one more start of the hub."""
    ghosts = node.matrix.engine._ghosts
    anna, newest = ghosts.get(ghost(ANNA)), str(world.stub.world.position)
    assert anna is not None
    ghosts.calm += 1
    for _ in range(2):
        ghosts.moved(anna, newest)
        ghosts.calm += 1
    assert node.matrix.engine.anchor(ghost(ANNA)) == newest


async def test_all_are_looked_at_some_at_a_time() -> None:
    made: Any = Fetching
    asking, seen, now, most = made(None, None, None, now_ms), list[str](), 0, 0

    async def look(name: str) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        seen.append(name)

    names = [f"!{n}" for n in range(30)]
    await asking._each(names, look)
    assert (sorted(seen), most) == (sorted(names), 8)


async def test_whoever_fails_is_not_left_before_those_beside_them_are_done() -> None:
    """The next try would meet them at work."""
    made: Any = Fetching
    asking, seen = made(None, None, None, now_ms), list[str]()

    async def look(name: str) -> None:
        if name == "!0":
            raise Unavailable("homeserver_away")
        await asyncio.sleep(0.01)
        seen.append(name)

    with pytest.raises(Unavailable, match="homeserver_away"):
        await asking._each([f"!{n}" for n in range(8)], look)
    assert len(seen) == 7
