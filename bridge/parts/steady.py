"""For how long something was really tried: the wall clock goes on while the hub stands still, and it may jump."""

from __future__ import annotations

import time
from collections.abc import Callable

_JUMP = 60.0  # s by which the wall clock goes wrong between two looks, if it jumps
_GRACE = 3600.0  # s of trying, after a start or a jump of the clock, before anything is given up


class Steady:
    """For how long the hub has tried, since it started or the wall clock (``clock``, ms) jumped."""

    def __init__(self, clock: Callable[[], int], seconds: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._since = seconds()
        self._offset = self._off()

    def _off(self) -> float:
        return self._clock() / 1000 - self._seconds()

    @property
    def seconds(self) -> float:
        """Seconds of trying."""
        return self._seconds() - self._since

    def tried(self, give_up: float) -> bool:
        """Whether this was long enough to give anything up for which ``give_up`` (s) is the patience."""
        return self.seconds >= min(give_up, _GRACE)

    def jumped(self) -> float:
        """Seconds by which the wall clock has jumped since this was asked last; 0: it has not."""
        off = self._off()
        jump, self._offset = off - self._offset, off
        if abs(jump) < _JUMP:
            return 0.0
        self._since = self._seconds()
        return jump
