"""Who is invited has a message only once they come in: it waits for them (sent), and is refused if they never come."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.rooms.membership import Membership
from bridge.model import Accepted, Address, RecipientState, Ref
from bridge.store.deliveries import Deliveries
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix.make import ANNA, Node, World, ghost, meet
from tests.matrix.rooms.test_outside import settled

Found = dict[str, tuple[str, str | None]]


def told(node: Node, accepted: Accepted) -> list[Found]:
    """What the sender was told of a message, one after the other: Matrix user -> state and reason."""

    def found(states: tuple[RecipientState, ...]) -> Found:
        return {s.person.id.removeprefix("matrix:"): (s.state.value, s.reason) for s in states}

    return [found(r.states) for r in node.product.told if r.message == accepted.message]


async def until_told(node: Node, accepted: Accepted, expected: Found) -> None:
    """Wait until the sender knows this."""
    await until(lambda: told(node, accepted)[-1:] == [expected])


async def two(world: World, node: Node) -> tuple[Human, Human, str, Accepted]:
    """Ben has come into a room to which Eve is only invited; Cléo has written there."""
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    first = await node.write("g", "un", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}"))
    room = await ben.invited()
    await ben.member(room, "join")
    await ben.heard("un")
    await until_told(node, first, {ben.mxid: ("delivered", None), eve.mxid: ("sent", None)})
    return ben, eve, room, first


async def test_a_message_waits_for_who_is_invited(world: World, url: str) -> None:
    async with world.node(url) as node:
        ben, eve, room, first = await two(world, node)
        second = await node.write("g", "deux")
        await until_told(node, second, {ben.mxid: ("delivered", None), eve.mxid: ("sent", None)})
        await eve.member(room, "join")
        await eve.heard("deux")
        for message in (first, second):
            await until_told(node, message, dict.fromkeys((ben.mxid, eve.mxid), ("delivered", None)))
        assert [s.text for s in eve.seen] == ["un", "deux"]
        third = await node.write("g", "trois")
        await until_told(node, third, dict.fromkeys((ben.mxid, eve.mxid), ("delivered", None)))
        assert {state for found in told(node, third) for state, _ in found.values()} <= {"accepted", "delivered"}


@pytest.mark.parametrize("action", ["leave", "join"])
async def test_what_became_of_an_invitation_while_the_hub_was_away(world: World, url: str, action: str) -> None:
    async with world.node(url) as node:
        ben, eve, room, first = await two(world, node)
    await eve.member(room, action)
    async with world.node(url) as node:
        became = ("delivered", None) if action == "join" else ("refused", "not_joined")
        await until_told(node, first, {ben.mxid: ("delivered", None), eve.mxid: became})


async def test_who_declines_has_not_got_it(world: World) -> None:
    async with world.node() as node:
        ben, eve, room, first = await two(world, node)
        await eve.member(room, "leave")
        expected = {ben.mxid: ("delivered", None), eve.mxid: ("refused", "not_joined")}
        await until_told(node, first, expected)
        await settled(world, node)
        second = await node.write("g", "deux")
        await until_told(node, second, {ben.mxid: ("delivered", None)})
        assert told(node, first)[-1] == expected


@pytest.mark.parametrize("meanwhile", [[], ["sans elle"]])
@pytest.mark.parametrize("how", ["declines", "is taken out"])
async def test_what_was_refused_stays_unreadable_for_who_is_invited_again(
    world: World, url: str, meanwhile: list[str], how: str
) -> None:
    async with world.node(url) as node:
        ben, eve, room, first = await two(world, node)
        if how == "declines":
            await eve.member(room, "leave")
        else:
            gone, by = Address("matrix", eve.mxid), Address("pandalab", "cleo")
            await node.hub.change_members(Ref("pandalab", "r"), "g", "pandalab", by, [], [gone])
        await until_told(node, first, {ben.mxid: ("delivered", None), eve.mxid: ("refused", "not_joined")})
        await settled(world, node)  # who is refused is a member still for a moment
        for text in meanwhile:
            await until_told(node, await node.write("g", text), {ben.mxid: ("delivered", None)})
    async with world.node(url) as node:
        await ben.member(room, "invite", eve.mxid)
        await settled(world, node)
        await node.write("g", "pour elle aussi")
        await ben.heard("pour elle aussi")
        await eve.member(room, "join")
        await eve.heard("pour elle aussi")
        await node.write("g", "dedans")
        await eve.heard("dedans")
        await node.matrix.engine.flush()
        await settled(world, node)
        assert {s.text for s in eve.seen} == {"pour elle aussi", "dedans"}


async def test_whose_invitation_is_taken_back_has_not_got_it(world: World) -> None:
    async with world.node() as node:
        ben, eve, room, first = await two(world, node)
        gone = Address("matrix", eve.mxid)
        await node.hub.change_members(Ref("pandalab", "r"), "g", "pandalab", Address("pandalab", "cleo"), [], [gone])
        await until_told(node, first, {ben.mxid: ("delivered", None), eve.mxid: ("refused", "not_joined")})
        assert world.stub.world.rooms[room].membership(eve.mxid) == "leave"


async def test_who_had_come_in_and_leaves_keeps_what_they_got(world: World) -> None:
    async with world.node() as node:
        ben, eve, room, first = await two(world, node)
        await eve.member(room, "join")
        everybody: Found = dict.fromkeys((ben.mxid, eve.mxid), ("delivered", None))
        await until_told(node, first, everybody)
        await eve.member(room, "leave")
        await settled(world, node)
        second = await node.write("g", "deux")
        await until_told(node, second, {ben.mxid: ("delivered", None)})
        assert told(node, first)[-1] == everybody


async def test_who_was_invited_to_a_room_that_is_replaced_has_not_got_what_was_said_there(world: World) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await meet(world, node)
        ref, by, add = Ref("pandalab", "r"), Address("pandalab", "anna"), [f"matrix:{eve.mxid}"]
        await node.hub.change_members(ref, chat.chat, "pandalab", by, add, [])
        first = await node.write(chat.chat, "un", by="anna")
        await until_told(node, first, {chat.ben.mxid: ("delivered", None), eve.mxid: ("sent", None)})
        answer = await chat.ben.call("POST", f"/_matrix/client/v3/rooms/{chat.room}/upgrade", {"new_version": "12"})
        new = answer["replacement_room"]
        await chat.ben.member(new, "invite", ghost(ANNA))
        await until(lambda: world.stub.world.rooms[new].membership(ghost(ANNA)) == "join")
        second = await node.write(chat.chat, "deux", by="anna")
        await until_told(node, second, {chat.ben.mxid: ("delivered", None), eve.mxid: ("sent", None)})
        await eve.member(new, "join")
        await until_told(node, second, dict.fromkeys((chat.ben.mxid, eve.mxid), ("delivered", None)))
        await until_told(node, first, {chat.ben.mxid: ("delivered", None), eve.mxid: ("refused", "not_joined")})


@pytest.mark.parametrize("action", ["join", "leave"])
async def test_who_comes_or_goes_while_it_is_noted(world: World, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is right whichever comes first."""
    sent = Deliveries.sent

    async def slow(self: Deliveries, tx: Any, *values: Any, **more: Any) -> None:
        monkeypatch.setattr(Deliveries, "sent", sent)
        [(_, room)] = node.matrix._rooms.store._cache.items()
        room.set_member(eve.mxid, action)  # the event is being read
        await sent(self, tx, *values, **more)

    async with world.node() as node:
        ben, eve, where, _ = await two(world, node)
        monkeypatch.setattr(Deliveries, "sent", slow)
        second = await node.write("g", "deux")
        became = ("delivered", None) if action == "join" else ("refused", "not_joined")
        if action == "join":  # the key follows, and she can read it only then
            await until_told(node, second, {ben.mxid: ("delivered", None), eve.mxid: ("sent", None)})
            await eve.member(where, "join")
        await until_told(node, second, {ben.mxid: ("delivered", None), eve.mxid: became})


@pytest.mark.parametrize("action", ["join", "leave"])
async def test_a_hub_that_was_killed_before_it_could_tell_tells_after_its_start(
    world: World, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.node() as node:
        ben, eve, room, first = await two(world, node)
        with monkeypatch.context() as patch:
            patch.setattr(Membership, "arrived", _nothing)
            await eve.member(room, action)
            await settled(world, node)
    async with world.node() as node:
        became = ("delivered", None) if action == "join" else ("refused", "not_joined")
        await until_told(node, first, {ben.mxid: ("delivered", None), eve.mxid: became})


async def _nothing(*_: Any) -> None:
    pass


async def test_a_ghost_that_is_invited_changes_nothing(world: World) -> None:
    async with world.node() as node:
        ben, eve, room, first = await two(world, node)
        await node.warm(ANNA)
        await ben.member(room, "invite", ghost(ANNA))
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
        await node.write("g", "deux")
        await ben.heard("deux")
        assert told(node, first)[-1] == {ben.mxid: ("delivered", None), eve.mxid: ("sent", None)}
