"""Who declines while a message is on its way, and is invited again: they never read what was refused to them."""

from __future__ import annotations

import asyncio

import pytest

from bridge.model import Accepted
from deploy.world.stub.human import Human
from deploy.world.waiting import until
from tests.matrix.make import Node, World
from tests.matrix.rooms.test_invited import told, two, until_told
from tests.matrix.rooms.test_outside import change, settled

QUERY, PUT = r"POST .*/keys/query", r"PUT .*/send/m\.room\.encrypted/.*"
SECRET, AFTER = "pendant ce temps", "dedans"


async def on_its_way(
    world: World, node: Node, ben: Human, room: str, where: str, times: int = 1000
) -> tuple[Accepted, asyncio.Event]:
    """Cléo has written; her message waits at a call (before or after its key was kept) until the gate opens."""
    kim = await world.human("kim", "chu.example")  # whose devices have to be asked for
    await ben.member(room, "invite", kim.mxid)
    await kim.member(room, "join")
    await settled(world, node)
    node.matrix.engine.note_devices([kim.mxid], [])
    gate, spoken, kind = asyncio.Event(), node.matrix.engine.spoken, "keys" if where == QUERY else "send"
    world.stub.fault(where, times=times, gate=gate)
    written = await node.write("g", SECRET)
    await until(
        lambda: node.matrix.engine.spoken > spoken and world.stub._under_way[kind], "the message to be on its way"
    )
    return written, gate


async def invite(world: World, node: Node, ben: Human, room: str, eve: Human, by: str) -> None:
    """Somebody wants Eve back: Ben in the room, or Cléo in her product."""
    if by == "ben":
        await ben.member(room, "invite", eve.mxid)
    else:
        await change(node, "g", "cleo", f"matrix:{eve.mxid}")
    await until(lambda: world.stub.world.rooms[room].membership(eve.mxid) == "invite", "the invitation")
    await settled(world, node)


async def comes_in(world: World, node: Node, room: str, eve: Human) -> set[str | None]:
    """Eve joins and is given whatever is kept for her; what she can read then."""
    await eve.member(room, "join")
    await settled(world, node)
    await node.write("g", AFTER)
    await eve.heard(AFTER)
    await node.matrix.engine.flush()
    await eve.sync()
    await settled(world, node)
    return {seen.text for seen in eve.seen}


async def state(node: Node, message: Accepted, user: str) -> tuple[str, str | None]:
    """What the writer was told of somebody last, once that is no longer open."""
    await until(lambda: told(node, message) and told(node, message)[-1].get(user, ("accepted", None))[0] != "accepted")
    return told(node, message)[-1][user]


@pytest.mark.parametrize("by", ["ben", "cleo"])
@pytest.mark.parametrize("where", [QUERY, PUT], ids=["before its key is kept", "after its key was kept"])
async def test_who_declines_while_a_message_is_on_its_way_never_reads_it(
    world: World, url: str, where: str, by: str
) -> None:
    async with world.node(url) as node:
        ben, eve, room, first = await two(world, node)
        written, gate = await on_its_way(world, node, ben, room, where)
        await eve.member(room, "leave")
        await until_told(node, first, {ben.mxid: ("delivered", None), eve.mxid: ("refused", "not_joined")})
        await settled(world, node)
        gate.set()
        assert (await state(node, written, eve.mxid))[0] == "refused"
        await ben.heard(SECRET)
        await invite(world, node, ben, room, eve, by)
        assert await comes_in(world, node, room, eve) == {AFTER}
        assert (await state(node, written, eve.mxid))[0] == "refused"


@pytest.mark.parametrize("where", [QUERY, PUT], ids=["before its key is kept", "after its key was kept"])
async def test_who_declines_and_is_invited_again_while_a_message_is_on_its_way_has_not_got_it(
    world: World, url: str, where: str
) -> None:
    """It was said to somebody who was only invited, and who has declined that invitation."""
    async with world.node(url) as node:
        ben, eve, room, first = await two(world, node)
        written, gate = await on_its_way(world, node, ben, room, where)
        await eve.member(room, "leave")
        await until_told(node, first, {ben.mxid: ("delivered", None), eve.mxid: ("refused", "not_joined")})
        await invite(world, node, ben, room, eve, "ben")
        gate.set()
        await ben.heard(SECRET)
        assert await state(node, written, eve.mxid) == ("refused", "not_joined")
        assert await comes_in(world, node, room, eve) == {AFTER}
        assert await state(node, written, eve.mxid) == ("refused", "not_joined")


async def test_who_declines_and_is_invited_again_between_two_tries_has_not_got_it(world: World, url: str) -> None:
    """What was encrypted for her is only repeated after she has declined: the key that was kept for it is gone."""
    async with world.node(url) as node:
        ben, eve, room, first = await two(world, node)
        world.stub.fault(PUT, times=10_000, status=503)
        written = await node.write("g", SECRET)
        await until(lambda: world.stub._faults[-1].times < 9_998, "a second try")
        await eve.member(room, "leave")
        await until_told(node, first, {ben.mxid: ("delivered", None), eve.mxid: ("refused", "not_joined")})
        await invite(world, node, ben, room, eve, "ben")
        world.stub._faults.clear()
        await ben.heard(SECRET)
        assert await state(node, written, eve.mxid) == ("refused", "not_joined")
        assert await comes_in(world, node, room, eve) == {AFTER}
        assert await state(node, written, eve.mxid) == ("refused", "not_joined")


@pytest.mark.parametrize("where", [(QUERY,), (PUT,), (QUERY, PUT)], ids=["before its key is kept", "after", "both"])
async def test_who_declines_and_comes_in_while_a_message_is_on_its_way_never_reads_it(
    world: World, url: str, where: tuple[str, ...]
) -> None:
    """The send outlasts her second invitation, her joining, and the time after which kept keys are given."""
    async with world.node(url) as node:
        ben, eve, room, first = await two(world, node)
        written, gate = await on_its_way(world, node, ben, room, where[0], times=1)
        await eve.member(room, "leave")
        await until_told(node, first, {ben.mxid: ("delivered", None), eve.mxid: ("refused", "not_joined")})
        await invite(world, node, ben, room, eve, "ben")
        await eve.member(room, "join")
        await settled(world, node)
        await until(lambda: not node.matrix.store._cache.get(room).waits(eve.mxid), "her time to be over")  # type: ignore[union-attr]
        if len(where) > 1:
            second = asyncio.Event()
            world.stub.fault(where[1], times=1, gate=second)
            gate.set()
            await until(lambda: world.stub._under_way["send"], "the message to be sent")
            gate = second
            await node.matrix.engine.flush()
        given = asyncio.create_task(node.matrix.engine.flush())
        await asyncio.sleep(0.05)
        gate.set()
        await given
        await ben.heard(SECRET)
        await node.write("g", AFTER)
        await eve.heard(AFTER)
        await node.matrix.engine.flush()
        await settled(world, node)
        assert {seen.text for seen in eve.seen} == {AFTER}
        assert await state(node, written, eve.mxid) == ("refused", "not_joined")
