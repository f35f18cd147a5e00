"""Signatures on JSON objects and the chain from a person's master key to their devices. Pure.

Sources: Matrix specification, "Canonical JSON" (the bytes that are signed), "Signing JSON" and "Cross-signing"; MSC4153
for what an unsigned device means.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from vodozemac import Ed25519PublicKey, Ed25519Signature

from appservice.e2ee.model import OLM, Device, Json

Sign = Callable[[bytes], str]
_LIMIT = 2**53 - 1


def canonical(value: Any) -> bytes:
    """Keys sorted by code point, no spaces, UTF-8 as it is, integers of 53 bits; ValueError for anything else."""
    _check(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError("not representable in canonical JSON") from error


def _check(value: Any) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if not -_LIMIT <= value <= _LIMIT:
            raise ValueError("integer outside of canonical JSON")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("canonical JSON has text keys only")
            _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item)
    else:
        raise ValueError(f"{type(value).__name__} is not part of canonical JSON")


def signable(value: dict[str, Any]) -> bytes:
    """What a signature covers: all but ``signatures`` and ``unsigned`` (appendix "Signing JSON")."""
    return canonical({key: item for key, item in value.items() if key not in ("signatures", "unsigned")})


def b64(data: bytes) -> str:
    """Unpadded standard base64, Matrix's form of keys and signatures."""
    return b64encode(data).decode("ascii").rstrip("=")


def unb64(text: str) -> bytes:
    """Read base64 with or without padding. Raises ValueError."""
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


@dataclass(frozen=True, slots=True)
class Seed:
    """An Ed25519 key from its 32 secret bytes (RFC 8032); the cross-signing keys are these."""

    secret: bytes

    @property
    def public(self) -> str:
        """The public half in base64."""
        return b64(self._key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, data: bytes) -> str:
        """A signature in base64."""
        return b64(self._key().sign(data))

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.secret)

    def __repr__(self) -> str:
        return "Seed()"


def signed(value: Json, user: str, key_id: str, sign: Sign) -> Json:
    """A copy of ``value`` that also carries this signature; ``key_id`` without its ``ed25519:``."""
    signatures = {name: dict(keys) for name, keys in value.get("signatures", {}).items()}
    signatures.setdefault(user, {})[f"ed25519:{key_id}"] = sign(signable(value))
    return {**value, "signatures": signatures}


def verifies(value: Any, user: str, key_id: str, public: str) -> bool:
    """Does ``value`` carry a good signature of ``user`` by this key?"""
    try:
        text = value["signatures"][user][f"ed25519:{key_id}"]
        key = Ed25519PublicKey.from_base64(public)
        key.verify_signature(signable(value), Ed25519Signature.from_base64(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def cross_key(value: Any, user: str, usage: str) -> str | None:
    """The one public key of a cross-signing key object, if it is of this user and use."""
    try:
        ((name, public),) = value["keys"].items()
        good = value["user_id"] == user and usage in value["usage"] and name == f"ed25519:{public}"
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return public if good else None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a ``/keys/query`` says about one person, as far as it verifies."""

    master: str | None
    devices: Mapping[str, Device]


def read_listing(user: str, answer: Json, pinned: str | None) -> Listing:
    """Verify one person's part of a ``/keys/query`` answer.

    Devices count as signed only through ``pinned``, or through the master key served if none is pinned yet.
    A device that does not sign itself is left out, as is one that is not what its place in the answer says.
    """
    served = _of(answer, "master_keys", user)
    master = cross_key(served, user, "master")
    root = pinned or master
    owner = _of(answer, "self_signing_keys", user)
    signing = cross_key(owner, user, "self_signing")
    if signing is None or root is None or not verifies(owner, user, root, root):
        signing = None
    devices = {}
    listed = _of(answer, "device_keys", user)
    for device_id, keys in listed.items() if isinstance(listed, dict) else ():
        device = read_device(user, device_id, keys, signing)
        if device is not None:
            devices[device_id] = device
    return Listing(master, devices)


def _of(answer: Json, part: str, user: str) -> Any:
    values = answer.get(part)
    return values.get(user) if isinstance(values, dict) else None


def read_device(user: str, device_id: str, keys: Any, signing: str | None) -> Device | None:
    """A device object (``device_keys``) that signs itself; ``signing`` is its owner's verified self-signing key."""
    try:
        if keys["user_id"] != user or keys["device_id"] != device_id or OLM not in keys["algorithms"]:
            return None
        curve, ed = keys["keys"][f"curve25519:{device_id}"], keys["keys"][f"ed25519:{device_id}"]
    except (KeyError, TypeError):
        return None
    if not (isinstance(curve, str) and isinstance(ed, str) and verifies(keys, user, device_id, ed)):
        return None
    return Device(user, device_id, curve, ed, signing is not None and verifies(keys, user, signing, signing))
