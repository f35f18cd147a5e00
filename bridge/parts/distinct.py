"""About how many different things were seen, in a fixed small memory (linear counting). Pure."""

from __future__ import annotations

import math
from hashlib import blake2b


class Distinct:
    """Counts up to about ``most`` different names within a few percent, in one byte for each of them.

    After K.-Y. Whang and others, *A linear-time probabilistic counting algorithm* (ACM TODS 15, 1990): each name has
    its bit, and the share of bits that are still unset tells how many names there were.
    """

    def __init__(self, most: int) -> None:
        self._size = max(64, most * 8)
        self._bits = bytearray(self._size // 8 + 1)
        self._set = 0

    def add(self, name: str) -> bool:
        """See a name; whether it was new (a few new ones are taken for seen)."""
        place = int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) % self._size
        byte, bit = place >> 3, 1 << (place & 7)
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        self._set += 1
        return True

    def __len__(self) -> int:
        left = self._size - self._set
        return round(self._size * math.log(self._size / left)) if left else self._size * 8
