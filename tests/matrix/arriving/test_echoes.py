"""Echoes: settled with the transaction that brings them where nobody waits, in the room's order where somebody does."""

from __future__ import annotations

from typing import Any

from bridge.db import Counts, Tx
from bridge.model import MATRIX, Ref
from deploy.world.waiting import until, wait_for
from tests.matrix.make import CLEO, Chat, Cut, Node, World, ghost, meet


async def settled(world: World, node: Node) -> None:
    """Wait until everything was pushed and worked on."""
    await world.stub.idle()
    await until(lambda: node.matrix.idle and not node.matrix._outbox._ciphers)


async def said(node: Node, chat: Chat, text: str) -> Counts:
    """Anna says something; gives what the database did until it was settled."""
    before = node.db.counts.copy()
    await node.write(chat.chat, text, by="anna")
    await chat.ben.heard(text)
    await until(lambda: not node.matrix._outbox._ciphers and node.courier.idle)
    return node.db.counts.since(before)


def event_of(world: World, chat: Chat) -> str:
    """The newest event of a ghost in the room."""
    events = [e for e in world.stub.world.rooms[chat.room].events if e["type"] == "m.room.encrypted"]
    return str(next(e["event_id"] for e in reversed(events) if e["sender"].startswith("@rpps_")))


async def test_an_echo_for_which_nobody_waits_has_no_row_and_no_transaction_of_its_own(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await said(node, chat, "un")
        await settled(world, node)
        done = await said(node, chat, "deux")
        assert "matrix.inbox_add" not in done.statements
        assert "store.held_networks" not in done.statements
        ref = Ref(MATRIX, event_of(world, chat))
        assert await node.hub.facts.cited(ref) is not None
        await until(lambda: len(node.product.told) > 0)
        assert [r["event_id"] for r in await node.db.all("matrix.outbox", "", 1000)] == [ref.id]


async def test_where_others_wait_the_echo_gives_them_the_message(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.warm(CLEO)
        await chat.ben.member(chat.room, "invite", ghost(CLEO))
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
        await settled(world, node)
        to = (f"matrix:{chat.ben.mxid}", f"rpps:{CLEO}")
        await node.post("anna@hopital.example", "avant", to=to)
        await chat.ben.member(await chat.ben.invited(), "join")
        await chat.ben.heard("avant")
        awaited: list[set[str]] = []
        real = node.hub.awaited

        async def noted(tx: Tx, messages: Any) -> set[str]:
            awaited.append(await real(tx, messages))
            return awaited[-1]

        node.hub.awaited = noted  # type: ignore[method-assign]
        await node.post("anna@hopital.example", "mail", to=to)
        await node.got("mail")
        await settled(world, node)
        assert any(awaited)
        assert node.texts()[-1] == "mail"


async def test_an_echo_that_is_pushed_twice_counts_once(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await said(node, chat, "une fois")
        await settled(world, node)
        event = world.stub.world.rooms[chat.room].events[-1]
        rows = await node.db.all("matrix.outbox", "", 1000)
        for _ in range(2):
            world.stub.interest(event)
            await world.stub.idle()
        world.stub.interest({**event, "event_id": "$another"})  # the same ciphertext by another name
        await settled(world, node)
        assert [r["event_id"] for r in await node.db.all("matrix.outbox", "", 1000)] == [r["event_id"] for r in rows]
        await said(node, chat, "encore")
        assert [seen.text for seen in chat.ben.seen if seen.text in ("une fois", "encore")] == ["une fois", "encore"]


async def test_a_commit_whose_answer_was_lost_is_looked_up(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await said(node, chat, "avant")
        await settled(world, node)
        cut: Any = Cut(node.db, "matrix.transaction")
        node.matrix._transactions._db = cut
        await node.write(chat.chat, "sans réponse", by="anna")
        await chat.ben.heard("sans réponse")

        async def noted() -> bool:
            return not node.matrix._outbox._ciphers

        await wait_for(noted, "the echo to be noted")
        assert cut.left == 0
        rows = {r["event_id"] for r in await node.db.all("matrix.outbox", "", 1000)}
        assert event_of(world, chat) in rows
        await said(node, chat, "après")
        await settled(world, node)
        assert len(await node.db.all("matrix.outbox", "", 1000)) <= 2
