"""Whatever is done to a chain is found, and named by the number of its first row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.signatures import BadSignature, new_key, read_private
from bridge.trail.chain import START, ChainRow, chained, compose_body, digest
from bridge.trail.checkpoints import Checkpoint, compose_checkpoint, parse_checkpoint
from bridge.trail.verifying import Fault, FaultKind, Verifier

LENGTH = 40


def body(n: int) -> str:
    return compose_body((n, "operator", "operator", f"s{n}", None, None, {}))


def chain(bodies: Sequence[str]) -> list[ChainRow]:
    """The first rows of a chain."""
    hashes = chained(0, START, bodies)
    return [ChainRow(n, *row) for n, row in enumerate(zip(hashes, bodies, strict=True), 1)]


CHAIN = chain([body(n) for n in range(1, LENGTH + 1)])
SIGNED = [Checkpoint(n, CHAIN[n - 1].hash, n) for n in (10, 20, 30, 40)]


def found(rows: Sequence[ChainRow], signed: Sequence[Checkpoint] = (), after: Checkpoint | None = None) -> Fault | None:
    verifier = Verifier(signed, after)
    for row in rows:
        verifier.feed(row)
    return verifier.end()


def renumbered(rows: Sequence[ChainRow]) -> list[ChainRow]:
    return [replace(row, number=n) for n, row in enumerate(rows, 1)]


def again(rows: Sequence[ChainRow]) -> list[ChainRow]:
    """Chained anew by somebody without the key."""
    return chain([row.body for row in rows])


PLACE = st.integers(0, LENGTH - 1)


def test_what_was_not_touched_has_no_fault() -> None:
    assert found(CHAIN, SIGNED) is None
    assert found([]) is None
    assert found(CHAIN[10:], SIGNED[1:], SIGNED[0]) is None


@settings(max_examples=40)
@given(PLACE, st.booleans())
def test_an_altered_row_is_found(n: int, rehashed: bool) -> None:
    rows = list(CHAIN)
    other = replace(rows[n], body=body(999))
    before = rows[n - 1].hash if n else START
    rows[n] = replace(other, hash=digest(before, n + 1, other.body)) if rehashed else other
    kind, number = (FaultKind.ALTERED, n + 2) if rehashed else (FaultKind.ALTERED, n + 1)
    if rehashed and (n + 1) % 10 == 0:  # it was signed itself
        assert found(rows, SIGNED) == Fault(FaultKind.REWRITTEN, n - 8, n + 1)
    else:
        assert found(rows, SIGNED) == Fault(kind, number)


@settings(max_examples=40)
@given(PLACE, st.integers(1, 5), st.booleans())
def test_removed_rows_are_found(n: int, count: int, closed_up: bool) -> None:
    rows = CHAIN[:n] + CHAIN[n + count :]
    if n + count >= LENGTH:
        assert found(rows, SIGNED) == Fault(FaultKind.CUT, n + 1)
        return
    kept = renumbered(rows) if closed_up else rows
    fault = found(kept, SIGNED)
    assert fault is not None
    assert fault.number == n + 1
    if not closed_up or n < len(kept) - 1:  # the last row alone could as well be another one
        assert fault.kind is FaultKind.REMOVED


@settings(max_examples=40)
@given(PLACE, PLACE)
def test_reordered_rows_are_found(a: int, b: int) -> None:
    a, b = sorted((a, b))
    rows = list(CHAIN)
    rows[a], rows[b] = replace(CHAIN[b], number=a + 1), replace(CHAIN[a], number=b + 1)
    assert found(rows, SIGNED) == (None if a == b else Fault(FaultKind.REORDERED, a + 1))


@settings(max_examples=40)
@given(PLACE, st.booleans())
def test_an_inserted_row_is_found(n: int, fitting: bool) -> None:
    text = body(999)
    before = CHAIN[n - 1].hash if n else START
    new = ChainRow(0, digest(before, n + 1, text) if fitting else bytes(32), text)
    rows = renumbered([*CHAIN[:n], new, *CHAIN[n:]])
    fault = found(rows, SIGNED)
    if fitting and (n + 1) % 10 == 0:  # it stands where another row was signed
        assert fault == Fault(FaultKind.REWRITTEN, n - 8, n + 1)
    else:
        assert fault == Fault(FaultKind.INSERTED, n + 1)


@settings(max_examples=40)
@given(PLACE, st.sampled_from(["alter", "remove", "insert", "swap"]))
def test_a_chain_made_anew_is_found_by_what_was_signed(n: int, how: str) -> None:
    rows = list(CHAIN)
    if how == "alter":
        rows[n] = replace(rows[n], body=body(999))
    elif how == "remove":
        del rows[n]
    elif how == "insert":
        rows.insert(n, replace(rows[n], body=body(999)))
    else:
        rows[n], rows[n - 1] = rows[n - 1], rows[n]
    fault = found(again(rows), SIGNED)
    assert fault is not None
    assert fault.kind is FaultKind.CUT or (fault.kind is FaultKind.REWRITTEN and fault.number <= n + 1)
    assert found(again(rows)) is None  # which is why they are signed


def test_a_cut_tail_is_found_by_a_checkpoint_that_is_kept_elsewhere() -> None:
    assert found(CHAIN[:35], SIGNED[:3]) is None
    assert found(CHAIN[:35], SIGNED) == Fault(FaultKind.CUT, 36)
    assert found(CHAIN[5:], SIGNED) == Fault(FaultKind.REMOVED, 1)


def test_only_the_key_makes_checkpoints() -> None:
    key, other = read_private(new_key()), read_private(new_key())
    jws = compose_checkpoint(SIGNED[0], key)
    assert jws is not None
    assert parse_checkpoint(jws, [key.public_key()]) == SIGNED[0]
    for text, keys in ((jws, [other.public_key()]), (jws[:-9], [key.public_key()]), ("", [key.public_key()])):
        with pytest.raises(BadSignature):
            parse_checkpoint(text, keys)
    assert compose_checkpoint(SIGNED[0], None) is None


def test_words_name_the_row_and_the_kind() -> None:
    said = [str(Fault(kind, 7, 9)) for kind in FaultKind]
    assert all("7" in text and kind in text for kind, text in zip(FaultKind, said, strict=True))
