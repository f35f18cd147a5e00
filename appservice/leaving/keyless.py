"""People of a room of whom no device can read what is said: their writers know why, until the key is given."""

from __future__ import annotations

import logging
from collections.abc import Collection

from appservice.client.edge import MatrixEdge
from appservice.e2ee import Engine
from appservice.rooms.membership import arrived
from appservice.rooms.roomstate import Room, RoomStore
from bridge.errors import Unavailable
from bridge.model import MATRIX, Address
from bridge.parts.lru import Lru

log = logging.getLogger(__name__)
_UNTRUSTED, _NO_KEY = "recipient_untrusted", "recipient_no_key"


class Keyless:
    """``why`` says it of what was just said, ``settled`` what has become of it since."""

    def __init__(self, edge: MatrixEdge, engine: Engine, rooms: RoomStore) -> None:
        self.hub = edge.hub
        self._engine = engine
        self._rooms = rooms
        self._told: Lru[tuple[str, str], str] = Lru(10_000)  # room and user -> why, of all that waits for them

    async def why(self, room: Room, ghost: str, people: Collection[str]) -> dict[str, str]:
        """Those of these people who cannot read what a ghost said last, and why (a code)."""
        found = await self._engine.keyless(room.room_id, ghost, people)
        for user, code in found.items():
            if code == _NO_KEY:  # more may be known soon
                self._told.drop((room.room_id, user))
        return {user: _UNTRUSTED if user in room.untrusted else code for user, code in found.items()}

    async def noted(self, room: Room, user: str, why: str | None) -> None:
        """The hub has noted why somebody cannot read a message: what was found out meanwhile was told too early.

        None: they were only invited.
        """
        if why in (None, _NO_KEY) and room.membership(user) == "join":
            self._told.drop((room.room_id, user))
            await self.explain(room, user)

    async def settled(self, room_id: str, user: str, lacks: bool) -> None:
        """It was tried to give somebody the keys that are kept for them: they have them, or still lack some."""
        room = await self._rooms.get(room_id)
        if room.membership(user) != "join":
            return
        if not lacks:
            self._told.drop((room_id, user))
            await arrived(self.hub, self._engine, room, user)
            return
        why = await self._engine.why(user)
        if why != _NO_KEY and self._told.get((room_id, user)) != why:
            await self.hub.signs.waits(MATRIX, room_id, Address(MATRIX, user), why)
            self._told.put((room_id, user), why)

    async def explain(self, room: Room, user: str) -> None:
        """Somebody has come in: whoever wrote to them before learns what came of it."""
        try:
            await self.settled(room.room_id, user, await self._engine.lacks(room.room_id, user))
        except Unavailable as reason:
            log.info("why messages wait for %s is not told: %s", user, reason.code)
