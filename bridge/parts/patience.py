"""How long the courier waits: pure numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """How the courier waits, in seconds."""

    first: float = 0.5  # before the second attempt; doubles from there
    longest: float = 60.0  # between two attempts
    give_up: float = 3 * 86_400.0  # after this the sender is told that the message did not arrive
    reports: float = 0.15  # news for senders are gathered this long: one webhook tells several
    parallel: int = 32  # calls at once to one network
    late: float = 600.0  # after this the sender is told that the message still waits

    def backoff(self, attempt: int, jitter: Callable[[], float]) -> float:
        """Seconds before the next attempt: exponential, between half and all of it at random."""
        return min(self.longest, self.first * 2.0 ** min(attempt, 30)) * (0.5 + jitter() / 2)
