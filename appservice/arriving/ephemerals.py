"""Receipts and typing of people, from the ephemeral part of a transaction to the hub: never stored.

A receipt outlasts a database that changes its primary. What was not handed on when the hub ended, and what came while
it was away, the homeserver is asked for (:mod:`appservice.arriving.missed_receipts`). Typing is best effort.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from appservice.arriving.receipts import EVERYTHING, Receipts
from appservice.client.edge import MatrixEdge
from bridge.errors import Refused, Unavailable
from bridge.model import MATRIX, Address
from bridge.parts.lru import Lru
from bridge.parts.moments import credible

Json = dict[str, Any]
log = logging.getLogger(__name__)
_ROOMS = 10_000  # rooms whose typing people are remembered
_RECEIPT = 120.0  # s for which a receipt waits for a database or a homeserver that is away
_AGAIN = 1.0  # s between two tries


class Ephemerals:
    """``take`` queues what came; it is handed on in order, receipts (which may ask the homeserver) beside the rest.

    ``hub`` is set when the connector starts.
    """

    def __init__(self, edge: MatrixEdge, receipts: Receipts) -> None:
        self.hub = edge.hub
        self._names = edge.names
        self._clock = edge.clock
        self._receipts = receipts
        self._typing: Lru[str, frozenset[str]] = Lru(_ROOMS)
        self._queues: dict[str, asyncio.Queue[tuple[Json, bool, float | None]]] = {
            "m.receipt": asyncio.Queue(10_000),
            "m.typing": asyncio.Queue(10_000),
        }

    def take(self, events: Sequence[Json], *, threads: bool = False) -> None:
        """Note ephemeral events; when too many wait, new ones are dropped. ``threads``: they say everybody's thread."""
        for event in events:
            queue = self._queues.get(str(event.get("type")))
            if queue is not None and not queue.full():
                queue.put_nowait((event, threads, None))

    async def run(self) -> None:
        """Hand signs on until cancelled."""
        await asyncio.gather(self._each("m.receipt", self._reads, _RECEIPT), self._each("m.typing", self._typings, 0.0))

    async def _each(self, kind: str, hand_on: Callable[[Json, bool], Awaitable[None]], patience: float) -> None:
        """Nobody sends them again: what does not work now is tried again for ``patience`` seconds, after the others."""
        queue, now = self._queues[kind], asyncio.get_running_loop().time
        while True:
            event, threads, until = await queue.get()
            try:
                await hand_on(event, threads)
            except (Refused, Unavailable) as reason:
                until = now() + patience if until is None else until
                if isinstance(reason, Unavailable) and now() < until and not queue.full():
                    queue.put_nowait((event, threads, until))
                    await asyncio.sleep(min(reason.retry_after or _AGAIN, _AGAIN))
                else:
                    log.info("a sign of %s is lost: %s", event.get("room_id"), reason)
            except Exception as bug:  # somebody else's odd event must not end the loop
                log.warning("a sign of %s is odd: %s", event.get("room_id"), type(bug).__name__)

    async def _reads(self, event: Json, threads: bool) -> None:
        for event_id, kinds in event["content"].items():
            for user, data in kinds.get("m.read", {}).items():
                if not self._names.is_ours(user):
                    at, thread = credible(data.get("ts"), self._clock()), data.get("thread_id")
                    thread = thread if isinstance(thread, str) else EVERYTHING if threads else None
                    await self._receipts.read(event["room_id"], event_id, user, thread, at)

    async def _typings(self, event: Json, _: bool) -> None:
        room, users = event["room_id"], event["content"]["user_ids"]
        now = frozenset(user for user in users if not self._names.is_ours(user))
        before = self._typing.drop(room) or frozenset()
        if now:
            self._typing.put(room, now)
        for user in sorted(now ^ before):
            await self.hub.signs.typing(MATRIX, room, Address(MATRIX, user), user in now)
