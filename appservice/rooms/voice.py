"""The hub's own user: who says what became of messages, so that no colleague is shown as having read or said it.

Clients take whoever speaks in a room for somebody who has read everything before (matrix-js-sdk makes up a receipt for
the sender of every event, membership included). The voice is therefore invited while there is nothing yet to be read:
by the request that makes the room, or by the first ghost that somebody invites, which has come in just then. It joins
where it has to speak, and only there. Source of the mark that keeps it out of a room's name: MSC4171.
"""

from __future__ import annotations

import logging
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.events import SERVICE_MEMBERS, to_service_members
from appservice.client.homeserver import MatrixRefused, part
from appservice.client.names import Names
from appservice.rooms.doors import Doors
from appservice.rooms.ghosts import Ghosts
from appservice.rooms.roomstate import Room
from bridge.errors import Refused, Unavailable
from bridge.parts.lru import Lru
from bridge.parts.turns import Turns

Json = dict[str, Any]
log = logging.getLogger(__name__)
_REMEMBERED = 20_000


class Voice:
    """Whoever has sent it away, or does not let it in, is not asked again: a failure is said by a ghost there."""

    def __init__(self, edge: MatrixEdge, ghosts: Ghosts, doors: Doors) -> None:
        self._homeserver = edge.homeserver
        self._names: Names = edge.names
        self._ghosts = ghosts
        self._doors = doors
        self._turns = Turns()
        self._unwanted: Lru[str, bool] = Lru(_REMEMBERED)  # rooms that refused it, until the next start

    @property
    def user(self) -> str:
        """Its Matrix user."""
        return self._names.voice

    def absent(self, room: Room) -> bool:
        """Whether it was never invited to a room, and may be."""
        return room.membership(self.user) == "none" and self._unwanted.get(room.room_id) is None

    async def brought(self, room: Room, ghost: str) -> None:
        """Have it invited by a ghost that has just come in or spoken. A failure is no hindrance: it is tried again."""
        try:
            await self.needed(room, ghost)
        except Unavailable as reason:
            log.info("the hub's voice is not invited to %s yet: %s", room.room_id, reason)

    async def needed(self, room: Room, ghost: str) -> None:
        """The same for sure, unless the room does not want it. Raises Unavailable.

        Of a room that the ghost has only now come into nothing is known yet: the homeserver says what may be done.
        """
        if not self.absent(room) or (room.membership(ghost) == "join" and not room.may(ghost, "invite")):
            return
        try:
            async with self._turns.of(room.room_id):
                if self.absent(room):
                    await self._ghosts.voice()
                    await self._bring(room, ghost)
        except Refused as refusal:
            log.info("the hub's voice is not invited to %s: %s", room.room_id, refusal)

    async def _bring(self, room: Room, ghost: str) -> None:
        where = f"/_matrix/client/v3/rooms/{part(room.room_id)}"
        try:
            await self._mark(f"{where}/state/{part(SERVICE_MEMBERS)}/", ghost)
        except MatrixRefused as refusal:
            log.info("the hub's voice counts as a person in the name of %s: %s", room.room_id, refusal)
        before = room.membership(self.user)
        try:
            await self._homeserver.call("POST", f"{where}/invite", {"user_id": self.user}, user=ghost)
        except MatrixRefused as refusal:
            self._unwanted.put(room.room_id, True)
            log.warning("the hub's voice may not be invited to %s: %s", room.room_id, refusal)
        else:
            await self._doors.invited(room, self.user, before)

    async def _mark(self, path: str, ghost: str) -> None:
        """Keep it out of the room's name; others may have marked members before."""
        try:
            known = (await self._homeserver.call("GET", path, user=ghost)).get("service_members")
        except MatrixRefused as refusal:
            if refusal.status != 404:
                raise
            known = None
        others = [user for user in known if isinstance(user, str)] if isinstance(known, list) else []
        await self._homeserver.call("PUT", path, to_service_members([*others, self.user]), user=ghost)

    async def alone(self, room: Room) -> None:
        """Decline where no ghost has stayed: there is nothing to say. Raises Unavailable."""
        if room.membership(self.user) == "invite" and not self._doors.ghosts_in(room):
            await self._doors.leave(room, self.user)

    async def speaker(self, room: Room) -> str | None:
        """Who says something in a room: the voice, which comes in for it; None if it cannot. Raises Unavailable."""
        if room.membership(self.user) == "invite" and room.facts.successor is None:
            async with self._turns.of(room.room_id):
                if room.membership(self.user) == "invite":
                    await self._enter(room)
        return self.user if room.membership(self.user) == "join" else None

    async def _enter(self, room: Room) -> None:
        await self._ghosts.voice()
        try:
            await self._doors.join(room, self.user)
        except Refused as refusal:
            log.warning("the hub's voice does not come into %s: %s", room.room_id, refusal)
            room.set_member(self.user, "leave")
