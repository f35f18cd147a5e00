"""Newcomers: nobody is written to before they can know who writes, and nothing that was said meanwhile is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from appservice.rooms.newcomers import Newcomers
from appservice.rooms.roomstate import Room
from deploy.world.waiting import PATIENCE, until
from tests.matrix.make import World, ghost, meet

GHOST, BEN, EVE = ghost("10000000001"), "@ben:chu.example", "@eve:chu.example"


def newcomers(settle: float = 0.1, patience: float = 0.3) -> Newcomers:
    return Newcomers(settle, patience, lambda user: user.startswith("@rpps_"))


def room(**members: str) -> Room:
    names = {"ghost": GHOST, "ben": BEN, "eve": EVE}
    return Room("!r", members={names[name]: membership for name, membership in members.items()})


def at_once(waiting: Coroutine[Any, Any, None]) -> None:
    """Run something that must not wait at all."""
    with pytest.raises(StopIteration):
        waiting.send(None)


async def elapsed(coming: Newcomers, where: Room, who: str = GHOST) -> float:
    start = asyncio.get_running_loop().time()
    await coming.before(where, who)
    return asyncio.get_running_loop().time() - start


async def test_a_room_where_nobody_comes_or_goes_never_waits() -> None:
    where = room(ghost="join", ben="join")
    coming = newcomers()
    at_once(coming.before(where, GHOST))
    where.set_member(EVE, "invite")  # an old room: who is invited does not hold up the others
    at_once(coming.before(where, GHOST))


async def test_a_new_room_waits_for_the_invited_but_not_for_ever() -> None:
    where, coming = room(ghost="join", ben="invite"), newcomers(patience=0.2)
    coming.made(where)
    assert await elapsed(coming, where) >= 0.19
    at_once(coming.before(where, GHOST))


async def test_a_new_room_goes_on_once_everybody_has_settled() -> None:
    where, coming = room(ghost="join", ben="invite"), newcomers(settle=0.1, patience=600)
    coming.made(where)
    waiting = asyncio.create_task(coming.before(where, GHOST))
    await asyncio.sleep(0.05)
    where.set_member(BEN, "join")
    coming.came(where, BEN)
    assert where.waits(BEN)
    assert BEN in where.state().waiting
    await coming.settled(where, BEN, asyncio.sleep(0))
    assert not where.waits(BEN)
    assert where.state().waiting == frozenset()
    await asyncio.wait_for(waiting, PATIENCE)


async def test_a_ghost_that_has_just_joined_lets_others_learn_its_keys_first() -> None:
    where, coming = room(ghost="join", ben="join"), newcomers(settle=0.15)
    coming.came(where, GHOST)
    assert not where.waits(GHOST)  # ghosts need no keys
    assert await elapsed(coming, where) >= 0.1
    other = ghost("10000000002")
    at_once(coming.before(where, other))


async def test_the_invited_are_kept_waiting_for_keys_until_they_are_in() -> None:
    where = room(ghost="join", ben="join", eve="invite")
    assert where.state().waiting == {EVE}
    assert where.state().members == {GHOST, BEN, EVE}
    where.set_member(EVE, "join")
    assert where.state().waiting == frozenset()


async def test_who_accepts_late_reads_what_was_said_before(world: World) -> None:
    async with world.node(join_wait_s=0.0, settle_s=0.05) as node:
        ben = await world.human("ben", "chu.example")
        for n in range(3):
            await node.write("own", f"avant {n}", to=(f"matrix:{ben.mxid}",) if n == 0 else ())
        await until(lambda: len(world.stub.world.rooms) > 1)
        room = await ben.invited()
        await asyncio.sleep(0.3)
        await ben.member(room, "join")
        for n in range(3):
            await ben.heard(f"avant {n}")


async def test_who_accepts_after_a_restart_reads_what_was_said_before(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.write("own", "avant", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await asyncio.sleep(0.3)
    async with world.node():
        await ben.member(room, "join")
        await ben.heard("avant")


async def test_those_who_are_in_do_not_wait_for_those_who_are_not(world: World) -> None:
    async with world.node(join_wait_s=30.0) as node:
        chat = await meet(world, node)
        eve = await world.human("eve", "chu.example")
        await node.write(chat.chat, "Eve est invitée", by="anna", to=(f"matrix:{eve.mxid}",))
        await chat.ben.heard("Eve est invitée")
        await eve.member(await eve.invited(), "join")
        await eve.heard("Eve est invitée")
