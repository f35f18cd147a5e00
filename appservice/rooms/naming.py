"""The name of a room and that of its conversation: one becomes the other, and neither bounces.

Whatever the hub accepted last is the conversation's name, and the room follows. Each name that the hub gives a room
says which message of the hub gave it (``fr.liaison.named``): so an echo is known by what it carries. One that came too
late, after a person had named the room again, is put right. A name that says who a patient is never comes here: the
state of a room is read by servers.
"""

from __future__ import annotations

import logging
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.events import NAMED, name_in, to_name
from appservice.client.homeserver import MatrixRefused, part
from appservice.rooms.doors import Doors
from appservice.rooms.roomstate import Room
from bridge.errors import Refused
from bridge.model import MATRIX, Address, GroupName, Ref
from bridge.parts.failpoint import failpoint
from bridge.parts.lines import one_name
from bridge.receiver import Chat, Within

Json = dict[str, Any]
LONGEST_TOPIC = 500
log = logging.getLogger(__name__)


class Naming:
    """``heard`` takes what a room is called now, ``give`` calls it so."""

    def __init__(self, edge: MatrixEdge, doors: Doors) -> None:
        self.hub = edge.hub
        self._homeserver = edge.homeserver
        self._names = edge.names
        self._doors = doors

    async def heard(self, room: Room, event: Json, done: Within) -> bool:
        """A room has another name: ``done`` is written with it. False: that is no news.

        Raises Refused for whoever may not name the conversation, Unavailable.
        """
        chat, sender = await self.hub.facts.chat(MATRIX, room.room_id), event["sender"]
        name = room.name = name_in(event["content"])
        if chat is None:
            return False  # whatever it is called when its conversation begins is that one's name
        if self._names.is_ours(sender):
            if event["content"].get(NAMED) != chat.named:
                await self._put_right(room, sender, chat)
            return False
        if name == (chat.name.text if chat.name else ""):
            return False
        failpoint("matrix.before-name")
        ref = Ref(MATRIX, event["event_id"])
        await self.hub.rename(ref, room.room_id, Address(MATRIX, sender), GroupName(name), done)
        failpoint("matrix.after-name")
        return True

    async def about(self, room: Room, event: Json, done: Within) -> bool:
        """A person says what the room is about: the others read it as words. False: it is nobody's, or no news.

        Raises Refused, Unavailable.
        """
        if self._names.is_ours(event["sender"]) or await self.hub.facts.chat(MATRIX, room.room_id) is None:
            return False
        said = event["content"].get("topic")
        topic = one_name(said, LONGEST_TOPIC) if isinstance(said, str) else ""
        ref = Ref(MATRIX, event["event_id"])
        await self.hub.topic(ref, room.room_id, Address(MATRIX, event["sender"]), topic, done)
        return True

    async def give(self, room: Room, ghost: str, name: GroupName | None, named: str | None) -> bool:
        """Call a room like its conversation; False: this room lets the ghost do no such thing. Raises Unavailable."""
        shown = name.in_clear if name else ""
        if room.name is None:
            room.name = name_in(await self._current(room, ghost))
        if room.name == shown:
            return True
        failpoint("matrix.before-room-name")
        path = f"{_state(room)}/"
        try:
            await self._homeserver.call("PUT", path, to_name(shown, named), user=ghost)
        except MatrixRefused as refusal:
            log.info("%s keeps its name: %s", room.room_id, refusal)
            return False
        failpoint("matrix.room-named")
        room.name = shown
        return True

    async def _put_right(self, room: Room, ghost: str, chat: Chat) -> None:
        """An older name of ours is in the room, unless another one came since: the homeserver says which is there."""
        ghosts = self._doors.ghosts_in(room)
        by = ghost if ghost in ghosts else next(iter(ghosts), None)
        if by is None:
            return
        current = await self._current(room, by)
        if NAMED in current and current[NAMED] != chat.named:
            room.name = name_in(current)
            await self.give(room, by, chat.name, chat.named)

    async def _current(self, room: Room, ghost: str) -> Json:
        try:
            return await self._homeserver.call("GET", _state(room), user=ghost)
        except MatrixRefused:  # it has none
            return {}

    async def moves(self, new: Room, old: Room, ghost: str) -> None:
        """The conversation of a closed room goes on in a new one: under the name that this has, else under its own.

        Raises Unavailable.
        """
        chat = await self.hub.facts.chat(MATRIX, old.room_id)
        if new.name is None:
            new.name = name_in(await self._current(new, ghost))
        name = new.name
        if chat is None or name == (chat.name.in_clear if chat.name else ""):
            return
        if not name:
            await self.give(new, ghost, chat.name, chat.named)
            return
        if name == name_in(await self._current(old, ghost)):
            return  # as the old one, which could not follow
        by = old.facts.closed_by
        people = [m.address for m in chat.members if m.address.network == MATRIX]
        namer = next((a for a in people if a.id == by), next(iter(people), None))
        if namer is None:
            return
        try:
            await self.hub.rename(Ref(MATRIX, f"name:{new.room_id}"), old.room_id, namer, GroupName(name))
        except Refused as refusal:
            log.info("the name of %s is not the conversation's: %s", new.room_id, refusal)


def _state(room: Room) -> str:
    return f"/_matrix/client/v3/rooms/{part(room.room_id)}/state/m.room.name"
