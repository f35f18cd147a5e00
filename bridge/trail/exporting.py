"""A part of a trail as a file: JSON Lines that verify without the hub, with the public key alone. Pure.

The first line says what comes before the part, then each row is a line, with the checkpoints between them, and the last
line signs the SHA-256 of all bytes before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.signatures import BadSignature, PrivateKey, PublicKey, sign, verified
from bridge.trail.chain import FIELDS, ChainRow, compose_body, parse_body
from bridge.trail.checkpoints import Checkpoint, parse_checkpoint
from bridge.trail.verifying import Fault, Verifier

TYPE = "liaison-trail-export+jws"


def head_line(after: Checkpoint) -> bytes:
    """The first line: the row before the part (number 0: there is none)."""
    return _line({"liaison_trail": 1, "after": {"number": after.number, "hash": after.hash.hex()}})


def row_line(row: ChainRow) -> bytes:
    """A row."""
    return _line({"number": row.number, "hash": row.hash.hex(), **parse_body(row.body)})


def checkpoint_line(jws: str) -> bytes:
    """A signed checkpoint."""
    return _line({"checkpoint": jws})


def last_line(digest: bytes, key: PrivateKey) -> bytes:
    """The signature; ``digest``: SHA-256 of all lines before."""
    return _line({"signature": sign(orjson.dumps({"sha256": digest.hex()}), key, TYPE).decode()})


def _line(said: Any) -> bytes:
    return orjson.dumps(said) + b"\n"


@dataclass(frozen=True, slots=True)
class ExportVerdict:
    """What was found: ``fault`` of the chain; ``trouble``: why the file itself does not count."""

    rows: int
    fault: Fault | None
    trouble: str = ""


def verify_export(lines: Iterable[bytes], keys: Sequence[PublicKey]) -> ExportVerdict:
    """Judge a file line by line; memory stays the same for any length."""
    verifier, rows, seen, signed = None, 0, hashlib.sha256(), False
    trouble = ""
    for line in lines:
        try:
            said = orjson.loads(line)
            if signed:
                return ExportVerdict(rows, None, "something follows the signature")
            if "signature" in said:
                trouble, signed = _unsigned(said["signature"], seen.digest(), keys), True
                continue
            if "liaison_trail" in said:
                verifier = Verifier(after=_first(said["after"]))
            elif "checkpoint" in said:
                _expect(verifier).expect(parse_checkpoint(said["checkpoint"], keys))
            else:
                _expect(verifier).feed(_row(said))
                rows += 1
        except (ValueError, KeyError, TypeError, BadSignature) as error:
            return ExportVerdict(
                rows, None, f"line {rows + 1}: {error if isinstance(error, BadSignature) else 'broken'}"
            )
        seen.update(line)
    fault = verifier.end() if verifier is not None else None
    return ExportVerdict(rows, fault, trouble if signed else "the signature at its end is missing")


def _expect(verifier: Verifier | None) -> Verifier:
    if verifier is None:
        raise ValueError("the first line is missing")
    return verifier


def _unsigned(jws: str, digest: bytes, keys: Sequence[PublicKey]) -> str:
    try:
        said = orjson.loads(verified(jws.encode(), keys, TYPE))
    except BadSignature as bad:
        return str(bad)
    return "" if said["sha256"] == digest.hex() else "it was changed after it was signed"


def _first(said: dict[str, Any]) -> Checkpoint:
    return Checkpoint(int(said["number"]), bytes.fromhex(said["hash"]), 0)


def _row(said: dict[str, Any]) -> ChainRow:
    body = compose_body([said[name] for name in FIELDS])
    return ChainRow(int(said["number"]), bytes.fromhex(said["hash"]), body)
