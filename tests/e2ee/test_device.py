"""A ghost's device: made once whatever fails in between, its keys filled up, never uploaded twice."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from aiohttp import web

from appservice.e2ee.signing import read_listing
from bridge.config import BadConfig
from bridge.errors import Unavailable
from bridge.seal import Seal
from deploy.world.waiting import until
from tests.e2ee.lab import ANNA, BEN, EVE, ROOM, Lab, lab
from tests.e2ee.peer import Peer
from tests.e2ee.stub import StubDevice

SIGNING = 3  # the call after which the hub looks by itself whether it was done
CALLS = 7  # PUT device, account_data, keys/upload, device_signing/upload, signatures/upload, keys/query, sync


def mine(here: Lab) -> tuple[str, StubDevice]:
    """The ghost's only device."""
    ((name, device),) = here.stub.devices[ANNA].items()
    return name, device


async def both_ways(here: Lab) -> None:
    """The ghost and a person read each other."""
    (ben,) = here.person(BEN, "PHONE")
    ben.share(ROOM, ANNA)
    await here.engine.ring([ANNA])
    assert (await here.read(ben.say(ROOM, "bonsoir"), BEN)).content["body"] == "bonsoir"
    content = await here.say(here.room(BEN), "bonjour")
    ben.sync()
    assert ben.read(content)["content"]["body"] == "bonjour"


def verified(here: Lab) -> bool:
    """Would a stranger see the ghost's device as signed by its owner?"""
    answer = here.stub._query({"device_keys": {ANNA: []}})
    name, _ = mine(here)
    return read_listing(ANNA, answer, None).devices[name].signed


async def test_a_device_is_made_signed_and_served(url: str) -> None:
    async with lab(url) as here:
        name, device = mine(here)
        assert here.engine.device_of(ANNA) == name
        assert len(device.one_time) == 20
        assert len(device.fallback) == 1
        assert verified(here)
        calls = len(here.stub.calls)
        assert await here.engine.ensure_device(ANNA) == name
        assert len(here.stub.calls) == calls
        await here.restart()
        assert await here.engine.ensure_device(ANNA) == name
        assert len(here.stub.calls) == calls
        await both_ways(here)


async def test_ghosts_have_nothing_in_common(url: str) -> None:
    async with lab(url) as here:
        names = {await here.engine.ensure_device(f"@h_{n}:home") for n in range(5)}
        assert len(names) == 5
        masters = {str(here.stub.cross[f"@h_{n}:home"]["master_key"]["keys"]) for n in range(5)}
        assert len(masters) == 5


async def test_many_at_once_make_one_device(url: str) -> None:
    async with lab(url, ghost=False) as here:
        names = await asyncio.gather(*(here.engine.ensure_device(ANNA) for _ in range(5)))
        assert len(set(names)) == 1
        assert len(here.stub.devices[ANNA]) == 1


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("at", range(CALLS))
async def test_any_call_may_fail_while_a_device_is_made(url: str, at: int, how: str, crash: bool) -> None:
    async with lab(url, ghost=False) as here:
        seen = 0

        def fault(_: web.Request) -> str | None:
            nonlocal seen
            seen += 1
            return how if seen == at + 1 else None

        here.stub.faults = fault
        with contextlib.nullcontext() if (at, how) == (SIGNING, "after") else pytest.raises(Unavailable):
            await here.engine.ensure_device(ANNA)
        if crash:
            await here.restart()
        await here.engine.ensure_device(ANNA)
        assert len(here.stub.devices[ANNA]) == 1
        assert verified(here)
        assert here.stub.twice == []
        await here.engine.ring([ANNA])
        await both_ways(here)


async def test_a_device_whose_served_keys_are_wrong_is_replaced(url: str) -> None:
    async with lab(url, ghost=False) as here:
        real = here.stub._query
        spoiled: list[str] = []

        def spoil(body: dict[str, Any]) -> dict[str, Any]:
            answer = real(body)
            for name, keys in answer["device_keys"].get(ANNA, {}).items():
                if not spoiled or name in spoiled:
                    spoiled.append(name)
                    keys["signatures"] = {}
            return answer

        here.stub._query = spoil  # type: ignore[method-assign]
        name = await here.engine.ensure_device(ANNA)
        assert name not in spoiled
        assert list(here.stub.devices[ANNA]) == [name]
        assert verified(here)
        await both_ways(here)


async def test_keys_that_are_served_a_moment_later_are_no_wrong_ones(url: str) -> None:
    """Of a homeserver of many processes one takes the keys, and another one that is asked for them may be behind."""
    async with lab(url, ghost=False) as here:
        real, behind = here.stub._query, 3

        def old(body: dict[str, Any]) -> dict[str, Any]:
            nonlocal behind
            behind -= 1
            return real(body) if behind < 0 else {"device_keys": {ANNA: {}}}

        here.stub._query = old  # type: ignore[method-assign]
        assert await here.engine.ensure_device(ANNA) == mine(here)[0]
        assert here.stub.count("/devices/") == 1
        assert verified(here)


async def test_one_time_keys_are_filled_up_when_half_are_gone(url: str) -> None:
    async with lab(url) as here:
        _, device = mine(here)
        for _ in range(10):
            device.one_time.popitem()
        await here.engine.ring([ANNA])
        assert len(device.one_time) == 10
        device.one_time.popitem()
        await here.engine.ring([ANNA])
        assert len(device.one_time) == 20
        assert here.stub.twice == []
        await both_ways(here)


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("crash", [False, True])
async def test_an_upload_of_unknown_outcome_never_goes_twice(url: str, how: str, crash: bool) -> None:
    async with lab(url) as here:
        _, device = mine(here)
        device.one_time.clear()
        here.stub.faults = lambda request: how if "/keys/upload" in request.path else None
        await here.engine.ring([ANNA])
        here.stub.faults = lambda _: None
        if crash:
            await here.restart()
        await here.engine.ring([ANNA])
        assert len(device.one_time) == 20
        assert here.stub.twice == []
        await both_ways(here)


@pytest.mark.parametrize("how", [None, "before", "after"])
async def test_a_used_fallback_key_is_replaced_and_still_reads(url: str, how: str | None) -> None:
    async with lab(url) as here:
        _, device = mine(here)
        device.one_time.clear()
        (ben,) = here.person(BEN, "PHONE")
        old = dict(device.fallback)
        first = ben.wrap(ANNA, "m.room_key", ben.room_key(ROOM))
        here.stub.faults = lambda request: how if "/keys/upload" in request.path else None
        await here.engine.ring([ANNA])
        here.stub.faults = lambda _: None
        await here.restart()
        await here.engine.ring([ANNA])
        await here.engine.ring([ANNA])
        assert device.fallback != old
        assert not device.fallback_used
        here.stub.post(BEN, ANNA, "*", "m.room.encrypted", first)
        await here.engine.ring([ANNA])
        assert (await here.read(ben.say(ROOM, "bonjour"), BEN)).content["body"] == "bonjour"


async def test_hints_of_a_transaction_ring_only_our_own_devices(url: str) -> None:
    async with lab(url) as here:
        name, device = mine(here)
        syncs = here.stub.count("/sync")
        master = "x" * 43
        counts = {ANNA: {master: {}, name: {"signed_curve25519": 20}}, BEN: {"PHONE": {"signed_curve25519": 0}}}
        here.engine.note_counts(counts, {ANNA: {master: [], name: ["signed_curve25519"]}})
        await asyncio.sleep(0.1)
        assert here.stub.count("/sync") == syncs
        device.one_time.clear()
        here.engine.note_counts({ANNA: {name: {"signed_curve25519": 0}}}, {})
        await until(lambda: len(device.one_time) == 20)


@pytest.mark.parametrize("how", ["ring", "say"])
async def test_a_device_that_the_homeserver_lost_is_put_back(url: str, how: str) -> None:
    async with lab(url) as here:
        name, device = mine(here)
        master = here.stub.cross[ANNA]["master_key"]["keys"]
        del here.stub.devices[ANNA][name]
        here.person(EVE, "PHONE")
        with pytest.raises(Unavailable, match="ghost_device_lost"):
            await (here.engine.ring([ANNA]) if how == "ring" else here.say(here.room(EVE), "x"))
        assert mine(here)[0] == name
        assert mine(here)[1] is not device
        await here.engine.ring([ANNA])
        assert len(mine(here)[1].one_time) == 20
        assert verified(here)
        assert here.stub.cross[ANNA]["master_key"]["keys"] == master
        assert here.stub.twice == []
        await both_ways(here)


async def test_private_keys_are_sealed_at_rest(url: str) -> None:
    async with lab(url) as here:
        (row,) = await here.db.all("e2ee.ghosts", "", 9)
        keys = await here.db.one("e2ee.ghost-keys", row["user_id"])
        assert keys is not None
        seeds = here.seal.open(bytes(keys["seeds"]), f"e2ee cross-signing {ANNA}")
        assert len(seeds) == 96
        assert seeds not in bytes(keys["seeds"])
        assert keys["key_id"] == "k1"


async def test_logs_hold_no_text_and_no_keys(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        key = ben.room_key(ROOM)
        ben.olm(ANNA, "m.room_key", key)
        ben.olm(ANNA, "m.room_key", key | {"session_key": "rubbish"})
        await here.engine.ring([ANNA])
        await here.read(ben.say(ROOM, "planted secret"), BEN)
        await here.say(here.room(BEN), "planted secret")
        assert "planted" not in caplog.text
        assert key["session_key"][:40] not in caplog.text


def test_peer_signs_as_the_engine_reads() -> None:
    from tests.e2ee.peer import Owner
    from tests.e2ee.stub import Stub

    stub = Stub()
    owner = Owner(BEN)
    owner.publish(stub)
    Peer(stub, BEN, "PHONE", owner).publish()
    listing = read_listing(BEN, stub._query({"device_keys": {BEN: []}}), None)
    assert listing.devices["PHONE"].signed
    assert listing.master == Owner.public(owner.master)


async def test_a_seal_key_that_devices_need_is_asked_for_and_nothing_is_touched(url: str) -> None:
    first, second = bytes(range(32)), bytes(32)
    async with lab(url) as here:
        old = here.seal
        here.seal = Seal({"new": second}, "new")
        with pytest.raises(BadConfig, match=r"seal\.keys: .*'k1'"):
            await here.restart()
        here.seal = Seal({old.active: first, "new": second}, "new")
        await here.restart()
        assert here.engine.device_of(ANNA) is not None
