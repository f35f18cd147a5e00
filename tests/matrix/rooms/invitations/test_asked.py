"""Whom a person has just invited is nobody's to take out, whatever changes among the members meanwhile."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

from appservice.rooms import doors
from appservice.rooms.entering import Entering
from bridge.model import Address, Ref
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, SPACE, Chat, Node, World, ghost
from tests.matrix.rooms.test_outside import change, members, settled
from tests.matrix.rooms.test_removals import group

Json = dict[str, Any]
BOX = f"mail:dora@{SPACE}"


async def dora(node: Node) -> str:
    """The ghost of somebody with a mailbox, who has its device."""
    await node.matrix.show([await node.people.get(BOX)])
    user = node.matrix.names.of(BOX)
    assert user is not None
    await until(lambda: node.matrix.ghosts.is_ready(user))
    return user


async def takes_out(node: Node, chat: str, who: str, by: str = "anna") -> None:
    """A product's user takes somebody out (network:id)."""
    network, _, ident = who.partition(":")
    ref, writer = Ref("pandalab", f"out {who}"), Address("pandalab", by)
    await node.hub.change_members(ref, chat, "pandalab", writer, [], [Address(network, ident)])


def now(world: World, room: str, user: str) -> str:
    """What somebody is in a room."""
    return world.stub.world.rooms[room].membership(user)


def memberships(world: World, room: str, user: str) -> list[str]:
    """Every membership that somebody has had in a room."""
    return [e["content"]["membership"] for e in world.stub.world.rooms[room].events if e.get("state_key") == user]


async def test_a_ghost_on_its_way_in_stays_when_another_is_taken_out(world: World) -> None:
    async with world.node() as node:
        chat, gate = await group(world, node), asyncio.Event()
        newcomer, asked = await dora(node), node.matrix._rooms.doors.asked
        world.stub.fault(rf"POST .*/join/.*{re.escape('%40mss_dora')}", times=1, gate=gate)
        await chat.ben.member(chat.room, "invite", newcomer)
        await until(lambda: (chat.room, newcomer) in asked)
        await takes_out(node, chat.chat, "pandalab:cleo")
        await until(lambda: now(world, chat.room, ghost(CLEO)) == "leave")
        gate.set()
        await until(lambda: now(world, chat.room, newcomer) == "join")
        await settled(world, node)
        assert await members(node, chat.room) == {f"matrix:{chat.ben.mxid}", f"rpps:{ANNA}", BOX}
        assert memberships(world, chat.room, newcomer) == ["invite", "join"]
        assert not asked


async def test_an_invitation_that_is_only_in_the_state_is_left_alone(world: World) -> None:
    """The room is read anew before the event comes in. The homeserver is asked once, however many are invited."""
    async with world.node() as node:
        chat = await group(world, node)
        newcomer = await dora(node)
        many = [f"@person{n}:chu.example" for n in range(500)]
        for person in many:
            world.stub.world.change_membership(chat.room, chat.ben.mxid, person, "invite", {})
        world.stub.world.change_membership(chat.room, chat.ben.mxid, newcomer, "invite", {})
        event = world.stub.world.rooms[chat.room].events[-1]
        room = await node.matrix._rooms.store.get(chat.room)
        await node.matrix._rooms.doors.reload(room, ghost(ANNA))
        before = world.stub.calls.copy()
        await takes_out(node, chat.chat, "pandalab:cleo")
        await until(lambda: now(world, chat.room, ghost(CLEO)) == "leave")
        await settled(world, node)
        calls = Counter(world.stub.calls) - Counter(before)
        assert (calls["_room_members"], calls["_get_state"]) == (1, 0)
        assert {now(world, chat.room, one) for one in (newcomer, *many)} == {"invite"}
        world.stub.interest(event)
        await until(lambda: now(world, chat.room, newcomer) == "join")
        await settled(world, node)
        assert BOX in await members(node, chat.room)


async def test_a_ghost_that_is_in_already_and_not_judged_yet_is_nobodys_to_take_out(world: World) -> None:
    """It joins before the lane comes to its invitation; one that fills a gap has not been expected."""
    async with world.node() as node:
        room = await node.matrix._rooms.store.get((await group(world, node)).room)
        doors, entering = node.matrix._rooms.doors, Entering(_lets_in, node.matrix._rooms.doors.asked)
        room.set_member("@rpps_1:stub.example", "join")
        for expected in (True, False):
            event = {"event_id": "$1", "room_id": room.room_id, "state_key": "@rpps_1:stub.example"}
            if expected:
                entering.begin([event])
            else:
                await entering.end(event)
            assert await doors.asked_of(room, [event["state_key"], ghost(CLEO)]) == {event["state_key"]}
            doors.asked.clear()
            entering.forget(event)


async def _lets_in(_: Json) -> None:
    """At once."""


async def made(world: World, node: Node) -> Chat:
    """A room that the hub has made, where its ghosts may take people out."""
    ben = await world.human("ben", "chu.example")
    await node.warm(CLEO)
    await node.write("g", "bonjour", by="anna", to=(f"matrix:{ben.mxid}", "pandalab:cleo"))
    await ben.member(room := await ben.invited(), "join")
    await settled(world, node)
    return Chat(ben, room, "g")


async def test_a_person_whom_another_has_invited_may_still_come(world: World) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await made(world, node)
        world.stub.world.rooms[chat.room].state[("m.room.power_levels", "")]["content"]["invite"] = 0
        await chat.ben.member(chat.room, "invite", eve.mxid)
        await settled(world, node)
        await takes_out(node, "g", "pandalab:cleo")
        await until(lambda: now(world, chat.room, ghost(CLEO)) == "leave")
        await settled(world, node)
        assert now(world, chat.room, eve.mxid) == "invite"
        await eve.member(chat.room, "join")
        await settled(world, node)
        assert f"matrix:{eve.mxid}" in await members(node, chat.room)


async def test_whom_the_hub_has_invited_is_taken_out_before_they_come(world: World) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await made(world, node)
        await change(node, "g", "anna", f"matrix:{eve.mxid}")
        await until(lambda: now(world, chat.room, eve.mxid) == "invite")
        await settled(world, node)
        await takes_out(node, "g", f"matrix:{eve.mxid}")
        await until(lambda: now(world, chat.room, eve.mxid) == "leave")


async def test_an_invitation_that_was_withdrawn_does_not_decline_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "_JOIN_AGAIN", ())
    async with world.node() as node:
        chat, gate = await group(world, node), asyncio.Event()
        newcomer = await dora(node)
        world.stub.fault(r"POST .*/join/", status=403, gate=gate)
        await chat.ben.member(chat.room, "invite", newcomer)
        await until(lambda: world.stub._under_way["join"])
        await chat.ben.member(chat.room, "kick", newcomer)
        await chat.ben.member(chat.room, "invite", newcomer)
        gate.set()
        await settled(world, node)
        assert now(world, chat.room, newcomer) == "join"
        assert memberships(world, chat.room, newcomer) == ["invite", "leave", "invite", "join"]
