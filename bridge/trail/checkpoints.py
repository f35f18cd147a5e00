"""How the chain stood at a number, signed: whoever has one finds any later change of what came before it. Pure."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from bridge.signatures import BadSignature, PrivateKey, PublicKey, sign, unsigned, verified

TYPE = "liaison-trail+jws"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``number`` had ``hash`` at ``at`` (ms since 1970). ``closing``: the rows up to it were removed."""

    number: int
    hash: bytes
    at: int
    closing: bool = False


def compose_checkpoint(checkpoint: Checkpoint, key: PrivateKey | None) -> str | None:
    """The signed checkpoint, None without a key."""
    if key is None:
        return None
    said = {
        "number": checkpoint.number, "hash": checkpoint.hash.hex(), "at": checkpoint.at, "closing": checkpoint.closing,
    }  # fmt: skip
    return sign(orjson.dumps(said), key, TYPE).decode()


def parse_checkpoint(jws: str, keys: Sequence[PublicKey]) -> Checkpoint:
    """What was signed; without keys whoever has signed it. Raises BadSignature."""
    payload = verified(jws.encode(), keys, TYPE) if keys else unsigned(jws.strip().encode())
    try:
        said = orjson.loads(payload)
        return Checkpoint(int(said["number"]), bytes.fromhex(said["hash"]), int(said["at"]), bool(said["closing"]))
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise BadSignature("it is no checkpoint of a trail") from error
