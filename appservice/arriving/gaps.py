"""Finds events that the homeserver took and never pushed: a restart loses what it had not yet queued (synapse #11637).

After a start, an outage or a new connection, each room's own history is compared with what has come in, before the
room's next event is worked on; silent rooms are compared a little later. What has not come in goes to its place.

An event is lost or only late, and nobody can tell which. That does not matter as long as whatever is taken in brings
everything older with it: then no event overtakes another, and a push that comes late is a repetition. So a room is
always compared from its newest event back until a whole page holds nothing new. The homeserver's history is in the
order of depth, which is not the order of pushes: what was written at the same time elsewhere may lie below events that
were worked on long ago. A room's order is that of the pushes, which its people see, too; ``/sync`` still knows it
(:meth:`Gaps.as_taken`). Where each event goes is decided by :meth:`Transactions.insert`, while nothing else comes in.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Any, Protocol

import orjson

from appservice.client.events import sound
from appservice.client.homeserver import Homeserver, MatrixRefused, may, need, part
from appservice.client.names import seen_id
from appservice.rooms.rooms import Rooms
from bridge.db import Database
from bridge.errors import Unavailable
from bridge.parts.lru import Lru

Json = dict[str, Any]
log = logging.getLogger(__name__)

_PAGES, _PAGE = 100, 100  # how far back a room is compared at most
_ROOMS = 1_000  # silent rooms compared after an outage, those in use first
_SILENT_AFTER = 5.0  # s without an event after which a room counts as silent
_AT_ONCE = 8  # silent rooms compared side by side
_PATIENCE = 10.0  # s for a silent room before the next ones are looked at
_CHECKED = 20_000
_READERS = 3  # of ours who are asked for a room's order
_DOUBT, _LONGEST_DOUBT = 30.0, 900.0  # s


def batched(rooms: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Pieces of a list (itertools has it from Python 3.12)."""
    return (rooms[at : at + size] for at in range(0, len(rooms), size))


class Inboxes(Protocol):
    """What is known of our users' own inboxes, where something may be missing as well."""

    def doubt(self) -> None:
        """Something may have been lost."""

    def calm(self) -> None:
        """Nothing is missing of what the homeserver has taken until now."""

    def anchor(self, ghost: str) -> str | None:
        """A position of this user in the homeserver's stream from before whatever may be missing."""


class Gaps:
    """Compares rooms. ``suspect`` says that something may have been lost since a room was last compared."""

    def __init__(
        self,
        db: Database,
        homeserver: Homeserver,
        rooms: Rooms,
        ghost: Callable[[str], bool],
        no_news: Callable[[Json], bool],
        inboxes: Inboxes,
    ) -> None:
        """``ghost`` tells our users, ``no_news`` events that never come in."""
        self._db = db
        self._homeserver = homeserver
        self._rooms = rooms
        self._ghost = ghost
        self._no_news = no_news
        self._inboxes = inboxes
        self._epoch = 1
        self._checked: Lru[str, int] = Lru(_CHECKED)
        self._suspected = asyncio.Event()
        self._suspected.set()
        self._doubt = 0.0  # s between two suspicions because of missing numbers
        self._doubted = -math.inf
        self._doubting: asyncio.TimerHandle | None = None

    def skipped(self) -> None:
        """A transaction's number is missing: it may be stuck, or it was another application service's.

        Synapse numbers the transactions of all of them together. So this is believed at once, and then ever more
        seldom while nothing is found; what is missing is looked for after a quarter of an hour at the latest.
        """
        loop, at = asyncio.get_running_loop(), self._doubted + self._doubt
        if loop.time() >= at:
            self._believe()
        elif self._doubting is None:
            self._doubting = loop.call_at(at, self._believe)

    def _believe(self) -> None:
        self._doubting = None
        self._doubted = asyncio.get_running_loop().time()
        self._doubt = min(max(self._doubt * 2, _DOUBT), _LONGEST_DOUBT)
        self.suspect()

    def found(self) -> None:
        """Something was missing indeed."""
        self._doubt = 0.0

    def suspect(self) -> None:
        """Something may have been lost."""
        self._inboxes.doubt()
        self._epoch += 1
        self._suspected.set()

    def due(self, room_id: str) -> bool:
        """Whether something may have been lost in this room."""
        return self._checked.peek(room_id) != self._epoch

    async def history(self, room_id: str, waiting: Collection[str]) -> Sequence[Json]:
        """The room's events, newest first, as far back as something has not come in or waits (ids).

        Raises Unavailable if the homeserver does not answer; the room stays due.
        """
        epoch = self._epoch
        events = await self._back(room_id, waiting)
        self._checked.put(room_id, epoch)
        return events

    async def as_taken(self, room_id: str, history: Sequence[Json], waiting: Collection[str]) -> Sequence[Json]:
        """The same history (newest first) in the order in which the homeserver has taken its newest events.

        ``/messages`` goes by depth, an incremental ``/sync`` by the stream, as pushes do and clients that are awake
        (matrix-spec #1917). Two homeservers' events that were written at once have no other order. What is not among
        the newest of the stream stays before it, by depth: then at least no answer comes before its question.
        """
        news = [event for event in history if not self._no_news(event)]
        new = await self._unseen(news) if len(news) > 1 else set()
        if len(new | {*waiting}) < 2 or not new:
            return history
        taken = {ident: n for n, ident in enumerate(await self._stream(room_id, history))}
        newest = sorted(
            (e for e in history if e["event_id"] in taken), key=lambda e: taken[e["event_id"]], reverse=True
        )
        return [*newest, *(e for e in history if e["event_id"] not in taken)]

    async def _stream(self, room_id: str, history: Sequence[Json]) -> list[str]:
        """The newest events of a room (ids), as the homeserver's stream has them. Raises Unavailable.

        Whoever has come into the room since the position gets them by depth (Synapse, ``_load_filtered_recents``), and
        is told that there is more. So somebody who was there all the time asks, as far as that can be known.
        """
        room = await self._rooms.store.get(room_id)
        moved = {event.get("state_key") for event in history if event["type"] == "m.room.member"}
        known = [one for one in self._rooms.doors.ghosts_in(room) if self._inboxes.anchor(one)]
        found = list[str]()
        for reader in sorted(known, key=lambda one: one in moved)[:_READERS]:
            events, whole = await self._timeline(room_id, reader)
            found = found or events
            if whole:
                return events
        return found

    async def _timeline(self, room_id: str, reader: str) -> tuple[list[str], bool]:
        """What ``/sync`` says to one of ours, and whether that is all since their position."""
        wanted = orjson.dumps(_filter(room_id)).decode()
        since = self._inboxes.anchor(reader) or ""
        query = {"since": since, "timeout": "0", "set_presence": "offline", "filter": wanted}
        try:
            answer = await self._homeserver.call("GET", "/_matrix/client/v3/sync", user=reader, query=query)
        except MatrixRefused as refusal:
            log.info("the stream of %s is not known: %s", room_id, refusal)
            return [], False
        there = may(may(may(answer, "rooms", dict), "join", dict), room_id, dict)
        timeline = may(there, "timeline", dict)
        events = [e["event_id"] for e in may(timeline, "events", list) if _named(e)]
        return events, not timeline.get("limited", False)

    async def over(self, room_id: str, history: Sequence[Json]) -> set[str]:
        """State events of a history that never came in and that the room no longer holds, as ids.

        Something later in the history does not make an event void: it may have been written beside it and lost to it,
        as a change of name loses to a ban. So the homeserver is asked. Raises Unavailable.
        """
        later, replaced = set[tuple[str, str]](), list[Json]()
        for event in history:
            if isinstance(name := event.get("state_key"), str):
                replaced += [event] if (event["type"], name) in later else []
                later.add((event["type"], name))
        if not replaced or not (new := await self._unseen(replaced)):
            return set()
        readers = self._rooms.doors.ghosts_in(await self._rooms.store.get(room_id))
        return {e["event_id"] for e in replaced if e["event_id"] in new and not await self._holds(room_id, e, readers)}

    async def _unseen(self, events: Sequence[Json]) -> set[str]:
        ids = {seen_id(e["event_id"]): e["event_id"] for e in events}
        rows = await self._db.all("matrix.seen_of", orjson.dumps(list(ids)).decode())
        return {*ids.values()} - {ids[row["id"]] for row in rows}

    async def _holds(self, room_id: str, event: Json, readers: Sequence[str]) -> bool:
        """Whether the room's state is what this event says."""
        kind, key = event["type"], event["state_key"]
        path = f"/_matrix/client/v3/rooms/{part(room_id)}/state/{part(kind)}/{part(key)}"
        for reader in readers:
            try:
                content = await self._homeserver.call("GET", path, user=reader)
            except MatrixRefused as refusal:
                if refusal.status == 404:
                    return False
                continue
            if kind == "m.room.member":
                return bool(content.get("membership") == event["content"].get("membership"))
            return bool(content == event["content"])
        return False

    def again(self, room_id: str) -> None:
        """What was found could not be kept: compare once more."""
        self._checked.drop(room_id)
        self._suspected.set()

    async def watch(
        self, look: Callable[[str], asyncio.Task[None]], receipts: Callable[[Sequence[str]], Awaitable[None]]
    ) -> None:
        """Have the rooms that stay silent compared whenever something may have been lost; for ever.

        ``look`` makes a room's lane compare, ``receipts`` asks what people have read in rooms (raises Unavailable).
        """
        while True:
            await self._suspected.wait()
            await asyncio.sleep(_SILENT_AFTER)
            self._suspected.clear()
            epoch = self._epoch
            try:
                for rooms in batched(await self._silent(), _AT_ONCE):
                    await asyncio.wait([look(room_id) for room_id in rooms], timeout=_PATIENCE)
                    if any(self.due(room_id) for room_id in rooms):
                        raise Unavailable("homeserver")
                await receipts(await self._in_use())
                if epoch == self._epoch:
                    self._inboxes.calm()
            except Unavailable as reason:
                log.info("silent rooms are compared later: %s", reason.code)
                self._suspected.set()

    async def _in_use(self) -> list[str]:
        rooms = dict.fromkeys(reversed(self._checked.known()))
        rooms |= dict.fromkeys(row["room_id"] for row in await self._db.all("matrix.rooms", _ROOMS))
        return list(rooms)[:_ROOMS]

    async def _silent(self) -> list[str]:
        return [room_id for room_id in await self._in_use() if self.due(room_id)]

    async def _back(self, room_id: str, waiting: Collection[str]) -> list[Json]:
        """From the newest event back to a page without anything new, or to where the first ghost came in."""
        room = await self._rooms.store.get(room_id)
        readers = self._rooms.doors.ghosts_in(room)
        present = {*readers, *self._rooms.doors.ghosts_in(room, "invite")}
        history: list[Json] = []
        token = ""
        for _ in range(_PAGES if readers else 0):
            page = await self._page(room_id, readers, token)
            events = [event for event in need(page, "chunk", list) if sound(event)] if readers else []
            for event in events:
                history.append(event)
                self._undo(event, present)
                if not present:
                    return history  # older events were not for us
            token = may(page, "end", str)
            if not token or not await self._news(events, waiting):
                return history
        if history:
            log.error("ALARM too much of %s is missing; what the homeserver does not push is lost", room_id)
        return []

    def _undo(self, event: Json, present: set[str]) -> None:
        """Go back to which ghosts were in the room before an event."""
        user = event.get("state_key")
        if event["type"] != "m.room.member" or not isinstance(user, str) or not self._ghost(user):
            return
        if event["content"].get("membership") == "invite":
            present.discard(user)
        elif event["content"].get("membership") in ("leave", "ban"):
            present.add(user)

    async def _page(self, room_id: str, readers: list[str], token: str) -> Json:
        path = f"/_matrix/client/v3/rooms/{part(room_id)}/messages"
        query = {"dir": "b", "limit": str(_PAGE)} | ({"from": token} if token else {})
        while readers:
            try:
                return await self._homeserver.call("GET", path, user=readers[0], query=query)
            except MatrixRefused as refusal:  # this ghost has left, which has not come in yet
                log.info("%s cannot be compared as %s: %s", room_id, readers.pop(0), refusal)
        return {}

    async def _news(self, events: Sequence[Json], waiting: Collection[str]) -> bool:
        ids = {e["event_id"] for e in events if not self._no_news(e)}
        rows = await self._db.all("matrix.seen_of", orjson.dumps([seen_id(i) for i in ids]).decode())
        return len(rows) < len(ids) or not ids.isdisjoint(waiting)


def _filter(room_id: str) -> Json:
    """Nothing but a room's newest events. Synapse repeats the answer to a question that it was asked of late."""
    nothing: Json = {"types": []}
    room = {"rooms": [room_id], "timeline": {"limit": _PAGE}, "state": nothing, "ephemeral": nothing}
    return {"presence": nothing, "account_data": nothing, "room": room, "fr.liaison.once": secrets.token_hex(8)}


def _named(event: Any) -> bool:
    return isinstance(event, dict) and isinstance(event.get("event_id"), str)
