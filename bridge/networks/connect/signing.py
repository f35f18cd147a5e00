"""Signatures of webhooks, after Standard Webhooks 1.0 (standardwebhooks.com), symmetric scheme ``v1``."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence

PREFIX = "whsec_"


def new_token() -> str:
    """A token for a product. It never begins with a dash, which programs take for an option."""
    return "liaison_" + secrets.token_urlsafe(32)


def new_secret() -> str:
    """A webhook secret, as :func:`read_secret` reads it."""
    return PREFIX + b64encode(secrets.token_bytes(32)).decode()


def read_secret(text: str) -> bytes:
    """The key of ``whsec_<base64>``: 24 to 64 bytes. Raises ValueError, which never quotes the secret."""
    if not text.startswith(PREFIX):
        raise ValueError("a webhook secret begins with whsec_")
    try:
        key = b64decode(text.removeprefix(PREFIX), validate=True)
    except Base64Error:
        raise ValueError("a webhook secret is whsec_ and base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError("a webhook secret holds 24 to 64 bytes")
    return key


class Signer:
    """Signs with every key it was given, so that a product may change its secret without losing a message."""

    def __init__(self, keys: Sequence[bytes], clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since 1970."""
        if not keys:
            raise ValueError("at least one webhook secret is needed")
        self._keyed = {self.name_of(key): _keyed(key) for key in keys}
        self._ends: dict[str, int] = {}
        self._clock = clock

    def sign(self, webhook_id: str, timestamp: int, body: bytes) -> str:
        """The value of ``webhook-signature``: one ``v1,<base64>`` for each key; ``timestamp`` in seconds."""
        before = f"{webhook_id}.{timestamp}.".encode()
        good = [self._keyed[name] for name in self.alive(int(self._clock() * 1000))]
        return " ".join("v1," + b64encode(_finish(keyed, before, body)).decode() for keyed in good)

    @staticmethod
    def name_of(key: bytes) -> str:
        """What a key is called: 32 digits of its SHA-256."""
        return hashlib.sha256(key).hexdigest()[:32]

    def alive(self, now: int) -> dict[str, int | None]:
        """The keys that sign at a time (ms), by name, and when each ends."""
        return {name: self._ends.get(name) for name in self._keyed if self._ends.get(name, now) >= now}

    def keep(self, name: str, key: bytes | None, until: int | None) -> None:
        """From now on this key, or one that is known, signs until a time (ms; None: for good)."""
        if key is not None:
            self._keyed[name] = _keyed(key)
        if until is not None:
            self._ends[name] = until

    def forget(self, name: str) -> None:
        """This key signs no more, if another one does. What is known of its end stays."""
        if len(self._keyed) > 1:
            self._keyed.pop(name, None)


def _keyed(key: bytes) -> hmac.HMAC:
    """The key's part of each signature, computed once."""
    return hmac.new(key, digestmod="sha256")


def _finish(keyed: hmac.HMAC, *signed: bytes) -> bytes:
    mac = keyed.copy()
    for part in signed:
        mac.update(part)
    return mac.digest()
