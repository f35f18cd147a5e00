"""A conversation as its room holds it, read by the running hub as one of its ghosts, with the hub's own keys.

What the hub has no key for is said, and nothing is made up for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appservice.client.events import sound
from appservice.client.homeserver import Homeserver, MatrixRefused, part
from appservice.client.names import Names, server_of
from appservice.e2ee import Engine
from appservice.e2ee.model import KeyMissing, Undecryptable
from appservice.operating.door import Act
from appservice.rooms.roomstate import RoomStore
from bridge.errors import Refused, Unavailable
from bridge.hub.hub import now_ms
from bridge.model import MATRIX, Address
from bridge.people.people import People
from bridge.store.store import Store
from bridge.trail.entry import TrailEntry, TrailKind, note

Json = dict[str, Any]
_PAGE = 100
_KEPT = ("event_id", "type", "sender", "origin_server_ts", "room_id", "state_key", "content")


class RoomReading:
    """``homeserver``, ``engine``, ``store`` and ``names`` are those of the hub that runs."""

    def __init__(
        self, store: Store, people: People, homeserver: Homeserver, engine: Engine, rooms: RoomStore, names: Names
    ) -> None:
        self._store, self._people = store, people
        self._homeserver, self._engine, self._rooms, self._names = homeserver, engine, rooms, names

    def acts(self) -> Mapping[str, Act]:
        """What the hub does when it is asked."""
        return {"conversation": self._conversation, "conversation-page": self._page, "conversations-of": self._of}

    async def _of(self, asked: Json) -> Json:
        """The conversations of a person (id)."""
        rows = await self._store.db.all("following.memberships", asked["person"])
        return {"conversations": [row["conversation"] for row in rows]}

    async def _conversation(self, asked: Json) -> Json:
        """What it is; that it is given out stands in the audit trail."""
        found = await self._store.conversation(asked["id"])
        if not found.legs:
            raise Refused("unknown_conversation", about=asked["id"])
        rooms = await self._rooms.of(found.id)
        async with self._store.db.transaction("operator.export") as tx:
            given = TrailEntry(TrailKind.EXPORT, asked["by"], found.id, asked.get("person"), "given")
            await note(tx, given, now_ms())
        return {
            "id": found.id,
            "rooms": [room.room_id for room in rooms],
            "name": found.name.text if found.name is not None else None,
            "members": [
                {"id": m.person.id, "name": m.person.name, "network": m.address.network} for m in found.members
            ],
        }

    async def _page(self, asked: Json) -> Json:
        """A page of a room, the newest first, and where the next one begins."""
        room = await self._rooms.get(asked["room"])
        readers = [user for user in room.present("join") if self._names.is_ours(user)]
        path = f"/_matrix/client/v3/rooms/{part(room.room_id)}/messages"
        query = {"dir": "b", "limit": str(_PAGE)} | ({"from": asked["from"]} if asked.get("from") else {})
        for reader in readers:
            try:
                page = await self._homeserver.call("GET", path, user=reader, query=query)
            except MatrixRefused:  # this ghost has just left
                continue
            events = [await self._clear(event) for event in page.get("chunk", []) if sound(event)]
            senders = {event["sender"] for event in events}
            names = {sender: await self._named(sender) for sender in senders}
            return {"events": events, "end": page.get("end") if page.get("chunk") else None, "names": names}
        raise Refused("not_in_room", about=room.room_id)

    async def _clear(self, event: Json) -> Json:
        """An event as everybody reads it, or why the hub cannot."""
        said = {name: event[name] for name in _KEPT if name in event}
        if "redacted_because" in event.get("unsigned", {}):
            return said | {"content": {}, "redacted": True}
        if event["type"] != "m.room.encrypted":
            return said
        try:
            found = await self._engine.decrypt(event["room_id"], event["sender"], event["event_id"], event["content"])
        except KeyMissing:
            return said | {"content": {}, "unreadable": "key_missing"}
        except Undecryptable as why:
            return said | {"content": {}, "unreadable": why.code}
        except Unavailable as why:
            return said | {"content": {}, "unreadable": why.code}
        return said | {"type": found.type, "content": found.content}

    async def _named(self, user: str) -> str:
        person = self._names.person(user)
        if person is not None:
            return (await self._people.get(person)).name
        found = await self._people.behind(Address(MATRIX, user)) if server_of(user) else None
        return user if found is None else found.name
