"""When a network counts as away, and how often it is tried then."""

from __future__ import annotations

import pytest

from bridge.parts.breaker import Breaker
from bridge.parts.patience import Patience

PATIENCE = Patience(first=0.5, longest=60.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(PATIENCE, clock, lambda: 1.0)


def opened(breaker: Breaker) -> Breaker:
    for lane in "abc":
        breaker.failed(lane, None, None)
    return breaker


def test_one_lane_that_fails_again_and_again_says_nothing_of_the_network(breaker: Breaker) -> None:
    assert not any(breaker.failed("a", None, None) for _ in range(50))
    assert not breaker.failed("b", None, None)
    assert not breaker.down


def test_several_lanes_in_a_row_do_and_it_is_said_once(breaker: Breaker) -> None:
    said = [breaker.failed(lane, None, None) for lane in "abcdef"]
    assert said == [False, False, True, False, False, False]
    assert breaker.down


def test_one_that_works_between_them_shows_that_it_is_there(breaker: Breaker) -> None:
    for lane in "abcdef":
        breaker.failed(lane, None, None)
        assert not breaker.worked("good")
    assert not breaker.down


def test_what_waits_tries_with_growing_pauses_up_to_the_longest(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    pauses = []
    for _ in range(10):
        pauses.append(breaker.pause(False))
        clock.now += pauses[-1]
        breaker.begun(False)
        breaker.failed("x", None, False)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_has_just_come_tries_at_a_steady_pace_and_does_not_lengthen_the_others_pause(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker)
    clock.now += 0.5
    for _ in range(5):
        clock.now += breaker.pause(True)
        breaker.begun(True)
        breaker.failed("new", None, True)
        assert breaker.pause(True) == 1.0
    assert breaker.pause(False) == 0.0


def test_failures_that_were_under_way_count_for_nothing(breaker: Breaker) -> None:
    opened(breaker)
    before = breaker.pause(False)
    for lane in map(str, range(100)):
        breaker.failed(lane, 1000.0, None)
    assert breaker.pause(False) == before


def test_a_time_that_the_network_names_is_waited_for(breaker: Breaker) -> None:
    for lane in "abc":
        breaker.failed(lane, 300.0, None)
    assert breaker.pause(False) == 300.0
    assert breaker.pause(True) == 60.0  # a single answer may be wrong for a day


def test_a_try_that_says_nothing_of_the_network_is_followed_by_a_pause_all_the_same(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker)
    clock.now += 10
    assert breaker.pause(False) == 0.0
    breaker.begun(False)
    assert breaker.pause(False) == 0.5


def test_once_it_works_everything_is_as_before(breaker: Breaker) -> None:
    assert opened(breaker).worked("a")
    assert not breaker.worked("a")
    assert [breaker.failed(lane, None, None) for lane in "def"] == [False, False, True]
    assert breaker.pause(False) == 0.5


def test_lanes_that_fail_while_others_work_are_known_and_tell_nothing(breaker: Breaker) -> None:
    opened(breaker).worked("good")
    opened(breaker)
    assert not breaker.down
    for lane in "ab":
        breaker.worked(lane)
    opened(breaker)
    assert not breaker.down  # two of them may be believed again, and that is not enough
    assert breaker.failed("d", None, None)


def test_a_sign_of_life_is_news_if_anything_was_failing(breaker: Breaker) -> None:
    assert not breaker.answered()
    breaker.failed("a", None, None)
    assert breaker.answered()
    assert not breaker.answered()
    assert opened(breaker).answered()
    assert not breaker.down
