"""An operator sees what waits and why, has it tried at once, or gives it up; the writer hears of that."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge.errors import Refused
from bridge.hub.hub import now_ms
from bridge.hub.operating.tracing import Tracing
from bridge.hub.operating.waiting import MOST, WaitingDelivery, WaitingQueue
from bridge.model import State
from bridge.parts.patience import Patience
from bridge.served import Served
from tests.core.hub.test_late import away, last
from tests.core.hub.test_outlet import planted, world
from tests.core.make import World, running

BEN, DAN = "matrix:@ben:chu.example", "siilo:dan"
SLOW = Patience(first=60.0, longest=60.0, reports=0.001)
GONE = (State.REFUSED, "dropped_by_operator")


def queue_of(w: World) -> WaitingQueue:
    """As the process makes it."""
    served = Served()
    served.add(*w.nets.values())
    return WaitingQueue(w.store, w.courier, served, now_ms)


async def tried(w: World, queue: WaitingQueue, n: int = 1) -> list[WaitingDelivery]:
    """What waits for Siilo, once that was tried."""
    await w.until(lambda: w.siilo.calls and w.courier.idle)
    found = await queue.waiting("siilo", 10)
    assert len(found) == n
    return found


async def test_what_waits_says_why_and_is_tried_when_asked(url: str) -> None:
    async with running(url, patience=SLOW) as w:
        queue = queue_of(w)
        w.siilo.before = away
        await w.pandalab.write("p1", "A", "cleo", "un", [DAN])
        await w.pandalab.write("p2", "A", "cleo", "deux")
        first, second = await tried(w, queue, 2)
        assert (first.attempts, first.why, first.held, second.attempts, second.why) == (1, "away", False, 0, "")
        assert first.next_at > now_ms()
        assert await queue.lanes(first.conversation, 10) == [first, second]
        assert [one for one in await queue.traffic() if one.waiting] == [
            one for one in await queue.traffic() if one.oldest
        ]
        assert {one.network: one.waiting for one in await queue.traffic()} == {"matrix": 0, "pandalab": 0, "siilo": 2}
        w.siilo.before = lambda _: None
        assert (await queue.retry(first.id)).next_at == 0
        await w.until(lambda: [d.body.text for d in w.siilo.delivered] == ["un", "deux"])
        with pytest.raises(Refused, match="no_such_delivery"):
            await queue.retry(first.id)


async def test_a_network_is_tried_as_a_whole(url: str) -> None:
    await planted(url, 100)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, SLOW) as w:
        queue = queue_of(w)
        await w.until(lambda: not w.courier.up("siilo"))
        assert [one.up for one in await queue.traffic()] == [True, True, False]
        siilo.before = lambda _: None
        assert [one.failing for one in await queue.traffic()] == ["", "", "away"]
        await queue.retry_all("siilo")
        await w.until(lambda: len(siilo.delivered) == 100)
        assert (w.courier.up("siilo"), w.courier.failing("siilo"), w.courier.failing("nobody")) == (True, "", "")
        with pytest.raises(Refused, match="unknown_network"):
            await queue.retry_all("nobody")


async def test_what_is_dropped_is_told_and_lets_the_next_one_go(url: str) -> None:
    async with running(url, patience=SLOW) as w:
        queue = queue_of(w)
        w.siilo.before = away
        await w.pandalab.write("p1", "A", "cleo", "un", [BEN, DAN])
        first = (await tried(w, queue))[0]
        await w.pandalab.write("p2", "A", "cleo", "deux")
        w.siilo.before = lambda _: None
        assert await queue.drop(first.id, "operator ann") == replace(first, attempts=1)
        await w.until(lambda: last(w, "p1").get("Dan Moreau") == GONE)
        assert last(w, "p1")["Ben Durand"] == (State.DELIVERED, None)
        noted = [row for row in await w.db.all("trail.next", 100) if row["kind"] == "operator"]
        assert [(row["actor"], row["subject"], row["result"]) for row in noted] == [
            ("operator ann", first.message, GONE[1])
        ]
        await w.until(lambda: [d.body.text for d in w.siilo.delivered] == ["deux"])
        with pytest.raises(Refused, match="no_such_delivery"):
            await queue.drop(first.id, "operator ann")


async def test_what_is_just_handed_out_is_not_dropped(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.hub.overtaking._PATIENCE", 0.05)
    nets, siilo = world()
    siilo.gate.clear()
    async with running(url, nets, SLOW) as w:
        queue = queue_of(w)
        await w.pandalab.write("p1", "A", "cleo", "un", [DAN])
        await w.until(lambda: siilo.now)
        one = (await queue.waiting("siilo", 1))[0]
        with pytest.raises(Refused, match="delivery_under_way"):
            await queue.drop(one.id, "operator ann")
        siilo.gate.set()
        await w.until(lambda: [d.body.text for d in siilo.delivered] == ["un"])


async def test_a_held_message_is_dropped_too(url: str) -> None:
    """Dan's message waits for its place in the room, which does not come."""
    async with running(url, patience=SLOW, order_wait=600.0) as w:
        queue = queue_of(w)
        w.matrix.before = away
        await w.pandalab.write("p1", "A", "cleo", "un", [BEN, DAN])
        await w.until(lambda: w.matrix.calls)
        assert await queue.held() == 1
        conversation = (await queue.waiting("matrix", 1))[0].conversation
        held = next(one for one in await queue.lanes(conversation, 10) if one.held)
        await queue.drop(held.id, "operator ann")
        await w.until(lambda: last(w, "p1").get("Dan Moreau") == GONE)
        assert await queue.held() == 0


async def test_nothing_is_counted_beyond_a_bound(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST == 10_000
    monkeypatch.setattr("bridge.hub.operating.waiting.MOST", 50)
    await planted(url, 60)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, SLOW) as w:
        assert (await queue_of(w).traffic())[2].waiting == 50


async def test_a_message_is_found_by_each_of_its_names(url: str) -> None:
    async with running(url, patience=SLOW) as w:
        queue = queue_of(w)
        tracing = Tracing(w.db, list(w.nets), queue)
        w.siilo.before = away
        written = await w.pandalab.write("p1", "A", "cleo", "un", [BEN, DAN])
        waits = (await tried(w, queue))[0]
        await w.until(lambda: last(w, "p1").get("Ben Durand") == (State.DELIVERED, None))
        found = [(await tracing.find(name))["message"] for name in (written.message, waits.id, "p1", "<p1> ")]
        assert found[1:] == found[:-1]
        one = found[0]
        assert (one["network"], one["kind"], one["sender"]) == ("pandalab", "text", "rpps:10000000003")
        assert [(name["network"], name["id"]) for name in one["names"]] == [("matrix", "matrix-1"), ("pandalab", "p1")]
        states = {row["person"]: (row["state"], row["network"]) for row in one["states"]}
        assert states == {"rpps:10000000002": ("delivered", "matrix"), "rpps:10000000004": ("accepted", "siilo")}
        assert [(row["id"], row["why"]) for row in one["waiting"]] == [(waits.id, "away")]
        whole = (await tracing.find(written.conversation))["conversation"]
        assert whole == (await tracing.find("A"))["conversation"]
        assert [leg["network"] for leg in whole["legs"]] == ["matrix", "pandalab", "siilo"]
        assert (whole["newest"], len(whole["members"])) == ([written.message], 3)
        assert [row["id"] for row in whole["waiting"]] == [waits.id]
        counted = [
            {"network": "matrix", "state": "delivered", "n": 1},
            {"network": "siilo", "state": "accepted", "n": 1},
        ]
        assert [(one["id"], one["states"]) for one in whole["said"]] == [(written.message, counted)]
        assert {leg["late"] for leg in whole["legs"]} == {None}
        assert whole == await tracing.whole("p1") == await tracing.whole(written.conversation)
        assert "un" not in str((found, whole)).split()
        with pytest.raises(Refused, match="nothing_by_this_name"):
            await tracing.find("nothing")


async def test_what_happens_is_counted(url: str) -> None:
    async with running(url, patience=SLOW) as w:
        counts = w.courier.counts
        await w.pandalab.write("p1", "A", "cleo", "un", [DAN])
        await w.pandalab.write("p1", "A", "cleo", "un", [DAN])  # again: nothing new
        with pytest.raises(Refused):
            await w.pandalab.write("p2", "B", "stranger", "deux", [DAN])
        await w.until(lambda: counts.handed["siilo", "sent"])
        w.siilo.before = away
        await w.pandalab.write("p3", "A", "cleo", "trois")
        await w.until(lambda: counts.handed["siilo", "later"])
        assert (counts.accepted, counts.refused) == ({"pandalab": 2}, {("pandalab", "unknown_sender"): 1})
        assert (sum(counts.times["siilo"].classes), counts.times["siilo"].total >= 0) == (1, True)
        await asyncio.sleep(0)
