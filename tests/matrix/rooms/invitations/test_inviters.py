"""Nobody opens room after room to the hub's ghosts; a colleague with many conversations is not in the way."""

from __future__ import annotations

import logging

import pytest

from appservice.rooms.inviters import ROOMS_AT_ONCE, Inviters
from bridge.errors import Refused
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, World, ghost
from tests.matrix.rooms.test_invites import left

EVE = "@eve:chu.example"


def test_so_many_rooms_at_once_then_one_a_minute() -> None:
    now = 0.0
    inviters = Inviters(lambda: now)
    for n in range(ROOMS_AT_ONCE):
        inviters.opens(EVE, f"!{n}")
    with pytest.raises(Refused, match="too_many_rooms"):
        inviters.opens(EVE, "!more")
    inviters.opens("@ben:chu.example", "!more")  # somebody else
    inviters.opens(EVE, "!0")  # another ghost in a room of hers
    now = 61.0
    inviters.opens(EVE, "!later")
    with pytest.raises(Refused):
        inviters.opens(EVE, "!more")  # what was declined stays declined: the same event may come again


async def test_one_room_too_many_is_declined_with_the_reason(world: World, caplog: pytest.LogCaptureFixture) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        node.matrix._membership._opening = Inviters(lambda: 0.0, at_once=2)
        await node.warm(ANNA, CLEO)
        rooms = [await eve.create_room(ghost(ANNA), ghost(CLEO)) for _ in range(2)]
        for room in rooms:
            for rpps in (ANNA, CLEO):
                await until(lambda room=room, rpps=rpps: world.stub.world.rooms[room].membership(ghost(rpps)) == "join")  # type: ignore[misc]
        third = await eve.create_room(ghost(ANNA))
        await until(lambda: left(world, third, ANNA))
        assert "Trop de salons" in left(world, third, ANNA)["reason"]  # type: ignore[index]
        assert await node.hub.facts.chat("matrix", third) is None
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []
