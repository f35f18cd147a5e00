"""Names that stand for addresses in the chain, which nobody can change later: network, domain and a keyed hash. Pure.

The chain keeps ``mail:hospital.example#0f3a…`` for ``mail:anna@hospital.example``. Whoever has the key finds the rows
of an address that they know; without the key nobody finds an address from the rows.
"""

from __future__ import annotations

import hmac
from functools import lru_cache

import orjson

from bridge.model import MAIL, MATRIX

_AS_THEY_ARE = {"rpps", "idnps", "function", "operator", "product", "server", "list", "hub"}
_LENGTH = 16  # hex digits
_REMEMBERED = 10_000  # names: the same few people again and again


def domain(network: str, address: str | None) -> str:
    """``network:domain`` of an address; a product has no domains."""
    if address and network == MATRIX:
        return f"{network}:{address.partition(':')[2].lower()}"
    if address and network == MAIL:
        return f"{network}:{address.rpartition('@')[2].lower()}"
    return network


class Aliases:
    """``key``: 32 bytes, the same for the whole life of a trail."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.of = lru_cache(_REMEMBERED)(self._of)
        """How somebody or something is named in the chain."""
        self.quoted = lru_cache(_REMEMBERED)(lambda ident: orjson.dumps(self._of(ident)).decode())
        """The same as JSON."""

    def _of(self, ident: str | None) -> str | None:
        network, colon, address = (ident or "").partition(":")
        if ident is None or not colon or network in _AS_THEY_ARE:
            return ident
        short = hmac.digest(self._key, ident.encode("utf-8", "surrogatepass"), "sha256").hex()[:_LENGTH]
        return f"{domain(network, address)}#{short}"
