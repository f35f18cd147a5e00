"""Devices without keys and homeservers that are away: nobody else waits, and nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from bridge.errors import Unavailable
from deploy.world.waiting import PATIENCE, until
from tests.e2ee.lab import BEN, EVE, ROOM, lab
from tests.e2ee.peer import Peer


async def test_the_fallback_key_is_enough(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE", one_time=0, fallback=True)
        content = await here.say(here.room(BEN), "bonjour")
        ben.sync()
        assert ben.read(content)["content"]["body"] == "bonjour"


async def test_a_device_without_any_key_is_told_once_and_reads_everything_later(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE", one_time=0)
        first = await here.say(here.room(BEN), "one")
        assert await here.withheld(here.room(BEN)) == [(BEN, "PHONE", "m.no_olm")]
        await here.say(here.room(BEN), "two")
        here.now += 61_000
        await here.say(here.room(BEN), "three")
        ben.sync()
        assert [e["content"]["code"] for e in ben.clear] == ["m.no_olm"]
        ben.publish()
        await here.restart()
        here.now += 61_000
        await here.engine.flush()
        ben.sync()
        assert ben.read(first)["content"]["body"] == "one"
        assert await here.withheld(here.room(BEN)) == []


async def test_a_claimed_key_must_be_signed_by_the_device(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        for key in here.stub.devices[BEN]["PHONE"].one_time.values():
            key["key"] = Peer(here.stub, EVE, "X").curve
        assert await here.withheld(here.room(BEN)) == [(BEN, "PHONE", "m.no_olm")]
        assert ben.sync() == []


async def test_a_homeserver_that_is_away_delays_nobody_else(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        (eve,) = here.person(EVE, "PHONE")
        here.stub.away.add("away")
        room = here.room(BEN, EVE)
        first = await asyncio.wait_for(here.say(room, "one"), PATIENCE)
        assert await here.withheld(room) == [(EVE, "*", "device_list_away")]
        ben.sync()
        assert ben.read(first)["content"]["body"] == "one"
        here.stub.away.clear()
        here.now += 6_000
        await here.engine.flush()
        eve.sync()
        assert eve.read(first)["content"]["body"] == "one"
        assert await here.withheld(room) == []


async def test_a_slow_homeserver_delays_others_by_seconds_only(tmp_path: Path) -> None:
    async with lab(f"sqlite:///{tmp_path}/hub.db") as here:
        (ben,) = here.person(BEN, "PHONE")
        (eve,) = here.person(EVE, "PHONE")
        here.stub.slow.add("away")
        room = here.room(BEN, EVE)
        first = await asyncio.wait_for(here.say(room, "one"), PATIENCE)
        ben.sync()
        assert ben.read(first)["content"]["body"] == "one"
        assert eve.sync() == []
        here.stub.slow.clear()
        await until(lambda: not here.engine._devices._asking, "the end of the first query")
        await here.engine.flush()
        eve.sync()
        assert eve.read(first)["content"]["body"] == "one"


async def test_retired_sessions_are_forgotten_after_months(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        first = await here.say(here.room(BEN), "one")
        await here.engine.rotate(ROOM)
        second = await here.say(here.room(BEN), "two")
        here.now += 91 * 86_400_000
        await here.restart()
        assert await here.count("e2ee.shares", first["session_id"]) == 0
        assert await here.count("e2ee.shares", second["session_id"]) == 1
        assert ben.sync()


async def test_who_could_not_be_asked_gets_the_key_after_a_restart_too(url: str) -> None:
    async with lab(url) as here:
        (eve,) = here.person(EVE, "PHONE")
        here.stub.away.add("away")
        first = await here.say(here.room(EVE), "one")
        await here.engine.rotate(ROOM)
        await here.restart()
        here.stub.away.clear()
        here.now += 6_000
        await here.engine.flush()
        eve.sync()
        assert eve.read(first)["content"]["body"] == "one"


async def test_our_homeserver_being_away_is_unavailable_and_nothing_is_lost(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        for path in ("/keys/query", "/keys/claim", "/sendToDevice/"):

            def fault(request: web.Request, path: str = path) -> str | None:
                return "before" if path in request.path else None

            here.stub.faults = fault
            with pytest.raises(Unavailable):
                await here.say(here.room(BEN), "lost")
        here.stub.faults = lambda _: None
        content = await here.say(here.room(BEN), "bonjour")
        assert len(ben.sync()) == 1
        assert ben.read(content)["content"]["body"] == "bonjour"
