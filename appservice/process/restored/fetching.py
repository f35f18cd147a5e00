"""After an older copy was noticed: what came since then is asked for again, room by room, while the hub runs.

The homeserver has pushed these events already and does not do so again. Each room's history is compared with what the
copy knows (:mod:`appservice.arriving.gaps`); an event that it does not know is taken like any other. Rooms of which
the copy does not know are found by what the homeserver says of each ghost. What became of events in between is
nobody's to know, so each is listed by its id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

import orjson

from appservice.arriving.transactions import ECHO, Item
from appservice.client.homeserver import Homeserver, may, need
from appservice.process.matrix import Matrix
from appservice.process.restored.noticing import ItemKind
from bridge.db import Database
from bridge.db.pages import pages
from bridge.errors import Refused, Unavailable

Json = dict[str, Any]
log = logging.getLogger(__name__)
_CLIENT = "/_matrix/client/v3"
_AGAIN = 5.0  # s between two tries
_AT_ONCE = 8  # rooms, or ghosts, side by side
_PATIENCE = 120.0  # s for one room: a long one goes on in its lane
_NOTHING: Json = {"types": []}
_FILTER = orjson.dumps({
    "presence": _NOTHING, "account_data": _NOTHING,
    "room": {"timeline": {"types": [], "limit": 1}, "state": _NOTHING, "ephemeral": _NOTHING, "account_data": _NOTHING},
}).decode()  # fmt: skip


class Fetching:
    """Of one hub. ``clock`` gives milliseconds since 1970."""

    def __init__(self, db: Database, matrix: Matrix, homeserver: Homeserver, clock: Callable[[], int]) -> None:
        self._db, self._matrix, self._homeserver, self._clock = db, matrix, homeserver, clock
        self._noticed = 0

    async def run(self) -> None:
        """Until everything was asked for, if there is anything to ask for. Raises nothing."""
        while True:
            try:
                if await self._fetch():
                    return
            except (Unavailable, Refused) as reason:
                log.info("what came since the copy is asked for later: %s", reason)
            await asyncio.sleep(_AGAIN)

    async def _fetch(self) -> bool:
        row = await self._db.one("process.restored-last")
        if row is None or row["over_at"] is not None:
            return True
        if self._matrix.trouble():
            return False
        self._noticed = row["noticed_at"]
        self._matrix.again.listener = self._taken
        await self._each(self._matrix.engine.speakers(), self._of_ghost)
        left = [room async for room in self._rooms()]
        log.warning("%d rooms are compared with an older copy of the database", len(left))
        await self._each(left, self._of_room)
        self._matrix.again.listener = None
        async with self._db.transaction("process.restored-over") as tx:
            await tx.run("process.restored-over", self._noticed, self._clock())
        log.warning("what came since the copy was asked for again: `liaison restored` has the list")
        return True

    async def _rooms(self) -> AsyncIterator[str]:
        async for page in pages(self._db, "process.rooms-in-copy", ("",), ("room_id",)):
            for row in page:
                yield row["room_id"]

    async def _each(self, names: Sequence[str], look: Callable[[str], Awaitable[None]]) -> None:
        """All of them, some side by side."""
        for at in range(0, len(names), _AT_ONCE):
            done = await asyncio.gather(*(look(name) for name in names[at : at + _AT_ONCE]), return_exceptions=True)
            for failed in filter(None, done):
                raise failed

    # ---- ghosts

    async def _of_ghost(self, ghost: str) -> None:
        """Find the rooms, and the invitations, of which the copy does not know.

        All invitations that wait: the ghost's inbox may have been read meanwhile, also before one more start.
        """
        joined = need(await self._homeserver.call("GET", f"{_CLIENT}/joined_rooms", user=ghost), "joined_rooms", list)
        for room in joined:
            if isinstance(room, str):
                await self._enter(room, ghost)
        query = {"timeout": "0", "set_presence": "offline", "filter": _FILTER}
        answer = await self._homeserver.call("GET", f"{_CLIENT}/sync", user=ghost, query=query)
        for room, shown in may(may(answer, "rooms", dict), "invite", dict).items():
            state = [e for e in may(may(shown, "invite_state", dict), "events", list) if isinstance(e, dict)]
            for event in _invitations(state, ghost):
                await self._matrix.again.invited({**event, "room_id": room, "event_id": "", "invite_room_state": state})

    async def _enter(self, room: str, ghost: str) -> None:
        try:
            if await self._matrix.again.enter(room, ghost):
                await self._list(ItemKind.ROOM, [(room, ghost)])
        except Refused as refused:
            log.info("%s cannot be looked at as %s: %s", room, ghost, refused)

    # ---- rooms

    async def _of_room(self, room: str) -> None:
        compared = False
        try:
            async with asyncio.timeout(_PATIENCE):
                compared = await self._matrix.again.compare(room)
        except TimeoutError:
            log.warning("%s is compared later", room)
        if not compared:
            await self._list(ItemKind.UNREACHED, [(room, "")])

    async def _taken(self, room: str, items: Sequence[Item]) -> None:
        ours = [(i.event_id, room) for i in items if i.event is not None and i.event["type"] == ECHO]
        again = [
            (i.event_id, room)
            for i in items
            if i.event is not None and i.event["type"] != ECHO and "state_key" not in i.event
        ]
        await self._list(ItemKind.OURS, ours)
        await self._list(ItemKind.AGAIN, again)

    async def _list(self, kind: ItemKind, found: Iterable[tuple[str, str]]) -> None:
        rows = [(self._noticed, kind.value, ident, about) for ident, about in found]
        if rows:
            async with self._db.transaction("process.restored-items") as tx:
                await tx.many("process.restored-item", rows)


def _invitations(state: Iterable[Json], ghost: str) -> list[Json]:
    found = [e for e in state if e.get("type") == "m.room.member" and e.get("state_key") == ghost]
    return [e for e in found if isinstance(e.get("sender"), str) and isinstance(e.get("content"), dict)]
