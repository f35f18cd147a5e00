"""A token bucket lets a burst pass and then a steady rate."""

from __future__ import annotations

import pytest

from bridge.parts.bucket import Bucket


def test_a_burst_passes_and_the_bucket_fills_again() -> None:
    bucket = Bucket(rate=10, burst=2)
    assert [bucket.take(0.0), bucket.take(0.0)] == [0.0, 0.0]
    assert bucket.take(0.0) == pytest.approx(0.1)
    assert bucket.take(0.11) == 0.0
    assert [bucket.take(100.0), bucket.take(100.0)] == [0.0, 0.0]
    assert bucket.take(100.0) > 0


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing_for_long() -> None:
    bucket = Bucket(rate=1, burst=1)
    assert bucket.take(1_000_000.0) == 0.0
    assert bucket.take(5.0) == pytest.approx(1.0)
    assert bucket.take(6.0) == 0.0


def test_at_a_steady_pace_nobody_waits() -> None:
    bucket = Bucket(rate=8, burst=1)
    assert all(bucket.take(n / 8) == 0.0 for n in range(1000))


def test_the_wait_that_is_said_is_the_wait_that_helps() -> None:
    bucket = Bucket(rate=4, burst=1)
    now = 0.0
    for _ in range(50):
        now += bucket.take(now)
        assert bucket.take(now) == pytest.approx(0.25)
        now += 0.25
