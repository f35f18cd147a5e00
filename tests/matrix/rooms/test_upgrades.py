"""A room that another one replaces is followed by itself where that is possible, and said once where it is not."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from appservice.process.app import COMPONENTS
from appservice.rooms.roomstate import Room, apply, save
from bridge.db import open_database
from bridge.model import Accepted, Report
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, VOICE, Node, World, ghost, meet
from tests.matrix.rooms.test_outside import became


async def opened(ben: Human, room: str) -> None:
    """Anybody may join from now on."""
    path = f"/_matrix/client/v3/rooms/{room}/state/m.room.join_rules/"
    await ben.call("PUT", path, {"join_rule": "public"})


async def upgraded(ben: Human, room: str) -> str:
    """The new room."""
    answer = await ben.call("POST", f"/_matrix/client/v3/rooms/{room}/upgrade", {"new_version": "12"})
    return str(answer["replacement_room"])


def said(ben: Human, words: str) -> list[str]:
    """The rooms in which something was said."""
    return [seen.room for seen in ben.seen if words in (seen.text or "")]


async def held(node: Node, accepted: Accepted) -> None:
    """Its writer has been told what it waits for."""
    expected = [("accepted", "room_upgraded")]
    told = node.product.told
    await until(lambda: any(r.message == accepted.message and _shown(r) == expected for r in told))


def _shown(report: Report) -> list[tuple[str, str | None]]:
    return [(state.state, state.reason) for state in report.states]


async def both(world: World, node: Node) -> tuple[Human, str, str]:
    """Ben with two colleagues in a room, and their chat."""
    ben = await world.human("ben", "chu.example")
    await node.warm(ANNA, CLEO)
    room = await ben.create_room(ghost(ANNA), ghost(CLEO))
    made = world.stub.world.rooms[room]
    await until(lambda: {ghost(ANNA), ghost(CLEO)} <= set(made.members("join")))
    await ben.say(room, "avant")
    return ben, room, (await node.got("avant")).chat


async def test_an_open_room_is_followed_by_itself(world: World) -> None:
    async with world.node() as node:
        ben, room, chat = await both(world, node)
        await opened(ben, room)
        new = await upgraded(ben, room)
        made = world.stub.world.rooms[new]
        await until(lambda: {ghost(ANNA), ghost(CLEO)} <= set(made.members("join")))
        await until(lambda: made.membership(VOICE) == "invite")
        await ben.say(new, "on continue")
        assert (await node.got("on continue")).chat == chat
        await node.write(chat, "me voici", by="anna")
        assert (await ben.heard("me voici")).room == new
        assert said(ben, "me voici") == [new]
        assert not said(ben, "nouveau salon")
        kinds = [(event["type"], event.get("state_key")) for event in made.events]
        assert kinds.index(("m.room.member", VOICE)) < kinds.index(("m.room.encrypted", None))  # nothing to be read yet


async def test_a_hub_that_was_away_follows_when_it_is_back(world: World) -> None:
    async with world.node() as node:
        ben, room, chat = await both(world, node)
    await opened(ben, room)
    new = await upgraded(ben, room)
    made = world.stub.world.rooms[new]
    world.stub.fault(r"POST .*/join/.*", times=2, status=502)
    async with world.node() as node:
        await until(lambda: {ghost(ANNA), ghost(CLEO)} <= set(made.members("join")))
        await ben.say(new, "encore")
        assert (await node.got("encore")).chat == chat
        assert made.members("join").count(ghost(ANNA)) == 1


async def test_a_room_that_lets_nobody_in_is_said_once_and_waited_for(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.write("two", "premier", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("premier")
        new = await upgraded(ben, room)
        await ben.heard("nouveau salon")
        waits = await node.write("two", "deux")
        await held(node, waits)
    async with world.node() as node:
        await node.write("two", "trois")
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        assert said(ben, "nouveau salon") == [room]
        await ben.member(new, "invite", ghost(CLEO))
        await ben.heard("trois")
        assert [said(ben, text) for text in ("premier", "deux", "trois")] == [[room], [new], [new]]
        assert [s.text for s in ben.seen if s.text in ("deux", "trois")] == ["deux", "trois"]
        assert [(s.state, s.reason) for s in await became(node, waits)] == [("delivered", None)]


async def test_an_invitation_that_is_seen_while_its_ghost_comes_in_begins_no_other_conversation(world: World) -> None:
    """A delivery has it join, and reads the room still; the invitation's own event comes then."""
    ben, gate = await world.human("ben", "chu.example"), asyncio.Event()
    async with world.node() as node:
        await node.write("two", "premier", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("premier")
        new = await upgraded(ben, room)
        await ben.heard("nouveau salon")
        world.stub.fault(rf"GET .*/rooms/{quote(new, safe='')}/state\?", times=1, gate=gate)
        world.stub.world.change_membership(new, ben.mxid, ghost(CLEO), "invite", {})
        invitation = world.stub.world.rooms[new].events[-1]
        waits = await node.write("two", "deux")
        await until(lambda: world.stub.world.rooms[new].membership(ghost(CLEO)) == "join")
        world.stub.interest(invitation)
        await world.stub.idle()
        await asyncio.sleep(0.1)  # nobody tells that its lane has begun with it
        gate.set()
        await ben.heard("deux")
        assert [said(ben, text) for text in ("premier", "deux")] == [[room], [new]]
        assert [(s.state, s.reason) for s in await became(node, waits)] == [("delivered", None)]


async def test_a_tombstone_that_points_to_a_foreign_room_moves_nothing(world: World) -> None:
    """The other room has to say that it replaces this one, and to be encrypted."""
    async with world.node() as node:
        chat = await meet(world, node)
        other = await chat.ben.create_room()
        await opened(chat.ben, other)
        tombstone: dict[str, Any] = {"body": "", "replacement_room": other}
        path = f"/_matrix/client/v3/rooms/{chat.room}/state/m.room.tombstone/"
        await chat.ben.call("PUT", path, tombstone)
        await chat.ben.heard("nouveau salon")
        made = world.stub.world.rooms[other]
        assert made.membership(ghost(ANNA)) == "leave"
        assert await node.hub.facts.chat("matrix", other) is None
        assert said(chat.ben, "nouveau salon") == [chat.room]
        joins = len(made.events)
        waits = await node.write(chat.chat, "où es-tu ?", by="anna")
        await held(node, waits)
        assert len(made.events) == joins  # it is not joined again for every message


async def test_the_room_of_another_conversation_gets_nothing(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        eve = await meet(world, node, "eve")
        path = f"/_matrix/client/v3/rooms/{chat.room}/state/m.room.tombstone/"
        await chat.ben.call("PUT", path, {"body": "", "replacement_room": eve.room})
        await chat.ben.heard("nouveau salon")
        await held(node, await node.write(chat.chat, "pour Ben seulement", by="anna"))
        await node.write(eve.chat, "pour Eve", by="anna")
        await eve.ben.heard("pour Eve")
        assert not said(eve.ben, "pour Ben")
        assert not eve.ben.unreadable


async def half_known(world: World, new: str) -> None:
    """The hub has seen that the new room was made, and no more of its state."""
    db = await open_database(f"sqlite:///{world.folder}/hub.db", COMPONENTS)
    made = next(event for event in world.stub.world.rooms[new].events if event["type"] == "m.room.create")
    seen = Room(new)
    apply(seen, made)
    async with db.transaction("seen") as tx:
        await save(tx, seen)
    await db.close()


@pytest.mark.parametrize("created", [False, True])
async def test_what_is_said_before_the_old_room_is_worked_on_is_the_same_conversation(
    world: World, created: bool
) -> None:
    """A hub that ended between the join and the rest; the lanes of two rooms know nothing of each other."""
    async with world.node() as node:
        ben, room, chat = await both(world, node)
    await opened(ben, room)
    new = await upgraded(ben, room)
    if created:
        await half_known(world, new)
    join = world.stub.world.change_membership(new, ghost(ANNA), ghost(ANNA), "join", {})
    assert join is not None
    world.stub.interest(join)
    await ben.say(new, "entre-temps")
    async with world.node() as node:
        assert (await node.got("entre-temps")).chat == chat
        made = world.stub.world.rooms[new]
        await until(lambda: made.membership(ghost(CLEO)) == "join")
        await node.write(chat, "je suis là", by="cleo")
        assert (await ben.heard("je suis là")).room == new
