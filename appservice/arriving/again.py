"""Rooms that are asked for once more after an older copy of the database was restored, known ones and forgotten
ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from appservice.arriving.gaps import Gaps
from appservice.arriving.inbox import Inbox
from appservice.arriving.transactions import Item
from appservice.rooms.membership import Membership
from appservice.rooms.rooms import Rooms
from bridge.errors import Refused

Json = dict[str, Any]
log = logging.getLogger(__name__)
Listener = Callable[[str, Sequence[Item]], Awaitable[None]]


class Again:
    """``listener`` is told, while there is one, of events of a room that had not come in."""

    def __init__(self, inbox: Inbox, gaps: Gaps, rooms: Rooms, membership: Membership) -> None:
        self._inbox, self._gaps, self._rooms, self._membership = inbox, gaps, rooms, membership
        self.listener: Listener | None = None

    async def taken(self, room_id: str, items: Sequence[Item]) -> None:
        """These had not come in; they are on disk now."""
        if self.listener is not None:
            for item in items:
                item.again = True
            await self.listener(room_id, items)

    async def compare(self, room_id: str) -> bool:
        """Compare a room with what has come in, once its lane is free; whether that could be done."""
        await asyncio.wait([self._inbox.look(room_id)])
        return not self._gaps.due(room_id)

    async def enter(self, room_id: str, ghost: str) -> bool:
        """A ghost is in a room, as the homeserver says. Whether that is news, and the room's state was read.

        Raises Refused, Unavailable.
        """
        room = await self._rooms.store.get(room_id)
        if room.membership(ghost) == "join":
            return False
        await self._rooms.doors.reload(room, ghost)
        return True

    async def invited(self, invitation: Json) -> None:
        """An invitation that waits, of which only the stripped state is known: the room's history has its event.

        Raises Unavailable.
        """
        if not self._membership.invites(invitation):
            return
        room, ghost = await self._rooms.store.get(invitation["room_id"]), invitation["state_key"]
        try:
            await self._membership.let_in(invitation)
            await self._rooms.doors.reload(room, ghost)
        except Refused as refusal:
            log.info("an invitation of %s to %s is refused: %s", ghost, room.room_id, refusal)
            await self._rooms.doors.decline(room, invitation, refusal)
