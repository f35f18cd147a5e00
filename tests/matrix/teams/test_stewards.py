"""No room is left without an administrator by a ghost that goes, whoever takes over from whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appservice.rooms.stewards import to_administer
from bridge.model import Address, Ref
from bridge.parts.tasks import Tasks
from bridge.people.directories.watched import WatchedFile
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, VOICE, Node, World, ghost, meet


def levels(world: World, room: str) -> dict[str, int]:
    """Who has more power than all."""
    users: dict[str, int] = world.stub.world.rooms[room].state[("m.room.power_levels", "")]["content"]["users"]
    return users


async def group(world: World, node: Node, *people: Human, to: tuple[str, ...] = ()) -> str:
    """The room that Cléo's ghost has made, where all have come in."""
    await node.write("g", "bonjour", to=(*to, *(f"matrix:{one.mxid}" for one in people)))
    rooms = [await one.invited() for one in people]
    for one in people:
        await one.member(rooms[0], "join")
        await one.heard("bonjour")
    strict = world.stub.world.rooms[rooms[0]]  # as Synapse makes them
    content = strict.state[("m.room.power_levels", "")]["content"]
    content["events"] = {"m.room.power_levels": 100}
    return rooms[0]


async def leave(node: Node, chat: str, who: str) -> None:
    """Somebody leaves in the product."""
    me = Address("pandalab", who)
    await node.hub.change_members(Ref("pandalab", f"leave/{who}"), chat, "pandalab", me, [], [me])


async def test_a_person_takes_over_from_the_ghost_that_made_the_room(world: World) -> None:
    async with world.node() as node:
        ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
        room = await group(world, node, ben, eve, to=(f"rpps:{ANNA}",))
        await leave(node, "g", "cleo")
        await until(lambda: world.stub.world.rooms[room].membership(ghost(CLEO)) == "leave")
        assert levels(world, room)[ben.mxid] == 100
        assert levels(world, room).get(eve.mxid, 0) < 100
        kinds = [(e["type"], e.get("state_key")) for e in world.stub.world.rooms[room].events]
        assert kinds[-1] == ("m.room.member", ghost(CLEO))  # before it went
        await node.write("g", "je reste", by="anna")
        await ben.heard("je reste")
        await ben.member(room, "kick", ghost(ANNA))  # what an administrator can do
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "leave")


async def test_somebody_who_administers_already_is_enough(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.warm(CLEO)
        before = world.stub.world.rooms[chat.room].state[("m.room.power_levels", "")]["event_id"]
        await chat.ben.member(chat.room, "invite", ghost(CLEO))
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
        await leave(node, chat.chat, "anna")
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(ANNA)) == "leave")
        assert world.stub.world.rooms[chat.room].state[("m.room.power_levels", "")]["event_id"] == before


async def test_whoever_was_struck_off_administers_no_more(world: World, tmp_path: Path) -> None:
    """The ghost stays, and nobody speaks for it; the homeserver may be away just then."""
    people = tmp_path / "people.csv"
    lines = ["rpps,name,products,closed", f"{ANNA},Anna Martin,pandalab:anna,", f"{CLEO},Cléo Petit,pandalab:cleo,"]
    people.write_text("\n".join(lines), "utf-8")
    world.directory = directory = WatchedFile(people, look=0.02)
    tasks = Tasks("directory")
    async with world.node() as node:
        tasks.start(directory.run())
        ben = await world.human("ben", "chu.example")
        room = await group(world, node, ben, to=(f"rpps:{ANNA}",))
        world.stub.fault(r"GET .*/joined_rooms.*", times=1, status=502)
        people.write_text("\n".join([*lines[:2], lines[2] + "x"]), "utf-8")
        directory.reload()
        await until(lambda: levels(world, room).get(ben.mxid) == 100)
        assert world.stub.world.rooms[room].membership(ghost(CLEO)) == "join"
        await tasks.stop()


async def test_the_voice_keeps_the_room_of_nobody_else(world: World) -> None:
    async with world.node() as node:
        ben = await world.human("ben", "chu.example")
        room = await group(world, node, ben)
        known = await node.matrix.store.get(room)
        stewards = node.matrix._rooms.doors.stewards
        await ben.member(room, "leave")
        await until(lambda: known.membership(ben.mxid) == "leave")
        known.set_member("@gone:chu.example", "invite")  # nobody of the conversation
        await stewards.leaves(known, ghost(CLEO))
        assert levels(world, room) == {VOICE: 100}


@pytest.mark.parametrize(
    ("content", "needed"),
    [
        ({}, 50),
        ({"state_default": 60}, 60),
        ({"state_default": "70"}, 70),
        ({"events": {"m.room.power_levels": 100}}, 100),
        ({"events": {"m.room.name": 0}, "state_default": 0}, 0),
        ({"events": "odd", "state_default": None}, 50),
    ],
)
def test_what_administering_needs(content: dict[str, Any], needed: int) -> None:
    assert to_administer(content) == needed
