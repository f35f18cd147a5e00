"""Whom a room does not let in: a ghost is no member then, a person is named to the sender, the others go on."""

from __future__ import annotations

import pytest

from bridge.model import Accepted, Address, Kind, RecipientState, Ref
from deploy.world.stub.human import Human
from deploy.world.waiting import until, wait_for
from tests.matrix.make import ANNA, CLEO, Chat, Node, World, ghost, meet


async def settled(world: World, node: Node) -> None:
    """Everything that was pushed is worked on."""
    await world.stub.idle()
    await until(lambda: node.matrix.idle)


async def members(node: Node, room: str) -> set[str]:
    """Who belongs to the conversation of a room."""
    found = await node.hub.facts.chat("matrix", room)
    assert found is not None
    return {m.person.id for m in found.members}


async def change(node: Node, chat: str, by: str, *add: str, ref: str = "add") -> None:
    """Somebody adds people in the product."""
    await node.hub.change_members(Ref("pandalab", ref), chat, "pandalab", Address("pandalab", by), add, [])


async def became(node: Node, accepted: Accepted, *open: str) -> list[RecipientState]:
    """What the sender is told of a message, once everybody's state is known; ``open`` ones are not final."""
    await until(
        lambda: any(
            r.message == accepted.message and not {"accepted", *open} & {s.state for s in r.states}
            for r in node.product.told
        )
    )
    return list([r for r in node.product.told if r.message == accepted.message][-1].states)


async def banned(world: World, node: Node) -> Chat:
    """Ben has banned Cléo's ghost from a room in which Anna's stays."""
    chat = await meet(world, node)
    await node.warm(CLEO)
    await chat.ben.member(chat.room, "invite", ghost(CLEO))
    await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
    await settled(world, node)
    world.stub.world.change_membership(chat.room, chat.ben.mxid, ghost(CLEO), "ban", {})
    world.stub.interest(world.stub.world.rooms[chat.room].events[-1])
    await settled(world, node)
    assert f"rpps:{CLEO}" not in await members(node, chat.room)
    return chat


async def test_who_is_banned_gets_the_room_back_by_nobody(world: World) -> None:
    async with world.node() as node:
        chat = await banned(world, node)
        told = len(node.product.delivered)
        await change(node, chat.chat, "anna", "pandalab:cleo")
        await chat.ben.heard("Petit : Cette personne n'a pas pu entrer")
        await until(lambda: len(node.product.delivered) > told)

        async def out() -> bool:
            return await members(node, chat.room) == {f"matrix:{chat.ben.mxid}", f"rpps:{ANNA}"}

        await wait_for(out, "cleo to be out again")
        assert node.product.delivered[told].kind is Kind.MEMBERS
        await chat.ben.say(chat.room, "sans elle")
        delivery = await node.got("sans elle")
        assert f"rpps:{CLEO}" not in {m.person.id for m in delivery.members}
        await node.write(chat.chat, "toujours là", by="anna")
        await chat.ben.heard("toujours là")


async def test_a_message_goes_on_beside_a_ghost_that_is_not_let_in(world: World) -> None:
    async with world.node() as node:
        chat = await banned(world, node)
        await node.write(chat.chat, "à tous", by="anna", to=("pandalab:cleo",))
        await node.write(chat.chat, "encore", by="anna")
        await chat.ben.heard("encore")
        assert [s.text for s in chat.ben.seen].count("à tous") == 1
        assert f"rpps:{CLEO}" not in await members(node, chat.room)
        assert sum("pas pu entrer" in (s.text or "") for s in chat.ben.seen) == 1


async def test_a_ghost_that_the_server_refuses_is_no_member(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.warm(CLEO)
        world.stub.fault(r"POST .*/join/.*", times=2, status=403)
        await change(node, chat.chat, "anna", "pandalab:cleo")
        await chat.ben.heard("pas pu entrer")
        await until(lambda: node.product.delivered[-1].kind is Kind.MEMBERS)
        assert f"rpps:{CLEO}" not in await members(node, chat.room)
        await change(node, chat.chat, "anna", "pandalab:cleo", ref="again")
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
        assert f"rpps:{CLEO}" in await members(node, chat.room)


async def test_who_cannot_be_invited_beside_others_is_named_to_the_sender(world: World) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        world.stub.fault(r"POST .*/invite", times=1, status=403)  # Ben, who comes first
        first = await node.write("g", "à vous deux", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}"))
        await eve.member(await eve.invited(), "join")
        await eve.heard("à vous deux")
        expected = {f"matrix:{ben.mxid}": ("refused", "not_invited"), f"matrix:{eve.mxid}": ("delivered", None)}
        assert {s.person.id: (s.state, s.reason) for s in await became(node, first, "sent")} == expected


async def test_who_is_banned_by_somebody_of_no_conversation_is_no_member_either(world: World) -> None:
    eve = await world.human("eve", "evil.example")
    async with world.node() as node:
        chat = await meet(world, node)
        await node.warm(CLEO)
        await chat.ben.member(chat.room, "invite", ghost(CLEO))
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(CLEO)) == "join")
        await settled(world, node)
        room = world.stub.world.rooms[chat.room]
        ban = world.stub.world.append(room, eve.mxid, "m.room.member", {"membership": "ban"}, ghost(CLEO))
        world.stub.interest(ban)
        await settled(world, node)
        assert await members(node, chat.room) == {f"matrix:{chat.ben.mxid}", f"rpps:{ANNA}"}


def invitations(world: World, room: str, user: str) -> int:
    """How often somebody was invited."""
    return sum(
        event.get("state_key") == user and event["content"].get("membership") == "invite"
        for event in world.stub.world.rooms[room].events
    )


async def group(world: World, node: Node) -> tuple[Human, Human, str]:
    """Ben and Eve in a room of Cléo's, from which Eve has gone."""
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    await node.write("g", "un", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}"))
    room = await ben.invited()
    await ben.member(room, "join")
    await eve.member(await eve.invited(), "join")
    await eve.heard("un")
    await eve.member(room, "leave")
    await settled(world, node)
    assert f"matrix:{eve.mxid}" not in await members(node, room)
    return ben, eve, room


@pytest.mark.parametrize("restarted", [False, True])
async def test_who_has_left_and_is_named_again_is_invited_once_more(world: World, restarted: bool) -> None:
    async with world.node() as node:
        ben, eve, room = await group(world, node)
        if not restarted:
            await named_again(world, node, ben, eve, room)
    if restarted:
        async with world.node() as node:
            await named_again(world, node, ben, eve, room)


async def named_again(world: World, node: Node, ben: Human, eve: Human, room: str) -> None:
    """Eve is invited by being named, declines, and is left in peace by what follows."""
    first = await node.write("g", "deux", to=(f"matrix:{eve.mxid}",))
    await ben.heard("deux")
    assert world.stub.world.rooms[room].membership(eve.mxid) == "invite"
    assert {s.state for s in await became(node, first)} == {"delivered", "sent"}
    await eve.member(room, "leave")
    await node.write("g", "trois")
    await ben.heard("trois")
    await settled(world, node)
    await node.write("g", "quatre")
    await ben.heard("quatre")
    assert invitations(world, room, eve.mxid) == 2


async def test_a_change_of_members_invites_whom_a_message_could_not(world: World) -> None:
    async with world.node() as node:
        ben, eve, room = await group(world, node)
        world.stub.fault(r"POST .*/invite", times=1, status=403)
        first = await node.write("g", "deux", to=(f"matrix:{eve.mxid}",))
        await ben.heard("deux")
        assert {s.reason for s in await became(node, first)} == {None, "not_invited"}
        await change(node, "g", "cleo", f"matrix:{eve.mxid}")
        await until(lambda: world.stub.world.rooms[room].membership(eve.mxid) == "invite")
