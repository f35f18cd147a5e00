"""What a product has taken is sent to it once more, as an operator asks: in order, durably, unseen by the writers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bridge.db import Row
from bridge.errors import Refused
from bridge.model import Kind, Ref
from bridge.networks.connect.log.again import SendingAgain
from deploy.world.simulator import Faults
from deploy.world.waiting import wait_for
from tests.connect.log.test_catching_up import DAY, both, catch_up, read, settled, state, write
from tests.connect.make import World, running


def again(w: World, product: str = "siilo") -> SendingAgain:
    """What an operator may ask for."""
    return w.connectors[product].operated.log()


async def all_sent(w: World) -> None:
    """Until nothing is to be sent to siilo."""
    log = w.connectors["siilo"]._out.events
    assert log is not None

    async def none() -> bool:
        return not await log.waiting(0)

    await wait_for(none, "everything is sent")


async def counted(w: World, events: int) -> bool:
    """Whether so many would be sent again."""
    return (await again(w).after(0)).events == events


async def notes(w: World) -> list[Row]:
    """What the audit trail has of it."""
    rows = await w.hub._store.db.all("trail.next", 1000)
    return [row for row in rows if row["result"] == "sent_again"]


async def test_a_product_that_has_lost_everything_gets_it_again_in_its_order(tmp_path: Path) -> None:
    async with running(tmp_path, both) as w:
        await w.declare()
        first = await write(w, 4)
        await w.until(lambda: w.siilo.texts("dan") == first)
        w.ahead += 3600
        second = await write(w, 3, "chat-2")
        await w.until(lambda: len(w.siilo.texts("dan")) == 7)
        await all_sent(w)
        await wait_for(lambda: counted(w, 7), "the last answer is noted")
        whole, later = await again(w).after(0), await again(w).since(int((w.clock() - 1800) * 1000))
        assert (whole.events, whole.waiting, whole.gone, whole.more) == (7, 0, False, False)
        assert (later.after, later.upto, later.events) == (4, 7, 3)
        assert (await again(w).since(int((w.clock() + 10) * 1000))).events == 0
        assert (await again(w).since(0)).after == 0
        named = w.siilo.arrived("dan")[0]["id"]
        await w.siilo.stop()
        w.siilo.state = tmp_path / "anew"  # its disk is lost
        assert await again(w).send("operator ann", whole.after, whole.upto) == 7
        assert await again(w).send("operator ann", whole.after, whole.upto) == 0, "they go already"
        new = await write(w, 1, "chat-1", 4)  # waits behind what its conversation gets again
        await w.stop_hub()
        await w.start_hub()
        await settled(w, 8)
        assert (await again(w).after(0)).waiting == 8
        there = (await read(w, after=0))["events"]
        assert [one["delivered"] for one in there] == [True] * 7 + [False]
        assert await state(w, "chat-1-0") == ("delivered", None)
        await w.siilo.start(w.url)
        log = w.connectors["siilo"]._out.events
        assert log is not None
        names = [known and known.named for known, _ in [await log.place(one["webhook-id"], "") for one in there[:7]]]
        log.read_at = -1e9  # it reads no more
        await w.until(lambda: len(w.siilo.texts("dan")) == 8)
        texts = w.siilo.texts("dan")
        assert [t for t in texts if t.startswith("chat-1")] == first + new
        assert [t for t in texts if t.startswith("chat-2")] == second
        await all_sent(w)
        assert await state(w, "chat-1-4") == ("delivered", None)
        after = [known and known.named for known, _ in [await log.place(one["webhook-id"], "") for one in there[:7]]]
        assert after == names, "also in the log"
        assert await w.hub.facts.kind(Ref("siilo", named)) is Kind.TEXT, "its first name for it still counts"
        noted = await notes(w)
        assert [(row["actor"], row["subject"]) for row in noted] == [("operator ann", "siilo")] * 2
        assert json.loads(noted[0]["details"]) == {"after": 0, "events": 7, "upto": 7}


async def test_what_is_asked_for_and_cannot_be(tmp_path: Path) -> None:
    async with running(tmp_path, both) as w:
        await w.declare()
        await write(w, 5)
        await w.until(lambda: len(w.siilo.texts("dan")) == 5)
        await all_sent(w)
        [queue] = await w.connectors["siilo"].queues(10)
        assert (queue.waiting, queue.read) == (0, None), "nobody expects a product with webhooks to read"
        assert await w.connectors["pandalab"].queues(10) == []
        with pytest.raises(Refused, match="no_event_log"):
            again(w, "pandalab")
        ident = (await read(w, after=0))["events"][1]["webhook-id"]
        one = await again(w).single(ident)
        assert (one.after, one.upto, one.events) == (1, 2, 1)
        with pytest.raises(Refused, match="unknown_event"):
            await again(w).single("unheard-of")
        with pytest.raises(Refused, match="product_reads"):  # it has just read, and would go on by itself
            await again(w).send("operator ann", 0, 5)
        log = w.connectors["siilo"]._out.events
        assert log is not None
        log.read_at = -math.inf
        short = again(w)
        short._most = 3
        found = await short.after(0)
        assert (found.events, found.upto, found.more) == (3, 3, True)
        with pytest.raises(Refused, match="too_many_events"):
            await short.send("operator ann", 0, 5)
        assert (await again(w).after(3)).events == 2
        assert (await again(w).after(9)).events == 0
        await w.siilo.stop()
        assert await again(w).send("operator ann", one.after, one.upto) == 1
        assert len(await catch_up(w)) == 4, "without a cursor it reads from there"
        await read(w, after=5)
        assert (await again(w).after(0)).waiting == 1, "a cursor from before does not take it"
        w.ahead += 15 * DAY
        await log.clean(w.hub)
        assert (await again(w).after(0)).gone
        assert await state(w, "chat-1-1") == ("delivered", None), "its writer hears nothing of it"
        with pytest.raises(Refused, match="no_webhook"):
            await SendingAgain("siilo", w.hub._store.db, None, w._now).after(0)


async def test_what_a_working_product_gets_again_goes_at_once_and_changes_nothing_whatever_it_answers(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, both) as w:
        await w.declare()
        await write(w, 2)
        await w.until(lambda: len(w.siilo.texts("dan")) == 2)
        await all_sent(w)
        log = w.connectors["siilo"]._out.events
        assert log is not None
        idents = [one["webhook-id"] for one in (await read(w, after=0))["events"]]
        log.read_at = -math.inf
        whole = await again(w).after(0)
        assert whole.first is not None
        assert (await again(w).since(whole.first)).events == 2, "also what happened in that very moment"
        names = [await log.place(ident, "") for ident in idents]
        for faults in (Faults(refuse=True), Faults()):
            w.siilo.sim.set_faults(faults)
            assert await again(w).send("operator ann", 0, whole.upto) == 2
            await all_sent(w)  # nothing else wakes it
            assert [await log.place(ident, "") for ident in idents] == names
        assert await state(w, "chat-1-0") == ("delivered", None)
