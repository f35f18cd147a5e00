"""Who is calling: products, their tokens, certificates and how much they may ask."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from bridge.connector import Capabilities, Receiver


class Bucket:
    """A token bucket: ``rate`` requests per second on average, ``burst`` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._left = float(burst)
        self._at = -math.inf

    def take(self, now: float) -> float:
        """Take one; gives 0, or the seconds until there is one again. ``now`` in seconds of a monotonic clock."""
        if now > self._at:
            passed = now - self._at
            self._left = self._burst if math.isinf(passed) else min(self._burst, self._left + passed * self._rate)
            self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._rate


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
        self._known = [(digest, product) for product in products for digest in product.tokens]

    def owner(self, token: str) -> Product | None:
        """The product of a token, or None. Every hash is compared, in constant time."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, product in self._known:
            if hmac.compare_digest(known, digest):
                found = product
        return found
