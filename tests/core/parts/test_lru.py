"""What is kept in memory is bounded, and what was used last stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.parts.lru import Lru


def test_whoever_was_not_used_for_longest_goes() -> None:
    kept: Lru[str, int] = Lru(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert kept.items() == [("a", 1), ("c", 3)]
    assert kept.get("b") is None


def test_a_look_without_use_changes_nothing() -> None:
    kept: Lru[str, int] = Lru(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.peek("a") == 1
    kept.put("c", 3)
    assert kept.known() == ["b", "c"]


def test_the_oldest_and_what_is_dropped_are_given() -> None:
    kept: Lru[str, int] = Lru(3)
    assert kept.oldest() is None
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.oldest() == 1
    assert kept.drop("a") == 1
    assert kept.drop("a") is None
    assert kept.oldest() == 2


def test_what_is_false_is_a_value_too() -> None:
    kept: Lru[str, bool] = Lru(2)
    kept.put("a", False)
    kept.put("b", True)
    assert kept.get("a") is False
    kept.put("c", True)
    assert kept.known() == ["a", "c"]


def test_what_is_in_use_stays_and_goes_afterwards() -> None:
    busy = {1, 2}
    kept: Lru[str, int] = Lru(1, lambda value: value in busy)
    for key, value in (("a", 1), ("b", 2), ("c", 3)):
        kept.put(key, value)
    assert kept.known() == ["a", "b", "c"]
    busy.clear()
    kept.put("d", 4)
    assert kept.known() == ["d"]


@given(st.lists(st.tuples(st.sampled_from("gp"), st.integers(0, 9)), max_size=60), st.integers(1, 5))
def test_it_is_the_list_of_the_last_used(steps: list[tuple[str, int]], size: int) -> None:
    kept: Lru[int, str] = Lru(size)
    order: list[int] = []
    for step, key in steps:
        if step == "p":
            kept.put(key, str(key))
        elif kept.get(key) is None:
            assert key not in order
            continue
        order = [*(k for k in order if k != key), key][-size:]
        assert kept.known() == order
        assert len(kept) == len(order)
