"""Lets invited ghosts into a room several at once; the room's lane takes each invitation in its order all the same.

A homeserver needs longest for the joins, and somebody who makes a room invites everybody in one moment. So a join
begins when its invitation has come in and ends, for the hub, when the lane comes to that invitation: only then is it
noted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from bridge.parts.slots import Slots
from bridge.parts.tasks import Tasks

Json = dict[str, Any]
_AT_ONCE = 8  # joins under way in one room: a room that does not answer holds up no other


class Entering:
    """``let_in`` judges an invitation and has its ghost join; it may be called again. ``begin`` costs no time.

    ``asked`` gets the room and the ghost of each that has come in, until somebody takes it away.
    """

    def __init__(self, let_in: Callable[[Json], Awaitable[None]], asked: set[tuple[str, str]]) -> None:
        self._let_in = let_in
        self._asked = asked
        self._begun: dict[str, asyncio.Task[None]] = {}
        self._tasks = Tasks("joins")
        self._slots = Slots(_AT_ONCE)

    def begin(self, invitations: Iterable[Json]) -> None:
        """Have these ghosts join as soon as there is room for them."""
        for event in invitations:
            self._asked.add((event["room_id"], event["state_key"]))
            self._begun[event["event_id"]] = self._tasks.start(self._early(event), awaited=True)

    async def _early(self, event: Json) -> None:
        async with self._slots.of(event["room_id"]):
            await self._let_in(event)

    async def end(self, event: Json) -> None:
        """Return when the invited ghost is in the room. Raises Refused, Unavailable; then it may be tried again."""
        self._asked.add((event["room_id"], event["state_key"]))
        task = self._begun.pop(event["event_id"], None)
        await (self._let_in(event) if task is None else task)

    def forget(self, event: Json) -> None:
        """The ghost is there already."""
        self._begun.pop(event["event_id"], None)

    async def stop(self) -> None:
        """Begin nothing more; what is not noted is done again after the next start."""
        await self._tasks.stop()
