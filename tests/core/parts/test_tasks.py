"""Tasks that nobody awaits are kept, are ended together, and fail aloud once."""

from __future__ import annotations

import asyncio
import gc

import pytest

from bridge.parts.tasks import Tasks


async def test_a_task_that_nobody_holds_is_not_collected() -> None:
    tasks, done = Tasks("test"), asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.set()

    tasks.start(work())
    gc.collect()
    assert len(tasks) == 1
    await asyncio.wait_for(done.wait(), 5)
    await tasks.ended()
    assert len(tasks) == 0


async def test_an_unexpected_end_is_said_once_and_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks("the kitchen")

    async def work() -> None:
        raise KeyError("a patient's name")

    tasks.start(work())
    await tasks.ended()
    await asyncio.sleep(0)
    assert len(caplog.records) == 1
    assert "the kitchen" in caplog.text
    assert "KeyError at test_tasks.py" in caplog.text
    assert "patient" not in caplog.text


async def test_who_awaits_the_task_gets_its_result_or_its_error(caplog: pytest.LogCaptureFixture) -> None:
    async def work(n: int) -> int:
        return 10 // n

    tasks = Tasks("test")
    assert await tasks.start(work(2)) == 5
    with pytest.raises(ZeroDivisionError):
        await tasks.start(work(0))


async def test_stopping_ends_all_and_those_that_are_begun_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    tasks, ended = Tasks("test"), list[str]()

    async def last() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("last")

    async def first() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            tasks.start(last())
            await asyncio.sleep(0.01)
            ended.append("first")

    tasks.start(first())
    await asyncio.sleep(0)
    await tasks.stop()
    assert sorted(ended) == ["first", "last"]
    assert len(tasks) == 0
    assert caplog.records == []


async def test_cancelling_waits_for_nobody() -> None:
    tasks = Tasks("test")
    task = tasks.start(asyncio.sleep(60))
    tasks.cancel()
    assert not task.done()
    await tasks.ended()
    assert task.cancelled()
