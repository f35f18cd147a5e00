"""Addresses at which a file can be fetched without a token, for a while; and which part of it is wanted. Pure."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.errors import Refused
from bridge.seal import Seal

_PURPOSE = "connect file addresses"
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Lent:
    """A file at an address that needs no token until ``expires`` (seconds since 1970)."""

    id: str
    url: str = field(repr=False)
    expires: int


def signature(seal: Seal, ident: str, expires: int, key: str | None = None) -> str:
    """What proves that the hub has given this address until ``expires`` (s since 1970)."""
    digest = hmac.digest(seal.derive(_PURPOSE, key), f"{ident}|{expires}".encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


def query(seal: Seal, ident: str, expires: int) -> str:
    """The query of an address."""
    return f"expires={expires}&signature={signature(seal, ident, expires)}"


def check(seal: Seal, ident: str, given: Mapping[str, str], now: float) -> None:
    """Raises Refused (address_expired, unknown_token) for a query that the hub has not given, or is too old."""
    expires, said = given.get("expires", ""), given.get("signature", "")
    if not re.fullmatch(r"[0-9]{1,12}", expires) or not said.isascii():
        raise Refused("unknown_token")
    if not any(hmac.compare_digest(signature(seal, ident, int(expires), key), said) for key in seal.names):
        raise Refused("unknown_token")
    if int(expires) <= now:
        raise Refused("address_expired")


def wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes from, and up to but not including, of a Range (RFC 9110, 14.2); None: the whole file.

    What is no range of bytes, or are several, may be ignored (14.2). Raises Refused (no_such_range).
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:  # the last so many
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
        if found[2] and int(found[2]) < start:
            return None
    if start >= size or start >= end:
        raise Refused("no_such_range", about=f"{size} bytes")
    return start, end
