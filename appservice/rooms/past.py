"""What was said in a room, read again from the homeserver as somebody of the room, with the keys that the hub has.

The homeserver shows a ghost what the room's rule lets it see. The hub has keys that other ghosts were given: of what
was said before a person came, only what its sender's client has marked as history to be shared is opened.
"""

from __future__ import annotations

from typing import Any

import orjson

from appservice.client.edge import MatrixEdge
from appservice.client.events import Said, to_message
from appservice.client.homeserver import MatrixRefused, part
from appservice.e2ee import Engine, KeyMissing, Undecryptable
from appservice.rooms.roomstate import RoomStore
from bridge.connector import Remembered
from bridge.errors import Refused
from bridge.model import MATRIX, Address, Kind, Member

Json = dict[str, Any]
_TYPES = ("m.room.encrypted", "m.reaction")


class Past:
    """See :class:`bridge.connector.Remembers`."""

    def __init__(self, edge: MatrixEdge, engine: Engine, store: RoomStore) -> None:
        self._edge = edge
        self._engine = engine
        self._store = store

    async def read(
        self, chat: str, reader: Member, since: int, before: str, limit: int
    ) -> tuple[list[Remembered], str | None]:
        """A page, and where the next one begins. Raises Refused (not_a_member), Unavailable."""
        ghost = self._edge.names.member(reader)
        room = await self._store.get(chat)
        if ghost is None or not self._edge.names.is_ours(ghost) or room.membership(ghost) != "join":
            raise Refused("not_a_member", "user")
        page = await self._page(chat, ghost, before, limit)
        found = [await self._remembered(chat, event, since) for event in page.get("chunk", ()) if _is_said(event)]
        end = page.get("end")
        return [one for one in found if one is not None], end if isinstance(end, str) and page.get("chunk") else None

    async def _page(self, chat: str, ghost: str, before: str, limit: int) -> Json:
        query = {"dir": "b", "limit": str(limit), "filter": orjson.dumps({"types": list(_TYPES)}).decode()}
        query |= {"from": before} if before else {}
        path = f"/_matrix/client/v3/rooms/{part(chat)}/messages"
        try:
            return await self._edge.homeserver.call("GET", path, user=ghost, query=query)
        except MatrixRefused as refusal:  # the place is none of its own, or the ghost has just left
            raise Refused("unknown_cursor" if before else "not_a_member", "cursor" if before else "user") from refusal

    async def _remembered(self, chat: str, event: Json, since: int) -> Remembered | None:
        """None: it is not for this reader, or nobody's words."""
        name, sender, at = event["event_id"], Address(MATRIX, event["sender"]), event["origin_server_ts"]
        if event["sender"] == self._edge.names.voice:
            return None
        if "redacted_because" in (event.get("unsigned") or {}) or not event["content"]:
            return Remembered(name, sender, Kind.TEXT, at, None, removed=True) if at >= since else None
        event = event | {"room_id": chat}
        if at < since and not (event["type"] != "m.reaction" and await self._engine.shared_history(event)):
            return None
        try:
            said = await self._said(chat, event)
        except (KeyMissing, Undecryptable):
            return Remembered(name, sender, Kind.TEXT, at, None)
        except Refused:
            return None  # nothing that a person reads
        about = said.reply_to.id if said.reply_to is not None else None
        files = () if said.file is None else (said.file.name,)
        return Remembered(name, sender, said.kind, at, said.body, about, files)

    async def _said(self, chat: str, event: Json) -> Said:
        """Raises KeyMissing, Undecryptable, Refused, Unavailable."""
        if event["type"] == "m.reaction":
            return to_message("m.reaction", event["content"])
        clear = await self._engine.decrypt(chat, event["sender"], event["event_id"], event["content"])
        return to_message(clear.type, clear.content)


def _is_said(event: Any) -> bool:
    if not isinstance(event, dict) or event.get("type") not in _TYPES or not isinstance(event.get("content"), dict):
        return False
    return isinstance(event.get("event_id"), str) and isinstance(event.get("origin_server_ts"), int)
