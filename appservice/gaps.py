"""Finds events that the homeserver took and never pushed: a restart loses what it had not yet queued (synapse #11637).

After a start, an outage or a new connection, a room's first event is held until the room's own history has been
compared with what has come in; what is missing goes before it, in the room's order. Silent rooms are compared later.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from appservice.client import Homeserver, part
from appservice.names import seen_id
from appservice.rooms import Rooms
from bridge.db import Database
from bridge.errors import Refused, Unavailable

Json = dict[str, Any]
log = logging.getLogger(__name__)

_PAGES, _PAGE = 5, 100  # how far back a room is compared
_ROOMS = 1_000  # silent rooms compared after an outage, those in use first
_SILENT_AFTER = 5.0  # s; what is pushed by then was not lost
_CHECKED = 20_000


@dataclass(frozen=True, slots=True)
class Missing:
    """An event that was never pushed, and the id of the next newer one that was (None: it is the newest)."""

    event: Json
    before: str | None


class Gaps:
    """Compares rooms. ``suspect`` says that something may have been lost since a room was last compared."""

    def __init__(self, db: Database, homeserver: Homeserver, rooms: Rooms, no_news: Callable[[Json], bool]) -> None:
        """``no_news`` names events that never come in."""
        self._no_news = no_news
        self._db = db
        self._homeserver = homeserver
        self._rooms = rooms
        self._epoch = 1
        self._checked: OrderedDict[str, int] = OrderedDict()
        self._silent = asyncio.Event()
        self._silent.set()

    def suspect(self) -> None:
        """Something may have been lost."""
        self._epoch += 1
        self._silent.set()

    async def before(self, room_id: str, waiting: Collection[str]) -> Sequence[Missing]:
        """What is missing between the events that wait (ids, at least one); nothing if this was looked at lately."""
        epoch = self._epoch
        if self._checked.get(room_id) == epoch:
            return ()
        found = await self._compare(room_id, waiting)
        missing = [m for m in found if m.before is not None]
        if len(missing) == len(found):
            self._done(room_id, epoch)
        else:  # the newest may still be on their way: looked at again as in a silent room
            self._silent.set()
        return missing

    def again(self, room_id: str) -> None:
        """What was found could not be kept: compare once more."""
        self._checked.pop(room_id, None)

    async def silent(self) -> Sequence[tuple[str, Sequence[Json]]]:
        """Wait until something may have been lost, then compare the rooms that said nothing since."""
        await self._silent.wait()
        await asyncio.sleep(_SILENT_AFTER)
        self._silent.clear()
        epoch, found = self._epoch, []
        rooms = dict.fromkeys(reversed(self._checked))
        rooms |= dict.fromkeys(row["room_id"] for row in await self._db.all("matrix.rooms", _ROOMS))
        for room_id in list(rooms)[:_ROOMS]:
            if self._checked.get(room_id) == epoch:
                continue
            missing = await self._quietly(room_id)
            if missing is None:
                self._silent.set()
                continue
            if missing:
                found.append((room_id, [m.event for m in missing]))
            self._done(room_id, epoch)
        return found

    async def _quietly(self, room_id: str) -> Sequence[Missing] | None:
        try:
            return await self._compare(room_id, ())
        except Unavailable as reason:
            log.info("%s is compared later: %s", room_id, reason.code)
            return None

    def _done(self, room_id: str, epoch: int) -> None:
        self._checked[room_id] = epoch
        self._checked.move_to_end(room_id)
        if len(self._checked) > _CHECKED:
            self._checked.popitem(last=False)

    async def _compare(self, room_id: str, waiting: Collection[str]) -> list[Missing]:
        """From the newest event back to the first one that came in and is settled; oldest first."""
        room = await self._rooms.store.get(room_id)
        ghosts = self._rooms.ghosts_in(room)
        if not ghosts:
            return []
        found: list[Missing] = []
        newer: str | None = None
        token = ""
        for _ in range(_PAGES):
            page = await self._page(room_id, ghosts[0], token)
            events = page.get("chunk", [])
            seen = await self._seen(events)
            for event in events:
                ident = event["event_id"]
                if self._no_news(event):
                    continue
                if seen_id(ident) not in seen:
                    found.append(Missing(event, newer))
                elif ident in waiting:
                    newer = ident
                else:
                    return _told(room_id, found[::-1])
            token = str(page.get("end", ""))
            if not token:
                return []  # to the beginning without one known event: history from before our time
        return []

    async def _page(self, room_id: str, ghost: str, token: str) -> Json:
        path = f"/_matrix/client/v3/rooms/{part(room_id)}/messages"
        query = {"dir": "b", "limit": str(_PAGE)} | ({"from": token} if token else {})
        try:
            return await self._homeserver.call("GET", path, user=ghost, query=query)
        except Refused as refusal:
            log.info("%s cannot be compared: %s", room_id, refusal)
            return {}

    async def _seen(self, events: Sequence[Json]) -> set[str]:
        ids = [seen_id(event["event_id"]) for event in events]
        rows = await self._db.all("matrix.seen_of", orjson.dumps(ids).decode())
        return {row["id"] for row in rows}


def _told(room_id: str, found: list[Missing]) -> list[Missing]:
    if found:
        log.warning("%d events of %s were not pushed", len(found), room_id)
    return found
