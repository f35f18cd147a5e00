"""How many rooms one person may open to our ghosts: whoever opens room after room is a script, and not a colleague."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.errors import Refused
from bridge.parts.bucket import Bucket
from bridge.parts.lru import Lru

log = logging.getLogger(__name__)
ROOMS_AT_ONCE = 50
_ROOMS_PER_SECOND = 60 / 3600
_INVITERS = 10_000  # remembered
_ROOMS = 50_000  # remembered: more ghosts may come to the same room


class Inviters:
    """``seconds`` never jumps."""

    def __init__(self, seconds: Callable[[], float], at_once: int = ROOMS_AT_ONCE) -> None:
        self._seconds = seconds
        self._at_once = at_once
        self._buckets: Lru[str, Bucket] = Lru(_INVITERS)
        self._rooms: Lru[tuple[str, str], bool] = Lru(_ROOMS)

    def opens(self, inviter: str, room: str) -> None:
        """Somebody invites a ghost to a room that has no conversation yet. Raises Refused (too_many_rooms)."""
        if (may := self._rooms.get((inviter, room))) is None:
            bucket = self._buckets.get(inviter) or self._buckets.put(inviter, Bucket(_ROOMS_PER_SECOND, self._at_once))
            may = bucket.take(self._seconds()) == 0
            if not may:
                log.warning("%s invites into too many rooms: %s is declined", inviter, room)
            self._rooms.put((inviter, room), may)
        if not may:
            raise Refused("too_many_rooms")
