"""What senders on Matrix see of the fate of their messages, and signs in both directions."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from appservice.client.events import STATUS
from bridge.errors import Refused
from bridge.model import Address, Delivery, Kind, RecipientState, Ref, Report, State
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, VOICE, World, ghost, meet, statuses


async def test_reading_in_the_product_moves_the_ghosts_receipt(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        event_id = await chat.ben.say(chat.room, "lu ?")
        delivery = await node.got("lu ?")
        await until(lambda: statuses(chat.ben, event_id))
        refs = {d.id: ref for d, ref in zip(node.product.delivered, node.product._refs.values(), strict=False)}
        await node.hub.signs.read(refs[delivery.id], Address("pandalab", "anna"), 1)
        receipt = await chat.ben.event(lambda e: e["type"] == "m.receipt" and event_id in e["content"])
        assert list(receipt["content"][event_id]["m.read"]) == [ghost(ANNA)]


async def test_a_refusal_of_the_product_is_said_by_the_hub_and_rings(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)

        def refuse(delivery: Delivery) -> None:
            if delivery.kind is not Kind.MEMBERS:
                raise Refused("product_refused")

        node.product.before = refuse
        event_id = await chat.ben.say(chat.room, "refusé")
        seen = await chat.ben.heard("Le produit du destinataire a refusé")
        assert seen.sender == VOICE
        assert seen.text is not None
        assert seen.clear is not None
        assert seen.clear["content"]["msgtype"] == "m.text"  # no rule keeps it silent
        assert seen.clear["content"]["m.mentions"] == {"user_ids": [chat.ben.mxid]}
        assert "Dr Anna Martin" in seen.text
        assert "refused the message" in seen.text
        assert seen.event["type"] == "m.room.encrypted"
        await until(lambda: statuses(chat.ben, event_id) == ["FAIL_PERMANENT"])


async def test_what_was_taken_back_in_time_is_said_once_and_is_no_failure(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        event_id = await chat.ben.say(chat.room, "à oublier")
        await node.got("à oublier")
        status = await node.hub.facts.status(Ref("matrix", event_id))
        assert status is not None
        person, who = status.states[0].person, Address("matrix", chat.ben.mxid)
        states = [RecipientState(p, State.REFUSED, 1, "taken_back") for p in (person, replace(person, id="mail:a@b.c"))]
        await node.matrix.report([Report("m", Ref("matrix", event_id), "c", chat.room, who, tuple(states), 9)])
        seen = await chat.ben.heard("Retiré à temps")
        assert seen.text is not None
        assert seen.text.startswith("ℹ️ Retiré")
        await asyncio.sleep(0.2)
        assert [one["sender"] for _, one in chat.ben.events if one["type"] == "m.room.encrypted"].count(
            seen.sender
        ) == 1
        assert "FAIL_PERMANENT" not in statuses(chat.ben, event_id)


async def test_nothing_is_told_twice(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        for number in range(3):
            await chat.ben.say(chat.room, f"n{number}")
        last = await chat.ben.say(chat.room, "dernier")
        await node.got("dernier")
        await until(lambda: statuses(chat.ben, last))
        status = await node.hub.facts.status(Ref("matrix", last))
        assert status is not None
        states = status.states
        again = Report("m", Ref("matrix", last), "c", chat.room, Address("matrix", chat.ben.mxid), states, 9)
        before = len(chat.ben.events)
        await node.matrix.report([again])
        await asyncio.sleep(0.1)
        assert len(chat.ben.events) == before


async def test_typing_goes_both_ways(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.typing(chat.room)
        await until(lambda: node.product.signs)
        assert (node.product.signs[0].person.id, node.product.signs[0].typing) == (f"matrix:{chat.ben.mxid}", True)
        await chat.ben.typing(chat.room, False)
        await until(lambda: len(node.product.signs) == 2)
        assert node.product.signs[1].typing is False
        await node.hub.signs.typing("pandalab", chat.chat, Address("pandalab", "anna"), True)
        shown = await chat.ben.event(lambda e: e["type"] == "m.typing" and e["content"]["user_ids"])
        assert shown["content"]["user_ids"] == [ghost(ANNA)]


async def test_reading_in_matrix_is_known_in_the_product(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        accepted = await node.write(chat.chat, "lisez-moi", by="anna", ref="p1")
        seen = await chat.ben.heard("lisez-moi")
        await until(lambda: any(r.message == accepted.message for r in node.product.told))
        await chat.ben.receipt(chat.room, seen.event["event_id"])

        def read() -> bool:
            return any(r.message == accepted.message and r.states[0].state == "read" for r in node.product.told)

        await until(read)


async def test_replies_and_threads_keep_their_meaning_across(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        root = await chat.ben.say(chat.room, "racine")
        delivered = await node.got("racine")
        refs = dict(zip([d.id for d in node.product.delivered], node.product._refs.values(), strict=False))
        await node.write(chat.chat, "réponse", by="anna", reply_to=refs[delivered.id], html="<b>réponse</b>")
        seen = await chat.ben.heard("réponse")
        assert seen.clear is not None
        assert seen.clear["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": root}}
        assert seen.clear["content"]["formatted_body"] == "<b>réponse</b>"
        relation = {
            "rel_type": "m.thread",
            "event_id": root,
            "is_falling_back": True,
            "m.in_reply_to": {"event_id": root},
        }
        await chat.ben.send(chat.room, {"msgtype": "m.text", "body": "fil", "m.relates_to": relation})
        assert (await node.got("fil")).thread == refs[delivered.id]
        unknown = Ref("pandalab", "unknown")
        await node.write(chat.chat, "sans racine", by="anna", reply_to=unknown)
        assert "m.relates_to" not in (await chat.ben.heard("sans racine")).clear["content"]  # type: ignore[index]


async def test_the_homeserver_away_while_reporting(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        world.stub.fault(r"PUT .*/send/com\.beeper", times=3, status=502)
        event_id = await chat.ben.say(chat.room, "rapporté")
        await node.got("rapporté")
        await until(lambda: statuses(chat.ben, event_id) == ["SUCCESS"])
        assert CLEO not in str(chat.ben.events)


async def test_what_is_told_of_a_message_changes_with_what_became_of_it(world: World) -> None:
    """A homeserver takes a second event under the same transaction id for a repeat: each status has its own."""
    async with world.node() as node:
        chat = await meet(world, node)
        event_id = await chat.ben.say(chat.room, "par mail")
        await node.got("par mail")
        await until(lambda: statuses(chat.ben, event_id))
        anna, cleo = [await node.hub.facts.who(Address("rpps", rpps)) for rpps in (ANNA, CLEO)]
        assert anna is not None
        assert cleo is not None
        later = await chat.ben.say(chat.room, "à deux")
        await until(lambda: statuses(chat.ben, later))

        async def tell(*states: State) -> tuple[str, list[str]]:
            both = zip((anna, cleo), states, strict=True)
            rows = tuple(RecipientState(p, s, 1, "mail_refused" if s is State.REFUSED else None) for p, s in both)
            known = len(chat.ben.events)
            report = Report("m", Ref("matrix", "$à-deux"), "c", chat.room, Address("matrix", chat.ben.mxid), rows, 9)
            await node.matrix.report([report])
            await until(lambda: any(e["type"] == STATUS for _, e in chat.ben.events[known:]))
            content = next(e["content"] for _, e in reversed(chat.ben.events) if e["type"] == STATUS)
            return content["status"], content["delivered_to_users"]

        assert await tell(State.SENT, State.SENT) == ("SUCCESS", [])
        assert await tell(State.SENT, State.DELIVERED) == ("SUCCESS", [ghost(CLEO)])
        assert await tell(State.DELIVERED, State.READ) == ("SUCCESS", sorted([ghost(ANNA), ghost(CLEO)]))
        assert await tell(State.REFUSED, State.READ) == ("FAIL_PERMANENT", [ghost(CLEO)])


async def test_a_burst_has_a_status_for_each_message_and_no_more(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        events = [await chat.ben.say(chat.room, f"n{number}") for number in range(20)]
        await until(lambda: all(statuses(chat.ben, event) for event in events))
        await asyncio.sleep(0.2)
        assert all(statuses(chat.ben, event) == ["SUCCESS"] for event in events)
        said = [e["sender"] for _, e in chat.ben.events if e["type"] == STATUS]
        assert set(said) == {VOICE}
