"""An operator hears once of each leg on which something waits for too long, and once more when that is over."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bridge.errors import Unavailable
from bridge.model import Delivery, State
from bridge.parts.patience import Patience
from tests.core.hub.operating.test_waiting import queue_of
from tests.core.hub.test_late import DAN, IMPATIENT, away, last
from tests.core.hub.test_outlet import planted, world
from tests.core.make import World, running


def said(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    """The lines of the log that have these words."""
    return [text for record in caplog.records if words in (text := record.getMessage())]


async def late(w: World) -> int:
    """How many legs of Siilo are late, as an operator sees it."""
    return {one.network: one.late for one in await queue_of(w).traffic()}["siilo"]


async def test_each_leg_is_said_once_also_over_a_restart(url: str, caplog: pytest.LogCaptureFixture) -> None:
    nets, siilo = world()
    siilo.before = away
    caplog.set_level(logging.INFO)
    async with running(url, nets, IMPATIENT) as w:
        first = await w.pandalab.write("p1", "A", "cleo", "un", [DAN])
        await w.pandalab.write("p2", "A", "cleo", "deux")
        await w.until(lambda: last(w, "p2").get("Dan Moreau") == (State.ACCEPTED, "late"))
        assert await late(w) == 1
        assert [(r.levelname, r.getMessage()) for r in caplog.records if "ALARM" in r.getMessage()] == [
            ("ERROR", f"ALARM the leg siilo of {first.conversation} is late: something waits for longer than 0.2 s")
        ]
    async with running(url, nets, IMPATIENT) as w:
        tries = len(siilo.calls)
        await w.until(lambda: len(siilo.calls) > tries + 3)
        assert await late(w) == 1
        siilo.before = lambda _: None
        await w.until(lambda: said(caplog, "no leg of siilo is late any more"))
        assert await late(w) == 0
        assert len(said(caplog, f"the leg siilo of {first.conversation} is late no more")) == 1
        assert len(said(caplog, "ALARM")) == 1
        siilo.before = away
        await w.pandalab.write("p3", "A", "cleo", "trois")  # again: said again
        await w.until(lambda: len(said(caplog, "ALARM the leg siilo")) == 2)


async def test_of_many_not_each_is_said(url: str, caplog: pytest.LogCaptureFixture) -> None:
    await planted(url, 230)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, Patience(first=60.0, longest=60.0, reports=0.001, late=0.1)) as w:
        await w.until(lambda: said(caplog, "ALARM more than 10 legs of siilo are late"))
        while await late(w) < 230:  # noqa: ASYNC110 - the database is no state that can be waited for
            await asyncio.sleep(0.05)
        assert len(said(caplog, "ALARM")) == 11
        siilo.before = lambda _: None
        w.courier.retry("siilo")
        await w.until(lambda: said(caplog, "no leg of siilo is late any more"))
        assert len(said(caplog, "ALARM")) == 11


async def test_who_waits_for_people_is_no_operators_business(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody has come yet: their writer knows it, and nothing is to be mended."""

    def nobody(delivery: Delivery) -> None:
        raise Unavailable("invited", 60.0, kept=True, alone=True)

    async with running(url, patience=IMPATIENT) as w:
        w.siilo.before = nobody
        await w.pandalab.write("p1", "A", "cleo", "un", [DAN])
        await w.until(lambda: last(w, "p1").get("Dan Moreau") == (State.ACCEPTED, "not_joined_yet"))
        assert (await late(w), said(caplog, "ALARM")) == (0, [])
