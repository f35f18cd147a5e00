"""What is said in a room before anybody has come in is kept in the hub until somebody does.

Some clients look at a message once, when they show the room (nheko, Cinny): whatever was said before its reader came,
and whose key follows the join, stays unreadable there until the client is started again. What is said after the join,
its key before it, is read by all of them. Nobody could have read it in the room any earlier.
"""

from __future__ import annotations

from appservice.client.edge import MatrixEdge
from appservice.leaving.outbox import Outbox
from appservice.rooms.rooms import Rooms
from appservice.rooms.roomstate import Room
from bridge.errors import Unavailable
from bridge.model import MATRIX, Delivery

_LOOK = 3600.0  # s between two looks; whoever comes or goes is told of


class FirstWords:
    """``wait`` raises Unavailable (kept) for what is said to people of whom nobody has come in yet."""

    def __init__(self, edge: MatrixEdge, rooms: Rooms, outbox: Outbox) -> None:
        self.hub = edge.hub
        self._names = edge.names
        self._rooms = rooms
        self._outbox = outbox

    async def wait(self, room: Room, delivery: Delivery, key: str) -> None:
        """Return if a delivery, whose first event has this key, is to be said now.

        It is said as well, its keys kept for the invited, if it may be in the room already, if nobody came for so long
        that the hub would give up, and if somebody waits to be invited or taken out: they come after this message.
        """
        if self._rooms.doors.people_in(room) or not self._rooms.invited(room, delivery):
            return
        if not delivery.last and not self._outbox.knows(key) and await self._complete(room):
            raise Unavailable("invited", _LOOK, kept=True)

    async def _complete(self, room: Room) -> bool:
        """Whether the room holds exactly the members that its conversation has now."""
        chat = await self.hub.facts.chat(MATRIX, room.room_id)
        members = {user for m in chat.members if (user := self._names.member(m)) is not None} if chat else set()
        return members - room.unknown - room.leaving == set(room.present()) - {self._names.voice} - room.leaving
