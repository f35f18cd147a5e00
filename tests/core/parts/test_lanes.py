"""Lanes: one task a key, retries, nothing ends a lane but having nothing to do."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

import pytest

from bridge.errors import Unavailable
from bridge.parts.lanes import Lanes
from bridge.parts.patience import Patience
from deploy.world.waiting import until

QUICK = Patience(first=0.002, longest=0.01)


class Desk:
    """Pieces of work by key; ``step`` is done with each."""

    def __init__(self, step: Callable[[str, str], float | None] = lambda key, piece: None) -> None:
        self.left: dict[str, list[str]] = defaultdict(list)
        self.done: list[tuple[str, str]] = []
        self.at_once: defaultdict[str, int] = defaultdict(int)
        self.most = 0
        self.step = step

    async def work(self, key: str) -> float | None:
        self.at_once[key] += 1
        self.most = max(self.most, self.at_once[key])
        try:
            await asyncio.sleep(0)
            if not self.left[key]:
                return None
            pause = self.step(key, self.left[key][0])
            if pause is None:
                self.done.append((key, self.left[key].pop(0)))
                return 0.0
            return pause
        finally:
            self.at_once[key] -= 1


async def test_every_piece_of_a_key_is_done_in_order_and_one_at_a_time() -> None:
    desk = Desk()
    lanes = Lanes("test", desk.work, QUICK)
    for n in range(50):
        key = "ab"[n % 2]
        desk.left[key].append(str(n))
        lanes.wake(key)
        await asyncio.sleep(0)
    await until(lambda: len(lanes) == 0)
    assert [int(p) for k, p in desk.done if k == "a"] == list(range(0, 50, 2))
    assert [int(p) for k, p in desk.done if k == "b"] == list(range(1, 50, 2))
    assert desk.most == 1


async def test_a_wake_up_in_the_last_moment_is_not_lost() -> None:
    looks = 0
    lanes: Lanes[str]

    async def work(key: str) -> float | None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        if looks == 1:
            lanes.wake(key)
        return None

    lanes = Lanes("test", work, QUICK)
    await lanes.wake("a")
    assert looks == 2
    assert "a" not in lanes


async def test_what_is_not_available_is_tried_again_and_others_go_on() -> None:
    tries = 0

    def step(key: str, piece: str) -> None:
        nonlocal tries
        if key == "a" and tries < 5:
            failing.append(dict(lanes.failing))
            tries += 1
            raise Unavailable("away")

    failing: list[dict[str, str]] = []
    desk = Desk(step)
    lanes = Lanes("test", desk.work, QUICK)
    desk.left |= {"a": ["1", "2"], "b": ["3"]}
    lanes.wake("a")
    await lanes.wake("b")
    assert ("b", "3") in desk.done
    await until(lambda: len(lanes) == 0)
    assert [p for k, p in desk.done if k == "a"] == ["1", "2"]
    assert (tries, failing, lanes.failing) == (5, [{}, *[{"a": "away"}] * 4], {})


async def test_a_time_that_is_named_is_waited_for() -> None:
    begun, seen = asyncio.get_running_loop().time(), list[float]()

    async def work(key: str) -> float | None:
        seen.append(asyncio.get_running_loop().time() - begun)
        if len(seen) == 1:
            raise Unavailable("busy", 0.1)
        return None

    await Lanes("test", work, QUICK).wake("a")
    assert seen[1] >= 0.09


async def test_a_bug_does_not_end_a_lane(caplog: pytest.LogCaptureFixture) -> None:
    bugs = 3

    def step(key: str, piece: str) -> None:
        nonlocal bugs
        if bugs:
            bugs -= 1
            raise KeyError("a patient's name")

    desk = Desk(step)
    desk.left["a"].append("1")
    await Lanes("the kitchen", desk.work, QUICK).wake("a")
    assert desk.done == [("a", "1")]
    assert len(caplog.records) == 3
    assert "the kitchen" in caplog.text
    assert "patient" not in caplog.text


async def test_poison_is_set_aside_and_what_follows_is_done(caplog: pytest.LogCaptureFixture) -> None:
    desk, asides = Desk(), list[tuple[str, int]]()

    def step(key: str, piece: str) -> None:
        if piece == "poison":
            raise KeyError(piece)

    async def failed(key: str, times: int, bug: Exception) -> float | None:
        if times < 3:
            return None
        asides.append((desk.left[key].pop(0), times))
        return 0.0

    desk.step = step
    desk.left["a"] = ["1", "poison", "2", "poison", "3"]
    await Lanes("test", desk.work, QUICK, failed=failed).wake("a")
    assert caplog.records == []  # whoever is told says it
    assert [p for _, p in desk.done] == ["1", "2", "3"]
    assert asides == [("poison", 3), ("poison", 3)]


@pytest.mark.parametrize("error", [Unavailable("database"), KeyError("another bug")])
async def test_what_cannot_be_set_aside_yet_is_tried_again(error: Exception) -> None:
    desk, fails = Desk(), 2

    def step(key: str, piece: str) -> None:
        if piece == "poison":
            raise ValueError

    async def failed(key: str, times: int, bug: Exception) -> float | None:
        nonlocal fails
        if fails:
            fails -= 1
            raise error
        desk.left[key].pop(0)
        return 0.0

    desk.step = step
    desk.left["a"] = ["poison", "1"]
    await Lanes("test", desk.work, QUICK, failed=failed).wake("a")
    assert desk.done == [("a", "1")]
    assert fails == 0


async def test_a_pause_that_work_asks_for_is_shortened_by_a_wake_up_and_is_no_work() -> None:
    calls = 0

    async def work(key: str) -> float | None:
        nonlocal calls
        calls += 1
        return 3600.0 if calls == 1 else None

    lanes = Lanes("test", work, QUICK)
    lane = lanes.wake("a")
    await until(lambda: calls == 1 and not lanes.working)
    assert len(lanes) == 1
    lanes.wake("a")
    assert lanes.working
    await lane
    assert calls == 2


async def test_its_owner_hears_when_a_lane_has_nothing_more_to_do() -> None:
    ended: list[str] = []
    desk = Desk()
    lanes = Lanes("test", desk.work, QUICK, ended=ended.append)
    desk.left |= {"a": ["1"], "b": ["2"]}
    lanes.wake("a")
    await lanes.wake("b")
    await until(lambda: sorted(ended) == ["a", "b"])


async def test_a_stop_ends_all_lanes_at_once() -> None:
    async def work(key: str) -> float | None:
        if key == "a":
            await asyncio.sleep(3600)
        raise Unavailable("away", 3600.0)

    lanes = Lanes("test", work, QUICK)
    for key in "abc":
        lanes.wake(key)
    await asyncio.sleep(0)
    await lanes.stop()
    assert len(lanes) == 0
