"""Turns: first come first served, whoever is cancelled included, and nothing is kept of those who have gone."""

from __future__ import annotations

import asyncio

import pytest

from bridge.parts.turns import Turn, Turns


async def queue(turn: Turn, names: str, seen: list[str]) -> list[asyncio.Task[None]]:
    """Tasks that wait for the turn, one for each letter; each notes its name, and gives it on after a pause."""

    async def one(name: str) -> None:
        await turn.take()
        seen.append(name)
        await asyncio.sleep(0)
        turn.give()

    tasks = [asyncio.create_task(one(name)) for name in names]
    await asyncio.sleep(0)
    return tasks


async def test_first_come_first_served() -> None:
    turn, seen = Turn(), list[str]()
    await turn.take()
    tasks = await queue(turn, "abc", seen)
    assert seen == []
    turn.give()
    tasks += await queue(turn, "d", seen)  # it does not push in
    await asyncio.gather(*tasks)
    assert seen == ["a", "b", "c", "d"]
    assert not turn.taken


async def test_who_is_cancelled_stops_nobody() -> None:
    turn, seen = Turn(), list[str]()
    await turn.take()
    waiting, chosen, last = await queue(turn, "abc", seen)
    waiting.cancel()
    turn.give()  # to the second
    chosen.cancel()  # in the moment in which the turn has come
    await asyncio.gather(waiting, chosen, last, return_exceptions=True)
    assert seen == ["c"]
    assert not turn.taken


async def test_what_is_to_happen_then_has_its_place_in_the_queue() -> None:
    turn, seen = Turn(), list[str]()

    def act() -> None:
        seen.append("then")
        turn.give()

    turn.then(act)
    assert seen == ["then"]
    await turn.take()
    first = await queue(turn, "a", seen)
    turn.then(act)
    turn.give()
    await asyncio.gather(*first, *await queue(turn, "b", seen))
    assert seen == ["then", "a", "then", "b"]


async def test_turns_by_name_are_apart_and_forgotten() -> None:
    turns, seen = Turns(), list[str]()

    async def one(key: str, name: str) -> None:
        async with turns.of(key):
            seen.append(name)
            await asyncio.sleep(0)
            seen.append(name)

    await asyncio.gather(one("x", "a"), one("x", "b"), one("y", "c"))
    assert seen == ["a", "c", "a", "c", "b", "b"] or seen == ["a", "c", "a", "b", "c", "b"]
    assert turns._busy == {}
    with pytest.raises(ZeroDivisionError):
        async with turns.of("x"):
            raise ZeroDivisionError
    assert turns._busy == {}


async def test_a_name_outlives_those_who_were_cancelled() -> None:
    turns = Turns()
    async with turns.of("x"):

        async def wait() -> None:
            async with turns.of("x"):
                raise AssertionError

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert list(turns._busy) == ["x"]
    assert turns._busy == {}
