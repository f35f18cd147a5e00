"""The seal: what it closes only it opens, in its own place, and keys can rotate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.seal import Seal, SealBroken

K1, K2 = bytes(range(32)), bytes(range(32, 64))
SEAL = Seal({"k1": K1}, "k1")


@given(st.binary(max_size=5000), st.text(max_size=50))
def test_what_is_sealed_opens_and_is_hidden(plain: bytes, context: str) -> None:
    try:
        sealed = SEAL.seal(plain, context)
    except UnicodeEncodeError:
        return  # a context is an id, hence text
    assert SEAL.open(sealed, context) == plain
    if len(plain) > 3:
        assert plain not in sealed
    assert len(sealed) == len(plain) + 3 + 12 + 16


@given(st.binary(min_size=1, max_size=100), st.integers(0), st.integers(1, 255))
def test_one_changed_byte_breaks_it(plain: bytes, place: int, change: int) -> None:
    sealed = bytearray(SEAL.seal(plain, "row"))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(SealBroken):
        SEAL.open(bytes(sealed), "row")


@given(st.binary(max_size=80))
def test_anything_else_is_broken_and_nothing_worse(noise: bytes) -> None:
    with pytest.raises(SealBroken):
        SEAL.open(noise, "row")


@given(st.integers(0, 30))
def test_a_part_of_it_is_broken(size: int) -> None:
    with pytest.raises(SealBroken):
        SEAL.open(SEAL.seal(b"plain", "row")[:size], "row")


def test_it_opens_in_its_own_place_only() -> None:
    with pytest.raises(SealBroken):
        SEAL.open(SEAL.seal(b"plain", "d_1"), "d_2")


def test_the_same_twice_looks_different() -> None:
    assert len({SEAL.seal(b"plain", "row") for _ in range(100)}) == 100


def test_keys_rotate() -> None:
    old = SEAL.seal(b"plain", "row")
    both = Seal({"k1": K1, "k2": K2}, "k2")
    assert both.active == "k2"
    assert both.open(old, "row") == b"plain"
    new = both.seal(b"plain", "row")
    with pytest.raises(SealBroken, match="k2"):
        SEAL.open(new, "row")
    with pytest.raises(SealBroken):
        Seal({"k1": K2}, "k1").open(old, "row")


def test_derived_keys_are_bound_to_their_purpose_and_key() -> None:
    both = Seal({"k1": K1, "k2": K2}, "k2")
    assert SEAL.derive("pickles") == both.derive("pickles", "k1") == SEAL.derive("pickles")
    made = {SEAL.derive("pickles"), SEAL.derive("files"), both.derive("pickles"), K1, K2}
    assert len(made) == 5
    assert {len(key) for key in made} == {32}


@pytest.mark.parametrize(
    ("keys", "active"),
    [
        ({"k1": K1}, "k2"),
        ({"k1": K1[:31]}, "k1"),
        ({"k1": b""}, "k1"),
        ({}, "k1"),
        ({"é": K1}, "é"),
        ({"k" * 300: K1}, "k" * 300),
    ],
)
def test_bad_keys_are_refused_at_once(keys: dict[str, bytes], active: str) -> None:
    with pytest.raises(ValueError):
        Seal(keys, active)


def test_no_key_is_shown() -> None:
    assert repr(SEAL) == "Seal(active='k1')"
