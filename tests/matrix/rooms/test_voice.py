"""The hub speaks as nobody's colleague: where its voice comes in, when, and what a room hears that keeps it out."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import Refused
from bridge.hub.hub import now_ms
from bridge.model import Address, Body, Delivery, Kind, Message, Ref
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, VOICE, Chat, Node, World, ghost, meet, statuses

MARK = "io.element.functional_members"


def membership(world: World, room: str) -> str:
    """The voice's own, in a room."""
    return world.stub.world.rooms[room].membership(VOICE)


def after(world: World, room: str, event_id: str) -> set[str]:
    """Who has done anything in a room since an event: clients show them as having read it."""
    events = world.stub.world.rooms[room].events
    place = next(n for n, event in enumerate(events) if event["event_id"] == event_id)
    return {event["sender"] for event in events[place + 1 :]}


async def told(ben: Human, event_id: str, *expected: str) -> None:
    """Wait for these statuses of an event."""
    await until(lambda: statuses(ben, event_id) == list(expected), f"statuses of {event_id}")


def refuse(node: Node, *texts: str) -> None:
    """The product takes everything but these."""

    def before(delivery: Delivery) -> None:
        if delivery.body.text in texts:
            raise Refused("product_refused")

    node.product.before = before


async def test_it_is_invited_with_the_room_and_comes_when_it_has_to_speak(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.write("chat1", "Bonjour", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("Bonjour")
        assert membership(world, room) == "invite"
        shown = world.stub.world.rooms[room].state[(MARK, "")]["content"]
        assert shown == {"service_members": [VOICE]}
        for number in range(3):
            event = await ben.say(room, f"message {number}")
            await told(ben, event, "SUCCESS")
            assert after(world, room, event) == {VOICE}
        assert membership(world, room) == "join"
        joins = [e for e in world.stub.world.rooms[room].events if e.get("state_key") == VOICE]
        assert [e["content"]["membership"] for e in joins] == ["invite", "join"]
        assert world.stub.world.users[VOICE].profile["displayname"] == "Liaison"
        assert {m.person.id for m in (await node.got("message 2")).members} == {f"matrix:{ben.mxid}", f"rpps:{CLEO}"}


async def test_a_clients_room_has_it_before_anybody_writes_and_is_not_named_after_it(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        other = {"type": MARK, "state_key": "", "content": {"service_members": ["@bot:chu.example"]}}
        state = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
        power = {"users": {ghost(ANNA): 100}}
        room = await ben.create_room(
            ghost(ANNA), initial_state=[state, other], power_level_content_override=power, is_direct=True
        )
        await until(lambda: membership(world, room) == "invite")
        await world.stub.idle()
        marked = world.stub.world.rooms[room].state[(MARK, "")]["content"]
        assert marked == {"service_members": sorted(["@bot:chu.example", VOICE])}
        event = await ben.say(room, "Je commence")
        await told(ben, event, "SUCCESS")
        assert after(world, room, event) == {VOICE}


async def test_a_clients_room_has_it_also_if_it_could_not_be_invited_at_once(world: World) -> None:
    """No ghost may ever speak there: without the voice nothing would be shown as delivered."""
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        world.stub.fault(r"POST .*/invite", times=2, status=503)
        room = await ben.create_room(ghost(ANNA))
        await until(lambda: membership(world, room) == "invite")
        await told(ben, await ben.say(room, "Je commence"), "SUCCESS")


async def test_what_was_refused_is_read_by_nobody_and_said_by_nobody_else(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        refuse(node, "refusé")
        event = await chat.ben.say(chat.room, "refusé")
        seen = await chat.ben.heard("Dr Anna Martin : Le produit du destinataire a refusé")
        await told(chat.ben, event, "FAIL_PERMANENT")
        assert seen.sender == VOICE
        assert after(world, chat.room, event) == {VOICE}


async def old(world: World, node: Node) -> Chat:
    """A room from before the hub had a voice."""
    world.stub.fault(r"POST .*/invite", times=1, status=403)
    chat = await meet(world, node)
    await world.stub.idle()
    assert membership(world, chat.room) == "leave"
    return chat


async def test_it_comes_into_an_old_room_when_a_colleague_has_spoken_there(world: World) -> None:
    async with world.node() as node:
        chat = await old(world, node)
    async with world.node() as node:
        event = await chat.ben.say(chat.room, "encore sans")
        await node.got("encore sans")
        await node.write(chat.chat, "je parle", by="anna", ref="p1")
        await chat.ben.heard("je parle")
        await until(lambda: membership(world, chat.room) == "invite")
        assert VOICE not in after(world, chat.room, event)
        event = await chat.ben.say(chat.room, "et maintenant")
        await told(chat.ben, event, "SUCCESS")
        assert after(world, chat.room, event) == {VOICE}


async def test_a_failure_brings_it_into_an_old_room_at_once(world: World) -> None:
    async with world.node() as node:
        chat = await old(world, node)
    async with world.node() as node:
        refuse(node, "refusé")
        event = await chat.ben.say(chat.room, "refusé")
        assert (await chat.ben.heard("a refusé le message")).sender == VOICE
        await told(chat.ben, event, "FAIL_PERMANENT")


@pytest.mark.parametrize("how", ["not invited", "removed"])
async def test_where_it_may_not_be_a_ghost_says_what_failed_and_nothing_else(world: World, how: str) -> None:
    async with world.node() as node:
        chat = await (old(world, node) if how == "not invited" else meet(world, node))
        if how == "removed":
            await told(chat.ben, (await chat.ben.say(chat.room, "un")), "SUCCESS")
            world.stub.world.change_membership(chat.room, chat.ben.mxid, VOICE, "leave", {})
            world.stub.interest(world.stub.world.rooms[chat.room].events[-1])
            await world.stub.idle()
            await until(lambda: node.matrix.idle)
        refuse(node, "refusé")
        event = await chat.ben.say(chat.room, "bien arrivé")
        await node.got("bien arrivé")
        refused = await chat.ben.say(chat.room, "refusé")
        seen = await chat.ben.heard("Liaison — ⚠️ Dr Anna Martin : Le produit")
        assert seen.sender == ghost(ANNA)
        await told(chat.ben, refused, "FAIL_PERMANENT")
        assert statuses(chat.ben, event) == []
        await node.write(chat.chat, "je parle", by="anna", ref="p1")
        await chat.ben.heard("je parle")
        assert membership(world, chat.room) != "join"
        members = await node.hub.facts.chat("matrix", chat.room)
        assert members is not None
        assert {m.person.id for m in members.members} == {f"matrix:{chat.ben.mxid}", f"rpps:{ANNA}"}


async def test_a_restart_between_its_invitation_and_its_first_word(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.write(chat.chat, "réponse", by="anna", ref="p1")
        await chat.ben.heard("réponse")
    async with world.node() as node:
        event = await chat.ben.say(chat.room, "après")
        await told(chat.ben, event, "SUCCESS")
        assert after(world, chat.room, event) <= {VOICE}


async def test_the_same_failure_again_is_counted_in_the_same_notice(world: World) -> None:
    """One notice rings; the next ones of the same kind and sender change it, none is passed over in silence."""
    async with world.node() as node:
        chat = await meet(world, node)
        content = {"org.example.value": {"value": 5.9}}  # of a kind that nobody knows, without a text
        events = [await chat.ben.send(chat.room, content, "org.example.value") for _ in range(3)]
        first = await chat.ben.heard("⚠️ Ce type de message")
        counted = await chat.ben.heard("* ⚠️ 3 × Ce type de message")
        assert counted.clear is not None
        relation = counted.clear["content"]["m.relates_to"]
        assert relation == {"rel_type": "m.replace", "event_id": first.event["event_id"]}
        assert counted.clear["content"]["m.new_content"]["body"].startswith("⚠️ 3 × ")
        assert counted.clear["content"]["m.mentions"] == {}
        for event in events:
            await told(chat.ben, event, "FAIL_PERMANENT")
        said = [s for s in chat.ben.seen if s.sender == VOICE and "type de message" in (s.text or "")]
        assert len(said) == 3


async def test_no_notice_is_answered_by_a_notice(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        event = await chat.ben.send(chat.room, {"msgtype": "m.notice", "body": "  "})
        await told(chat.ben, event, "FAIL_PERMANENT")
        event = await chat.ben.raw(chat.room, "m.room.message", {"msgtype": "m.notice", "body": "en clair"})
        await told(chat.ben, event, "FAIL_PERMANENT")
        await chat.ben.say(chat.room, "fin")
        await node.got("fin")
        assert not any(s.sender == VOICE for s in chat.ben.seen)


async def test_a_device_that_is_refused_can_read_why(world: World) -> None:
    ben = await world.human("ben", "chu.example", signed=False)
    async with world.node(key_wait_s=0.1) as node:
        await node.warm(ANNA)
        room = await ben.create_room(ghost(ANNA), is_direct=True)
        await until(lambda: membership(world, room) == "invite")
        event = await ben.say(room, "de mon nouveau téléphone")
        seen = await ben.heard("votre appareil n'est pas vérifié")
        assert seen.sender == VOICE
        assert not any(message["sender"] == VOICE for message in ben.withheld)
        await told(ben, event, "FAIL_PERMANENT")


async def test_what_a_hub_itself_says_is_nobodys_message(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        words: dict[str, Any] = {"msgtype": "m.text", "body": "⚠️ d'un autre hub", "fr.liaison.code": "product_refused"}
        await chat.ben.send(chat.room, words)
        await chat.ben.say(chat.room, "à la suite")
        await node.got("à la suite")
        assert not any("autre hub" in d.body.text for d in node.product.delivered if d.kind is not Kind.MEMBERS)


async def test_what_a_leg_says_of_a_colleague_is_not_said_by_them(world: World) -> None:
    """The mail leg tells a room what became of a mail: about Anna, and not Anna's words."""
    async with world.node() as node:
        chat = await meet(world, node)
        words = Body("⚠️ L'ancien texte est déjà parti par mail.", system=True)
        message = Message(Ref("pandalab", "s1"), chat.chat, Address("pandalab", "anna"), Kind.NOTICE, words, now_ms())
        mine = await chat.ben.say(chat.room, "un comprimé")
        await told(chat.ben, mine, "SUCCESS")
        await node.hub.accept(message)
        seen = await chat.ben.heard("⚠️ L'ancien texte")
        assert seen.sender == VOICE
        assert seen.clear is not None
        assert (seen.clear["content"]["msgtype"], seen.clear["content"]["fr.liaison.code"]) == ("m.text", "system")
        assert after(world, chat.room, mine) == {VOICE}


async def test_a_word_for_one_leg_goes_to_no_other(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        words, by = Body("pour l'auteur", system=True), Address("pandalab", "anna")
        only = Message(Ref("pandalab", "s1"), chat.chat, by, Kind.NOTICE, words, now_ms(), only="mail")
        await node.hub.accept(only)
        await node.write(chat.chat, "pour tous", by="anna", ref="p1")
        await chat.ben.heard("pour tous")
        assert not any("l'auteur" in (s.text or "") for s in chat.ben.seen)
