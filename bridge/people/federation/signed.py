"""The federation's list under its signature: a compact JWS (RFC 7515) by a key that is pinned. Pure.

The algorithm is that of the key; a federation changes its key by giving both to everybody first.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge import signatures
from bridge.people.federation.participants import UnusableList
from bridge.signatures import (
    BadSignature,
    PrivateKey,
    PublicKey,
    new_key,
    public_pem,
    read_private,
    read_public,
    signer,
    thumbprint,
)

__all__ = [
    "MOST_BYTES", "TYPE", "PrivateKey", "PublicKey", "new_key", "public_pem", "read_private", "read_public", "sign",
    "signer", "thumbprint", "unsigned", "verified",
]  # fmt: skip

TYPE = "liaison-federation+jws"
MOST_BYTES = 64 << 20
"""Of a signed list."""


def sign(payload: bytes, key: PrivateKey) -> bytes:
    """The list with its signature."""
    return signatures.sign(payload, key, TYPE)


def verified(signed: bytes, keys: Sequence[PublicKey]) -> bytes:
    """The payload, if one of these keys has signed it. Raises UnusableList."""
    if len(signed) > MOST_BYTES:
        raise UnusableList(f"the list is larger than {MOST_BYTES} bytes")
    try:
        return signatures.verified(signed, keys, TYPE)
    except BadSignature as bad:
        raise UnusableList(str(bad)) from None


def unsigned(signed: bytes) -> bytes:
    """The payload of a signed list, whoever has signed it: for a look at it. Raises UnusableList."""
    try:
        return signatures.unsigned(signed)
    except BadSignature as bad:
        raise UnusableList("it is no signed list") from bad
