"""Canonical JSON, signatures, and what a list of devices proves."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.e2ee.signing import Seed, b64, canonical, cross_key, read_listing, signable, signed, unb64, verifies
from appservice.e2ee.todevice import batches, transaction_id
from bridge.parts.lru import Lru
from tests.e2ee.peer import Owner, Peer
from tests.e2ee.stub import Stub

LIMIT = 2**53 - 1
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LIMIT, LIMIT) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_canonical_json_is_what_the_standard_library_sorts(value: Any) -> None:
    wanted = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert canonical(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        # examples of the specification, appendix "Canonical JSON"
        ({}, "{}"),
        ({"one": 1, "two": "Two"}, '{"one":1,"two":"Two"}'),
        ({"b": "2", "a": "1"}, '{"a":"1","b":"2"}'),
        ({"a": "日本語"}, '{"a":"日本語"}'),
        ({"本": 2, "日": 1}, '{"日":1,"本":2}'),
        ({"a": "\u65e5"}, '{"a":"日"}'),
        ({"a": None}, '{"a":null}'),
        ({"\U0001f600": 1, "\uffff": 2}, '{"\uffff":2,"\U0001f600":1}'),  # by code point, not by UTF-16 unit
    ],
)
def test_canonical_examples(value: Any, wanted: str) -> None:
    assert canonical(value).decode() == wanted


@pytest.mark.parametrize("value", [1.0, {"a": 0.5}, [2**53], -(2**53), {1: 2}, b"x", {"a": {"b": object()}}, "\ud800"])
def test_what_canonical_json_cannot_say(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical(value)


def test_signatures_cover_all_but_themselves_and_what_is_unsigned() -> None:
    assert signable({"b": 1, "signatures": {"x": 1}, "unsigned": {"y": 1}}) == b'{"b":1}'


def test_a_golden_signature() -> None:
    """The example key and the two signatures of the specification, appendix "Test vectors"."""
    seed = Seed(unb64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"))
    empty = signed({}, "domain", "1", seed.sign)
    assert empty["signatures"]["domain"]["ed25519:1"] == (
        "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"
    )
    two = signed({"one": 1, "two": "Two"}, "domain", "1", seed.sign)
    assert two["signatures"]["domain"]["ed25519:1"] == (
        "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"
    )
    assert verifies(two, "domain", "1", seed.public)
    assert "secret" not in repr(seed)


@given(st.dictionaries(st.text(max_size=5), st.integers(-9, 9), max_size=4), st.binary(min_size=32, max_size=32))
def test_a_signature_verifies_and_a_change_does_not(value: dict[str, Any], secret: bytes) -> None:
    seed = Seed(secret)
    value = {k: v for k, v in value.items() if k not in ("signatures", "unsigned")}
    made = signed(value, "@a:b", "K", seed.sign)
    assert verifies(made, "@a:b", "K", seed.public)
    assert not verifies({**made, "more": 1}, "@a:b", "K", seed.public)
    assert not verifies(made, "@a:c", "K", seed.public)
    assert not verifies(made, "@a:b", "L", seed.public)
    again = signed(made, "@a:b", "L", seed.sign)
    assert len(again["signatures"]["@a:b"]) == 2


@pytest.mark.parametrize("value", [None, {}, {"signatures": 1}, {"signatures": {"@a:b": {"ed25519:K": "x"}}}, [], "x"])
def test_rubbish_never_verifies(value: Any) -> None:
    assert not verifies(value, "@a:b", "K", Seed(bytes(32)).public)
    assert not verifies(value, "@a:b", "K", "rubbish")


@given(st.binary(max_size=80))
def test_base64_without_padding(data: bytes) -> None:
    assert unb64(b64(data)) == data
    assert "=" not in b64(data)


BEN = "@ben:home"


def answer() -> tuple[dict[str, Any], Owner, Peer]:
    stub, owner = Stub(), Owner(BEN)
    owner.publish(stub)
    peer = Peer(stub, BEN, "PHONE", owner).publish()
    return stub._query({"device_keys": {BEN: []}}), owner, peer


def test_a_chain_from_master_to_device() -> None:
    served, owner, peer = answer()
    listing = read_listing(BEN, served, None)
    assert listing.master == Owner.public(owner.master)
    device = listing.devices["PHONE"]
    assert (device.user, device.curve, device.ed, device.signed) == (BEN, peer.curve, peer.ed, True)


def test_another_master_than_pinned_signs_nothing() -> None:
    served, _, _ = answer()
    listing = read_listing(BEN, served, "A" * 43)
    assert not listing.devices["PHONE"].signed


def _broken(path: list[str], value: Any) -> dict[str, Any]:
    served, _, _ = answer()
    served = copy.deepcopy(served)
    at: Any = served
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return served


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["device_keys", BEN, "PHONE", "user_id"], "@eve:home"),
        (["device_keys", BEN, "PHONE", "device_id"], "OTHER"),
        (["device_keys", BEN, "PHONE", "algorithms"], []),
        (["device_keys", BEN, "PHONE", "algorithms"], 1),
        (["device_keys", BEN, "PHONE", "keys"], {}),
        (["device_keys", BEN, "PHONE", "keys", "curve25519:PHONE"], "A" * 43),
        (["device_keys", BEN, "PHONE", "signatures"], {}),
        (["device_keys", BEN, "PHONE"], None),
        (["device_keys", BEN], []),
        (["device_keys"], None),
    ],
)
def test_devices_that_are_not_what_they_say_are_left_out(path: list[str], value: Any) -> None:
    assert read_listing(BEN, _broken(path, value), None).devices == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["self_signing_keys", BEN, "signatures"], {}),
        (["self_signing_keys", BEN, "usage"], ["master"]),
        (["self_signing_keys", BEN, "user_id"], "@eve:home"),
        (["self_signing_keys"], {}),
        (["self_signing_keys", BEN, "keys"], {"ed25519:x": "y"}),
        (["master_keys", BEN, "usage"], ["self_signing"]),
        (["master_keys"], {}),
        (["master_keys", BEN], 1),
    ],
)
def test_without_a_whole_chain_a_device_is_unsigned(path: list[str], value: Any) -> None:
    assert not read_listing(BEN, _broken(path, value), None).devices["PHONE"].signed


@pytest.mark.parametrize("value", [None, {}, {"keys": {"ed25519:a": "a", "ed25519:b": "b"}}, {"keys": 1}, []])
def test_rubbish_is_no_cross_signing_key(value: Any) -> None:
    assert cross_key(value, BEN, "master") is None


def test_requests_are_split_by_size_and_never_hold_two_for_one_device() -> None:
    small = [("@a:b", str(n), {"x": "y"}) for n in range(10)]
    assert batches(small) == [small]
    assert batches([]) == []
    big = [("@a:b", str(n), {"x": "y" * 20_000}) for n in range(5)]
    assert [len(group) for group in batches(big)] == [2, 2, 1]
    assert [m for group in batches(big) for m in group] == big
    same = [("@a:b", "D", {"n": 1}), ("@a:b", "D", {"n": 2})]
    assert batches(same) == [[same[0]], [same[1]]]


def test_transaction_ids_are_new_each_time() -> None:
    ids = {transaction_id("@a:b") for _ in range(100)}
    assert len(ids) == 100
    assert all(len(i) == 26 for i in ids)


def test_a_bounded_map_forgets_the_oldest_that_is_not_in_use() -> None:
    lru = Lru[str, list[int]](2, busy=lambda value: bool(value))
    lru.put("a", [1])
    lru.put("b", [])
    lru.put("c", [])
    assert lru.known() == ["a", "b", "c"]  # "a" is in use, "b" goes with the next
    lru.get("b")
    lru.put("d", [])
    assert "c" not in lru.known()
    assert lru.get("a") == [1]
    lru.drop("a")
    assert lru.get("a") is None
