"""Whoever a product adds to a room whose rule opens its history gets the keys of it from whoever invites them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import vodozemac

from bridge.model import Address, Ref
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix.make import ANNA, Chat, Node, World, ghost, meet
from tests.matrix.rooms.test_invited import Found, told, until_told

Json = dict[str, Any]


async def added(node: Node, chat: Chat, *people: Human) -> None:
    """Anna adds people in her product, and they come in."""
    handles = [f"matrix:{one.mxid}" for one in people]
    ref = Ref("pandalab", "add/" + "/".join(handles))
    await node.hub.change_members(ref, chat.chat, "pandalab", Address("pandalab", "anna"), handles, [])
    for one in people:
        await one.member(await one.invited(), "join")
    room = await node.matrix.store.get(chat.room)
    await until(lambda: {one.mxid for one in people} <= set(room.present("join")))


async def bundle(human: Human) -> list[Json]:
    """The keys of the only bundle that somebody got."""
    await until(lambda: bool(human.bundles))
    (got,) = human.bundles
    content = orjson.loads(await human.read_file(got["content"]))
    assert content["withheld"] == []
    assert {key["room_id"] for key in content["room_keys"]} == {got["content"]["room_id"]}
    keys: list[Json] = content["room_keys"]
    return keys


def reads(keys: list[Json], event: Json) -> str:
    """What an event says to whoever has these keys."""
    key = next(key for key in keys if key["session_id"] == event["content"]["session_id"])
    session = vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(key["session_key"]))
    message = vodozemac.MegolmMessage.from_base64(event["content"]["ciphertext"])
    return str(orjson.loads(session.decrypt(message).plaintext)["content"]["body"])


async def opened(world: World, node: Node, history: str = "shared") -> tuple[Chat, list[Json]]:
    """Ben's room with Anna, in which each has said something; what was said."""
    ben = await world.human("ben", "chu.example")
    ben.opens_history = history == "shared"
    await node.warm(ANNA)
    state = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": history}}
    encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    room = await ben.create_room(ghost(ANNA), initial_state=[encryption, state])
    await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
    await ben.say(room, "de Ben")
    chat = Chat(ben, room, (await node.got("de Ben")).chat)
    await node.write(chat.chat, "d'Anna", by="anna")
    await ben.heard("d'Anna")
    return chat, [e for e in world.stub.world.rooms[room].events if e["type"] == "m.room.encrypted"]


async def test_who_is_added_by_a_product_reads_what_was_said_before(world: World) -> None:
    async with world.node() as node:
        chat, said = await opened(world, node)
        eve, gil = await world.human("eve", "chu.example"), await world.human("gil", "chu.example", signed=False)
        uploads = len(world.stub.media.kept)
        await added(node, chat, eve, gil)
        keys = await bundle(eve)
        assert eve.bundles[0]["sender"] == ghost(ANNA)  # whoever invites: clients believe nobody else
        invite = next(e for _, e in eve.events if e["type"] == "m.room.member" and e["state_key"] == eve.mxid)
        assert invite["content"]["membership"] in ("invite", "join")
        assert [reads(keys, event) for event in said] == ["de Ben", "d'Anna"]
        by = {key["session_id"]: key["sender_claimed_keys"]["ed25519"] for key in keys}
        assert len(set(by.values())) == 2
        await node.write(chat.chat, "à tous", by="anna")
        await eve.heard("à tous")
        assert not gil.bundles  # a device that nobody has signed
        assert len(world.stub.media.kept) == uploads + 1  # one file for all who are invited


@pytest.mark.parametrize("history", ["invited", "joined"])
async def test_a_room_that_keeps_its_history_gives_none(world: World, history: str) -> None:
    async with world.node() as node:
        chat, _ = await opened(world, node, history)
        eve = await world.human("eve", "chu.example")
        await added(node, chat, eve)
        await node.write(chat.chat, "à tous", by="anna")
        await eve.heard("à tous")
        assert not eve.bundles


async def test_who_is_not_in_a_room_for_those_inside_only_is_not_said_to_get_anything(world: World) -> None:
    """Their own server never shows them what was said before they came: nothing waits for them."""
    async with world.node() as node:
        chat, _ = await opened(world, node, "joined")
        eve = await world.human("eve", "chu.example")
        ref, handles = Ref("pandalab", "add/eve"), [f"matrix:{eve.mxid}"]
        await node.hub.change_members(ref, chat.chat, "pandalab", Address("pandalab", "anna"), handles, [])
        room = await eve.invited()
        message = await node.write(chat.chat, "trop tôt", by="anna")
        gone: Found = {chat.ben.mxid: ("delivered", None), eve.mxid: ("refused", "not_joined")}
        await until_told(node, message, gone)
        await eve.member(room, "join")
        known = await node.matrix.store.get(chat.room)
        await until(lambda: known.membership(eve.mxid) == "join")
        both = await node.write(chat.chat, "à tous", by="anna")
        await until_told(node, both, {chat.ben.mxid: ("delivered", None), eve.mxid: ("delivered", None)})
        assert told(node, message)[-1] == gone


async def test_a_rule_that_opens_later_opens_nothing_of_before(world: World) -> None:
    async with world.node() as node:
        chat, before = await opened(world, node, "invited")
        path = f"/_matrix/client/v3/rooms/{chat.room}/state/m.room.history_visibility/"
        await chat.ben.call("PUT", path, {"history_visibility": "shared"})
        chat.ben.opens_history = True
        chat.ben.rotate(chat.room)
        await chat.ben.say(chat.room, "ouvert")
        await node.got("ouvert")
        eve = await world.human("eve", "chu.example")
        await added(node, chat, eve)
        keys = await bundle(eve)
        closed = {event["content"]["session_id"] for event in before}
        assert not closed & {key["session_id"] for key in keys}
        events = [e for e in world.stub.world.rooms[chat.room].events if e["type"] == "m.room.encrypted"]
        assert reads(keys, events[-1]) == "ouvert"


async def test_a_homeserver_that_takes_no_file_hinders_no_invitation(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.write(chat.chat, "d'Anna", by="anna")
        await chat.ben.heard("d'Anna")
        world.stub.fault(r"POST .*/media/v3/upload.*", times=1, status=413)
        eve = await world.human("eve", "chu.example")
        await added(node, chat, eve)
        await node.write(chat.chat, "à tous", by="anna")
        await eve.heard("à tous")
        assert not eve.bundles
