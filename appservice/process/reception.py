"""Somebody comes into a room: the keys kept for them are given once their client knows who we are."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.names import server_of
from appservice.e2ee import Engine
from appservice.leaving.keyless import Keyless
from appservice.rooms.rooms import Rooms
from appservice.rooms.roomstate import Room, RoomStore
from bridge.errors import Refused, Unavailable

log = logging.getLogger(__name__)
_WELCOME_AGAIN = (1.0, 5.0, 30.0, 60.0)  # s between two tries to give a newcomer the keys kept for them
_ASKED = 10.0  # s for a newcomer's server to say which devices they have


class Reception:
    """Who waits for keys, and how they get them."""

    def __init__(self, edge: MatrixEdge, engine: Engine, rooms: Rooms, store: RoomStore, keyless: Keyless) -> None:
        self._edge = edge
        self._engine = engine
        self._rooms = rooms
        self._store = store
        self._keyless = keyless

    async def waits(self, room_id: str, user: str) -> bool:
        """Whether what is kept for somebody has to wait: they are not in the room, or may not read in it."""
        room = await self._store.get(room_id)
        gone = room.membership(user) != "join" or user in room.strangers  # they get nothing that was kept
        return gone or room.waits(user) or not self._edge.trusted(server_of(user))

    async def _known(self, room: Room, user: str) -> None:
        """Ask for a newcomer's devices, and wait for the answer, not for ever: a key is given to known devices only."""
        ghost = next((ghost for ghost in self._rooms.doors.ghosts_in(room)), None)
        if ghost is not None:
            with suppress(Unavailable, Refused):
                await self._engine.know(user, ghost, _ASKED)

    async def welcome(self, room: Room, event: dict[str, Any]) -> None:
        """Somebody has joined: once their client had time to learn who we are, they get the keys kept for them."""
        user = event["state_key"]
        await self._rooms.newcomers.settled(room, user, self._known(room, user))
        for pause in _WELCOME_AGAIN:
            try:
                await self._engine.late(room.room_id, user)
                await asyncio.sleep(1.0)  # what was being sent meanwhile may not have known of the newcomer
                await self._engine.late(room.room_id, user)
                break
            except (Unavailable, Refused) as reason:
                log.info("keys for %s wait: %s", user, reason)
                await asyncio.sleep(pause)
        await self._keyless.explain(room, user)
        if server_of(user) != self._edge.names.server:
            await self._rooms.doors.tie(room, event["event_id"])
