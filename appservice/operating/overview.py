"""How the hub stands: networks, what waits for each, lists, alarms; for `liaison status` and for metrics.

What comes from the database is of the whole hub and the same whichever worker is asked; what a process knows by itself
(:data:`OF_A_WORKER`) is of the worker that was asked.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from appservice.operating.surroundings import Disk, Surroundings
from bridge.connector import Followed
from bridge.errors import Unavailable
from bridge.hub.assembly import Core
from bridge.hub.handing.counting import Counters
from bridge.hub.operating.waiting import MOST, Traffic, WaitingQueue
from bridge.model import Standing
from bridge.parts.alarms import ALARMS
from bridge.people.server_list import ServerList
from bridge.workers.agreement import differences

if TYPE_CHECKING:
    from bridge.db.postgres.engine import Worker

Json = dict[str, Any]
DECISIONS = 100
OF_A_WORKER = ("version", "running", "trouble", "alarms", "federation", "lists", "certificates", "disks", "database")


@dataclass(frozen=True, slots=True)
class Listed:
    """The federation's list in use; ``expires``: s since 1970."""

    sequence: int
    domains: int
    expires: int


@dataclass(frozen=True, slots=True)
class EdgeQueue:
    """What waits within the edge of a network; see :class:`bridge.connector.OwnQueue`."""

    network: str
    name: str
    part: str
    waiting: int
    oldest: int | None
    why: str = ""
    read: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerStand:
    """One process of the hub, on PostgreSQL. ``works``: it has the lease; the others stand by. ``since``: ms.

    ``differs``: the sections in which its configuration is another than that of the worker that works.
    """

    name: str
    version: str
    works: bool
    since: int
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SealStand:
    """How far what other keys of the seal have sealed is sealed anew with the active one; ``others``: these keys.

    ``columns``: all that are sealed, ``done`` of them. ``kept``: rows that do not open. ``began_at``, ``worked_at``
    (when progress was last noted): ms since 1970, 0: never, or not known.
    """

    active: str
    others: tuple[str, ...]
    columns: int
    done: int
    seen: int
    changed: int
    kept: int
    began_at: int
    worked_at: int

    @property
    def left(self) -> int:
        """Columns in which something may still be sealed with another key."""
        return self.columns - self.done if self.others else 0


@dataclass(frozen=True, slots=True)
class Stand:
    """At one moment. ``trouble``: why nothing can be encrypted, or nothing reaches Matrix, in English; else empty.

    ``database``: it works. ``known``: what waits could be read from it. ``certificates``: when each
    ends (s since 1970). ``undecided``: accounts that wait for an operator's decision, counted up to :data:`DECISIONS`.
    """

    version: str
    running: float
    trouble: str
    traffic: tuple[Traffic, ...]
    held: int
    alarms: dict[str, int]
    federation: Listed | None
    database: bool
    known: bool
    queues: tuple[EdgeQueue, ...]
    lists: tuple[Followed, ...]
    certificates: dict[str, int]
    disks: tuple[Disk, ...]
    workers: tuple[WorkerStand, ...]
    seal: SealStand | None = None
    undecided: int = 0


def stands(found: Sequence[Worker]) -> tuple[WorkerStand, ...]:
    """The workers, each held against the one that works."""
    ours = next((one.configuration for one in found if one.works), "")
    return tuple(
        WorkerStand(one.name, one.version, one.works, one.since, differences(ours, one.configuration)) for one in found
    )


class Overview:
    """``trouble`` and ``sealing`` are asked each time."""

    def __init__(
        self, core: Core, queue: WaitingQueue, servers: ServerList, trouble: Callable[[], str], around: Surroundings,
        sealing: Callable[[], Awaitable[SealStand]],
    ) -> None:  # fmt: skip
        self._core, self._queue, self._servers, self._trouble = core, queue, servers, trouble
        self._around, self._sealing = around, sealing
        self._began = time.monotonic()

    @property
    def counts(self) -> Counters:
        """What has happened since the process began."""
        return self._core.courier.counts

    async def now(self) -> Stand:
        """Whatever the database does."""
        seal: SealStand | None = None
        undecided = 0
        try:
            traffic, held, queues = await self._queue.traffic(), await self._queue.held(), await self._queues()
            workers, seal, reads = await self._workers(), await self._sealing(), True
            undecided = len(await self._core.hub.claims.page(Standing.HELD, DECISIONS))
        except Unavailable:
            traffic, held, queues, workers, reads = self._unknown(), 0, (), (), False
        lists = [*self._core.served.followed, await self._around.directory()]
        return Stand(
            version("liaison-hub"), time.monotonic() - self._began, self._trouble(), tuple(traffic), held,
            dict(ALARMS.by), self._listed(), reads and self._core.db.working, reads, queues, tuple(lists),
            self._around.certificates(), tuple(self._around.disks()), workers, seal, undecided,
        )  # fmt: skip

    def _unknown(self) -> list[Traffic]:
        courier = self._core.courier
        return [Traffic(name, courier.up(name), 0, 0, None, 0, courier.failing(name)) for name in self._core.served]

    async def _workers(self) -> tuple[WorkerStand, ...]:
        if self._core.db.engine != "postgresql":
            return ()
        from bridge.db.postgres import Postgres

        found = await self._core.db.workers() if isinstance(self._core.db, Postgres) else []
        return stands(found)

    async def _queues(self) -> tuple[EdgeQueue, ...]:
        found = await self._core.served.queues(MOST)
        return tuple(
            EdgeQueue(network, one.name, one.part, one.waiting, one.oldest, one.why, one.read) for network, one in found
        )

    def _listed(self) -> Listed | None:
        federation = self._servers.federation
        found = None if federation is None else federation.list
        return None if found is None else Listed(found.sequence, len(found.participants), found.expires)
