"""Signatures of webhooks, after Standard Webhooks 1.0 (standardwebhooks.com), symmetric scheme ``v1``."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence

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

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("at least one webhook secret is needed")
        self._keyed = tuple(hmac.new(key, digestmod="sha256") for key in keys)  # the key's part, computed once

    def sign(self, webhook_id: str, timestamp: int, body: bytes) -> str:
        """The value of ``webhook-signature``: one ``v1,<base64>`` for each key; ``timestamp`` in seconds."""
        before = f"{webhook_id}.{timestamp}.".encode()
        return " ".join("v1," + b64encode(_finish(keyed, before, body)).decode() for keyed in self._keyed)


def _finish(keyed: hmac.HMAC, *signed: bytes) -> bytes:
    mac = keyed.copy()
    for part in signed:
        mac.update(part)
    return mac.digest()
