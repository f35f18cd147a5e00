"""After a doubt every inbox is read once, one after the other; whoever speaks or reads is looked at first, and once."""

from __future__ import annotations

import asyncio

import pytest

from appservice.e2ee import rounds
from deploy.world.waiting import until
from tests.e2ee.lab import ANNA, BEN, ROOM, lab

GHOSTS = [f"@h_{n}:home" for n in range(6)]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_DOUBTED", 0.001)
    monkeypatch.setattr(rounds, "_AWAY", 0.01)
    monkeypatch.setattr(rounds, "_CALM", 1000.0)


async def test_each_inbox_is_read_once_after_a_doubt(url: str) -> None:
    async with lab(url) as here:
        await asyncio.gather(*(here.engine.ensure_device(ghost) for ghost in GHOSTS))
        await here.engine.catch_up()
        here.engine.doubt()
        before = here.stub.count("/sync")
        task = asyncio.create_task(here.engine.rounds())
        await until(lambda: not here.engine._rounds.unsure([ANNA, *GHOSTS]))
        here.engine.doubt()
        await until(lambda: not here.engine._rounds.unsure([ANNA, *GHOSTS]))
        task.cancel()
        assert 2 * 7 <= here.stub.count("/sync") - before <= 2 * 7 + 2  # the calm round may have begun


async def test_a_homeserver_that_is_away_ends_no_round(url: str) -> None:
    async with lab(url) as here:
        await here.engine.ensure_device(GHOSTS[0])
        here.engine.doubt()
        left = [3]

        def away(request: object) -> str | None:
            left[0] -= 1
            return "before" if left[0] >= 0 else None

        here.stub.faults = away
        task = asyncio.create_task(here.engine.rounds())
        await until(lambda: not here.engine._rounds.unsure([ANNA, GHOSTS[0]]))
        task.cancel()


async def test_whoever_speaks_is_looked_at_first_and_once(url: str) -> None:
    async with lab(url) as here:
        here.person(BEN, "PHONE")
        here.engine.doubt()
        before = here.stub.count("/sync")
        await here.engine.look([ANNA])
        await here.engine.look([ANNA])
        assert here.stub.count("/sync") == before + 1


async def test_an_inbox_in_which_nothing_came_is_not_written_down_again(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        await here.engine.ring([ANNA])
        before = here.db.counts.copy()
        for _ in range(3):
            await here.engine.ring([ANNA])
        assert here.db.counts.since(before).transactions == 0
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        assert here.db.counts.since(before).statements["e2ee.ghost-moved"] == 1
        assert (await here.read(ben.say(ROOM, "bonjour"), BEN)).content["body"] == "bonjour"
