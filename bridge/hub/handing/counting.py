"""Counters what happens, by network, since the process began: never who, never what was said."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Seconds from acceptance to the network that has it: the upper ends of the classes."""


class Times:
    """How long something took, in classes. ``classes`` has one more than :data:`BOUNDS`: what took longer."""

    def __init__(self) -> None:
        self.classes = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One more; what the clock took back counts as nothing."""
        self.classes[bisect_left(BOUNDS, seconds)] += 1
        self.total += max(0.0, seconds)


class Counters:
    """``accepted`` by the network that it came from, ``refused`` by that and the code that its writer got.

    ``handed`` by the network that it went to and what became of the attempt: sent, later, or refused.
    """

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.handed: Counter[tuple[str, str]] = Counter()
        self.times: dict[str, Times] = {}

    def sent(self, network: str, seconds: float) -> None:
        """A network has one, so long after its acceptance."""
        self.handed[network, "sent"] += 1
        times = self.times.get(network)
        if times is None:
            times = self.times[network] = Times()
        times.add(seconds)
