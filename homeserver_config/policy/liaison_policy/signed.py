"""The federation's list under its signature: a compact JWS (RFC 7515) by a key that is pinned. Pure.

Written on `cryptography` alone, which every Synapse has: Ed25519 (RFC 8037) and ECDSA on P-256 are taken. ``kid`` names
the key by its thumbprint (RFC 7638). The algorithm is that of the key, never that of the header.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

TYPE = "liaison-federation+jws"
MOST_BYTES = 64 << 20
"""Of a signed list."""
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey


class UnusableList(Exception):
    """The list cannot be used; the text says why, and quotes nothing secret."""


def read_public(pem: bytes) -> PublicKey:
    """Raises ValueError."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("no public key in PEM") from None
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    if isinstance(key, Ed25519PublicKey):
        return key
    raise ValueError("the key is neither Ed25519 nor ECDSA on P-256")


def thumbprint(key: PublicKey) -> str:
    """SHA-256 of the key's required members (RFC 7638, RFC 8037), base64url."""
    if isinstance(key, Ed25519PublicKey):
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        needed = {"crv": "Ed25519", "kty": "OKP", "x": _encoded(raw)}
    else:
        numbers = key.public_numbers()
        x, y = (_encoded(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        needed = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    return _encoded(hashlib.sha256(json.dumps(needed, separators=(",", ":"), sort_keys=True).encode()).digest())


def verified(signed: bytes, keys: Sequence[PublicKey]) -> bytes:
    """The payload, if one of these keys has signed it. Raises UnusableList."""
    if len(signed) > MOST_BYTES:
        raise UnusableList(f"the list is larger than {MOST_BYTES} bytes")
    parts = signed.strip().split(b".")
    if len(parts) != 3:
        raise UnusableList("it is no signed list")
    header = _header(parts[0])
    key = {thumbprint(key): key for key in keys}.get(str(header.get("kid")))
    if key is None or header.get("typ") != TYPE:
        raise UnusableList("it is not signed by a key that is pinned here")
    if "crit" in header or header.get("b64") is False:
        raise UnusableList("its header asks for what is not known here")
    try:
        _check(key, _decoded(parts[2]), parts[0] + b"." + parts[1])
        return _decoded(parts[1])
    except (InvalidSignature, ValueError):
        raise UnusableList("its signature is not right") from None


def _header(part: bytes) -> dict[str, Any]:
    try:
        header = json.loads(_decoded(part))
    except (ValueError, RecursionError):
        raise UnusableList("it is no signed list") from None
    if not isinstance(header, dict):
        raise UnusableList("it is no signed list")
    return header


def _check(key: PublicKey, signature: bytes, said: bytes) -> None:
    if isinstance(key, Ed25519PublicKey):
        key.verify(signature, said)
    elif len(signature) != 64:
        raise ValueError("the signature has another length")
    else:
        halves = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        key.verify(encode_dss_signature(*halves), said, ECDSA(hashes.SHA256()))


def _decoded(part: bytes) -> bytes:
    if len(part) % 4 == 1 or not part.translate(None, b"-_").isalnum():
        raise ValueError("no base64url")
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
