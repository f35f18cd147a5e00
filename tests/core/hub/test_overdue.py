"""Every delivery that waits is said to be late, and is given up, in time, without a try of its own for each."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge.errors import Unavailable
from bridge.hub.hub import now_ms
from bridge.model import Address, Delivery, Report, State
from bridge.parts.patience import Patience
from bridge.parts.steady import Steady
from tests.core.hub.test_late import away
from tests.core.hub.test_outlet import BEN, DAN, outlet, planted, still, world
from tests.core.make import FAST, World, running

DAY = 86_400_000
SLOW = Patience(first=60.0, longest=60.0, reports=0.001)


def last(w: World) -> dict[str, tuple[State, str | None]]:
    """What the writers were told last of each message."""
    told: list[Report] = w.pandalab.told
    return {r.ref.id: (r.states[0].state, r.states[0].reason) for r in told}


class Wall:
    """A wall clock that can jump."""

    def __init__(self) -> None:
        self.off = 0

    def __call__(self) -> int:
        return now_ms() + self.off


async def test_everything_that_waits_is_late_and_few_have_tried(url: str) -> None:
    await planted(url, 500)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, replace(SLOW, late=1.0)) as w:
        await w.until(lambda: len(last(w)) == 500)
        assert set(last(w).values()) == {(State.ACCEPTED, "late")}
        assert len(siilo.calls) <= 2 * SLOW.parallel
        told = len(w.pandalab.told)
        await w.pandalab.write("new", "A", "cleo", "x", [DAN])
        await w.until(lambda: last(w).get("new") == (State.ACCEPTED, "late"))
        assert len(w.pandalab.told) == told + 1  # the others are not told again


async def test_what_waits_for_nothing_but_its_turn_is_late_too(url: str) -> None:
    nets, siilo = world()
    siilo.gate.clear()
    async with running(url, nets, replace(SLOW, late=0.2, parallel=1)) as w:
        await w.pandalab.write("p1", "A", "cleo", "hangs", [DAN])
        await w.pandalab.write("p2", "B", "cleo", "waits for its turn", [DAN])
        await w.until(lambda: len(last(w)) == 2)
        assert set(last(w).values()) == {(State.ACCEPTED, "late")}
        siilo.gate.set()
        await w.until(lambda: set(last(w).values()) == {(State.DELIVERED, None)})


async def test_everything_that_waited_too_long_is_given_up_and_few_have_tried(url: str) -> None:
    await planted(url, 500, each=2)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, replace(SLOW, first=0.1, longest=0.4, give_up=0.4)) as w:
        await w.until(lambda: len(last(w)) == 1000)
        assert set(last(w).values()) == {(State.REFUSED, "gave_up")}
        assert len(set(siilo.calls)) < 200
        assert await w.waiting() == 0
        siilo.before = lambda _: None
        await w.pandalab.write("new", "waiting-3", "cleo", "there?")
        await w.until(lambda: siilo.delivered)
        assert [d.body.text for d in siilo.delivered] == ["there?"]


async def test_what_is_under_way_is_not_given_up_meanwhile(url: str) -> None:
    await planted(url, 40)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, replace(SLOW, first=0.05, longest=0.05, give_up=1.0)) as w:
        await still(w)
        siilo.before = lambda _: None
        siilo.gate.clear()
        await w.until(lambda: siilo.now == 1)
        hangs = siilo.tried[-1]
        await w.until(lambda: len(last(w)) == 39)
        siilo.gate.set()
        await w.until(lambda: siilo.delivered)
        assert [d.conversation for d in siilo.delivered] == [hangs]
        await w.until(lambda: last(w).get(f"{hangs}-0") == (State.DELIVERED, None))


async def test_nobody_is_given_up_before_somebody_has_tried_after_the_time(url: str) -> None:
    await planted(url, 40)
    nets, siilo = world()
    siilo.before = away
    async with running(url, nets, replace(SLOW, give_up=0.3, late=0.1)) as w:
        await still(w)
        await w.pandalab.write("new", "A", "cleo", "x", [DAN])
        await w.until(lambda: last(w).get("new") == (State.ACCEPTED, "late"))
        await asyncio.sleep(0.5)
        assert last(w)["new"] == (State.ACCEPTED, "late")  # the next try is a minute away


async def test_only_a_network_that_is_away_loses_what_was_not_tried(url: str) -> None:
    """A lane that waits for something of its own is tried to the end; those that wait for their turn are not lost."""
    nets, siilo = world()

    def waits(delivery: Delivery) -> None:
        raise Unavailable("room_upgraded", alone=True)

    siilo.before = waits
    patience = Patience(first=0.05, longest=0.1, give_up=0.5, reports=0.001)
    async with running(url, nets, patience) as w:
        for n in range(10):
            await w.pandalab.write(f"p{n}", f"chat{n}", "cleo", "x", [DAN])
        await w.until(lambda: len(last(w)) == 10)
        assert set(last(w).values()) == {(State.REFUSED, "gave_up")}
        assert all(siilo.calls.count(call) > 1 for call in siilo.calls)


async def test_what_people_can_do_something_about_is_told_at_once(url: str) -> None:
    nets, siilo = world()
    closed = [True]

    def waits(delivery: Delivery) -> None:
        if closed:
            raise Unavailable("room_upgraded", alone=True, told=True)

    siilo.before = waits
    async with running(url, nets, replace(FAST, late=0.3)) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", [DAN])
        await w.until(lambda: last(w).get("p1") == (State.ACCEPTED, "room_upgraded"))
        told = len(w.pandalab.told)
        await w.until(lambda: len(siilo.calls) > 4)
        assert len(w.pandalab.told) == told  # once, and it is not late besides
        closed.clear()
        await w.until(lambda: last(w)["p1"] == (State.DELIVERED, None))


async def test_a_jump_of_the_clock_gives_nothing_up(url: str) -> None:
    await planted(url, 30)
    nets, siilo = world()
    siilo.before = away
    wall = Wall()
    async with running(url, nets, replace(FAST, late=1.0, give_up=3 * 86_400.0), clock=wall) as w:
        await still(w)
        wall.off = 4 * DAY
        tries = len(siilo.calls)
        await w.until(lambda: len(siilo.calls) > tries + 5 and len(last(w)) == 30)
        assert set(last(w).values()) == {(State.ACCEPTED, "late")}
        siilo.before = lambda _: None
        await w.until(lambda: set(last(w).values()) == {(State.DELIVERED, None)})


async def test_a_clock_that_goes_back_lets_nothing_wait_for_days(url: str) -> None:
    nets, siilo = world()
    wall = Wall()
    wall.off = DAY
    siilo.before = away
    async with running(url, nets, replace(FAST, first=1.0, longest=1.0, late=0.2), clock=wall) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", [DAN])
        await w.until(lambda: siilo.calls and not outlet(w)._lanes)
        wall.off = 0
        siilo.before = lambda _: None
        await w.until(lambda: siilo.delivered)


async def test_a_hub_that_stood_still_for_days_tries_before_it_gives_up(url: str) -> None:
    nets, siilo = world()
    siilo.before = away
    wall = Wall()
    patience = replace(SLOW, late=1.0, give_up=3 * 86_400.0)
    async with running(url, nets, patience, clock=wall) as w:
        for n in range(5):
            await w.pandalab.write(f"p{n}", f"chat{n}", "cleo", "x", [DAN])
        await still(w)
    wall.off = 4 * DAY
    async with running(url, nets, patience, clock=wall) as w:
        await still(w)
        await w.until(lambda: len(last(w)) == 5)
        assert set(last(w).values()) == {(State.ACCEPTED, "late")}
        siilo.before = lambda _: None
        w.courier.answered("siilo")
        await w.until(lambda: set(last(w).values()) == {(State.DELIVERED, None)})


async def test_others_do_not_wait_for_a_room_that_will_never_show_what_was_given_up(url: str) -> None:
    """The ordering leg is away for too long: what was held for its sake goes on."""
    nets, siilo = world()
    nets["matrix"].before = away
    async with running(url, nets, replace(FAST, give_up=0.3), order_wait=60) as w:
        for n in range(4):
            await w.pandalab.write(f"p{n}", f"chat{n}", "cleo", str(n), [BEN, DAN])
        await w.until(lambda: len(siilo.delivered) == 4)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 90.0])
def test_a_jump_is_noticed_and_patience_begins_anew(jump: float) -> None:
    wall, steady = [1e9], [500.0]
    clock = Steady(lambda: int(wall[0] * 1000), lambda: steady[0])
    for _ in range(100):
        wall[0] += 5.0
        steady[0] += 5.01  # no two clocks agree
        assert clock.jumped() == 0.0
    assert clock.seconds == pytest.approx(501)
    wall[0] += jump
    assert clock.jumped() == pytest.approx(jump)
    assert clock.seconds == 0.0
    assert clock.jumped() == 0.0


async def test_a_sender_that_is_away_is_told_by_one_batch_at_a_time(url: str) -> None:
    """Its reports wait; they are not thrown at it one batch after the other."""
    await planted(url, 2000)
    nets, siilo = world()
    told: list[int] = []

    async def report(reports: list[Report]) -> None:
        told.append(len(reports))
        raise Unavailable("product_unreachable")

    nets["pandalab"].report = report  # type: ignore[assignment, method-assign]
    async with running(url, nets, replace(SLOW, first=30.0)) as w:
        await w.until(lambda: len(siilo.delivered) == 2000)
        await w.until(lambda: len(told) == 3)
        await asyncio.sleep(0.2)
        assert len(told) == 3
        del w.pandalab.report
        w.courier.answered("pandalab")
        await w.until(lambda: len(last(w)) > 1500)


async def test_what_is_held_for_somebody_who_will_not_come_waits_no_more(url: str) -> None:
    """The room will never show the message: whoever else has it coming gets it at once."""
    async with running(url, patience=SLOW, order_wait=600.0) as w:
        w.matrix.before = away
        first = await w.pandalab.write("p1", "A", "cleo", "un", [BEN, DAN])
        await w.hub.bind(first.conversation, "matrix", "!room")
        await w.until(lambda: w.matrix.calls and w.courier.idle)
        await w.hub.signs.came("matrix", "!room", Address("matrix", "@ben:chu.example"), "not_joined")
        await w.until(lambda: [d.body.text for d in w.siilo.delivered] == ["un"])
