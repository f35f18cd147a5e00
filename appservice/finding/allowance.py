"""So many for each user, in a time and at once; a bounded number of users is remembered."""

from __future__ import annotations

import time
from collections.abc import Callable

from bridge.parts.bucket import Bucket
from bridge.parts.lru import Lru

_USERS = 20_000


class Allowance:
    """``rate`` per second on average and ``burst`` at once, for each. ``seconds`` never jumps."""

    def __init__(self, rate: float, burst: int, seconds: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst = rate, burst
        self._seconds = seconds
        self._buckets: Lru[str, Bucket] = Lru(_USERS)

    def wait(self, user: str) -> float:
        """Take one; gives 0, or the seconds until there is one again."""
        bucket = self._buckets.get(user) or self._buckets.put(user, Bucket(self._rate, self._burst))
        return bucket.take(self._seconds())

    def take(self, user: str) -> bool:
        """Take one; False: there is none now."""
        return self.wait(user) == 0
