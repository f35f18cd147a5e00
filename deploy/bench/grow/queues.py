"""Queues: what waits where, when messages come by the second and every part takes its time. Pure.

Each station has so many servers and takes messages in their order. A server is a core of a machine: work waits for the
first that is free. A station may stand still for a while, and may lose servers for the rest of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from random import Random

Rate = Callable[[float], float]
"""Messages a second at a time (s)."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """From ``begin`` (s) on nothing is served for ``still`` s; afterwards ``lost`` servers are missing."""

    begin: float
    still: float
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Station:
    """``servers`` at once; a message takes ``takes`` s of one (the mean of an exponential distribution).

    ``after``: s that pass besides, without a server: a disk, a network, a replica.
    """

    name: str
    servers: int
    takes: float
    after: float = 0.0
    trouble: Trouble | None = None


def arrivals(rate: Rate, most: float, seconds: float, random: Random) -> list[float]:
    """When messages come, with a rate that changes and never exceeds ``most``."""
    found, now = [], 0.0
    while (now := now + random.expovariate(most)) < seconds:
        if random.random() * most < rate(now):
            found.append(now)
    return found


def through(station: Station, times: Iterable[float], random: Random) -> list[float]:
    """When the messages leave that come at these times, which ascend."""
    free, trouble, found = [0.0] * station.servers, station.trouble, list[float]()
    heapify(free)
    for at in times:
        if trouble is not None and at >= trouble.begin:
            back = trouble.begin + trouble.still
            free = [max(back, one) for one in sorted(free)[: max(1, len(free) - trouble.lost)]]
            heapify(free)
            trouble = None
        done = max(at, free[0]) + random.expovariate(1 / station.takes)
        heapreplace(free, done)
        found.append(done + station.after)
    return found


def waits(stations: Sequence[Station], times: Sequence[float], random: Random) -> list[float]:
    """The seconds that each message is on its way through all stations, one after the other."""
    order, now = list(range(len(times))), list(times)
    for station in stations:
        order.sort(key=now.__getitem__)
        for place, left in zip(order, through(station, [now[k] for k in order], random), strict=True):
            now[place] = left
    return [left - came for left, came in zip(now, times, strict=True)]


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
