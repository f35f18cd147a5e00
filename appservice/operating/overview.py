"""How the hub stands: networks, what waits for each, lists, alarms; for `liaison status` and for metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from bridge.hub.assembly import Core
from bridge.hub.handing.counting import Counters
from bridge.hub.operating.waiting import Traffic, WaitingQueue
from bridge.parts.alarms import ALARMS
from bridge.people.server_list import ServerList

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """The federation's list in use; ``expires``: s since 1970."""

    sequence: int
    domains: int
    expires: int


@dataclass(frozen=True, slots=True)
class Stand:
    """At one moment. ``trouble``: why nothing can be encrypted, or nothing reaches Matrix, in English; else empty."""

    version: str
    running: float
    trouble: str
    traffic: tuple[Traffic, ...]
    held: int
    alarms: dict[str, int]
    federation: Listed | None


class Overview:
    """``trouble`` is asked each time; ``clock`` gives milliseconds since 1970."""

    def __init__(self, core: Core, queue: WaitingQueue, servers: ServerList, trouble: Callable[[], str]) -> None:
        self._core, self._queue, self._servers, self._trouble = core, queue, servers, trouble
        self._began = time.monotonic()

    @property
    def counts(self) -> Counters:
        """What has happened since the process began."""
        return self._core.courier.counts

    async def now(self) -> Stand:
        """Raises Unavailable (the database)."""
        return Stand(
            version("liaison-hub"), time.monotonic() - self._began, self._trouble(),
            tuple(await self._queue.traffic()), await self._queue.held(), dict(ALARMS.by), self._listed(),
        )  # fmt: skip

    def _listed(self) -> Listed | None:
        federation = self._servers.federation
        found = None if federation is None else federation.list
        return None if found is None else Listed(found.sequence, len(found.participants), found.expires)
