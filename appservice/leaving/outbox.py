"""Ciphertexts on their way: saved with the ratchet before they leave, repeated byte for byte, known by their echo."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, takewhile
from typing import Any

import orjson

from appservice.client.edge import MatrixEdge
from appservice.client.events import sound
from appservice.client.homeserver import MatrixRefused, need, part
from appservice.client.names import cipher_hash, txn_id
from appservice.e2ee import Engine, Outbound
from appservice.rooms.roomstate import Room
from bridge.db import Row, Tx
from bridge.db.pages import pages
from bridge.errors import Refused, Unavailable
from bridge.parts.failpoint import failpoint

Json = dict[str, Any]
log = logging.getLogger(__name__)
_KEPT = 24 * 3600 * 1000  # ms: as long as Synapse recognises a repeated send
_ENCRYPTED = "m.room.encrypted"


class NotInRoom(Exception):
    """The homeserver says that this ghost may not speak in this room."""


@dataclass(slots=True)
class Sent:
    """One row of the outbox. ``message`` is the hub's id of a delivery's message, empty for our own notices."""

    id: str
    message: str
    room: str
    ghost: str
    device: str
    txn: str
    type: str
    content: Json = field(repr=False)
    cipher: str
    created_at: int
    event_id: str | None = None
    echoed: bool = False
    gone: bool = False


def _nobody() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class EventToSend:
    """Something to be said encrypted; ``key`` makes it unique for ever.

    ``apart`` gives the users of the room who get no key for it, as things are then.
    """

    key: str
    ghost: str
    content: Json = field(repr=False)
    message: str = ""
    type: str = "m.room.message"
    apart: Callable[[], frozenset[str]] = field(default=_nobody, compare=False, repr=False)


class Outbox:
    """Sends each event exactly once. A row lives until its echo was seen and its room has moved on, at least a day."""

    def __init__(self, edge: MatrixEdge, engine: Engine, look_ms: int) -> None:
        self._db = edge.db
        self._homeserver = edge.homeserver
        self._engine = engine
        self._clock = edge.clock
        self._look = look_ms
        self._rows: dict[str, Sent] = {}
        self._ciphers: dict[str, Sent] = {}
        self._last: dict[str, str] = {}  # the message of the newest delivery of each room; it may have several rows
        self._done: dict[str, list[Sent]] = {}  # by room: deliveries that were echoed, on disk until the lane moves on

    async def start(self) -> None:
        """Load what an earlier life left."""
        async for page in pages(self._db, "matrix.outbox", ("",), ("id",)):
            for row in page:
                self._remember(_stored(row))

    async def reload(self) -> None:
        """Compare with the disk after a commit whose answer was lost: an echo may be noted there."""
        waiting = list(self._ciphers.values())
        known: dict[str, str | None] = {}
        async for page in pages(self._db, "matrix.outbox_echoes", ("",), ("id",)):
            known |= {r["id"]: r["event_id"] for r in page}
        for row in waiting:
            event_id = known.get(row.id, "")
            if event_id is not None and not row.echoed:
                row.gone = row.id not in known
                self.echoed(row, event_id)

    def _remember(self, row: Sent) -> None:
        self._rows[row.id] = row
        if not row.echoed:
            self._ciphers[row.cipher] = row
        elif row.message:
            self._done.setdefault(row.room, []).append(row)

    def sent(self, key: str) -> str | None:
        """The id of an event that is in its room already."""
        row = self._rows.get(key)
        return row.event_id if row else None

    def parts(self, key: str) -> Iterator[str]:
        """The events of a delivery (by its id) that were sent of late."""
        rows = (self._rows.get(key if n == 0 else f"{key}/{n}") for n in count())
        found = chain([self._rows.get(f"{key}/caption")], takewhile(lambda row: row is not None, rows))
        return (row.event_id for row in found if row and row.event_id)

    def knows(self, key: str) -> bool:
        """Whether an event was encrypted already."""
        return key in self._rows

    def room_of(self, key: str) -> str:
        """The room of an event that was sent or encrypted."""
        return self._rows[key].room

    def holds(self, key: str, room: Room, ghost: str) -> bool:
        """Whether an event to this room is encrypted already: a repeat needs no content."""
        row = self._rows.get(key)
        return row is not None and (row.room, row.ghost) == (room.room_id, ghost)

    async def send(self, room: Room, asked: EventToSend) -> str:
        """Its event id, sent now or before. Raises NotInRoom, Refused, Unavailable."""
        row = self._rows.get(asked.key)
        if row is not None and row.event_id is not None:
            return row.event_id
        if row is not None and (found := await self._adopt(row, room)) is not None:
            return found
        if row is None or row.room != room.room_id or row.ghost != asked.ghost:
            row = await self._encrypt(room, asked)
        return await self._put(row)

    async def _encrypt(self, room: Room, asked: EventToSend) -> Sent:
        device = self._engine.device_of(asked.ghost)
        if device is None:
            raise Unavailable("ghost_without_device", 1.0, alone=True)
        over = [row for row in self._done.get(room.room_id, ()) if row.message != asked.message]
        over = over if asked.message else []
        await self._engine.look([asked.ghost])  # a bell that told of a new device may have been missed
        row = None
        while row is None:
            apart = asked.apart()
            async with self._engine.outbound(room.state(apart), asked.ghost) as out:
                if asked.apart() == apart:  # else somebody has just gone for whom it keeps a key: in a new session
                    row = await self._save(room.room_id, device, asked, out, over)
        for old in over:
            self._rows.pop(old.id, None)
            self._done[room.room_id].remove(old)
        self._remember(row)
        if asked.message:
            self._last[room.room_id] = row.message
        return row

    async def _save(self, room: str, device: str, asked: EventToSend, out: Outbound, over: Sequence[Sent]) -> Sent:
        async with self._db.transaction("matrix.encrypt") as tx:
            content = await out.encrypt(tx, asked.type, asked.content)
            row = self._row(room, device, asked, content)
            await self._add(tx, row)
            if over:
                await tx.many("matrix.outbox_end", [(old.id,) for old in over])
        if out.withheld:
            log.info("%d devices in %s cannot read %s", len(out.withheld), room, asked.key)
        return row

    def _row(self, room_id: str, device: str, asked: EventToSend, content: Json) -> Sent:
        txn = txn_id(asked.ghost, room_id, asked.key)
        cipher = cipher_hash(content["ciphertext"])
        keys = (asked.key, asked.message, room_id, asked.ghost, device, txn, _ENCRYPTED)
        return Sent(*keys, content, cipher, self._clock())

    async def _add(self, tx: Tx, row: Sent) -> None:
        keys = (row.id, row.message, row.room, row.ghost, row.device, row.txn, row.type)
        await tx.run("matrix.outbox_add", *keys, orjson.dumps(row.content).decode(), row.cipher, row.created_at)

    async def _put(self, row: Sent) -> str:
        path = f"/_matrix/client/v3/rooms/{part(row.room)}/send/{row.type}/{row.txn}"
        failpoint("matrix.before-send")
        try:
            answer = await self._homeserver.call("PUT", path, row.content, user=row.ghost, device=row.device)
        except MatrixRefused as refusal:
            raise translate(refusal) from refusal
        failpoint("matrix.after-send")
        row.event_id = need(answer, "event_id", str)
        return row.event_id

    async def _adopt(self, row: Sent, room: Room) -> str | None:
        """An old or misdirected row may be in its room already: look for our ciphertext among the newest events."""
        if row.room == room.room_id and self._clock() - row.created_at < self._look:
            return None
        path = f"/_matrix/client/v3/rooms/{part(row.room)}/messages"
        query = {"dir": "b", "limit": "200"}
        try:
            answer = await self._homeserver.call("GET", path, user=row.ghost, query=query)
        except MatrixRefused:
            return None
        for event in filter(sound, need(answer, "chunk", list)):
            cipher = cipher_hash(str(event["content"].get("ciphertext")))
            if event["sender"] == row.ghost and cipher == row.cipher:
                row.event_id = str(event["event_id"])
                return row.event_id
        return None

    # -- echoes --------------------------------------------------------------------------------------------

    def by_cipher(self, cipher: str) -> Sent | None:
        """The row whose ciphertext has come back; the echo can be faster than the answer to the send."""
        return self._ciphers.get(cipher)

    async def echo(self, tx: Tx, shown: Sequence[tuple[Sent, str]]) -> None:
        """Note on disk that events (by their ids) are in their rooms; their ciphertexts are not needed any more."""
        for row, _ in shown:
            row.gone = self._passed(row)
        if gone := [(row.id,) for row, _ in shown if row.gone]:
            await tx.many("matrix.outbox_end", gone)
        if stay := [(row.id, event_id) for row, event_id in shown if not row.gone]:
            await tx.many("matrix.outbox_echo", stay)

    def echoed(self, row: Sent, event_id: str) -> None:
        """Note it in memory, once it is on disk."""
        row.event_id, row.echoed, row.content = event_id, True, {}
        self._ciphers.pop(row.cipher, None)
        if row.gone:
            self._rows.pop(row.id, None)
        elif row.message:
            self._done.setdefault(row.room, []).append(row)

    def _passed(self, row: Sent) -> bool:
        """The lane has sent another delivery after this one: so this one is recorded, its row not needed."""
        last = self._last.get(row.room)
        return bool(row.message) and last is not None and last != row.message

    async def clean(self) -> int:
        """Forget rows that are done and a day old; gives how many."""
        limit = self._clock() - _KEPT
        old = [row.id for row in self._rows.values() if row.echoed and row.created_at < limit]
        if old:
            async with self._db.transaction("matrix.outbox-clean") as tx:
                await tx.many("matrix.outbox_end", [(key,) for key in old])
            for key in old:
                self._rows.pop(key, None)
            for room, rows in list(self._done.items()):
                self._done[room] = [row for row in rows if row.id in self._rows]
                if not self._done[room]:
                    del self._done[room]
                    self._last.pop(room, None)
        return len(old)


def translate(refusal: MatrixRefused) -> Exception:
    """What a refused send means."""
    if refusal.status == 413 or refusal.errcode == "M_TOO_LARGE":
        return Refused("too_large")
    if refusal.errcode in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_UNRECOGNIZED", "M_UNKNOWN_DEVICE"):
        log.error("ALARM the homeserver does not accept our calls: %s", refusal)
        return Unavailable("homeserver_refuses_us")
    if refusal.status in (403, 404):
        return NotInRoom(refusal.errcode)
    return refusal


def _stored(r: Row) -> Sent:
    content = orjson.loads(r["content"]) if r["content"] else {}
    keys = (r["id"], r["message"], r["room_id"], r["ghost"], r["device"], r["txn"], r["type"])
    return Sent(*keys, content, r["cipher"], r["created_at"], r["event_id"], r["event_id"] is not None)
