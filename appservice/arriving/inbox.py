"""What came from the homeserver, worked on in order: one lane per room, lanes apart, nothing lost by a crash.

An event leaves the inbox in the very transaction that settles it. What cannot be read yet is parked and the lane goes
on; what cannot be understood goes to the dead letters with an alarm.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from appservice.arriving.transactions import Item
from bridge.db import Database, Row, Tx
from bridge.db.pages import pages
from bridge.errors import Unavailable, where
from bridge.parts.lanes import Lanes
from bridge.parts.patience import Patience
from bridge.seal import Seal

Json = dict[str, Any]
log = logging.getLogger(__name__)
_IN_MEMORY = 5_000  # events kept beside the disk
_TRIES = 3  # unexpected errors before an event is poison
_PAUSES = (0.2, 1.0, 3.0)  # s between the attempts to compare a room before its next event
_PATIENCE = Patience(first=0.1, longest=30.0)  # between two attempts


class Parked(Exception):
    """The event waits for a Megolm session; the lane goes on without it."""

    def __init__(self, session: str, sender: str) -> None:
        super().__init__(session)
        self.session = session
        self.sender = sender


Work = Callable[[Item, Json], Awaitable[None]]
"""Settle one event, ending with :meth:`Inbox.done` in some transaction. Raises Parked, Unavailable."""

Missing = Callable[[str, Callable[[], Mapping[str, Item]]], Awaitable[Sequence[Item]]]
"""What was never pushed in a room; asks which events wait there, and may move them. Raises Unavailable."""

HasKey = Callable[[Json], Awaitable[bool]]
"""Whether the key of an event is here."""


class Inbox:
    """The lanes. ``work`` settles an event; ``parked`` is told of events that were parked.

    ``missing`` gives what was never pushed, ``has_key`` says whether an event's key has come.
    """

    def __init__(
        self, db: Database, seal: Seal, clock: Callable[[], int], work: Work, parked: Work,
        missing: Missing | None = None, has_key: HasKey | None = None,
    ) -> None:  # fmt: skip
        self._db = db
        self._seal = seal
        self._clock = clock
        self._work = work
        self._on_parked = parked
        self._rooms: dict[str, deque[Item]] = {}
        self._current: dict[str, Item] = {}
        self._lanes = Lanes("inbox", self._next, _PATIENCE, failed=self._failed)
        self._parked: dict[tuple[str, str], list[Item]] = {}
        self._waiting: Counter[tuple[str, str]] = Counter()  # (room, sender) -> parked events
        self._held = 0
        self.has_key = has_key or _never
        self.missing = missing

    async def start(self) -> None:
        """Take up what an earlier life left, parked events included: their keys may have come meanwhile."""
        async for page in pages(self._db, "matrix.inbox", (0,), ("stream",)):
            self.add([_stored(row) for row in page])

    async def reload(self) -> None:
        """Compare with the disk after a commit whose answer was lost; nothing is written meanwhile."""
        known = {item.event_id: item for item in self._everything()}
        rows: dict[str, Row] = {}
        async for page in pages(self._db, "matrix.inbox", (0,), ("stream",)):
            rows |= {row["event_id"]: row for row in page}
        known |= {item.event_id: item for item in self._everything()}  # what was settled meanwhile is in rows
        for event_id, item in known.items():
            if event_id in rows:
                item.stream = rows[event_id]["stream"]
        self.add([_stored(row) for event_id, row in rows.items() if event_id not in known])
        for lane in self._rooms.values():
            self._sort(lane)

    def _everything(self) -> Iterator[Item]:
        for lane in self._rooms.values():
            yield from lane
        for items in self._parked.values():
            yield from items
        yield from self._current.values()

    async def stop(self) -> None:
        """Stop the lanes; everything not done is on disk."""
        await self._lanes.stop()

    def add(self, items: Iterable[Item]) -> None:
        """Events that are on disk, in order."""
        for item in items:
            self._hold(item)
            lane = self._rooms.get(item.room)
            if lane is None:
                self._rooms[item.room] = deque((item,))
                self._lanes.wake(item.room)
            else:
                lane.append(item)

    def _hold(self, item: Item) -> None:
        if item.event is not None and self._held < _IN_MEMORY:
            self._held += 1
        else:
            item.event = None

    def look(self, room: str) -> asyncio.Task[None]:
        """Compare a room that may be silent with what has come in. Gives its lane, which ends when nothing waits."""
        self._rooms.setdefault(room, deque())
        return self._lanes.wake(room)

    @property
    def failing(self) -> Mapping[str, str]:
        """Rooms that do not go on, each with the code of its last failure."""
        return self._lanes.failing

    @property
    def idle(self) -> bool:
        """Whether nothing is under way (parked events apart)."""
        return not len(self._lanes)

    # -- one lane ------------------------------------------------------------------------------------------

    async def _next(self, room: str) -> float | None:
        """Work on the next event of a room, or once more on the one that could not be settled."""
        if room not in self._current:
            lane = self._rooms.setdefault(room, deque())
            await self._fill(room, lane)
            if not lane:
                del self._rooms[room]
                return None
            self._current[room] = lane.popleft()
        await self._settle(self._current[room])
        del self._current[room]
        return 0.0

    async def _fill(self, room: str, lane: deque[Item]) -> None:
        """Put what the homeserver never pushed where it belongs."""
        if self.missing is None:
            return
        for pause in _PAUSES:
            try:
                items = await self.missing(room, lambda: {item.event_id: item for item in lane})
                break
            except Unavailable as reason:
                log.info("%s is not compared yet: %s", room, reason.code)
                if not lane:
                    return
            except Exception as bug:  # a lane that ends here would stand still until the next start
                log.error("ALARM %s could not be compared: %s", room, where(bug))
                return
            await asyncio.sleep(pause)
        else:
            return  # what has come is not held up for what may be missing
        for item in items:
            self._hold(item)
        if items:
            self._sort(lane, items)

    def _sort(self, lane: deque[Item], more: Iterable[Item] = ()) -> None:
        rest = sorted([*lane, *more], key=lambda item: item.stream)
        lane.clear()
        lane.extend(rest)

    async def _settle(self, item: Item) -> None:
        event = await self._event(item)
        if event is None:
            return
        try:
            await self._work(item, event)
        except Parked as parked:
            await self._park(item, parked)
        else:
            self._forget(item)

    async def _failed(self, room: str, times: int, bug: Exception) -> float | None:
        item = self._current.get(room)
        log.error("%s failed: %s", room if item is None else item.event_id, where(bug))
        if item is None or times < _TRIES:
            return None
        await self._bury(item, where(bug))
        del self._current[room]
        return 0.0

    async def _event(self, item: Item) -> Json | None:
        """The event, from memory or disk; None if it is gone (settled by an earlier try whose answer was lost)."""
        if item.event is not None:
            return item.event
        row = await self._db.one("matrix.inbox_event", item.stream)
        return None if row is None else dict(orjson.loads(self._seal.open(bytes(row["sealed"]), item.event_id)))

    async def _bury(self, item: Item, why: str) -> None:
        """A poison event: kept sealed for the operator, out of everybody's way."""
        event = await self._event(item)
        sealed = self._seal.seal(orjson.dumps(event), item.event_id)
        async with self._db.transaction("matrix.poison") as tx:
            await tx.run("matrix.bury", item.event_id, item.room, self._clock(), why, sealed)
            await tx.run("matrix.inbox_done", item.stream)
        log.error("ALARM the event %s cannot be worked on and was set aside: %s", item.event_id, why)
        self._forget(item)

    async def done(self, tx: Tx, item: Item) -> None:
        """Write that an event is settled; part of the transaction that settles it."""
        await tx.run("matrix.inbox_done", item.stream)

    def _forget(self, item: Item) -> None:
        if item.event is not None:
            self._held -= 1
            item.event = None

    # -- parking -------------------------------------------------------------------------------------------

    def has_parked(self, room: str, sender: str) -> bool:
        """Whether this sender has an event in this room that waits for its key."""
        return self._waiting[(room, sender)] > 0

    def waits_for(self, room: str, session: str) -> bool:
        """Whether an event in this room waits for this session."""
        return (room, session) in self._parked

    def waiting_for_key(self, room: str, event_id: str) -> Item | None:
        """The event, if it waits for its key."""
        parked = (items for (where, _), items in self._parked.items() if where == room)
        return next((item for items in parked for item in items if item.event_id == event_id), None)

    def withdraw(self, item: Item) -> None:
        """An event that waited for its key is settled otherwise, as the disk says."""
        items = self._parked.get((item.room, item.session or ""), [])
        if item in items:
            items.remove(item)
            self._waiting[(item.room, item.sender or "")] -= 1

    def parked(self) -> list[Item]:
        """Everything that waits for a key."""
        return [item for items in self._parked.values() for item in items]

    async def _park(self, item: Item, why: Parked) -> None:
        first = item.parked_at is None
        event = await self._event(item)
        if first or item.session != why.session:
            at = item.parked_at or self._clock()
            async with self._db.transaction("matrix.park") as tx:
                await tx.run("matrix.park", item.stream, why.session, why.sender, at)
            item.session, item.sender, item.parked_at = why.session, why.sender, at
        self._forget(item)
        if first and event is not None:
            await self._on_parked(item, event)
        parked = self._parked.setdefault((item.room, why.session), [])
        if item not in parked:
            parked.append(item)
            self._waiting[(item.room, why.sender)] += 1
        if event is not None and await self.has_key(event):  # it came while the event was being parked
            self.unpark(item.room, why.session)

    def unpark(self, room: str, session: str) -> list[Item]:
        """A session has come: its events go first in their lane, in their order."""
        items = self._parked.pop((room, session), [])
        for item in items:
            self._waiting[(room, item.sender or "")] -= 1
            if not self._waiting[(room, item.sender or "")]:
                del self._waiting[(room, item.sender or "")]
        lane = self._rooms.get(room)
        if lane is None:
            self.add(items)
        else:
            self._sort(lane, items)
        return items


def _stored(row: Row) -> Item:
    parked = (row["parked_session"], row["parked_sender"], row["parked_at"], bool(row["told"]))
    return Item(row["stream"], row["event_id"], row["room_id"], None, *parked)


async def _never(event: Json) -> bool:
    return False
