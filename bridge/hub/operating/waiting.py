"""What waits on its way out: how much, since when, why; tried again at once, or given up by an operator."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bridge.connector import OwnQueue
from bridge.db import Row
from bridge.errors import Refused
from bridge.hub.courier import Courier
from bridge.served import Served
from bridge.store.store import Store
from bridge.trail.entry import TrailEntry, TrailKind, note

log = logging.getLogger(__name__)
MOST = 10_000
"""Beyond this nothing is counted: whoever reads it knows that it is too much."""
DROPPED = "dropped_by_operator"


@dataclass(frozen=True, slots=True)
class WaitingDelivery:
    """One delivery that waits. ``since``, ``next_at``: ms since 1970, ``next_at`` 0: at once, or after others.

    ``why``: the code of its last attempt's failure, as far as this life of the hub knows. ``held``: it waits for its
    place in the order of its conversation. ``pos``: its place among all that is to go out.
    """

    id: str
    message: str
    conversation: str
    network: str
    since: int
    attempts: int
    next_at: int
    held: bool
    why: str
    pos: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """One network. ``waiting``, ``reports`` and ``late`` are counted up to :data:`MOST`.

    ``oldest``: ms since 1970, or None. ``late``: conversations in which something waits for longer than
    ``delivery.late`` for the network itself, and not for people who have yet to come. ``failing``: the code of the last
    failure, as long as nothing has gone out since.
    """

    network: str
    up: bool
    waiting: int
    reports: int
    oldest: int | None
    late: int = 0
    failing: str = ""


class WaitingQueue:
    """``clock`` gives milliseconds since 1970."""

    def __init__(self, store: Store, courier: Courier, served: Served, clock: Callable[[], int]) -> None:
        self._store, self._courier, self._served, self._clock = store, courier, served, clock
        self._networks = list(served)

    async def traffic(self) -> list[Traffic]:
        """Every network, in the order of the configuration."""
        return [await self._traffic(name) for name in self._networks]

    async def _traffic(self, network: str) -> Traffic:
        db = self._store.db
        waiting = await db.one("operating.waiting", network, MOST)
        reports = await db.one("operating.reports", network, MOST)
        ages = [row["created_at"] for late in (1, 0) if (row := await db.one("operating.oldest", network, late))]
        late = await db.one("operating.late_legs", network, MOST)
        counted = [0 if row is None else int(row["n"]) for row in (waiting, reports, late)]
        oldest = min(ages, default=None)
        up, failing = self._courier.up(network), self._courier.failing(network)
        return Traffic(network, up, counted[0], counted[1], oldest, counted[2], failing)

    async def held(self) -> int:
        """How many wait for their place in the order of their conversation, up to :data:`MOST`."""
        row = await self._store.db.one("operating.held", MOST)
        return 0 if row is None else int(row["n"])

    async def waiting(self, network: str, limit: int, after: int = -1) -> list[WaitingDelivery]:
        """The first that wait for a network after a place (``pos``), in the order in which they came.

        Raises Refused (unknown_network).
        """
        self._known(network)
        return [self._read(row) for row in await self._store.db.all("operating.queue", network, after, limit)]

    async def lanes(self, conversation: str, limit: int) -> list[WaitingDelivery]:
        """What waits in one conversation, on each network."""
        found = [
            await self._store.db.all("operating.lane", conversation, network, held, limit)
            for network in self._networks
            for held in (0, 1)
        ]
        return [self._read(row) for rows in found for row in rows]

    async def of_message(self, message: str) -> list[WaitingDelivery]:
        """What of a message still waits."""
        return [self._read(row) for row in await self._store.db.all("operating.deliveries_of", message)]

    async def one(self, delivery: str) -> WaitingDelivery:
        """Raises Refused (no_such_delivery): there is none, or it is out by now."""
        row = await self._store.db.one("operating.delivery", delivery)
        if row is None:
            raise Refused("no_such_delivery")
        return self._read(row)

    async def retry(self, delivery: str) -> WaitingDelivery:
        """Try its lane now, whatever time was set. Raises Refused."""
        found = await self.one(delivery)
        async with self._store.db.transaction("operating.retry") as tx:
            await tx.run("store.hurry", found.conversation, found.network)
        self._courier.hurry(found.conversation, found.network)
        return await self._again(found)

    async def _again(self, found: WaitingDelivery) -> WaitingDelivery:
        row = await self._store.db.one("operating.delivery", found.id)
        return replace(found, next_at=0) if row is None else self._read(row)  # it is out by now

    async def retry_all(self, network: str) -> None:
        """Try everything of a network now, also what waits within its edge. Raises Refused (unknown_network)."""
        self._known(network)
        self._courier.retry(network)
        await self._served.hurry(network)

    async def inside(self, network: str, name: str) -> Sequence[OwnQueue]:
        """What of a message waits within a network's edge; ``name``: what the network calls it."""
        return await self._served.inside(network, name)

    async def drop(self, delivery: str, by: str) -> WaitingDelivery:
        """Nobody tries any more to bring it; its writer is told. Raises Refused (also delivery_under_way)."""
        found = await self.one(delivery)
        async with self._courier.overtaking.of({delivery}) as mine:
            if delivery not in mine:
                raise Refused("delivery_under_way")
            async with self._store.db.transaction("operating.drop") as tx:
                if await tx.one("operating.delivery", delivery) is None:
                    raise Refused("no_such_delivery")
                ends = (found.network, delivery, found.message, self._clock())
                await self._store.deliveries.gave_up(tx, *ends, why=DROPPED)
                act = TrailEntry(TrailKind.OPERATOR, by, found.message, found.network, DROPPED)
                await note(tx, act, self._clock())
        log.warning("%s of the message %s to %s is dropped by %s", delivery, found.message, found.network, by)
        self._courier.ended(found.message, found.conversation, found.network)
        return found

    def _known(self, network: str) -> None:
        if network not in self._networks:
            raise Refused("unknown_network", about=network)

    def _read(self, row: Row) -> WaitingDelivery:
        return WaitingDelivery(
            row["id"], row["message"], row["conversation"], row["network"], row["created_at"], row["attempt"],
            row["next_at"], bool(row["held"]), self._courier.reasons.peek(row["id"]) or "", row["pos"],
        )  # fmt: skip
