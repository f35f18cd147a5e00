"""Keys that sign, and what they have signed: compact JWS (RFC 7515) by a key that is known before. Pure.

Ed25519 (RFC 8037) and ECDSA on P-256 are taken; ``kid`` names the key by its thumbprint (RFC 7638).
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

_JWS = jwt.PyJWS(algorithms=["EdDSA", "ES256"])
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey
PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey


def new_key() -> bytes:
    """A private key (Ed25519) as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_private(pem: bytes) -> PrivateKey:
    """Raises ValueError, which never quotes the key."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("no private key in PEM without a password") from None
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ValueError("the key is neither Ed25519 nor ECDSA on P-256")


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


def public_pem(key: PublicKey) -> bytes:
    """As operators get it."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def thumbprint(key: PublicKey) -> str:
    """SHA-256 of the key's required members (RFC 7638, RFC 8037), base64url."""
    if isinstance(key, Ed25519PublicKey):
        jwk: Mapping[str, Any] = OKPAlgorithm.to_jwk(key, as_dict=True)
    else:
        jwk = ECAlgorithm.to_jwk(key, as_dict=True)
    needed = {name: jwk[name] for name in ("crv", "kty", "x", "y") if name in jwk}
    digest = hashlib.sha256(json.dumps(needed, separators=(",", ":"), sort_keys=True).encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def sign(payload: bytes, key: PrivateKey, kind: str) -> bytes:
    """The payload with its signature; ``kind`` says what it is (``typ``), so that it counts as nothing else."""
    algorithm = "EdDSA" if isinstance(key, Ed25519PrivateKey) else "ES256"
    headers = {"kid": thumbprint(key.public_key()), "typ": kind}
    return _JWS.encode(payload, key, algorithm=algorithm, headers=headers).encode()


class BadSignature(Exception):
    """It is not signed by a known key, or it was changed; the text says which."""


def verified(signed: bytes, keys: Sequence[PublicKey], kind: str) -> bytes:
    """The payload, if one of these keys has signed it as such. Raises BadSignature."""
    text = signed.strip()
    known = {thumbprint(key): key for key in keys}
    try:
        header = jwt.get_unverified_header(text)
        key = known.get(str(header.get("kid")))
        if key is None or header.get("typ") != kind:
            raise BadSignature("it is not signed by a key that is pinned here")
        algorithm = "EdDSA" if isinstance(key, Ed25519PublicKey) else "ES256"
        payload = _JWS.decode(text, key, algorithms=[algorithm])
    except (jwt.PyJWTError, ValueError, UnicodeError):
        raise BadSignature("its signature is not right") from None
    return bytes(payload)


def signer(signed: bytes) -> str:
    """The thumbprint of the key that it names; empty if it names none."""
    try:
        return str(jwt.get_unverified_header(signed.strip()).get("kid", ""))
    except jwt.PyJWTError:
        return ""


def unsigned(signed: bytes) -> bytes:
    """The payload, whoever has signed it: for a look at it. Raises BadSignature."""
    try:
        return bytes(_JWS.decode(signed, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError) as error:
        raise BadSignature("it has no signature") from error
