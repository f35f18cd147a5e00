"""Who was taken out, who has left, who may only read: the room, the hub and the writer see the same."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import Refused
from bridge.model import Accepted, Address, Ref
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, Chat, Node, World, ghost, meet, statuses
from tests.matrix.rooms.test_outside import became, change, members, settled

PUT = r"PUT .*/send/m\.room\.encrypted/.*"


async def group(world: World, node: Node) -> Chat:
    """Ben's room with Anna and Cléo."""
    chat = await meet(world, node)
    await node.warm(CLEO)
    await chat.ben.member(chat.room, "invite", ghost(CLEO))
    await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
    await settled(world, node)
    return chat


def kick(world: World, chat: Chat, rpps: str) -> dict[str, Any]:
    """Ben takes somebody out; nobody hears of it until the event is pushed."""
    world.stub.world.change_membership(chat.room, chat.ben.mxid, ghost(rpps), "leave", {})
    return world.stub.world.rooms[chat.room].events[-1]


async def reasons(node: Node, *said: Accepted) -> set[tuple[str, str | None]]:
    """What became of messages."""
    return {(s.state, s.reason) for one in said for s in await became(node, one)}


def memberships(world: World, chat: Chat, rpps: str) -> list[str]:
    """Every membership that a ghost has had in a room."""
    events = world.stub.world.rooms[chat.room].events
    return [e["content"]["membership"] for e in events if e.get("state_key") == ghost(rpps)]


async def test_a_removal_is_final_although_it_was_not_pushed_yet(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node)
        event = kick(world, chat, CLEO)
        first = await node.write(chat.chat, "après la mise à l'écart", by="cleo")
        assert await reasons(node, first) == {("refused", "not_a_member")}
        await node.write(chat.chat, "entre-temps", by="anna")  # the hub has Cléo as a member still
        await chat.ben.heard("entre-temps")
        world.stub.interest(event)
        await settled(world, node)
        assert await members(node, chat.room) == {f"matrix:{chat.ben.mxid}", f"rpps:{ANNA}"}
        with pytest.raises(Refused, match="not_a_member"):
            await node.write(chat.chat, "plus tard", by="cleo")
        await node.write(chat.chat, "sans elle", by="anna")
        await chat.ben.heard("sans elle")
        assert memberships(world, chat, CLEO) == ["invite", "join", "leave"]
        assert not any("écart" in (seen.text or "") for seen in chat.ben.seen)
        await change(node, chat.chat, "anna", "pandalab:cleo")  # somebody asks for her again
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
        await settled(world, node)
        await node.write(chat.chat, "de retour", by="cleo")
        await chat.ben.heard("de retour")


async def test_a_backlog_does_not_bring_back_who_was_removed(world: World) -> None:
    """What she has said while the homeserver was away is refused, and said to be; others' messages arrive."""
    async with world.node() as node:
        chat = await group(world, node)
        world.stub.fault(PUT, times=10_000, status=503)
        hers = [await node.write(chat.chat, f"attend {n}", by="cleo") for n in range(3)]
        other = await node.write(chat.chat, "attend aussi", by="anna")
        world.stub.interest(kick(world, chat, CLEO))
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "leave")
        await settled(world, node)
        world.stub._faults.clear()
        assert await reasons(node, *hers) <= {("refused", "not_a_member"), ("refused", "not_reachable")}
        await chat.ben.heard("attend aussi")
        assert memberships(world, chat, CLEO) == ["invite", "join", "leave"]
        assert other.message


async def test_who_leaves_has_left_the_room_too(world: World) -> None:
    async with world.node() as node:
        chat = await group(world, node)
        await node.write(chat.chat, "au revoir", by="cleo")
        await leave(node, chat, "cleo")
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "leave")
        await chat.ben.heard("au revoir")  # said before
        assert world.stub.world.rooms[chat.room].membership(ghost(ANNA)) == "join"
        event = await chat.ben.say(chat.room, "qui reste ?")
        delivery = await node.got("qui reste ?")
        assert {m.person.id for m in delivery.members} == {f"matrix:{chat.ben.mxid}", f"rpps:{ANNA}"}
        await until(lambda: statuses(chat.ben, event))


async def test_when_the_last_one_leaves_the_room_is_told(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await leave(node, chat, "anna")
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(ANNA)) == "leave")
        seen = await chat.ben.heard("Martin : Cette personne a quitté la conversation")
        assert seen.sender != ghost(ANNA)
        await chat.ben.say(chat.room, "il y a quelqu'un ?")
        await chat.ben.heard("Vous êtes seul dans cette conversation")


async def leave(node: Node, chat: Chat, who: str) -> None:
    """Somebody leaves by the product."""
    address = Address("pandalab", who)
    await node.hub.change_members(Ref("pandalab", f"leave-{who}"), chat.chat, "pandalab", address, [], [address])


async def test_who_may_only_read_is_told_so_and_reads_on(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        path = f"/_matrix/client/v3/rooms/{chat.room}/state/m.room.power_levels/"
        levels = await chat.ben.call("GET", path)
        await chat.ben.call("PUT", path, {**levels, "events_default": 50})
        said = await node.write(chat.chat, "puis-je écrire ?", by="anna")
        assert await reasons(node, said) == {("refused", "only_reads")}
        await chat.ben.say(chat.room, "vous lisez toujours")
        delivery = await node.got("vous lisez toujours")
        assert delivery.chat == chat.chat
        await chat.ben.call("PUT", path, levels)
        await node.write(chat.chat, "merci", by="anna")
        await chat.ben.heard("merci")
        assert await members(node, chat.room) == {f"matrix:{chat.ben.mxid}", f"rpps:{ANNA}"}
