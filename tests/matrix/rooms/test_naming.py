"""A room's name is its conversation's: it travels both ways, bounces nowhere, and a patient's is in no room's state."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bridge.model import Address, GroupName, Kind, Ref
from deploy.world.stub.human import Human
from deploy.world.waiting import until, wait_for
from tests.matrix.make import ANNA, Chat, Node, World, ghost

Json = dict[str, Any]


async def named(human: Human, room: str, name: str) -> None:
    """A person names a room."""
    await human.call("PUT", f"/_matrix/client/v3/rooms/{room}/state/m.room.name/", {"name": name})


async def rename(node: Node, chat: str, name: str, *, patient: bool = False, by: str = "anna") -> None:
    """Somebody names a conversation in the product."""
    ref = Ref("pandalab", f"n/{time.time_ns()}")
    await node.hub.rename(ref, chat, Address("pandalab", by), GroupName(name, patient))


def shown(world: World, room: str) -> str:
    """What the homeserver has as the name of a room."""
    event = world.stub.world.rooms[room].state.get(("m.room.name", ""))
    return str(event["content"].get("name", "")) if event else ""


def given(world: World, room: str) -> list[str]:
    """Every name that a room was ever given, in order."""
    events = world.stub.world.rooms[room].events
    return [event["content"].get("name", "") for event in events if event["type"] == "m.room.name"]


def told(node: Node) -> list[str | None]:
    """The names that the product was told, in order."""
    return [d.name.text if d.name else None for d in node.product.delivered if d.kind is Kind.NAME]


async def settled(world: World, node: Node) -> None:
    """Nothing is on its way any more."""
    await world.stub.idle()
    await until(lambda: node.matrix.idle)


async def group(world: World, node: Node, name: str = "", power: int = 50) -> Chat:
    """Ben opens a room with Anna, who may name it, and has written in it."""
    ben = await world.human("ben", "chu.example")
    await node.warm(ANNA)
    more: Json = {"power_level_content_override": {"users_default": power}} | ({"name": name} if name else {})
    room = await ben.create_room(ghost(ANNA), **more)
    await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
    await ben.say(room, "début")
    return Chat(ben, room, (await node.got("début")).chat)


async def test_a_name_travels_both_ways_and_bounces_nowhere(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node, "RCP thorax")
        assert (await node.got("début")).name == GroupName("RCP thorax")
        await named(chat.ben, chat.room, " Équipe \u202e de nuit ")
        await until(lambda: told(node) == ["Équipe de nuit"])
        await rename(node, chat.chat, "Équipe de jour")
        await until(lambda: shown(world, chat.room) == "Équipe de jour")
        await chat.ben.event(lambda e: e["content"].get("name") == "Équipe de jour")
        await named(chat.ben, chat.room, "Équipe de jour")  # no news
        await named(chat.ben, chat.room, "")
        await until(lambda: told(node)[1:] == [None])
        await settled(world, node)
        names = ["RCP thorax", " Équipe \u202e de nuit ", "Équipe de jour", "Équipe de jour", ""]
        assert given(world, chat.room) == names
        found = await node.hub.facts.chat("matrix", chat.room)
        assert found is not None
        assert found.name is None


async def test_a_group_of_a_product_is_invited_under_its_name(world: World) -> None:
    async with world.node() as node:
        ben = await world.human("ben", "chu.example")
        await node.write("c1", "bonjour", by="anna", to=(f"matrix:{ben.mxid}",), name=GroupName("RCP thorax"))
        room = await ben.invited()
        stripped = world.stub.world.stripped(world.stub.world.rooms[room])
        assert [s["content"].get("name") for s in stripped if s["type"] == "m.room.name"] == ["RCP thorax"]
        await ben.member(room, "join")
        await ben.heard("bonjour")
        await named(ben, room, "RCP du jeudi")
        await until(lambda: told(node) == ["RCP du jeudi"])
        await settled(world, node)
        assert given(world, room) == ["RCP thorax", "RCP du jeudi"]


async def test_a_patients_name_is_read_inside_the_room_only(world: World) -> None:
    async with world.node() as node:
        ben = await world.human("ben", "chu.example")
        patient = GroupName("Mme Perrot", about_patient=True)
        await node.write("c1", "bonjour", by="anna", to=(f"matrix:{ben.mxid}",), name=patient)
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("bonjour")
        words = [seen for seen in ben.seen if "Mme Perrot" in (seen.text or "")]
        assert [(one.sender, one.event["type"]) for one in words] == [(ghost(ANNA), "m.room.encrypted")]
        await rename(node, "c1", "RCP thorax")
        await until(lambda: shown(world, room) == "RCP thorax")
        await rename(node, "c1", "M. Lenoir", patient=True)
        await ben.heard("nomme cette conversation · names this conversation : « M. Lenoir »")
        assert shown(world, room) == ""
        assert not told(node)
        await settled(world, node)
    everything = repr(world.stub.world.rooms[room].events) + repr(world.stub.world.rooms[room].state)
    assert "Perrot" not in everything
    assert "Lenoir" not in everything
    for file in world.folder.glob("hub.db*"):
        assert b"Perrot" not in file.read_bytes()
        assert b"RCP thorax" not in file.read_bytes()


async def test_a_room_that_keeps_its_name_hears_the_new_one_in_words(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node, "Chez Ben", power=0)
        await rename(node, chat.chat, "Chez Anna")
        await chat.ben.heard("nomme cette conversation ; le salon garde son nom")
        await node.write(chat.chat, "et la suite", by="anna")
        await chat.ben.heard("et la suite")
        assert shown(world, chat.room) == "Chez Ben"


async def test_two_at_once_end_as_one_name_everywhere(world: World) -> None:
    """Anna's name comes into the room after Ben's, and is known to the hub before it."""
    async with world.node() as node:
        chat = await group(world, node, "avant")
        hub, world.stub.appservice = world.stub.appservice, None  # what happens in the room is not heard
        await named(chat.ben, chat.room, "de Ben")
        await rename(node, chat.chat, "d'Anna")
        await until(lambda: shown(world, chat.room) == "d'Anna")
        world.stub.appservice = hub
        world.stub._ring.set()
        await until(lambda: told(node) == ["de Ben"])
        await until(lambda: shown(world, chat.room) == "de Ben")
        await settled(world, node)
        assert given(world, chat.room) == ["avant", "de Ben", "d'Anna", "de Ben"]
        assert told(node) == ["de Ben"]


async def test_an_upgraded_room_has_the_name_and_a_better_one_counts(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node)
        await rename(node, chat.chat, "RCP thorax")
        await until(lambda: shown(world, chat.room) == "RCP thorax")
        rooms = f"/_matrix/client/v3/rooms/{chat.room}"
        await chat.ben.call("PUT", f"{rooms}/state/m.room.join_rules/", {"join_rule": "public"})
        copied = (await chat.ben.call("POST", f"{rooms}/upgrade", {"new_version": "12"}))["replacement_room"]
        await followed(world, node, copied)
        assert given(world, copied) == ["RCP thorax"]
        bare = await replaced(chat.ben, copied)  # by a person, who copies nothing
        await followed(world, node, bare)
        assert given(world, bare) == ["RCP thorax"]
        assert not told(node)
        better = await replaced(chat.ben, bare, name="RCP du jeudi")
        await until(lambda: told(node) == ["RCP du jeudi"])
        await followed(world, node, better)
        assert given(world, better) == ["RCP du jeudi"]


async def replaced(ben: Human, old: str, **more: Any) -> str:
    """Ben makes a room that replaces another, by hand: anybody may join, and Anna may name it."""
    powers = {"users_default": 50}
    origin = {"predecessor": {"room_id": old}}
    new = await ben.create_room(creation_content=origin, power_level_content_override=powers, **more)
    path = "/_matrix/client/v3/rooms/{}/state/{}/"
    await ben.call("PUT", path.format(new, "m.room.join_rules"), {"join_rule": "public"})
    await ben.call("PUT", path.format(old, "m.room.tombstone"), {"body": "suite", "replacement_room": new})
    return new


async def followed(world: World, node: Node, room: str) -> None:
    """The conversation goes on in this room."""
    await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
    await wait_for(lambda: node.hub.facts.chat("matrix", room), "the conversation in its new room")


async def test_who_is_no_member_names_the_room_only(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node, "avant")
        eve = await world.human("eve", "else.example")
        await chat.ben.member(chat.room, "invite", eve.mxid)
        await eve.member(chat.room, "join")
        await named(eve, chat.room, "d'Ève")
        await named(chat.ben, chat.room, "de Ben")
        await until(lambda: told(node) == ["de Ben"])


@pytest.mark.parametrize("name", [7, {"x": 1}, None, "x" * 4_000])
async def test_a_name_that_is_odd_harms_nothing(world: World, name: object) -> None:
    async with world.node() as node:
        chat = await group(world, node)
        path = f"/_matrix/client/v3/rooms/{chat.room}/state/m.room.name/"
        await chat.ben.call("PUT", path, {"name": name})
        await chat.ben.say(chat.room, "après")
        await node.got("après")
        assert [len(one or "") for one in told(node)] == ([255] if isinstance(name, str) else [])


async def test_what_a_room_is_about_is_read_everywhere_and_given_to_no_room(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node)
        path = f"/_matrix/client/v3/rooms/{chat.room}/state/m.room.topic/"
        await chat.ben.call("PUT", path, {"topic": "Staff du\n lundi"})
        said = await node.product_has(lambda d: d.kind is Kind.EMOTE)
        assert said.body.text.endswith(": Staff du lundi")
        await chat.ben.call("PUT", path, {})
        await node.product_has(lambda d: d.kind is Kind.EMOTE and "retire le sujet" in d.body.text)
        ref, anna = Ref("pandalab", "t/1"), Address("pandalab", "anna")
        for _ in range(2):  # again is the same
            await node.hub.topic(ref, chat.chat, anna, "Mme Perrot, lit 12")
        heard = await chat.ben.wait(lambda seen: (seen.text or "").endswith(": Mme Perrot, lit 12"))
        assert heard.sender == ghost(ANNA)
        await settled(world, node)
        states = [e for e in world.stub.world.rooms[chat.room].events if e["type"] == "m.room.topic"]
        assert [e["content"].get("topic", "") for e in states] == ["Staff du\n lundi", ""]
        assert sum(d.kind is Kind.EMOTE for d in node.product.delivered) == 2
