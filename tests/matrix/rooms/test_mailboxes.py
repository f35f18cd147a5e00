"""People of the trust space who have no RPPS number: as users of the rooms, invited, written to, removed."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from bridge.connector import Capabilities
from bridge.errors import Refused
from bridge.kinds import EVERYWHERE
from bridge.model import Kind, Ref, State
from bridge.networks.mail.leg.addressbook import AddressBook
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix.make import ANNA, SPACE, World, ghost, meet

BOX = f"secretariat@{SPACE}"
GHOST = f"@mss_secretariat=40{SPACE}:stub.example"


async def test_a_mailbox_writes_first_and_is_answered(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.post(BOX, "Bonjour Ben", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        assert (await ben.heard("Bonjour Ben")).sender == GHOST
        event_id = await ben.say(room, "Bonjour")
        delivery = await node.mailed(lambda d: bool(d.body.text == "Bonjour"))
        assert {m.person.id for m in delivery.members} == {f"mail:{BOX}", f"matrix:{ben.mxid}"}
        status = await ben.event(lambda e: e["type"] == "com.beeper.message_send_status")
        assert status["content"]["delivered_to_users"] == [GHOST]
        assert status["content"]["m.relates_to"]["event_id"] == event_id
        assert await node.hub.signs.read(Ref("mail", "mail-1"), delivery.members[0].address, 1)
        read = await ben.event(lambda e: e["type"] == "m.receipt" and GHOST in str(e["content"]))
        assert event_id in read["content"]
        profile = world.stub.world.users[GHOST].profile
        assert profile["displayname"] == BOX
        assert profile["fr.liaison.mail"] == BOX


async def test_an_exchange_that_goes_on_with_others_is_linked(world: World) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        await node.post(BOX, "À deux", to=(f"matrix:{ben.mxid}",), ref="m1")
        await ben.member(await ben.invited(), "join")
        first = await ben.heard("À deux")
        both = (f"matrix:{ben.mxid}", f"matrix:{eve.mxid}")
        await node.post(BOX, "À <trois>", to=both, chat="mail2", reply_to=Ref("mail", "m1"))
        await eve.member(await eve.invited(), "join")
        second = await eve.wait(lambda seen: (seen.text or "").endswith("À <trois>"))
        link = f"https://matrix.to/#/{quote(first.room, safe='')}/{quote(first.event['event_id'], safe='')}"
        assert second.clear is not None
        content = second.clear["content"]
        assert f"{link}?via=stub.example" in content["body"]
        assert f'href="{link}?via=stub.example"' in content["formatted_body"]
        assert content["formatted_body"].endswith("À &lt;trois&gt;")
        assert "m.relates_to" not in content


async def test_a_matrix_user_invites_a_mailbox(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        room = await ben.create_room(GHOST, is_direct=True)
        await until(lambda: world.stub.world.rooms[room].membership(GHOST) == "join")
        await ben.say(room, "Je vous écris")
        delivery = await node.mailed(lambda d: bool(d.body.text == "Je vous écris"))
        assert [m.address.id for m in delivery.recipients] == [BOX]
        await node.post(BOX, "Je réponds", chat=delivery.chat)
        await ben.heard("Je réponds")


async def test_a_mailbox_and_a_professional_share_a_room(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        room = await ben.create_room(ghost(ANNA), GHOST)
        members = world.stub.world.rooms[room].membership
        await until(lambda: members(GHOST) == members(ghost(ANNA)) == "join")
        await ben.say(room, "À tous")
        await node.got("À tous")
        await node.mailed(lambda d: bool(d.body.text == "À tous"))
        await ben.member(room, "kick", GHOST)
        await ben.say(room, "À Anna seule")
        delivery = await node.got("À Anna seule")
        assert f"mail:{BOX}" not in {m.person.id for m in delivery.members}
        assert not any(d.body.text == "À Anna seule" for d in node.mail.delivered)


async def test_nobody_of_another_domain_can_be_invited(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    stranger = "@mss_x=40elsewhere.example:stub.example"
    async with world.node() as node:
        room = await ben.create_room(stranger)
        declined = await ben.event(lambda e: e.get("state_key") == stranger and e["content"]["membership"] == "leave")
        assert "espace de confiance MSSanté" in declined["content"]["reason"]
        assert node.hub is not None
        assert world.stub.world.rooms[room].membership(stranger) == "leave"


async def test_the_homeserver_asks_for_ghosts(world: World) -> None:
    async with world.node() as node:
        assert await node.matrix._exists(GHOST)
        await until(lambda: node.matrix.ghosts.is_ready(GHOST))
        assert await node.matrix._exists(GHOST)
        for nobody in ("@mss_x=40elsewhere.example:stub.example", "@mss_x:stub.example", "@ben:stub.example"):
            assert not await node.matrix._exists(nobody)


async def test_a_mailbox_that_the_hub_gave_is_no_correspondent(world: World) -> None:
    """Its holder has a ghost of their own; nobody else is there."""
    boxes = ("anna.martin", "personne", "cardio")
    held, nobody, team = (f"@mss_{local}=40hub.example:stub.example" for local in boxes)
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        node.mail.boxes = book = AddressBook(node.db, ["hub.example"], {"cardio@hub.example": "Cardiologie"})
        book._remember("anna.martin@hub.example", f"rpps:{ANNA}")
        refusals = {held: "Invitez-le lui-même", nobody: "boîte", team: "celle d'une équipe"}
        for mxid, words in refusals.items():
            assert await node.matrix._exists(mxid) == (mxid == team)  # a team has a ghost, in its own room
            room = await ben.create_room(mxid)
            declined = await _declined(ben, mxid)
            assert words in declined["content"]["reason"]
            assert world.stub.world.rooms[room].membership(mxid) == "leave"
            assert await node.hub.facts.chat("matrix", room) is None
        found = await node.people.find(f"matrix:{held}", "mail", "to.0")
        assert (found.person.id, found.address.network) == (f"rpps:{ANNA}", "pandalab")


async def _declined(human: Human, mxid: str) -> dict[str, Any]:
    return await human.event(lambda e: e.get("state_key") == mxid and e["content"]["membership"] == "leave")


async def test_an_address_that_is_too_long_is_refused_to_its_writer(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        long = f"{'a' * 220}@{SPACE}"
        accepted = await node.post(long, "Bonjour", to=(f"matrix:{ben.mxid}",))
        await until(lambda: any(r.message == accepted.message and r.states[0].reason for r in node.mail.told))
        report = next(r for r in reversed(node.mail.told) if r.message == accepted.message)
        assert (report.states[0].state, report.states[0].reason) == (State.REFUSED, "no_ghost")


async def test_typing_of_a_mailbox_is_shown(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.post(BOX, "Bonjour", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("Bonjour")
        member = (await node.hub.facts.chat("matrix", room)).members[0]  # type: ignore[union-attr]
        await node.hub.signs.typing("mail", "mail1", member.address, True)
        await ben.event(lambda e: e["type"] == "m.typing" and GHOST in e["content"]["user_ids"])


async def test_reactions_go_both_ways_and_are_never_a_notice(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.post(BOX, "Résultat prêt", to=(f"matrix:{ben.mxid}",), ref="m1")
        room = await ben.invited()
        await ben.member(room, "join")
        seen = await ben.heard("Résultat prêt")
        await world.stub.idle()

        def annotation(key: str, target: str = "") -> dict[str, object]:
            about = target or seen.event["event_id"]
            return {"m.relates_to": {"rel_type": "m.annotation", "event_id": about, "key": key}}

        clear = await ben.raw(room, "m.reaction", annotation("✅"))
        await ben.send(room, annotation("👍"), "m.reaction")
        await ben.raw(room, "m.reaction", annotation("❓", "$nobody-knows"))
        await ben.raw(room, "m.reaction", {"m.relates_to": {"rel_type": "m.annotation"}})
        await ben.raw(room, "m.room.redaction", {"redacts": clear})
        said = await ben.say(room, "Vu")
        await node.mailed(lambda d: bool(d.body.text == "Vu"))
        reactions = [d for d in node.mail.delivered if d.kind is Kind.REACTION]
        assert [(d.body.text, d.reply_to and d.reply_to.id) for d in reactions] == [("✅", "m1"), ("👍", "m1")]
        assert not any(s.clear and s.clear["content"]["msgtype"] == "m.notice" for s in ben.seen)
        await node.post(BOX, "❤️", kind=Kind.REACTION, reply_to=Ref("mail", "mail-4"))
        found = await ben.event(lambda e: e["type"] == "m.reaction" and e["sender"] == GHOST)
        assert found["content"]["m.relates_to"] == {"rel_type": "m.annotation", "event_id": said, "key": "❤️"}


async def test_a_sign_is_taken_back_by_its_writer_or_taken_out_by_who_keeps_order(world: World) -> None:
    """The removal reaches what carries reactions and corrections; nobody is told anything about it."""
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        node.mail._capabilities = Capabilities(files=True, kinds=EVERYWHERE | {Kind.EDIT, Kind.REMOVAL, Kind.REACTION})
        await node.post(BOX, "Résultat", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}", f"rpps:{ANNA}"), ref="m1")
        room, same = await ben.invited(), await eve.invited()
        assert room == same
        for human in (ben, eve):
            await human.member(room, "join")
        seen = await ben.heard("Résultat")
        relation = {"rel_type": "m.annotation", "event_id": seen.event["event_id"], "key": "✅"}
        taken = await ben.raw(room, "m.reaction", {"m.relates_to": relation})
        marked = await node.mailed(lambda d: d.kind is Kind.REACTION)
        other = await eve.raw(room, "m.reaction", {"m.relates_to": relation | {"key": "👍"}})
        second = await node.mailed(lambda d: d.kind is Kind.REACTION and d.body.text == "👍")
        await ben.raw(room, "m.room.redaction", {"redacts": taken})
        removal = await node.mailed(lambda d: d.kind is Kind.REMOVAL)
        assert (removal.sender.id, removal.moderated) == (f"matrix:{ben.mxid}", False)
        assert removal.reply_to == node.mail._refs[marked.id]
        await ben.raw(room, "m.room.redaction", {"redacts": other})
        out = await node.mailed(lambda d: d.kind is Kind.REMOVAL and d.moderated)
        assert (out.sender.id, out.reply_to) == (f"matrix:{ben.mxid}", node.mail._refs[second.id])
        await ben.say(room, "Ensuite")
        await node.got("Ensuite")
        assert not any(d.kind is Kind.REMOVAL for d in node.product.delivered)
        assert not any(s.clear and s.clear["content"]["msgtype"] == "m.notice" for s in (*ben.seen, *eve.seen))


async def test_a_reaction_is_there_once_whatever_is_lost(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.post(BOX, "Bonjour", to=(f"matrix:{ben.mxid}",), ref="m1")
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("Bonjour")
        event = await ben.say(room, "Oui")
        await node.mailed(lambda d: bool(d.body.text == "Oui"))
        world.stub.fault(r"PUT .*/send/m\.reaction/", times=2)
        await node.post(BOX, "👍", kind=Kind.REACTION, reply_to=Ref("mail", "mail-1"))
        await node.post(BOX, "👍", kind=Kind.REACTION, reply_to=Ref("mail", "mail-1"))  # the same, once more
        await node.post(BOX, "Ensuite")
        await ben.heard("Ensuite")
        found = [e for e in world.stub.world.rooms[room].events if e["type"] == "m.reaction"]
        assert [e["content"]["m.relates_to"]["event_id"] for e in found] == [event]


async def test_a_reaction_nobody_can_carry_is_said_once_for_each_writer_and_room(world: World) -> None:
    words = "⚠️ pandalab : personne n'y voit les réactions. Répondez par un texte."

    def told() -> list[str]:
        return [seen.event["event_id"] for seen in ben.seen if (seen.text or "").startswith(words)]

    async def react(event: str, key: str = "👍") -> str:
        relation = {"rel_type": "m.annotation", "event_id": event, "key": key}
        return await ben.raw(chat.room, "m.reaction", {"m.relates_to": relation})

    async with world.node() as node:
        chat = await meet(world, node)
        ben = chat.ben
        first = await ben.say(chat.room, "Bonjour")
        await node.got("Bonjour")
        sign = await react(first)
        await until(lambda: len(told()) == 1)
        await ben.raw(chat.room, "m.room.redaction", {"redacts": sign})
        await react(told()[0])  # to what the hub says
        await react("$nobody-knows")
        await react(first, "❓")
        await ben.say(chat.room, "Après")
        await node.got("Après")
    async with world.node() as node:  # another life of the hub
        await react(first, "🎉")
        await ben.say(chat.room, "Plus tard")
        await node.got("Plus tard")
        assert len(told()) == 1
        [seen] = [one for one in ben.seen if one.event["event_id"] == told()[0]]
        assert seen.clear is not None
        assert seen.clear["content"]["m.mentions"] == {"user_ids": [ben.mxid]}
        assert seen.clear["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": sign}}
        dan = await world.human("dan", "chu.example")
        await ben.member(chat.room, "invite", dan.mxid)
        await dan.member(chat.room, "join")
        relation = {"rel_type": "m.annotation", "event_id": first, "key": "👍"}
        await dan.raw(chat.room, "m.reaction", {"m.relates_to": relation})
        await until(lambda: len(told()) == 2)  # another writer


async def test_threads_are_threads_on_both_sides(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.post(BOX, "Patient A", to=(f"matrix:{ben.mxid}",), ref="a1")
        room = await ben.invited()
        await ben.member(room, "join")
        root = (await ben.heard("Patient A")).event["event_id"]
        await node.post(BOX, "A, suite", ref="a2", thread=Ref("mail", "a1"))
        seen = await ben.heard("A, suite")
        assert seen.clear is not None
        falling_back = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True}
        inside: dict[str, Any] = {"m.relates_to": {**falling_back, "m.in_reply_to": {"event_id": root}}}
        assert seen.clear["content"]["m.relates_to"] == inside["m.relates_to"]
        cites = {"is_falling_back": False, "m.in_reply_to": {"event_id": seen.event["event_id"]}}
        answer: dict[str, Any] = {"m.relates_to": {**falling_back, **cites}}
        for text, relation in (("dans le fil", inside), ("vraie réponse", answer), ("hors du fil", {})):
            await ben.say(room, text, **relation)
        await node.mailed(lambda d: bool(d.body.text == "hors du fil"))
        shown = [(d.body.text, d.thread and d.thread.id, d.reply_to and d.reply_to.id) for d in node.mail.delivered]
        assert shown == [("dans le fil", "a1", None), ("vraie réponse", "a1", "a2"), ("hors du fil", None, None)]
        await node.post(BOX, "racine inconnue", thread=Ref("mail", "nobody-knows"))
        seen = await ben.heard("racine inconnue")
        assert seen.clear is not None
        assert "m.relates_to" not in seen.clear["content"]


async def test_a_stranger_cannot_speak_as_a_mailbox(world: World) -> None:
    async with world.node() as node:
        with pytest.raises(Refused) as refusal:
            await node.post("eve@elsewhere.example", "Bonjour", to=("matrix:@ben:chu.example",))
        assert refusal.value.code == "unknown_sender"


async def test_corrections_go_where_they_can(world: World) -> None:
    """An edit and a removal of the writer reach a network that can correct; anybody else's are refused in words."""
    async with world.node() as node:
        chat = await meet(world, node)
        node.product._capabilities = Capabilities(kinds=EVERYWHERE | {Kind.EDIT, Kind.REMOVAL})
        said = await chat.ben.say(chat.room, "deux comprimés")
        await node.got("deux comprimés")
        relation = {"m.relates_to": {"rel_type": "m.replace", "event_id": said}}
        new = {"m.new_content": {"msgtype": "m.text", "body": "un comprimé"}, **relation}
        await chat.ben.send(chat.room, {"msgtype": "m.text", "body": "* un comprimé", **new})
        edit = await node.got("un comprimé")
        assert edit.kind is Kind.EDIT
        assert edit.reply_to is not None
        await chat.ben.raw(chat.room, "m.room.redaction", {"redacts": said})
        await until(lambda: any(d.kind is Kind.REMOVAL for d in node.product.delivered))
        assert next(d for d in node.product.delivered if d.kind is Kind.REMOVAL).reply_to == edit.reply_to
