"""Slots by name: a few at work under each name, in the order of asking, and nothing is kept of what is over."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bridge.parts.slots import Slots


async def test_so_many_are_at_work_under_one_name_and_names_are_apart() -> None:
    slots, busy, most, order = Slots(3), Counter[str](), Counter[str](), list[int]()

    async def work(key: str, n: int) -> None:
        async with slots.of(key):
            order.append(n)
            busy[key] += 1
            most[key] = max(most[key], busy[key])
            for _ in range(n % 4 + 1):
                await asyncio.sleep(0)
            busy[key] -= 1

    await asyncio.gather(*(work("ab"[n % 2], n) for n in range(40)))
    assert most == {"a": 3, "b": 3}
    assert [n for n in order if n % 2 == 0] == list(range(0, 40, 2))
    assert not slots._free
    assert not slots._wanted


async def test_whoever_fails_or_gives_up_leaves_the_slot() -> None:
    slots = Slots(1)

    async def hold() -> None:
        async with slots.of("a"):
            await asyncio.Event().wait()

    first, second = asyncio.create_task(hold()), asyncio.create_task(hold())
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    with pytest.raises(ZeroDivisionError):
        async with slots.of("a"):
            raise ZeroDivisionError
    async with slots.of("a"):
        assert list(slots._free) == ["a"]
    assert not slots._free
