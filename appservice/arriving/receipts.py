"""What a read receipt covers: everything up to its event, or one thread only (specification, "Threaded read receipts").

Synapse does not tell an application service which thread a receipt of its own users is about. So without a thread, only
a receipt from another server covers everything; one of ours is believed for the thread that its event is in. ``/sync``
tells it.

A reader may be quicker than the hub: what the room may have got, and the hub has not noted yet, is waited for a little.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import orjson

from appservice.client.edge import MatrixEdge
from appservice.client.events import sound
from appservice.client.homeserver import MatrixRefused, may, need, part
from appservice.client.names import server_of
from appservice.rooms.rooms import Rooms
from appservice.rooms.roomstate import Room
from bridge.errors import Unavailable
from bridge.model import MATRIX, Address, Ref
from bridge.parts.lru import Lru

Json = dict[str, Any]
Page = tuple[tuple[str, str | None], ...]  # events and their threads, newest first

MAIN = "main"
EVERYTHING = ""  # in place of a thread: it is known that there is none
_PAGE, _PAGES = 20, 5  # messages asked for at once, and how often for one receipt
_KEPT = 10_000
_PAGES_KEPT = 1_000
_QUICKER, _SOON = 5.0, 0.05  # s in which it is noted what an event is; s until it is looked again
_HOPS = 3  # relations followed from an event to its thread
_FILTER = orjson.dumps(
    {"types": ["m.room.encrypted", "m.room.message", "m.sticker"], "lazy_load_members": True}
).decode()


class Receipts:
    """``read`` tells the hub. What the homeserver was asked is remembered. ``hub`` is set when the connector starts."""

    def __init__(self, edge: MatrixEdge, rooms: Rooms) -> None:
        self.hub = edge.hub
        self._homeserver = edge.homeserver
        self._names = edge.names
        self._rooms = rooms
        self._threaded: Lru[str, bool] = Lru(_KEPT)
        self._pages: Lru[tuple[str, str], Page] = Lru(_PAGES_KEPT)
        self._came: Lru[str, float] = Lru(_KEPT)  # receipts for what was not known: when they came (s)
        self._done: Lru[tuple[str, str, str], tuple[str, int]] = Lru(_KEPT)

    def note(self, events: Iterable[Any]) -> None:
        """Learn from what comes in which rooms have threads."""
        for event in events:
            content = event.get("content") if isinstance(event, dict) else None
            relation = content.get("m.relates_to") if isinstance(content, dict) else None
            if isinstance(relation, dict) and relation.get("rel_type") == "m.thread":
                self._threaded.put(str(event.get("room_id")), True)

    async def read(self, room_id: str, event_id: str, user: str, thread: str | None, at: int) -> None:
        """``user`` has read up to an event, which need not be a message. Raises Unavailable."""
        room, reader = await self._rooms.store.get(room_id), Address(MATRIX, user)
        everything = thread == EVERYTHING or (thread is None and server_of(user) != self._names.server)
        if everything or (thread in (None, MAIN) and not await self._has_threads(room)):
            async for known, _ in self._back(room, event_id):
                if await self.hub.signs.read(Ref(MATRIX, known), reader, at):
                    return
                await self._noted(room_id, known, event_id)
        else:
            await self._read_thread(room, event_id, reader, thread, at)

    async def _read_thread(self, room: Room, event_id: str, reader: Address, thread: str | None, at: int) -> None:
        if thread is None:
            page = await self._page(room, event_id)
            thread = page[0][1] if page else None
        if thread is None:
            if not await self.hub.signs.seen(Ref(MATRIX, event_id), reader, at):
                await self._noted(room.room_id, event_id, event_id)
            return
        key, arrivals = (room.room_id, reader.id, thread), room.arrivals
        done, newest = self._done.get(key), None
        async for known, its in self._back(room, event_id):
            if (known, arrivals) == done:  # before it there may be what could not be read, and can since
                break
            if its != thread and known != event_id:
                continue
            if await self.hub.signs.seen(Ref(MATRIX, known), reader, at):
                newest = newest or known
            else:
                await self._noted(room.room_id, known, event_id)
        if newest is not None:
            self._done.put(key, (newest, arrivals))

    async def _noted(self, room_id: str, unknown: str, read: str) -> None:
        """Raises Unavailable for a little while, where what somebody has ``read`` may be known soon."""
        if unknown != read or not await self.hub.facts.unnamed(MATRIX, room_id):
            return
        now = asyncio.get_running_loop().time()
        came = self._came.get(read)
        if now - (self._came.put(read, now) if came is None else came) < _QUICKER:
            raise Unavailable("not_noted", _SOON, alone=True)

    async def _back(self, room: Room, event_id: str) -> AsyncIterator[tuple[str, str | None]]:
        """This event, then messages before it, asked for only as far as somebody wants them."""
        yield event_id, None
        for _ in range(_PAGES):
            page = await self._page(room, event_id)
            for earlier in page[1:]:
                yield earlier
            if len(page) < 2:
                return
            event_id = page[-1][0]

    async def _page(self, room: Room, event_id: str) -> Page:
        key = (room.room_id, event_id)
        if (known := self._pages.get(key)) is not None:
            return known
        path = f"/_matrix/client/v3/rooms/{part(room.room_id)}/context/{part(event_id)}"
        answer = await self._ask(room, path, {"limit": str(2 * _PAGE), "filter": _FILTER})
        if answer is None:
            return ()
        found = [need(answer, "event", dict), *may(answer, "events_before", list)]
        events = {event["event_id"]: event for event in found if sound(event)}
        page = tuple((ident, thread_of(event, events)) for ident, event in events.items())
        return self._pages.put(key, page)

    async def _has_threads(self, room: Room) -> bool:
        """Whether there are threads in a room; yes if the homeserver does not say."""
        if (known := self._threaded.get(room.room_id)) is not None:
            return known
        path = f"/_matrix/client/v1/rooms/{part(room.room_id)}/threads"
        try:
            answer = await self._ask(room, path, {"limit": "1"})
        except Unavailable:
            return True
        if (noted := self._threaded.get(room.room_id)) is not None:  # meanwhile
            return noted
        return True if answer is None else self._threaded.put(room.room_id, bool(answer.get("chunk")))

    async def _ask(self, room: Room, path: str, query: Mapping[str, str]) -> Json | None:
        for ghost in self._rooms.doors.ghosts_in(room)[:2]:  # one may have left, which has not come in yet
            try:
                return await self._homeserver.call("GET", path, user=ghost, query=query, timeout=10.0)
            except MatrixRefused:
                continue
        return None


def thread_of(event: Json, others: Mapping[str, Json], hops: int = _HOPS) -> str | None:
    """The thread of an event by its root, or ``main``; None if that cannot be told from these events."""
    if "redacted_because" in event.get("unsigned", {}):
        return None
    relation = event["content"].get("m.relates_to")
    kind = relation.get("rel_type") if isinstance(relation, dict) else None
    if kind is None:
        return MAIN
    target = str(relation.get("event_id"))
    if kind == "m.thread":
        return target
    return thread_of(others[target], others, hops - 1) if hops and target in others else None
