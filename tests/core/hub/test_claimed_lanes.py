"""Lanes that a sweep has claimed, lanes at work, and lanes of which nobody was told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bridge.hub.hub import now_ms
from bridge.store.backlog import Queued
from deploy.bench.planting import Planting
from tests.core.hub.test_outlet import AGO, CLEO, DAN, TO_DAN, outlet, world
from tests.core.make import FAST, SEAL, running


async def test_a_lane_that_is_claimed_is_worked_on_by_nobody_and_goes_on_afterwards(url: str) -> None:
    nets, siilo = world()
    async with running(url, nets, replace(FAST, parallel=2)) as w:
        said = await w.pandalab.write("p1", "A", "cleo", "un", [DAN])
        await w.until(lambda: siilo.delivered and w.courier.idle)
        siilo.gate.clear()
        for chat in "BC":
            await w.pandalab.write(f"p{chat}", chat, "cleo", "other", [DAN])
        await w.pandalab.write("p2", "A", "cleo", "deux")  # it comes next
        mine = outlet(w).claim({said.conversation})
        assert mine == {said.conversation}
        siilo.gate.set()
        await w.until(lambda: len(siilo.delivered) == 3 and not outlet(w)._fresh)
        assert [d.body.text for d in siilo.delivered] == ["un", "other", "other"]
        outlet(w).release(mine)
        await w.until(lambda: len(siilo.delivered) == 4)


async def test_a_lane_at_work_cannot_be_claimed(url: str) -> None:
    nets, siilo = world()
    siilo.gate.clear()
    async with running(url, nets, FAST) as w:
        said = await w.pandalab.write("p1", "A", "cleo", "un", [DAN])
        await w.until(lambda: siilo.now == 1)
        assert outlet(w).claim({said.conversation}) == set()
        siilo.gate.set()
        await w.until(lambda: siilo.delivered)


async def test_what_was_overlooked_is_found_in_the_end(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.hub.outlet._LOOK", 0.1)
    nets, siilo = world()
    async with running(url, nets, FAST) as w:
        await w.until(lambda: w.courier.idle)
        await Planting(3, CLEO, TO_DAN, now_ms() - AGO).plant(w.db, SEAL)  # nobody is woken
        await w.until(lambda: len(siilo.delivered) == 3)


async def test_a_look_that_is_asked_for_while_the_first_page_is_read_is_taken(tmp_path: Any) -> None:
    """What the page does not show yet would wait for ten minutes."""
    nets, siilo = world()
    async with running(f"sqlite:///{tmp_path}/hub.db", nets) as w:
        await w.until(lambda: w.courier.idle)
        here, read, go = outlet(w), asyncio.Event(), asyncio.Event()
        after = here.backlog.after

        async def slowly(place: int, limit: int) -> list[Queued]:
            rows = await after(place, limit)
            if not read.is_set():
                read.set()
                await go.wait()
            return rows

        here.backlog.after = slowly  # type: ignore[method-assign]
        here.look_through(eager=False)
        await read.wait()
        here.wake = lambda conversation: None  # type: ignore[method-assign]
        await w.pandalab.write("p0", "A", "cleo", "bonjour", [DAN])
        here.look_through(eager=False)
        go.set()
        await w.until(lambda: len(siilo.delivered) == 1)
