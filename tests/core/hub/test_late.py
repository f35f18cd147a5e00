"""What waits for long is told to its sender while it waits; nobody thinks that it has arrived."""

from __future__ import annotations

from bridge.errors import Unavailable
from bridge.model import Delivery, Report, State
from bridge.parts.patience import Patience
from tests.core.make import World, running

BEN, DAN = "matrix:@ben:chu.example", "siilo:dan"
IMPATIENT = Patience(first=0.02, longest=0.05, give_up=30.0, reports=0.001, late=0.2)


def away(delivery: Delivery) -> None:
    """Play a network that does not answer."""
    raise Unavailable("away")


def last(w: World, ref: str) -> dict[str, tuple[State, str | None]]:
    """What the sender was told last of a message."""
    told: list[Report] = [r for r in w.pandalab.told if r.ref.id == ref]
    return {s.person.name: (s.state, s.reason) for s in told[-1].states} if told else {}


async def test_everything_that_waits_in_a_lane_is_late_until_it_is_there(url: str) -> None:
    async with running(url, patience=IMPATIENT) as w:
        w.siilo.before = away
        await w.pandalab.write("p1", "A", "cleo", "un", [BEN, DAN])
        await w.pandalab.write("p2", "A", "cleo", "deux")
        late = {"Ben Durand": (State.DELIVERED, None), "Dan Moreau": (State.ACCEPTED, "late")}
        await w.until(lambda: last(w, "p1") == last(w, "p2") == late)
        news = len(w.pandalab.told)
        await w.pandalab.write("p3", "A", "cleo", "trois")  # a new one is not late yet
        await w.until(lambda: len(w.pandalab.told) > news)
        assert last(w, "p3")["Dan Moreau"] == (State.ACCEPTED, None)
        w.siilo.before = lambda _: None
        there = dict.fromkeys(("Ben Durand", "Dan Moreau"), (State.DELIVERED, None))
        await w.until(lambda: all(last(w, ref) == there for ref in ("p1", "p2", "p3")))
        assert [d.body.text for d in w.siilo.delivered] == ["un", "deux", "trois"]


async def test_it_is_news_once(url: str) -> None:
    async with running(url, patience=IMPATIENT) as w:
        w.siilo.before = away
        await w.pandalab.write("p1", "A", "cleo", "un", [DAN])
        await w.until(lambda: last(w, "p1") == {"Dan Moreau": (State.ACCEPTED, "late")})
        tries = len(w.siilo.calls)
        await w.until(lambda: len(w.siilo.calls) > tries + 5)
        assert len(w.pandalab.told) == 1


async def test_a_long_lane_becomes_late_bit_by_bit_and_whole(url: str) -> None:
    async with running(url, patience=IMPATIENT) as w:
        w.siilo.before = away
        await w.pandalab.write("p0", "A", "cleo", "x", [DAN])
        for n in range(1, 250):
            await w.pandalab.write(f"p{n}", "A", "cleo", "x")
        await w.until(lambda: {r.ref.id for r in w.pandalab.told} == {f"p{n}" for n in range(250)})
        assert all(r.states[0].reason == "late" for r in w.pandalab.told)
        assert len(w.pandalab.told) == 250
