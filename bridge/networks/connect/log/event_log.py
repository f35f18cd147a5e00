"""One product's log: what was, or is to be, sent to it, in order, sealed; read by a cursor.

What the cursor has passed the product has: its senders see it delivered, as after a webhook that was answered. Nothing
is kept for longer than the product's log is; what nobody has read until then is refused to its sender.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.db import Database, Row, Tx
from bridge.errors import Refused, Unavailable
from bridge.networks.connect.request_body import in_executor
from bridge.receiver import Receiver
from bridge.seal import Seal

PAGE = 200  # rows of one statement
MOST_EVENTS = 500  # in one answer
_MOST_BYTES = 8 * 1024 * 1024  # of one answer, unless one event alone is larger
_LARGE = 256 * 1024  # bytes that are sealed in a thread
_JUMP = 1_000_000_000  # more events than were logged since any copy
_LATE = 600_000  # ms until a sender is told that the product has not taken it
AGAIN = 3  # ``waits`` of an event that was taken, and that an operator has asked to be sent once more


@dataclass(frozen=True, slots=True)
class Event:
    """One webhook. ``lane``: what comes in order (a conversation); ``message``: the hub's id of what is delivered."""

    id: str
    lane: str
    message: str | None
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event at its place. ``waits``: the product has it not yet. ``again``: it has it, and gets it once more."""

    n: int
    event: Event
    waits: bool
    named: str | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class LogPage:
    """What follows a cursor. ``whole``: nothing was deleted between the cursor and the first of these."""

    events: tuple[LoggedEvent, ...]
    next: int
    whole: bool


class EventLog:
    """``kept`` in ms, ``most`` in bytes of all bodies; ``clock`` gives ms since 1970."""

    def __init__(
        self, network: str, db: Database, seal: Seal, *, kept: int, most: int, clock: Callable[[], int]
    ) -> None:
        self._network = network
        self._db = db
        self._seal = seal
        self._kept = kept
        self._most = most
        self._clock = clock
        self._came = asyncio.Event()
        self._open = True
        self.readers = 0  # requests that wait for an event
        self.read_at = -math.inf  # s, when the product last read

    async def start(self) -> None:
        """Have a place to count from."""
        self._open = True
        async with self._db.transaction("connect.log") as tx:
            await tx.run("connect_log.begin", self._network)

    def stop(self) -> None:
        """Nobody waits any longer."""
        self._open = False
        self._stir()

    # ---- in

    async def place(self, ident: str, lane: str) -> tuple[LoggedEvent | None, bool]:
        """What the log has of an event (without its body), and whether anything of its lane waits."""
        row = await self._db.one("connect_log.one", self._network, ident)
        known = None if row is None else _logged(row, Event(ident, row["lane"], row["message"], b""))
        return known, await self._db.one("connect_log.lane_waits", self._network, lane) is not None

    async def add(self, event: Event, *, waits: bool, named: str | None = None) -> None:
        """Keep an event, once. Raises Unavailable (log_full) for one that waits where too much waits already."""
        size = len(event.body)
        sealed = await self._sealed(event)
        async with self._db.transaction("connect.event") as tx:
            if await tx.one("connect_log.one", self._network, event.id) is not None:
                return
            log = await tx.one("connect_log.log", self._network)
            if log is not None and log["bytes"] + size > self._most and waits:
                raise Unavailable("log_full", 60.0)
            row = await tx.one("connect_log.next", self._network, size)
            assert row is not None, "the log has begun"
            values = (event.id, event.lane, event.message, named, sealed, size, self._clock(), int(waits))
            await tx.run("connect_log.add", self._network, row["n"], *values)
        self._stir()

    async def _sealed(self, event: Event) -> bytes:
        context = self._context(event.id)
        if len(event.body) < _LARGE:
            return self._seal.seal(event.body, context)
        return await in_executor(lambda: self._seal.seal(event.body, context))

    def _context(self, ident: str) -> str:
        return f"connect event {self._network} {ident}"

    def _stir(self) -> None:
        came, self._came = self._came, asyncio.Event()
        came.set()

    # ---- out

    async def check(self, after: int) -> None:
        """Raises Refused (unknown_cursor) for a cursor that was never given: it would pass what nobody has read."""
        if after > (await self._log())["handed"]:
            raise Refused("unknown_cursor", "after")

    async def read(self, after: int | None, limit: int, wait: float) -> LogPage:
        """What follows a cursor (None: what waits), at most ``wait`` seconds later."""
        if after is None:
            log = await self._log()
            first = await self._db.one("connect_log.first_waiting", self._network)
            after = first["n"] - 1 if first is not None else log["n"]
        self.readers += 1
        try:
            return await self._awaited(after, limit, wait)
        finally:
            self.readers -= 1
            self.read_at = asyncio.get_running_loop().time()

    async def _awaited(self, after: int, limit: int, wait: float) -> LogPage:
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            came = self._came
            page = await self._page(after, limit)
            left = deadline - asyncio.get_running_loop().time()
            if page.events or left <= 0 or not self._open:
                await self._handed(page.next)
                return page
            try:
                async with asyncio.timeout(left):
                    await came.wait()
            except TimeoutError:
                continue

    async def _log(self) -> Row:
        row = await self._db.one("connect_log.log", self._network)
        if row is None:
            raise Unavailable("not_ready", 2)
        return row

    async def places(self) -> tuple[int, int, int, int]:
        """The newest event, how far the product has read, what was deleted up to, and the bytes of all that is kept."""
        row = await self._log()
        return int(row["n"]), int(row["handed"]), int(row["gone"]), int(row["bytes"])

    async def last_read(self) -> int | None:
        """When the product last read (ms), to the minute; None: never."""
        at = (await self._log())["read_at"]
        return None if at is None else int(at)

    async def counted(self, most: int) -> tuple[int, int | None]:
        """How many events the product has not, up to a bound, and when the first of them happened (ms)."""
        row = await self._db.one("connect_log.count_waiting", self._network, most)
        return (0, None) if row is None else (int(row["n"]), row["oldest"])

    async def _page(self, after: int, limit: int) -> LogPage:
        log, count, size = await self._log(), 0, 0
        for row in await self._db.all("connect_log.sizes", self._network, after, limit):
            size += row["size"]
            if count and size > _MOST_BYTES:
                break
            count += 1
        rows = await self._db.all("connect_log.page", self._network, after, count) if count else []
        events = tuple([_logged(row, await self._event(row)) for row in rows])
        return LogPage(events, events[-1].n if events else after, after >= log["gone"])

    async def _handed(self, n: int) -> None:
        async with self._db.transaction("connect.handed") as tx:
            await tx.run("connect_log.handed", self._network, n, self._clock())

    async def _event(self, row: Row) -> Event:
        body, context = bytes(row["body"]), self._context(row["id"])
        if len(body) < _LARGE:
            return Event(row["id"], "", None, self._seal.open(body, context))
        return Event(row["id"], "", None, await in_executor(lambda: self._seal.open(body, context)))

    async def one(self, ident: str) -> LoggedEvent | None:
        """An event by its id, with its body."""
        row = await self._db.one("connect_log.one", self._network, ident)
        if row is None:
            return None
        body = self._seal.open(bytes(row["body"]), self._context(ident))
        return _logged(row, Event(ident, row["lane"], row["message"], body))

    async def waiting(self, after: int, limit: int = PAGE) -> list[LoggedEvent]:
        """What is to be sent, without bodies: a page after a place."""
        return [_bare(row) for row in await self._db.all("connect_log.waiting", self._network, after, limit)]

    # ---- what became of it

    async def passed(self, hub: Receiver, n: int) -> None:
        """The cursor has passed a place: the product has everything up to it."""
        while rows := await self._db.all("connect_log.unread", self._network, 0, n, PAGE):
            await self.taken(hub, [_bare(row) for row in rows])

    async def taken(self, hub: Receiver, events: Sequence[LoggedEvent]) -> None:
        """The product has these; ``named`` where it has an id of its own for one."""

        async def within(tx: Tx) -> None:
            await tx.many("connect_log.taken", [(self._network, one.n, one.named) for one in events])

        names = {one.event.message: one.named for one in events if one.event.message}
        await hub.signs.taken(self._network, names, within)

    async def sent_again(self, event: LoggedEvent) -> None:
        """The product has been sent this once more. What its sender knows, and its name, stay as they were."""
        async with self._db.transaction("connect.sent-again") as tx:
            await tx.run("connect_log.sent_again", self._network, event.n)

    async def refused(self, hub: Receiver, event: LoggedEvent) -> None:
        """The product will never take it."""

        async def within(tx: Tx) -> None:
            await tx.run("connect_log.taken", self._network, event.n, None)

        messages = [event.event.message] if event.event.message else []
        await hub.signs.lost(self._network, messages, "product_refused", within)

    async def tell_late(self, hub: Receiver) -> None:
        """Senders of what waits for long are told so."""
        before = self._clock() - _LATE
        while rows := await self._db.all("connect_log.late", self._network, before, PAGE):
            told = [(self._network, row["n"]) for row in rows]

            async def within(tx: Tx, told: list[tuple[str, int]] = told) -> None:
                await tx.many("connect_log.told_late", told)

            await hub.signs.late(self._network, [row["message"] for row in rows if row["message"]], within)

    async def clean(self, hub: Receiver) -> None:
        """Delete what is old, and the oldest that was taken where all is too large."""
        before = self._clock() - self._kept
        while rows := await self._db.all("connect_log.oldest", self._network, PAGE):
            spare = max(0, (await self._log())["bytes"] - self._most)
            gone: list[Row] = []
            for row in rows:
                if row["at"] >= before and (spare <= 0 or _unread(row)):
                    break
                gone.append(row)
                spare -= row["size"]
            if gone:
                await self._delete(hub, gone)
            if len(gone) < PAGE:
                return

    async def _delete(self, hub: Receiver, rows: Sequence[Row]) -> None:
        async def within(tx: Tx) -> None:
            await tx.many("connect_log.drop", [(self._network, row["n"]) for row in rows])
            await tx.run("connect_log.dropped", self._network, sum(row["size"] for row in rows), rows[-1]["n"])

        lost = [row["message"] for row in rows if _unread(row) and row["message"]]
        await hub.signs.lost(self._network, lost, "gave_up", within)


def _logged(row: Row, event: Event) -> LoggedEvent:
    return LoggedEvent(row["n"], event, _unread(row), row["named"], row["waits"] == AGAIN)


def _bare(row: Row) -> LoggedEvent:
    event = Event(row["id"], row["lane"], row["message"], b"")
    return LoggedEvent(row["n"], event, _unread(row), again=row["waits"] == AGAIN)


def _unread(row: Row) -> bool:
    """Whether the product has it not yet."""
    return bool(0 < row["waits"] < AGAIN)


async def went_back(tx: Tx, network: str) -> list[str]:
    """The database is an older copy: the product may have a cursor from after it, so no number is given a second time.

    A cursor from before then finds everything that follows, and that its page is not whole. Gives the ids of webhooks
    that wait, and may have been taken.
    """
    await tx.run("connect_log.jump", network, _JUMP)
    return [row["id"] for row in await tx.all("connect_log.waiting", network, 0, PAGE)]
