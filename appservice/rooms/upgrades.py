"""A room that another one replaces: its conversation goes on there, with every ghost that was in the old one."""

from __future__ import annotations

import asyncio
import logging

from appservice.client.edge import MatrixEdge
from appservice.client.names import server_of
from appservice.e2ee import Engine
from appservice.rooms.rooms import Rooms
from appservice.rooms.roomstate import Room, save
from appservice.rooms.voice import Voice
from bridge.db import Tx
from bridge.errors import Refused, Unavailable
from bridge.model import MATRIX, Address
from bridge.parts.lru import Lru
from bridge.parts.turns import Turns

log = logging.getLogger(__name__)
_AT_ONCE = 8  # ghosts on their way into one room
_FIRST = 3  # ghosts that try to be the first: one of them may be banned
_TRIES = 20  # while the new room's server is away: so long the lane of the old room waits for it
_REMEMBERED = 1000


class Upgrades:
    """Specification, "Room upgrades": users of the old room join the new one by the tombstone's sender's server."""

    def __init__(self, edge: MatrixEdge, rooms: Rooms, engine: Engine, voice: Voice) -> None:
        self.hub = edge.hub
        self._trusted = edge.trusted
        self._rooms = rooms
        self._engine = engine
        self._voice = voice
        self._turns = Turns()
        self._tries: Lru[str, int] = Lru(_REMEMBERED)
        rooms.follows(self.entered, self.adopted)

    async def closed(self, old: Room) -> None:
        """A room has just been closed. Raises Unavailable, some times; later its next delivery tries it."""
        try:
            await self.entered(old)
        except Unavailable as reason:
            tries = self._tries.put(old.room_id, (self._tries.get(old.room_id) or 0) + 1)
            if tries < _TRIES:
                raise
            log.warning("the room that replaces %s cannot be reached: %s", old.room_id, reason)
            await self._kept_out(old)

    async def entered(self, old: Room) -> None:
        """Have the ghosts of a closed room join its successor; being kept out is said. Raises Unavailable."""
        async with self._turns.of(old.room_id):
            ghosts, successor = self._rooms.doors.ghosts_in(old), old.facts.successor
            if successor is None or not ghosts or old.conversation is None:
                return
            new, chat = await self._rooms.store.get(successor), await self.hub.facts.chat(MATRIX, successor)
            try:
                if chat is None:
                    await self._first(new, old, ghosts)
                elif chat.conversation != old.conversation:
                    raise Refused("not_a_member", about=successor)
            except Refused as refusal:
                log.warning("%s, which replaces %s, is not followed: %s", successor, old.room_id, refusal)
                await self._kept_out(old)
                return
            await self._others(new, old, ghosts)

    async def _first(self, new: Room, old: Room, ghosts: list[str]) -> None:
        """The conversation moves with the first ghost that comes in. Raises Refused, Unavailable."""
        by = old.facts.closed_by
        if by is not None and not self._trusted(server_of(by)):
            raise Refused("untrusted_server", about=server_of(by))
        if new.read_at > 0 and not _replaces(new, old):  # it was looked at before: single events say only a part
            raise Refused("not_in_room", about=new.room_id)
        ghost = await self._in(new, old, ghosts[:_FIRST])
        await self._voice.brought(new, ghost)  # while there is nothing to be read
        await self._rooms.doors.entered(new, ghost)
        await self._rooms.doors.reload(new, ghost)
        if not _replaces(new, old):
            await self._rooms.doors.leave(new, ghost)
            await self._voice.alone(new)
            raise Refused("not_in_room", about=new.room_id)
        await self.follow(new, old)

    async def _in(self, new: Room, old: Room, ghosts: list[str]) -> str:
        for ghost in ghosts:
            try:
                await self._enter(new, old, ghost)
            except Refused as refusal:
                log.info("%s does not come into %s: %s", ghost, new.room_id, refusal)
            else:
                return ghost
        raise Refused("not_in_room", about=new.room_id)

    async def _enter(self, new: Room, old: Room, ghost: str) -> None:
        via = [] if old.facts.closed_by is None else [server_of(old.facts.closed_by)]
        await self._rooms.doors.enter(new.room_id, ghost, via, invited=False)

    async def _others(self, new: Room, old: Room, ghosts: list[str]) -> None:
        """Whoever is not let in is invited by the others with the next delivery. Raises Unavailable."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def bring(ghost: str) -> None:
            async with turns:
                await self._enter(new, old, ghost)
                await self._rooms.doors.entered(new, ghost)

        missing = [ghost for ghost in ghosts if new.membership(ghost) in ("none", "invite")]
        ended = await asyncio.gather(*map(bring, missing), return_exceptions=True)
        for ghost, error in zip(missing, ended, strict=True):
            if isinstance(error, Refused):
                log.info("%s does not come into %s yet: %s", ghost, new.room_id, error)
            elif error is not None:
                raise error

    async def _kept_out(self, old: Room) -> None:
        """Said once in the old room, if anybody may still speak there."""
        ghosts = self._rooms.doors.ghosts_in(old)
        if old.facts.kept_out or not await self._rooms.doors.reload_as(old, ghosts):
            return
        if not any(old.may_say(user, "m.room.encrypted") for user in (*ghosts, self._voice.user)):
            return
        old.facts.kept_out = await self._rooms.tell(old, f"upgraded:{old.facts.successor}", "room_upgraded", "")
        await self._rooms.store.write(old)

    # -- the conversation ----------------------------------------------------------------------------------

    async def adopted(self, room: Room) -> None:
        """Something is said in a room without a conversation: it may replace one that has. Raises Unavailable.

        The lanes of the two rooms know nothing of each other: this can come before the old one was worked on.
        """
        ghost = next(iter(self._rooms.doors.ghosts_in(room)), None)
        if ghost is None or not (room.read_at > 0 or await self._rooms.doors.reload_as(room, [ghost])):
            return
        if room.facts.predecessor is None or not room.facts.encrypted:
            return
        async with self._turns.of(room.facts.predecessor):
            if await self.hub.facts.chat(MATRIX, room.room_id) is not None:
                return
            try:
                old = await self.replaced(room, ghost)
            except Refused:  # the ghost is not in the old room any more: nobody says that it is replaced
                return
            if old is not None and old.conversation is not None:
                await self.follow(room, old)

    async def replaced(self, room: Room, ghost: str) -> Room | None:
        """The room that this one replaces, if that one says so too: a predecessor alone could be claimed by anybody."""
        if room.facts.predecessor is None:
            return None
        old = await self._rooms.store.get(room.facts.predecessor)
        if old.facts.successor is None and ghost in self._rooms.doors.ghosts_in(old):
            await self._rooms.doors.reload(old, ghost)
        return old if old.facts.successor == room.room_id else None

    async def follow(self, room: Room, old: Room) -> None:
        """The conversation goes on in the new room; old event ids keep their meaning in the hub.

        Who was only invited to the old one does not get what was said there: joining the new one does not show it.
        """
        conversation = old.conversation
        assert conversation is not None
        if (ghost := next(iter(self._rooms.doors.ghosts_in(room)), None)) is not None:
            await self._rooms.naming.moves(room, old, ghost)
        for user in self._rooms.doors.people_in(old, "invite"):
            await self.hub.signs.arrived(MATRIX, old.room_id, Address(MATRIX, user), "not_joined")
            await self._engine.forget_invited(old.room_id, user)
        room.facts.encrypted = room.facts.encrypted or old.facts.encrypted

        async def within(tx: Tx) -> None:
            await save(tx, room, list(room.members), conversation)

        await self.hub.bind(conversation, MATRIX, room.room_id, within)
        room.conversation = conversation


def _replaces(new: Room, old: Room) -> bool:
    """Whether a room whose state was read may carry on the conversation of another."""
    return new.facts.encrypted and new.facts.predecessor == old.room_id
