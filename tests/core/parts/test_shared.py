"""What is under way is shared, and begun anew where that would be too late."""

from __future__ import annotations

import asyncio

import pytest

from bridge.parts.shared import Shared


async def test_whoever_asks_meanwhile_gets_the_same() -> None:
    shared, begun = Shared[str, int]("test"), 0

    async def work() -> int:
        nonlocal begun
        begun += 1
        await asyncio.sleep(0.01)
        return begun

    first = [shared.of("a", work) for _ in range(10)]
    other = shared.of("b", work)
    assert {await task for task in first} == {2}
    assert await other == 2
    assert await shared.of("a", work) == 3
    assert len(shared) == 0


async def test_who_stops_waiting_stops_nothing() -> None:
    shared = Shared[str, str]("test")

    async def work() -> str:
        await asyncio.sleep(0.01)
        return "done"

    task = shared.of("a", work)
    waiting = asyncio.create_task(asyncio.wait_for(asyncio.shield(task), 0.001))
    with pytest.raises(TimeoutError):
        await waiting
    assert await shared.of("a", work) == "done"


async def test_an_error_is_for_those_who_wait_and_nobody_need(caplog: pytest.LogCaptureFixture) -> None:
    shared = Shared[str, str]("test")

    async def work() -> str:
        raise KeyError("x")

    task = shared.of("a", work)
    with pytest.raises(KeyError):
        await task
    shared.of("b", work)
    await asyncio.sleep(0.01)
    assert caplog.records == []


async def test_what_has_looked_already_is_shared_no_more() -> None:
    shared, gate = Shared[str, int]("test"), asyncio.Event()
    begun = 0

    async def work() -> int:
        nonlocal begun
        begun += 1
        mine = begun
        shared.no_more("a")
        await gate.wait()
        return mine

    first = shared.of("a", work)
    await asyncio.sleep(0)
    second, third = shared.of("a", work), shared.of("a", work)
    assert second is third is not first
    gate.set()
    assert (await first, await second) == (1, 2)


async def test_a_stop_ends_all() -> None:
    shared = Shared[str, None]("test")
    tasks = [shared.of(key, lambda: asyncio.sleep(60)) for key in "ab"]
    await asyncio.sleep(0)
    await shared.stop()
    assert all(task.cancelled() for task in tasks)
