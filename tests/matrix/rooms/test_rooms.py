"""Rooms that the hub makes, keeps and follows; and the crash in the middle of making one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appservice.e2ee import Engine
from appservice.rooms.newroom import create_body, marker
from appservice.rooms.roomstate import Room, apply
from bridge.db import Database
from bridge.errors import Unavailable
from bridge.model import Address, Ref
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, VOICE, World, ghost, meet, statuses

GHOSTS = [ghost(CLEO), ghost(ANNA)]


def test_a_direct_room_invites_at_once_and_shows_nothing() -> None:
    body = create_body("c_1", GHOSTS[:1], ["@ben:chu.example"], None, VOICE)
    assert (body["is_direct"], body["invite"], body["preset"]) == (True, ["@ben:chu.example", VOICE], "private_chat")
    assert not {"name", "topic", "room_alias_name", "room_version"} & set(body)
    state = {event["type"]: event["content"] for event in body["initial_state"]}
    assert state["m.room.encryption"]["algorithm"] == "m.megolm.v1.aes-sha2"
    assert state["m.room.history_visibility"] == {"history_visibility": "invited"}
    assert state["io.element.functional_members"] == {"service_members": [VOICE]}
    assert state["fr.liaison.conversation"] == {"id": marker("c_1")}
    assert "c_1" not in str(body)


@pytest.mark.parametrize(("version", "creator_listed"), [("12", False), ("13", False), ("11", True), (None, False)])
def test_the_creator_is_in_the_power_levels_before_version_12_only(version: str | None, creator_listed: bool) -> None:
    body = create_body("c_1", GHOSTS, ["@ben:chu.example"], version, VOICE)
    users = body["power_level_content_override"]["users"]
    assert (GHOSTS[0] in users) is creator_listed
    assert users[GHOSTS[1]] == 75
    assert body["power_level_content_override"]["users_default"] == 50
    assert body["invite"] == [VOICE]
    assert body["power_level_content_override"]["invite"] == 0


def state(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "state_key": "", "sender": "@c:x", "content": content}


def test_encryption_is_never_forgotten() -> None:
    room = Room("!r")
    assert apply(room, state("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_msgs": 7}))
    assert (room.facts.encrypted, room.facts.rotation_messages) == (True, 7)
    apply(room, state("m.room.encryption", {}))
    assert room.facts.encrypted
    assert room.facts.rotation_messages is None


def test_power_as_each_room_version_has_it() -> None:
    room = Room("!r", members={"@c:x": "join", "@d:x": "join"})
    apply(room, state("m.room.create", {"room_version": "12", "additional_creators": ["@d:x"]}))
    apply(room, state("m.room.power_levels", {"users": {}, "invite": 50}))
    assert room.may("@c:x", "kick")
    assert room.may("@d:x", "kick")
    apply(room, state("m.room.create", {"room_version": "11"}))
    assert not room.may("@c:x", "kick")
    apply(room, state("m.room.power_levels", {"users": {"@c:x": "100"}, "invite": 0}))
    assert room.may("@c:x", "kick")
    assert not room.may("@gone:x", "invite")


def test_who_may_say_what() -> None:
    room = Room("!r", members={"@c:x": "join", "@d:x": "join", "@e:x": "invite"})
    apply(room, state("m.room.create", {"room_version": "11"}))
    assert room.may_say("@d:x", "m.room.encrypted")
    assert not room.may_say("@e:x", "m.room.encrypted")
    levels = {"users": {"@d:x": 10}, "events_default": 50, "events": {"m.reaction": "10", "m.room.name": 50}}
    apply(room, state("m.room.power_levels", levels))
    assert not room.may_say("@d:x", "m.room.encrypted")
    assert room.may_say("@d:x", "m.reaction")
    assert not room.may_say("@c:x", "m.reaction")
    apply(room, state("m.room.power_levels", {"events_default": 50, "events": {"m.room.encrypted": 0}}))
    assert room.may_say("@c:x", "m.room.encrypted")
    apply(room, state("m.room.power_levels", {"events": "odd", "events_default": 0}))
    assert room.may_say("@c:x", "m.reaction")


def test_the_engine_sees_the_same_object_until_something_changes() -> None:
    room = Room("!r", members={"@c:x": "join", "@d:x": "invite", "@e:x": "leave"})
    first = room.state()
    assert first is room.state()
    assert first.members == {"@c:x", "@d:x"}
    assert first.shared_history
    assert not room.set_member("@c:x", "join")
    assert first is room.state()
    room.set_member("@d:x", "leave")
    assert room.state().members == {"@c:x"}
    apply(room, state("m.room.history_visibility", {"history_visibility": "joined"}))
    assert not room.state().shared_history


@pytest.mark.parametrize("version", ["11", "12"])
async def test_a_group_is_made_in_either_version(world: World, version: str) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node(room_version=version) as node:
        await node.write("group", "bonjour à tous", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}"))
        for human in (ben, eve):
            room = await human.invited()
            await human.member(room, "join")
            await human.heard("bonjour à tous")
        made = world.stub.world.rooms[room]
        assert made.version == version
        assert made.state[("m.room.power_levels", "")]["content"]["invite"] == 0
        assert set(made.members("join")) == {ben.mxid, eve.mxid, ghost(CLEO)}


async def test_a_crash_after_the_room_was_made_makes_no_second_one(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    world.stub.fault(r"POST .*/createRoom", times=1)  # processed, the answer is lost
    world.stub.fault(r"GET .*/joined_rooms", times=10_000, status=503)
    async with world.node() as node:
        await node.write("crash", "une seule salle", to=(f"matrix:{ben.mxid}",))
        await until(lambda: world.stub._faults[1].times < 10_000)
    world.stub._faults.clear()
    assert len(world.stub.world.rooms) == 2  # this one and the heartbeat's
    async with world.node():
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("une seule salle")
        assert len(world.stub.world.rooms) == 2  # this one and the heartbeat's


class Lost:
    """A database that another worker has by now, until it is given back."""

    def __init__(self, db: Database) -> None:
        self._db, self.asked, self.lost = db, 0, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    async def held(self) -> None:
        self.asked += 1
        if self.lost:
            raise Unavailable("database_in_use", 0.05, alone=True)


async def test_a_worker_that_lost_the_database_since_it_meant_to_make_a_room_makes_none(world: World) -> None:
    """The next one has made it: people would be invited to two."""
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        lost: Any = Lost(node.db)
        node.matrix._rooms._db = lost
        await node.write("lost", "une seule salle", to=(f"matrix:{ben.mxid}",))
        await until(lambda: lost.asked > 1)
        assert len(world.stub.world.rooms) == 1  # the heartbeat's
        lost.lost = False
        await ben.member(await ben.invited(), "join")
        await ben.heard("une seule salle")
        assert len(world.stub.world.rooms) == 2


async def test_what_is_said_before_the_hub_has_noted_for_what_it_made_a_room_is_in_its_conversation(
    world: World,
) -> None:
    """The answer to createRoom was lost, and what the homeserver tells of its rooms comes later than the people."""
    ben = await world.human("ben", "chu.example")
    world.stub.fault(r"POST .*/createRoom", times=1)
    world.stub.fault(r"GET .*/joined_rooms", times=10_000, status=503)
    async with world.node() as node:
        await node.write("early", "une seule salle", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.say(room, "je suis déjà là")
        assert (await node.got("je suis déjà là")).chat == "early"
        world.stub._faults.clear()
        await ben.heard("une seule salle")
        assert said_in(ben, "une seule salle") == [room]


async def test_what_is_said_while_a_room_is_made_waits_for_it(world: World) -> None:
    ben, read = await world.human("ben", "chu.example"), asyncio.Event()
    async with world.node() as node:
        await node.warm(CLEO)
        world.stub.fault(r"GET .*/state\?", gate=read)
        await node.write("quick", "bonjour", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.say(room, "déjà là")
        await until(lambda: not world.stub._queue)
        read.set()
        assert (await node.got("déjà là")).chat == "quick"
        await ben.heard("bonjour")
        assert said_in(ben, "bonjour") == [room]


def said_in(human: Human, words: str) -> list[str]:
    """The rooms in which somebody was seen to say this."""
    return [seen.room for seen in human.seen if seen.text == words]


async def test_who_has_left_is_not_invited_by_every_message(world: World) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        await node.write("g", "un", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}"))
        room = await ben.invited()
        await ben.member(room, "join")
        await eve.member(await eve.invited(), "join")
        await eve.heard("un")
        await eve.member(room, "leave")
        await node.write("g", "deux")
        await node.write("g", "trois")
        await ben.heard("trois")
        invites = [
            e for e in world.stub.world.rooms[room].events
            if e.get("state_key") == eve.mxid and e["content"].get("membership") == "invite"
        ]  # fmt: skip
        assert len(invites) == 1


async def test_whoever_refuses_invitations_is_named_to_the_sender(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    world.stub.fault(r"POST .*/createRoom", times=1, status=403)
    async with world.node() as node:
        accepted = await node.write("no", "personne", to=(f"matrix:{ben.mxid}",))
        await until(lambda: any(r.message == accepted.message for r in node.product.told))
        states = [r for r in node.product.told if r.message == accepted.message][-1].states
        assert [(s.state, s.reason) for s in states] == [("refused", "not_invited")]


async def test_when_everybody_has_left_the_sender_is_told(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.member(chat.room, "leave")
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        found = await node.hub.facts.chat("matrix", chat.room)
        assert found is not None
        assert {m.person.id for m in found.members} == {f"rpps:{ANNA}"}


async def test_whom_the_hub_removes_does_not_read_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten, forget = list[str](), Engine.forget_member

    async def noted(self: Engine, room_id: str, user: str) -> None:
        forgotten.append(user)
        await forget(self, room_id, user)

    monkeypatch.setattr(Engine, "forget_member", noted)
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        await node.write("c1", "salut", by="anna", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}"))
        room = await eve.invited()
        await ben.member(await ben.invited(), "join")
        await eve.member(room, "join")
        await ben.heard("salut")
        removed, by = [Address("matrix", eve.mxid)], Address("pandalab", "anna")
        await node.hub.change_members(Ref("pandalab", "change"), "c1", "pandalab", by, [], removed)
        await until(lambda: world.stub.world.rooms[room].membership(eve.mxid) == "leave")
        await until(lambda: eve.mxid in forgotten)


async def test_an_upgraded_room_is_followed(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        event = await chat.ben.say(chat.room, "avant")
        await until(lambda: statuses(chat.ben, event))
        answer = await chat.ben.call("POST", f"/_matrix/client/v3/rooms/{chat.room}/upgrade", {"new_version": "12"})
        new = answer["replacement_room"]
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        await node.write(chat.chat, "pendant la mise à niveau", by="anna")
        await asyncio.sleep(0.3)
        assert all(s.text != "pendant la mise à niveau" for s in chat.ben.seen)
        await chat.ben.member(new, "invite", ghost(ANNA))
        seen = await chat.ben.heard("pendant la mise à niveau")
        assert seen.room == new
        await chat.ben.say(new, "on continue")
        delivery = await node.got("on continue")
        assert delivery.chat == chat.chat
        assert [e["type"] for e in world.stub.world.rooms[chat.room].events[-2:]] == [
            "m.room.tombstone",
            "m.room.power_levels",
        ]


async def test_a_room_that_only_claims_to_follow_is_a_new_conversation(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        eve = await world.human("eve", "chu.example")
        predecessor = {"predecessor": {"room_id": chat.room}}
        false = await eve.create_room(ghost(ANNA), creation_content=predecessor)
        await until(lambda: world.stub.world.rooms[false].membership(ghost(ANNA)) == "join")
        await eve.say(false, "je suis Ben")
        delivery = await node.got("je suis Ben")
        assert delivery.chat != chat.chat


async def test_a_ghost_that_was_kicked_is_let_in_by_another(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.write("two", "un", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("un")
        stub_room = world.stub.world.rooms[room]
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        # the homeserver forgot the ghost without telling us
        stub_room.state[("m.room.member", ghost(CLEO))]["content"]["membership"] = "leave"
        accepted = await node.write("two", "deux")
        await until(lambda: any(r.message == accepted.message for r in node.product.told))
        states = [r for r in node.product.told if r.message == accepted.message][-1].states
        assert [s.reason for s in states] == ["not_in_room"]
