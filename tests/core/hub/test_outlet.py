"""A network that is away is tried by one delivery at a time, whatever waits for it, and nobody else pays for it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from bridge.db import open_database
from bridge.db.sqlite import Sqlite
from bridge.errors import Refused, Unavailable
from bridge.hub.courier import Courier
from bridge.hub.hub import now_ms
from bridge.hub.outlet import Outlet
from bridge.model import Address, Delivery, Ref
from bridge.networks.loopback import Loopback
from bridge.parts.alarms import Alarms
from bridge.parts.patience import Patience
from bridge.store.store import COMPONENT
from bridge.trail.entry import COMPONENT as TRAIL
from bridge.words import say
from deploy.bench.planting import Planting
from tests.core.hub.test_late import away
from tests.core.make import FAST, SEAL, World, networks, running

BEN, DAN = "matrix:@ben:chu.example", "siilo:dan"
CLEO = ("rpps:10000000003", Address("pandalab", "cleo"))
TO_DAN = ("rpps:10000000004", Address("siilo", "dan"))
SLOW = Patience(first=60.0, longest=60.0, reports=0.001)  # nothing is tried twice while a test looks
AGO = 120_000  # ms; nothing is late yet
MANY = 20_000


class Counting(Loopback):
    """Knows how many calls there are at once, and in which order they came."""

    def __init__(self, network: str) -> None:
        super().__init__(network)
        self.now = self.most = 0
        self.tried: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def deliver(self, delivery: Delivery) -> Ref:
        self.now += 1
        self.most = max(self.most, self.now)
        self.tried.append(delivery.conversation)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            return await super().deliver(delivery)
        finally:
            self.now -= 1


def world() -> tuple[dict[str, Loopback], Counting]:
    siilo = Counting("siilo")
    return networks() | {"siilo": siilo}, siilo


async def planted(url: str, count: int, each: int = 1) -> Planting:
    """So many conversations in which Cléo's messages wait for Dan."""
    planting = Planting(count, CLEO, TO_DAN, now_ms() - AGO, each)
    db = await open_database(url, [COMPONENT, TRAIL])
    await planting.plant(db, SEAL)
    await db.close()
    return planting


def outlet(w: World, network: str = "siilo") -> Outlet:
    return w.courier._outlets[network]


def kept(courier: Courier) -> int:
    """How many lanes are in memory."""
    return sum(len(o._lanes) + len(o._fresh) + len(o._stored) for o in courier._outlets.values())


async def still(w: World, network: str = "siilo") -> None:
    """The network is away, and nothing is under way any more."""
    await w.until(lambda: outlet(w, network).down and not outlet(w, network)._lanes)


@asynccontextmanager
async def counted(w: World) -> AsyncIterator[Counter[str]]:
    """The statements that SQLite runs inside the block, by their first words."""
    assert isinstance(w.db, Sqlite)
    said: Counter[str] = Counter()
    connections: list[sqlite3.Connection] = [w.db._reader, w.db._writer]
    for connection in connections:
        connection.set_trace_callback(lambda text: said.update([" ".join(text.split()[:3])]))
    try:
        yield said
    finally:
        for connection in connections:
            connection.set_trace_callback(None)


async def test_a_start_with_twenty_thousand_waiting_lanes_tries_few_and_remembers_few(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    await planted(url, MANY)
    nets, siilo = world()
    siilo.before = away
    before = len(asyncio.all_tasks())
    async with running(url, nets, SLOW) as w:
        await still(w)
        assert len(siilo.calls) <= SLOW.parallel
        assert siilo.most <= SLOW.parallel
        assert kept(w.courier) == 0
        assert len(asyncio.all_tasks()) - before < 20
        async with counted(w) as said:
            await asyncio.sleep(0.5)
        assert sum(said.values()) < 30, said  # a look at what is overdue now and then, no more


async def cost(url: str, *, beside: int) -> int:
    """The statements of one message to Matrix while so many conversations wait for another network."""
    nets, siilo = world()
    siilo.before = away
    if beside:
        await planted(url, beside)
    async with running(url, nets, SLOW) as w:
        await w.pandalab.write("p0", "A", "cleo", "un", [BEN])
        await w.until(lambda: len(w.pandalab.told) >= 1)
        await w.until(lambda: (outlet(w).down or not beside) and not outlet(w)._lanes)
        async with counted(w) as said:
            await w.pandalab.write("p1", "A", "cleo", "deux")
            await w.until(lambda: len(w.pandalab.told) == 2)
        assert [d.body.text for d in w.matrix.delivered] == ["un", "deux"]
    return sum(said.values())


async def test_another_network_does_not_notice(tmp_path: Any) -> None:
    alone = await cost(f"sqlite:///{tmp_path}/alone.db", beside=0)
    assert await cost(f"sqlite:///{tmp_path}/beside.db", beside=MANY) <= alone + 10


async def test_when_it_is_back_everything_arrives_once_oldest_first_and_a_bounded_number_at_once(url: str) -> None:
    planting = await planted(url, 400, each=2)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, replace(FAST, longest=0.5, parallel=8)) as w:
        await still(w)
        siilo.before = lambda _: None
        siilo.tried.clear()
        await w.until(lambda: len(siilo.delivered) == 800)
        await w.until(lambda: w.courier.idle)
        assert siilo.most <= 8
        place = {planting.chat(n): n for n in range(400)}
        begun = list(dict.fromkeys(place[chat] for chat in siilo.tried))
        assert all(abs(n - when) < 60 for when, n in enumerate(begun[8:], 8))  # pages of a hundred, eight side by side
        texts = [d.body.text for d in siilo.delivered]
        assert sorted(texts) == sorted(f"{n}/{k}" for n in range(400) for k in range(2))
        for n in range(400):
            assert texts.index(f"{n}/0") < texts.index(f"{n}/1")
        assert await w.waiting() == 0


async def test_a_network_that_is_away_is_tried_by_another_conversation_each_time(url: str) -> None:
    await planted(url, 50)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, Patience(first=0.02, longest=0.02, reports=0.001, parallel=4)) as w:
        await still(w)
        siilo.tried.clear()
        siilo.most = 0
        await w.until(lambda: len(siilo.tried) >= 60)
        assert siilo.most == 1
        assert len(set(siilo.tried[:40])) == 40
        assert set(Counter(siilo.tried[:50]).values()) == {1}


async def test_a_conversation_that_can_never_go_on_does_not_keep_a_network_away(url: str) -> None:
    await planted(url, 50)
    nets, siilo = world()
    siilo.before = away

    def but_the_first(delivery: Delivery) -> None:
        if delivery.conversation in {"waiting-0", "waiting-1", "waiting-2", "waiting-3"}:
            raise Unavailable("product_answered_500")

    async with running(url, nets, FAST) as w:
        await still(w)
        siilo.before = but_the_first
        await w.until(lambda: len(siilo.delivered) == 46)


async def test_an_error_of_which_the_sender_is_told_that_the_operator_knows_is_an_alarm(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    nets, siilo = world()

    def fails(delivery: Delivery) -> None:
        raise RuntimeError("Madame Durand")

    siilo.before = fails
    counted = Alarms()
    logging.getLogger().addHandler(counted)
    try:
        async with running(url, nets, Patience(first=0.001, longest=0.001, reports=0.001)) as w:
            accepted = await w.pandalab.write("p", "chat", "cleo", "Madame Durand", [DAN])
            await w.until(lambda: any(s.reason for r in w.pandalab.told for s in r.states))
    finally:
        logging.getLogger().removeHandler(counted)
    [reason] = {s.reason for r in w.pandalab.told for s in r.states if s.reason}
    assert "l'exploitant est alerté" in say(reason)[0]
    alarms = [record.getMessage() for record in caplog.records if record.getMessage().startswith("ALARM")]
    assert len(alarms) == 1
    assert accepted.message in alarms[0]
    assert "RuntimeError at test_outlet.py:" in alarms[0]
    assert "Durand" not in caplog.text
    assert counted.by == {"bridge.hub.courier": 1}


async def test_what_has_just_come_is_served_although_nothing_else_can_go_on(url: str) -> None:
    """Five conversations fail for their own sake and look like a network that is away: a sixth waits a moment only."""
    nets, siilo = world()

    def poison(delivery: Delivery) -> None:
        if delivery.body.text == "poison":
            raise Unavailable("product_answered_500")

    siilo.before = poison
    async with running(url, nets, Patience(first=0.05, longest=3600.0, reports=0.001)) as w:
        for n in range(5):
            await w.pandalab.write(f"p{n}", f"chat{n}", "cleo", "poison", [DAN])
        await still(w)
        await w.pandalab.write("good", "other", "cleo", "good", [DAN])
        await w.until(lambda: siilo.delivered)
        await w.until(lambda: not outlet(w)._lanes)
        assert not outlet(w).down  # from now on these five are known
        await w.pandalab.write("again", "other", "cleo", "again")
        await w.until(lambda: len(siilo.delivered) == 2)


async def test_conversations_that_wait_for_something_of_their_own_slow_nobody(url: str) -> None:
    nets, siilo = world()

    def waits(delivery: Delivery) -> None:
        if delivery.body.text == "waits":
            raise Unavailable("room_upgraded", alone=True)

    siilo.before = waits
    async with running(url, nets, SLOW) as w:
        await w.until(lambda: w.courier.idle)  # the look at the start tries whatever it finds
        for n in range(40):
            await w.pandalab.write(f"p{n}", f"chat{n}", "cleo", "waits", [DAN])
        await w.until(lambda: len(siilo.calls) == 40 and w.courier.idle)
        assert not outlet(w).down
        await w.pandalab.write("good", "other", "cleo", "good", [DAN])
        await w.until(lambda: siilo.delivered)
        assert len(siilo.calls) == 41


async def test_each_of_them_is_tried_again_in_its_own_time(url: str) -> None:
    nets, siilo = world()
    left = Counter({f"chat{n}": 3 for n in range(30)})

    def waits(delivery: Delivery) -> None:
        chat = delivery.body.text
        if left[chat] > 0:
            left[chat] -= 1
            raise Unavailable("room_upgraded", alone=True)

    siilo.before = waits
    async with running(url, nets, replace(FAST, parallel=4)) as w:
        await w.until(lambda: w.courier.idle)
        for n in range(30):
            await w.pandalab.write(f"p{n}", f"chat{n}", "cleo", f"chat{n}", [DAN])
        await w.until(lambda: len(siilo.delivered) == 30)
        assert len(siilo.calls) == 120


async def test_a_refusal_shows_that_the_network_is_there(url: str) -> None:
    await planted(url, 20)
    nets, siilo = world()
    siilo.before = away

    def refuses(delivery: Delivery) -> None:
        raise Refused("product_refused")

    async with running(url, nets, FAST) as w:
        await still(w)
        siilo.before = refuses
        await w.until(lambda: not outlet(w).down and w.courier.idle)
        assert await w.waiting() == 0


async def test_a_sign_of_life_of_the_network_itself_is_enough(url: str) -> None:
    await planted(url, 20)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, SLOW) as w:
        await still(w)
        siilo.before = lambda _: None
        w.courier.answered("siilo")
        await w.until(lambda: len(siilo.delivered) == 20)


async def test_a_time_that_the_network_named_is_shortened_by_nothing(url: str) -> None:
    await planted(url, 20)
    nets, siilo = world()

    def named(delivery: Delivery) -> None:
        if delivery.conversation == "waiting-0":
            raise Unavailable("product_answered_429", 3600.0)
        raise Unavailable("product_unreachable")

    siilo.before = named
    async with running(url, nets, SLOW) as w:
        await still(w)
        siilo.before = lambda _: None
        w.courier.answered("siilo")
        await w.until(lambda: len(siilo.delivered) == 19 and w.courier.idle)
        assert siilo.tried.count("waiting-0") == 1


async def test_more_lanes_than_memory_holds_are_found_on_the_disk(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.hub.outlet._REMEMBERED", 5)
    nets, siilo = world()
    siilo.gate.clear()
    async with running(url, nets, replace(FAST, parallel=2)) as w:
        for n in range(60):
            await w.pandalab.write(f"p{n}", f"chat{n}", "cleo", str(n), [DAN])
        assert kept(w.courier) <= 2 + 5
        siilo.gate.set()
        await w.until(lambda: len(siilo.delivered) == 60)
        assert siilo.most == 2


async def test_a_long_lane_lets_others_go_first_now_and_then(url: str) -> None:
    nets, siilo = world()
    siilo.gate.clear()
    async with running(url, nets, replace(FAST, parallel=1)) as w:
        for n in range(60):
            await w.pandalab.write(f"p{n}", "long", "cleo", f"long {n}", [DAN] if n == 0 else [])
        await w.pandalab.write("s", "short", "cleo", "short", [DAN])
        siilo.gate.set()
        await w.until(lambda: len(siilo.delivered) == 61)
        texts = [d.body.text for d in siilo.delivered]
        assert texts.index("short") <= 21
        assert [t for t in texts if t != "short"] == [f"long {n}" for n in range(60)]


async def test_a_lane_whose_rows_cannot_be_worked_on_ends_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(url) as w:
        due: Callable[..., Any] = w.store.deliveries.due
        broken = 2

        async def sometimes(conversation: str, network: str) -> Any:
            nonlocal broken
            if network == "siilo" and broken:
                broken -= 1
                raise KeyError("a row that nobody expected")
            return await due(conversation, network)

        monkeypatch.setattr(w.store.deliveries, "due", sometimes)
        await w.pandalab.write("p1", "A", "cleo", "x", [DAN])
        await w.until(lambda: w.siilo.delivered)


async def test_a_hub_that_stops_has_next_to_nothing_to_stop(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    await planted(url, MANY)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, SLOW) as w:
        await still(w)
        inside = [task for task in asyncio.all_tasks() if "courier" in repr(task) or "outlet" in repr(task)]
        assert len(inside) < 20
