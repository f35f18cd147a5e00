"""So many in a time, and some at once: a token bucket. Pure."""

from __future__ import annotations

import math


class Bucket:
    """``rate`` per second on average, ``burst`` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._left = float(burst)
        self._at = -math.inf

    @property
    def size(self) -> tuple[float, int]:
        """Rate and burst, as they were given."""
        return self._rate, int(self._burst)

    @property
    def burst(self) -> int:
        """How many at once."""
        return int(self._burst)

    @property
    def left(self) -> tuple[int, float]:
        """How many could be taken when one last was, and the seconds until then all can be again."""
        return max(0, int(self._left)), (self._burst - self._left) / self._rate

    def take(self, now: float) -> float:
        """Take one; gives 0, or the seconds until there is one again. ``now`` in seconds; going back gives nothing."""
        passed, self._at = max(0.0, now - self._at), now
        self._left = self._burst if math.isinf(passed) else min(self._burst, self._left + passed * self._rate)
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._rate
