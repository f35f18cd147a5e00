"""What was handed out is noted with others, and each delivery has its own outcome."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bridge.db import Database
from bridge.db.sqlite import Sqlite
from bridge.errors import Unavailable
from bridge.hub.handing.handed_out import HandedOut
from bridge.model import Delivery, Ref, State
from tests.core.db.test_db import Disk, watch
from tests.core.make import World, running

BEN = "matrix:@ben:chu.example"
CHATS = [f"chat{n}" for n in range(6)]


async def waiting(w: World) -> list[Delivery]:
    """One delivery for Matrix in each of six conversations, which nobody brings but the test."""
    w.matrix.before = _away
    done = [await w.pandalab.write(f"p-{chat}", chat, "cleo", "Bonjour", [BEN]) for chat in CHATS]
    return [due.delivery for one in done for due in await w.store.deliveries.due(one.conversation, "matrix")]


def _away(delivery: Delivery) -> None:
    raise Unavailable("away", 60.0)


async def state(w: World, delivery: Delivery) -> State:
    [one] = await w.store.outcomes.states(delivery.message)
    return one.state


@asynccontextmanager
async def slow(db: Database) -> AsyncIterator[Disk | None]:
    """SQLite's disk, which finishes no commit before the block is left."""
    if not isinstance(db, Sqlite):
        yield None
        return
    gate, disk = threading.Event(), watch(db)

    def wait() -> None:
        gate.wait(60)

    disk.committing = wait
    try:
        yield disk
    finally:
        gate.set()


async def noted(noting: HandedOut, some: list[Delivery]) -> list[asyncio.Task[None]]:
    """The first is under way to the disk when the others begin."""
    tasks: list[asyncio.Task[None]] = []
    for one in some:
        tasks.append(asyncio.create_task(noting.note(one, Ref("matrix", f"$1{one.message}"), known=True)))
        for _ in range(3):
            await asyncio.sleep(0)
    return tasks


async def test_what_is_handed_out_while_one_is_noted_is_noted_by_one_transaction(url: str) -> None:
    async with running(url) as w:
        some = await waiting(w)
        before = w.db.counts.copy()
        async with slow(w.db):
            tasks = await noted(HandedOut(w.store, lambda: 5), some)
        await asyncio.gather(*tasks)
        done = w.db.counts.since(before)
        if w.db.engine == "sqlite":
            assert done.statements["store.end_delivery"] == done.statements["store.delivered"] == 2
        for one in some:
            assert await state(w, one) is State.DELIVERED
            assert await w.store.known(w.db, Ref("matrix", f"$1{one.message}")) == (one.message, one.conversation)
            assert await w.store.deliveries.due(one.conversation, "matrix") == []
        w.courier.wake_reports()
        await w.until(lambda: {report.message for report in w.pandalab.told} == {one.message for one in some})


async def test_what_is_not_known_to_be_there_is_told_to_nobody(url: str) -> None:
    async with running(url) as w:
        first, second, *_ = await waiting(w)
        noting = HandedOut(w.store, lambda: 5)
        unknown, known = Ref("matrix", "$1"), Ref("matrix", "$2")
        await asyncio.gather(noting.note(first, unknown, known=False), noting.note(second, known, known=True))
        assert [await state(w, one) for one in (first, second)] == [State.ACCEPTED, State.DELIVERED]
        assert await w.store.deliveries.due(first.conversation, "matrix") == []


async def test_one_that_cannot_be_noted_fails_alone(url: str) -> None:
    async with running(url) as w:
        some = await waiting(w)
        wrong = replace(some[2], id=["no", "text"])  # type: ignore[arg-type]
        async with slow(w.db):
            tasks = await noted(HandedOut(w.store, lambda: 5), [*some[:2], wrong, *some[3:]])
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, Exception) for result in results] == [False, False, True, False, False, False]
        states = [await state(w, one) for one in some]
        assert states == [State.DELIVERED] * 2 + [State.ACCEPTED] + [State.DELIVERED] * 3


async def test_whoever_has_begun_may_be_stopped_and_the_others_are_noted(url: str) -> None:
    async with running(url) as w:
        some = await waiting(w)
        async with slow(w.db):
            tasks = await noted(HandedOut(w.store, lambda: 5), some)
            tasks[1].cancel()  # the others gather behind this one
        results = await asyncio.gather(*tasks, return_exceptions=True)
        stopped = [result for result in results if isinstance(result, asyncio.CancelledError)]
        assert len(stopped) <= 1  # it may have been noted before
        assert [result for result in results if result not in stopped] == [None] * (6 - len(stopped))
        assert [await state(w, one) for one in (some[0], *some[2:])] == [State.DELIVERED] * 5


@pytest.mark.looks_inside
async def test_a_commit_that_fails_is_tried_by_each_for_itself_and_twice_is_once(tmp_path: object) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as w:
        some = await waiting(w)
        noting = HandedOut(w.store, lambda: 5)
        async with slow(w.db) as disk:
            assert disk is not None
            disk.fail = 2
            tasks = await noted(noting, some)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [Unavailable] + [type(None)] * 5
        for _ in range(2):
            for one in some:
                await noting.note(one, Ref("matrix", f"$1{one.message}"), known=True)
        assert [await state(w, one) for one in some] == [State.DELIVERED] * 6
