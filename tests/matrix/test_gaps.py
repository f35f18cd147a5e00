"""Events that the homeserver took and never pushed, as Synapse does when it is restarted at the wrong moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.matrix.make import ANNA, World, ghost, meet, until


@contextmanager
def lost(world: World) -> Iterator[None]:
    """What happens inside is never pushed."""
    interest = world.stub.interest
    world.stub.interest = lambda event: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        world.stub.interest = interest  # type: ignore[method-assign]


async def test_what_was_never_pushed_comes_in_its_place(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
    with lost(world):
        await chat.ben.say(chat.room, "perdu 1")
        await chat.ben.say(chat.room, "perdu 2")
    async with world.node() as node:
        await chat.ben.say(chat.room, "poussé")
        await node.got("poussé")
        assert node.texts() == ["perdu 1", "perdu 2", "poussé"]
        await chat.ben.say(chat.room, "encore")
        await node.got("encore")
        assert node.texts() == ["perdu 1", "perdu 2", "poussé", "encore"]


async def test_holes_between_events_that_wait_are_filled(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
    expected = []
    for n in range(4):
        with lost(world):
            await chat.ben.say(chat.room, f"perdu {n}")
        await chat.ben.say(chat.room, f"poussé {n}")
        expected += [f"perdu {n}", f"poussé {n}"]
    async with world.node() as node:
        await node.got("poussé 3")
        assert node.texts() == expected


async def test_a_room_that_stays_silent_is_compared_too(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
    with lost(world):
        await chat.ben.say(chat.room, "et puis plus rien")
    async with world.node() as node:
        await node.got("et puis plus rien", 15)
        assert node.texts() == ["et puis plus rien"]


async def test_an_echo_that_was_never_pushed_gives_the_order_all_the_same(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        with lost(world):
            events = world.stub.world.rooms[chat.room].events
            before = len(events)
            await node.write(chat.chat, "notre écho", by="anna")
            await until(lambda: any(e["type"] == "m.room.encrypted" for e in events[before:]))
    async with world.node() as node:
        await chat.ben.say(chat.room, "après")
        await node.got("après")
        await until(lambda: node.matrix.idle)
        assert node.texts() == ["après"]  # our own words do not come back to their writer


async def test_nothing_is_taken_from_before_our_time(world: World) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        room = await ben.create_room(eve.mxid)
        await eve.member(room, "join")
        await ben.say(room, "entre nous")
        await ben.call("POST", f"/_matrix/client/v3/rooms/{room}/invite", {"user_id": ghost(ANNA)})
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
        await ben.say(room, "à trois")
        await node.got("à trois")
        assert node.texts() == ["à trois"]


async def test_a_transaction_whose_number_is_missing_is_looked_for(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.say(chat.room, "un")
        await node.got("un")
        with lost(world):
            await chat.ben.say(chat.room, "coincé")
        world.stub._counter += 1  # the number of the transaction that got stuck
        await chat.ben.say(chat.room, "trois")
        await node.got("trois")
        assert node.texts()[-3:] == ["un", "coincé", "trois"]
