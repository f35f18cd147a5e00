"""The homeserver's doorbell: a transaction is on disk, whole, before it is answered (application service API).

Everything else happens later. What cannot be understood is set aside with an alarm: an answer other than 200 would
make the homeserver repeat the same transaction for ever and block everything behind it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from appservice.client.events import MEGOLM, sound
from appservice.client.names import Names, cipher_hash, seen_id
from bridge.db import Database, Tx
from bridge.errors import Unavailable
from bridge.parts.failpoint import failpoint
from bridge.seal import Seal

Json = dict[str, Any]
log = logging.getLogger(__name__)

STEP = 1 << 20  # between two places in the inbox: what was never pushed finds room before what was
ECHO = "fr.liaison.echo"  # how an encrypted event of our own ghost is kept: its sender and a hash of its ciphertext
_TO_DEVICE = ("to_device", "de.sorunome.msc2409.to_device")
_EPHEMERAL = ("ephemeral", "de.sorunome.msc2409.ephemeral")
_LISTS = ("device_lists", "org.matrix.msc3202.device_lists")
_COUNTS = (
    "device_one_time_keys_count",
    "org.matrix.msc3202.device_one_time_keys_count",
    "org.matrix.msc3202.device_one_time_key_counts",
)
_FALLBACK = ("device_unused_fallback_key_types", "org.matrix.msc3202.device_unused_fallback_key_types")
HEARTBEAT = "fr.liaison.heartbeat"
_OURS_WITHOUT_NEWS = frozenset({"com.beeper.message_send_status"})


@dataclass(slots=True)
class Item:
    """One event that is on disk and not done. ``event`` is None when it has to be read from there."""

    stream: int
    event_id: str
    room: str
    event: Json | None = field(default=None, repr=False)
    session: str | None = None  # it waits for this Megolm session …
    sender: str | None = None  # … of this person …
    parked_at: int | None = None  # … since (milliseconds)
    told: bool = False
    ask_at: int = 0  # when its key may be asked for once more (ms); kept in memory only
    again: bool = False  # an older copy of the database was put back: it may have been carried before


@dataclass(frozen=True, slots=True)
class Transaction:
    """The parts of a transaction under one name each, whatever the homeserver calls them."""

    events: Sequence[Any] = ()
    ephemeral: Sequence[Json] = ()
    to_device: Sequence[Json] = ()
    changed: Sequence[str] = ()
    left: Sequence[str] = ()
    counts: Json = field(default_factory=dict)
    fallback: Json = field(default_factory=dict)


def parse(raw: bytes) -> Transaction:
    """Read a transaction's body. Raises ValueError if it is no JSON object; odd parts are left out."""
    body = orjson.loads(raw)
    if not isinstance(body, dict):
        raise ValueError("a transaction is an object")
    lists = _first(body, _LISTS, dict)
    return Transaction(
        events=_first(body, ("events",), list),
        ephemeral=[e for e in _first(body, _EPHEMERAL, list) if isinstance(e, dict)],
        to_device=[e for e in _first(body, _TO_DEVICE, list) if isinstance(e, dict)],
        changed=_strings(lists.get("changed")),
        left=_strings(lists.get("left")),
        counts=_first(body, _COUNTS, dict),
        fallback=_first(body, _FALLBACK, dict),
    )


def _first(body: Json, names: Sequence[str], kind: type[Any]) -> Any:
    for name in names:
        if isinstance(body.get(name), kind) and body[name]:
            return body[name]
    return kind()


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


@dataclass(slots=True)
class Stored:
    """What became of new events in the transaction that stores them: some wait in the inbox, some are settled at once.

    ``noted`` is called when that is on disk.
    """

    items: list[Item]
    noted: Callable[[], None] = lambda: None


Settle = Callable[[Tx, list[Item]], Awaitable[Stored]]
"""Settles at once what needs no turn in its room's lane."""

Arrange = Callable[[Tx, Sequence[str]], Awaitable[Stored]]
"""Gives the ids of new events their places."""


class Transactions:
    """Writes transactions down; ``arrived`` gets the events that are new, in order, once they are on disk."""

    def __init__(
        self,
        db: Database,
        seal: Seal,
        names: Names,
        clock: Callable[[], int],
        arrived: Callable[[list[Item]], None],
        reload: Callable[[], Awaitable[None]],
        settle: Settle,
    ) -> None:
        """``reload`` reads from disk what waits: a database that went away during a commit may have kept it."""
        self._db = db
        self._seal = seal
        self._names = names
        self._clock = clock
        self._arrived = arrived
        self._reload = reload
        self._settle = settle
        self._turn = asyncio.Lock()
        self._unsure = False
        self._streams = itertools.count(STEP, STEP)

    async def start(self) -> None:
        """Continue the numbering where it ended."""
        row = await self._db.one("matrix.last_stream")
        self._streams = itertools.count((int(row["stream"] if row else 0) // STEP + 1) * STEP, STEP)

    async def take(self, raw: bytes) -> Transaction:
        """Store what is new. Raises Unavailable if the database is away; nothing else."""
        try:
            transaction = parse(raw)
        except ValueError:
            await self.set_aside("bad_json", raw)
            return Transaction()
        good: dict[str, Json] = {}
        for event in transaction.events:
            if sound(event):
                if not self.no_news(event):
                    good.setdefault(event["event_id"], event)
            else:
                await self.set_aside("bad_event", orjson.dumps(_shallow(event)))

        async def arrange(tx: Tx, new: Sequence[str]) -> Stored:
            return await self._settle(tx, [self._item(good[event_id], next(self._streams)) for event_id in new])

        if good:
            self._arrived(await self._write(good, arrange))
        return transaction

    def mark(self) -> int:
        """A place in the inbox that stays empty: whatever comes in from now on goes after it."""
        return next(self._streams)

    async def insert(
        self, history: Sequence[Json], mark: int, waiting: Callable[[], Mapping[str, Item]], over: Collection[str] = ()
    ) -> list[Item]:
        """Take what has not come in from a room's history (newest first); what waits there gets the history's order.

        ``mark`` was given before the history was read, ``waiting`` gives the events that wait, by their ids; those that
        came in since and are not in the history stay last. State that is ``over`` (ids) is noted as seen and not taken
        where something later has been worked on already. Gives what is new; raises Unavailable.
        """
        good = {e["event_id"]: e for e in reversed(history) if sound(e) and not self.no_news(e)}
        moved: list[tuple[Item, int]] = []

        async def arrange(tx: Tx, new: Sequence[str]) -> Stored:
            moved.clear()
            present, fresh = waiting(), set(new)
            fresh -= _overtaken(good, over, fresh | present.keys())
            order = [ident for ident in good if ident in fresh or ident in present]
            since = [item.stream for ident, item in present.items() if item.stream > mark and ident not in good]
            places = _spread(min(since) if since else next(self._streams), len(order))
            found = []
            for ident, place in zip(order, places, strict=True):
                if ident in fresh:
                    found.append(self._item(good[ident], place))
                else:
                    moved.append((present[ident], place))
            await tx.many("matrix.inbox_move", [(item.stream, place) for item, place in moved])
            return Stored(found)

        found = await self._write(good, arrange) if good else []
        for item, place in moved:
            item.stream = place
        return found

    async def _write(self, events: dict[str, Json], arrange: Arrange) -> list[Item]:
        ids = {seen_id(event_id): event_id for event_id in events}
        async with self._turn:  # two tries of the same transaction may overlap
            if self._unsure:  # an earlier one may be on disk although nobody said so
                await self._reload()
                self._unsure = False
            self._unsure = True
            async with self._db.transaction("matrix.transaction") as tx:
                new = {row["id"] for row in await tx.all("matrix.see", orjson.dumps(list(ids)).decode())}
                fresh = [event_id for seen, event_id in ids.items() if seen in new]
                stored = await arrange(tx, fresh) if fresh else Stored([])
                if stored.items:
                    await tx.many("matrix.inbox_add", [self._row(item) for item in stored.items])
            self._unsure = False
            stored.noted()
            failpoint("matrix.transaction-stored")
        return stored.items

    def _item(self, event: Json, place: int) -> Item:
        event = _shallow(event)
        content = event["content"]
        if event["type"] == "m.room.encrypted" and self._names.is_ours(event["sender"]):
            kept = {key: event[key] for key in ("event_id", "room_id", "sender")}
            event = {**kept, "type": ECHO, "content": {"cipher": cipher_hash(str(content.get("ciphertext", "")))}}
        return Item(place, event["event_id"], event["room_id"], event)

    def _row(self, item: Item) -> tuple[Any, ...]:
        sealed = self._seal.seal(orjson.dumps(item.event), item.event_id)
        return item.stream, item.event_id, item.room, self._clock(), sealed

    def no_news(self, event: Json) -> bool:
        """Whether an event is our own and of no interest: it is not kept."""
        if event["type"] == HEARTBEAT:
            return True
        return event["type"] in _OURS_WITHOUT_NEWS and self._names.is_ours(event["sender"])

    async def set_aside(self, why: str, raw: bytes) -> None:
        """Something that is no transaction or no event: kept sealed for the operator, with an alarm."""
        log.error("ALARM a transaction of the homeserver was set aside: %s, %d bytes", why, len(raw))
        sealed = self._seal.seal(raw[:1_000_000], why)
        async with self._db.transaction("matrix.set-aside") as tx:
            await tx.run("matrix.bury", "", "", self._clock(), why, sealed)


def _spread(end: int, count: int) -> list[int]:
    """Places below one that was given to nobody, or to what came in just now: the whole step before it is free."""
    if count >= STEP:
        raise Unavailable("no_place")
    return [end - STEP + STEP * n // (count + 1) for n in range(1, count + 1)]


def _shallow(event: Any) -> Any:
    """The event, without what is nested more deeply than orjson writes (it reads 1024 levels and writes 253)."""
    try:
        orjson.dumps(event)
    except TypeError:
        if not isinstance(event, dict):
            return None
        content = event.get("content")
        flat = {k: v for k, v in event.items() if not isinstance(v, (dict, list))}
        if isinstance(content, dict):
            flat["content"] = {k: v for k, v in content.items() if not isinstance(v, (dict, list))}
        return flat
    return event


def _overtaken(events: Mapping[str, Json], over: Collection[str], pending: Collection[str]) -> set[str]:
    """Those of ``over`` after which an event of the same type and key was worked on, which is not ``pending``."""
    done, found = set[tuple[str, str]](), set[str]()
    for event_id, event in reversed([*events.items()]):
        key = (event["type"], str(event.get("state_key")))
        if event_id in over and key in done:
            found.add(event_id)
        if event_id not in pending:
            done.add(key)
    return found


def is_encrypted(event: Json) -> bool:
    """Whether an event is a Megolm message."""
    return bool(event["type"] == "m.room.encrypted" and event["content"].get("algorithm") == MEGOLM)
