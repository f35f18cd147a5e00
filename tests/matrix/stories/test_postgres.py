"""The same on PostgreSQL: both directions, a missing key, crashes of the hub, the same transaction twice."""

from __future__ import annotations

import asyncio

import pytest

from deploy.world.postgres import Postgres
from deploy.world.waiting import until
from tests.matrix.make import World, meet, statuses

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres: Postgres) -> str:
    """An empty database."""
    return asyncio.run(postgres.create_database())


async def test_both_ways_in_order_with_lost_answers(world: World, url: str) -> None:
    async with world.node(url) as node:
        chat = await meet(world, node)
        world.stub.fault(r"PUT .*/send/m\.room\.encrypted/.*user_id=", times=3)
        for number in range(10):
            await node.write(chat.chat, f"sortie {number}", by="anna")
            await chat.ben.say(chat.room, f"entrée {number}")
        await chat.ben.heard("sortie 9")
        await node.got("entrée 9")
        assert [s.text for s in chat.ben.seen] == [f"sortie {n}" for n in range(10)]
        assert node.texts()[1:] == [f"entrée {n}" for n in range(10)]


async def test_restarts_with_parked_and_waiting_messages(world: World, url: str) -> None:
    async with world.node(url, park_notice_s=60.0) as node:
        chat = await meet(world, node)
        chat.ben.rotate(chat.room)
        parked = await chat.ben.say(chat.room, "garé", share=False)
        await until(lambda: "FAIL_RETRIABLE" in statuses(chat.ben, parked))
        world.stub.fault(r"PUT .*/send/m\.room\.encrypted/.*user_id=", times=1)
        world.stub.fault(r"PUT .*/send/m\.room\.encrypted/.*user_id=", times=10_000, status=503)
        await node.write(chat.chat, "envoyé une fois", by="anna")
        await until(lambda: world.stub._faults[1].times < 10_000)
        world.stub.appservice = None
    world.stub._faults.clear()
    await chat.ben.share(chat.room)
    async with world.node(url, park_notice_s=60.0) as node:
        await node.got("garé")
        await node.write(chat.chat, "la suite", by="anna")
        await chat.ben.heard("la suite")
        assert [s.text for s in chat.ben.seen] == ["envoyé une fois", "la suite"]


async def test_a_replayed_transaction_changes_nothing(world: World, url: str) -> None:
    world.stub.record = True
    async with world.node(url) as node:
        chat = await meet(world, node)
        await world.stub.idle()
        for body in list(world.stub.pushed):
            world.stub._queue.events += body["events"]
        world.stub._ring.set()
        await chat.ben.say(chat.room, "après")
        await node.got("après")
        assert node.texts() == ["début ben", "après"]
