"""From a readable event of a room to a message of the hub: its text, its file fetched and opened, its reaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.events import CALLS, OWN_WORDS, Said, to_message
from appservice.rooms.rooms import Rooms
from bridge.errors import Refused
from bridge.kinds import KINDS
from bridge.model import MATRIX, Address, Body, GroupName, Message, Ref
from bridge.parts.moments import LONG_AGO, credible

Json = dict[str, Any]
_SILENT = (  # what clients say among themselves, and nobody has written; docs/kinds.md names them
    "m.key.verification.", "m.call.", "m.rtc.", "org.matrix.msc4075.", "org.matrix.msc4310.", "m.room.", "m.room_key",
    "m.space.", "m.policy.", "com.beeper.", "io.element.", "im.vector.", "fr.liaison.",
)  # fmt: skip


class Incoming:
    """``message`` translates one event. ``hub`` is set when the connector starts."""

    def __init__(self, edge: MatrixEdge, rooms: Rooms) -> None:
        self.hub = edge.hub
        self._names = edge.names
        self._clock = edge.clock
        self.rooms = rooms
        self._media = edge.media
        self._files = edge.files

    async def message(self, event: Json, kind: str, content: Json) -> Message | None:
        """The hub's message for an event of this clear type and content; None for what is no message at all.

        Raises Refused (said in the room), Unavailable (its file cannot be fetched now).
        """
        if (kind not in CALLS and kind != "m.room.message" and kind.startswith(_SILENT)) or OWN_WORDS in content:
            return None  # of another hub, too, only a hub's own words are marked so
        if "m.relates_to" not in content and "m.relates_to" in event["content"]:
            content = {**content, "m.relates_to": event["content"]["m.relates_to"]}
        said = to_message(kind, content)
        room = await self.rooms.store.get(event["room_id"])
        await self.rooms.adopt(room)
        unknown = room.conversation is None and not KINDS[said.kind].about
        now = self._clock()
        sent_at = credible(event.get("origin_server_ts"), now, now - LONG_AGO)
        return Message(
            ref=Ref(MATRIX, event["event_id"]), chat=event["room_id"], sender=Address(MATRIX, event["sender"]),
            kind=said.kind, body=await self._body(said, event["room_id"]), sent_at=sent_at,
            to=self._ghost_handles(room.members) if unknown else (),
            reply_to=said.reply_to, thread=said.thread, name=GroupName(room.name) if unknown and room.name else None,
        )  # fmt: skip

    async def reaction(self, event: Json, content: Json, comes: Callable[[str, str], object]) -> Message | None:
        """A reaction to a message of the same conversation; None for any other, which nobody need hear of.

        ``comes`` is asked whether an event of a room is still to be read.
        """
        try:
            message = await self.message(event, "m.reaction", content)
        except Refused:
            return None
        if message is None or message.reply_to is None:
            return None
        if comes(message.chat, message.reply_to.id):
            return message
        cited, room = await self.hub.facts.cited(message.reply_to), await self.rooms.store.get(event["room_id"])
        return message if cited is not None and cited.conversation == room.conversation else None

    async def _body(self, said: Said, room_id: str) -> Body:
        people = [await self._person(user) for user in said.named]
        called = tuple(dict.fromkeys(person for person in people if person is not None))
        body = said.body
        if called or said.everybody:
            body = replace(body, mentions=called, everybody=said.everybody)
        if said.file is None:
            return body
        room = await self.rooms.store.get(room_id)
        ghost = next(iter(self.rooms.doors.ghosts_in(room)), None)
        if ghost is None:
            raise Refused("not_in_room", about=room_id)
        return replace(body, files=(await self._media.arrived(said.file, ghost, self._files),))

    async def _person(self, user: str) -> str | None:
        """Who is meant by a user's name."""
        if (ghost := self._names.person(user)) is not None:
            return ghost
        person = await self.hub.facts.who(Address(MATRIX, user))
        return None if person is None else person.id

    def _ghost_handles(self, members: dict[str, str]) -> tuple[str, ...]:
        joined = [user for user, membership in members.items() if membership == "join"]
        return tuple(handle for user in sorted(joined) if (handle := self._names.handle(user)) is not None)
