"""Sees that another server has taken the database over while the hub ran, and whether it lacks what was acknowledged.

A replica that takes over begins a new history of the same database. If every commit has waited for it, it lacks
nothing: the place has changed, and the hub goes on. If not, it may lack the newest ratchets, and is treated as an older
copy.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bridge.db import Database
from bridge.errors import Refused, Unavailable

log = logging.getLogger(__name__)
_LOOK = 3.0  # s between two looks
_LONG = 600.0  # s after which nobody knows what was done to a database that could not be asked
_HISTORY = 1  # which part of a place is the number of the server's history


@dataclass(frozen=True, slots=True)
class _Seen:
    place: str
    twice: bool  # every commit waits for a second server
    at: float


class Primaries:
    """Of one hub. ``moved`` is told the new place, and whether what is there is whole."""

    def __init__(
        self, db: Database, moved: Callable[[str, bool], Awaitable[None]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._db, self._moved, self._clock = db, moved, clock

    async def run(self) -> None:
        """Look for ever."""
        seen: _Seen | None = None
        while True:
            try:
                seen = await self._look(seen)
            except (Unavailable, Refused) as reason:
                log.debug("where the database lies is not known: %s", reason)
            await asyncio.sleep(_LOOK)

    async def _look(self, before: _Seen | None) -> _Seen:
        row = await self._db.one("process.kept-twice")
        now = _Seen(await self._db.place(), row is not None and bool(row["twice"]), self._clock())
        if before is not None and before.place != now.place:
            await self._moved(now.place, _whole(before, now))
        return now


def _whole(before: _Seen, now: _Seen) -> bool:
    """Whether the server of ``now`` has all that the one of ``before`` has acknowledged."""
    same = [part for n, part in enumerate(before.place.split("/")) if n != _HISTORY]
    there = [part for n, part in enumerate(now.place.split("/")) if n != _HISTORY]
    return before.twice and now.twice and same == there and now.at - before.at < _LONG
