"""Who is calling: products, their tokens, certificates and how much they may ask."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bridge.connector import Capabilities
from bridge.networks.connect.log.way_out import WayOut
from bridge.parts.bucket import Bucket
from bridge.receiver import Receiver
from bridge.vouching import Proof

Judge = Callable[[tuple[str, str] | None, str, str], Proof]
"""How strong a proof (its kind, its token) is that a user (id) is a professional (RPPS number). Raises Refused."""


@dataclass(slots=True)
class Product:
    """One vendor product at work. ``open``: from start to stop."""

    name: str
    label: str
    capabilities: Capabilities
    bucket: Bucket = field(repr=False)
    tokens: tuple[bytes, ...] = field(repr=False)  # SHA-256
    certificates: tuple[bytes, ...] = field(default=(), repr=False)  # SHA-256 of the DER
    hub: Receiver | None = field(default=None, repr=False)
    open: bool = False
    profile: Capabilities | None = None
    fixed: dict[str, Any] = field(default_factory=dict)  # capabilities that the configuration decides
    version: str | None = None  # the product's own, as it declared it
    out: WayOut | None = field(default=None, repr=False)
    ends: dict[bytes, int] = field(default_factory=dict, repr=False)  # token -> the last ms at which it is good
    judge: Judge | None = field(default=None, repr=False)  # what it brings beside its word for a user
    unused: set[bytes] = field(default_factory=set, repr=False)  # tokens whose first use ends the others

    def alive(self, now: int) -> list[bytes]:
        """The tokens that are good at a time (ms)."""
        return [one for one in self.tokens if self.ends.get(one, now) >= now]

    def accepts_certificate(self, der: bytes | None) -> bool:
        """Whether the client certificate is one of this product's, if it must show one."""
        if not self.certificates:
            return True
        if der is None:
            return False
        return hashlib.sha256(der).digest() in self.certificates


class Tokens:
    """Finds the product of a bearer token, in the same time whichever it is."""

    def __init__(self, products: Iterable[Product]) -> None:
        self._products = list(products)

    def owner(self, token: str, now: int = 0) -> tuple[Product, bytes] | None:
        """The product of a token that is good at a time (ms), and its hash. Each is compared, in constant time."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for product in self._products:
            for known in product.tokens:
                if hmac.compare_digest(known, digest):
                    found = product
        return None if found is None or found.ends.get(digest, now) < now else (found, digest)
