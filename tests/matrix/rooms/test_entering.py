"""Many ghosts come into a room several at once; each is counted once, and one that fails holds up no other."""

from __future__ import annotations

import re
from typing import Any

import pytest

from appservice.rooms import doors
from bridge.model import Address, Kind, Ref
from deploy.world.waiting import until
from tests.matrix.make import SPACE, VOICE, Node, World

MANY = 20
BOXES = [f"p{n:02}@{SPACE}" for n in range(MANY)]


def ghosts(node: Node) -> list[str]:
    """The Matrix users of the mailboxes."""
    return [user for box in BOXES if (user := node.matrix.names.of(f"mail:{box}")) is not None]


async def warm(node: Node) -> None:
    """Every ghost has its device."""
    await node.matrix.show([await node.people.get(f"mail:{box}") for box in BOXES])
    await until(lambda: all(node.matrix.ghosts.is_ready(user) for user in ghosts(node)))


def slow(world: World) -> None:
    """A homeserver that needs a moment for each join."""
    world.stub.fault(r"POST .*/join/", times=10_000, delay=0.03)


def joined(world: World, room: str) -> set[str]:
    """Who is in a room."""
    return set(world.stub.world.rooms[room].members("join")) - {VOICE}  # which comes in when it has something to say


async def people(node: Node, room: str) -> list[str]:
    """Who is in the room's conversation."""
    chat = await node.hub.facts.chat("matrix", room)
    return sorted(m.person.id for m in chat.members) if chat else []


def expected(*more: str, without: str = "") -> list[str]:
    """The mailboxes and others, as ids of people."""
    return sorted([*more, *(f"mail:{box}" for box in BOXES if box != without)])


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long wait before a join is tried again."""
    monkeypatch.setattr(doors, "_JOIN_AGAIN", (0.01,) * 4)


async def test_those_who_are_invited_at_once_come_in_several_at_once(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await warm(node)
        slow(world)
        before = world.stub.asked["state"]
        room = await ben.create_room(*ghosts(node))
        await ben.say(room, "à tous")
        await node.mailed(lambda d: d.body.text == "à tous")
        assert joined(world, room) == {ben.mxid, *ghosts(node)}
        assert await people(node, room) == expected(f"matrix:{ben.mxid}")
        assert 4 <= world.stub.together["join"] <= 8
        assert (
            world.stub.asked["state"] - before == 4
        )  # by ben and by the first ghost, not by each, and the voice's mark


async def test_whoever_is_not_let_in_is_no_member_and_the_others_are(world: World, soon: None) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await warm(node)
        world.stub.fault(rf"POST .*/join/.*{re.escape('%40mss_p03')}", times=10_000, status=403)
        room = await ben.create_room(*ghosts(node))
        await ben.say(room, "à tous")
        await node.mailed(lambda d: d.body.text == "à tous")
        assert joined(world, room) == {ben.mxid, *ghosts(node)} - {ghosts(node)[3]}
        assert await people(node, room) == expected(f"matrix:{ben.mxid}", without=BOXES[3])


async def test_a_hub_that_is_killed_among_them_brings_in_the_others(world: World, url: str) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node(url) as node:
        slow(world)
        room = await ben.create_room(*ghosts(node))
        await until(lambda: len(joined(world, room)) > 5)
    async with world.node(url) as node:
        await ben.say(room, "à tous")
        await node.mailed(lambda d: d.body.text == "à tous")
        assert joined(world, room) == {ben.mxid, *ghosts(node)}
        assert await people(node, room) == expected(f"matrix:{ben.mxid}")


async def test_who_is_taken_out_before_the_hub_looks_is_no_member(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The joins run ahead of the room's events: what is said about a ghost meanwhile counts in its order."""
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        slow(world)
        room = await ben.create_room(*ghosts(node))
        await until(lambda: ghosts(node)[-1] in joined(world, room))
        await ben.member(room, "kick", ghosts(node)[-1])
        await ben.say(room, "à tous")
        await node.mailed(lambda d: d.body.text == "à tous")
        assert await people(node, room) == expected(f"matrix:{ben.mxid}", without=BOXES[-1])


async def test_a_room_of_many_is_made_with_several_joins_at_once(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        slow(world)
        await node.write("g", "bonjour", to=(f"matrix:{ben.mxid}", *(f"mailto:{box}" for box in BOXES)))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("bonjour")
        assert [s.text for s in ben.seen].count("bonjour") == 1
        assert joined(world, room) >= {ben.mxid, *ghosts(node)}
        assert 4 <= world.stub.together["join"] <= 8


@pytest.mark.parametrize("status", [403, 503])
async def test_a_join_that_fails_is_tried_again_alone(world: World, status: int) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        world.stub.fault(rf"POST .*/join/.*{re.escape('%40mss_p03')}", times=1, status=status)
        await node.write("g", "bonjour", to=(f"matrix:{ben.mxid}", *(f"mailto:{box}" for box in BOXES)))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("bonjour")
        assert [s.text for s in ben.seen].count("bonjour") == 1
        assert joined(world, room) >= {ben.mxid, *ghosts(node)}
        assert world.stub.asked["join"] == MANY + 2  # one of them twice, and ben


async def test_a_ghost_that_stays_outside_is_named_and_nobody_else_is(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        world.stub.fault(rf"POST .*/join/.*{re.escape('%40mss_p03')}", times=10_000, status=403)
        await node.write("g", "bonjour", to=(f"matrix:{ben.mxid}", *(f"mailto:{box}" for box in BOXES)))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("bonjour")
        await ben.heard("pas pu entrer")
        assert sum("pas pu entrer" in (seen.text or "") for seen in ben.seen) == 1
        await until(lambda: any(_lost(d) for d in node.mail.delivered))
        assert await people(node, room) == expected(f"matrix:{ben.mxid}", "rpps:10000000003", without=BOXES[3])


def _lost(delivery: Any) -> bool:
    return delivery.kind is Kind.MEMBERS and BOXES[3] not in {m.address.id for m in delivery.members}


async def test_a_change_of_members_has_its_place_once_the_room_has_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """No event of the room tells its place: the other networks must not wait for one until the longest wait is over."""
    caplog.set_level("INFO", "bridge.hub.order")
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        await node.write("g", "bonjour", to=(f"matrix:{ben.mxid}", f"mailto:{BOXES[0]}"))
        await ben.member(await ben.invited(), "join")
        by = Address("pandalab", "cleo")
        await node.hub.change_members(Ref("pandalab", "r"), "g", "pandalab", by, [f"matrix:{eve.mxid}"], [])
        await node.mailed(lambda d: d.kind is Kind.MEMBERS)
        assert "without its place" not in caplog.text
