"""Whole stories on the stub: from a product to an encrypted room and back, with the real hub and key engine."""

from __future__ import annotations

from bridge.model import Kind
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, World, ghost


async def test_a_product_writes_to_a_matrix_user_who_answers(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.write("chat1", "Bonjour Ben", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        seen = await ben.heard("Bonjour Ben")
        assert seen.sender == ghost(CLEO)
        assert seen.event["type"] == "m.room.encrypted"
        await ben.say(room, "Bonjour Cléo")
        delivery = await node.got("Bonjour Cléo")
        assert (delivery.sender.id, delivery.kind, delivery.chat) == (f"matrix:{ben.mxid}", Kind.TEXT, "chat1")
        profile = world.stub.world.users[ghost(CLEO)].profile
        assert profile["displayname"] == "Dr Cléo Petit — Médecin (Lyon)"
        assert profile["fr.liaison.rpps"] == CLEO


async def test_a_matrix_user_begins(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.matrix.show([await node.people.get(f"rpps:{ANNA}")])
        await until(lambda: node.matrix.ghosts.is_ready(ghost(ANNA)))
        room = await ben.create_room(ghost(ANNA), is_direct=True)
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
        event_id = await ben.say(room, "Je commence")
        delivery = await node.got("Je commence")
        assert {m.person.id for m in delivery.members} == {f"matrix:{ben.mxid}", f"rpps:{ANNA}"}
        status = await ben.event(lambda e: e["type"] == "com.beeper.message_send_status")
        assert status["content"]["status"] == "SUCCESS"
        assert status["content"]["m.relates_to"]["event_id"] == event_id
        assert status["content"]["delivered_to_users"] == [ghost(ANNA)]
        await node.write(delivery.chat, "Je réponds", by="anna")
        await ben.heard("Je réponds")
