"""The chain: each row's hash covers the row before it, so no row changes without all that follow. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

START = bytes(32)
"""What stands before the first row."""
FIELDS = ("at", "kind", "actor", "subject", "object", "result", "details")


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One row. ``body``: JSON, the values of :data:`FIELDS` in order; ``at`` in ms since 1970."""

    number: int
    hash: bytes
    body: str


def compose_body(values: Sequence[object]) -> str:
    """The body of a row, always the same for the same values."""
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()


def parse_body(body: str) -> Mapping[str, object]:
    """Its values by name. Raises ValueError."""
    values = orjson.loads(body)
    if not isinstance(values, list) or len(values) != len(FIELDS):
        raise ValueError("no row of a trail")
    return dict(zip(FIELDS, values, strict=True))


def digest(before: bytes, number: int, body: str) -> bytes:
    """The hash of a row."""
    return hashlib.sha256(b"%b%d\n%b" % (before, number, body.encode())).digest()


def fits(before: bytes, number: int, row: ChainRow) -> bool:
    """Whether a row is what was chained at this number."""
    return digest(before, number, row.body) == row.hash


def chained(number: int, before: bytes, bodies: Iterable[str]) -> list[bytes]:
    """The hashes of the rows that follow the one with this number and hash."""
    hashes = []
    for n, body in enumerate(bodies, number + 1):
        before = digest(before, n, body)
        hashes.append(before)
    return hashes
