"""Whether a webhook is the hub's (Standard Webhooks 1.0, symmetric scheme ``v1``), and what it says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence

from liaison.connect.errors import NotGenuine
from liaison.connect.events import Event, to_event

TOLERANCE = 300  # seconds that a webhook may be old, or ahead
_PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The key of ``whsec_<base64>``. Raises ValueError, which does not quote the secret."""
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a webhook secret is whsec_ and base64") from None


def sign(secret: str, ident: str, at: int, body: bytes) -> str:
    """The value of ``webhook-signature``; ``at`` in seconds since 1970."""
    mac = hmac.new(key_of(secret), f"{ident}.{at}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


class Webhooks:
    """Checks webhooks with the secrets of the product: two while one replaces the other.

    ``clock`` gives seconds since 1970, ``tolerance`` is in seconds.
    """

    def __init__(
        self, secrets: Sequence[str], *, tolerance: float = TOLERANCE, clock: Callable[[], float] = time.time
    ) -> None:
        if not secrets:
            raise ValueError("at least one webhook secret is needed")
        for secret in secrets:
            key_of(secret)
        self._secrets = tuple(secrets)
        self._tolerance = tolerance
        self._clock = clock

    def check(self, headers: Mapping[str, str], body: bytes) -> str:
        """The webhook's id. Raises NotGenuine (bad_signature, bad_time). Names of headers in any case."""
        given = {name.lower(): value for name, value in headers.items()}
        ident, at = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
        if not (at.isascii() and at.isdigit()) or abs(self._clock() - int(at)) > self._tolerance:
            raise NotGenuine("bad_time")
        theirs = given.get("webhook-signature", "").encode("utf-8", "replace").split(b" ")
        ours = [sign(secret, ident, int(at), body).encode() for secret in self._secrets]
        if not ident or not any(hmac.compare_digest(one, other) for one in ours for other in theirs):
            raise NotGenuine("bad_signature")
        return ident

    def read(self, headers: Mapping[str, str], body: bytes) -> Event:
        """The event of a genuine webhook. Raises NotGenuine (bad_signature, bad_time, bad_body)."""
        ident = self.check(headers, body)
        try:
            return to_event(ident, json.loads(body))
        except ValueError:
            raise NotGenuine("bad_body") from None
