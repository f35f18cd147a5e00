"""What a product has taken is sent to it once more, as an operator asks: from a time, after a number, or one event.

The product sees the ``webhook-id`` that it has seen before, and drops what it has. Each conversation keeps its order:
what is new in it comes after what is sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.db import Database
from bridge.errors import Refused, Unavailable
from bridge.networks.connect.log.resending import Resending
from bridge.trail.entry import TrailEntry, TrailKind, note

MOST = 10_000  # events that are sent again at once: more are asked for in parts


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a product's log: after one number, up to another.

    ``events`` would be sent again, ``waiting`` are to be sent anyway. ``first``, ``last``: when they happened (ms).
    ``gone``: some of it is not kept any longer. ``more``: it is longer, and ends here.
    """

    after: int
    upto: int
    events: int
    waiting: int
    first: int | None
    last: int | None
    gone: bool
    more: bool


class SendingAgain:
    """Of one product. ``resending``: its webhooks; None: it has none. ``clock`` gives milliseconds since 1970."""

    def __init__(
        self, network: str, db: Database, resending: Resending | None, clock: Callable[[], int], most: int = MOST
    ) -> None:
        self._network, self._db, self._resending, self._clock, self._most = network, db, resending, clock, most

    async def since(self, at: int) -> Stretch:
        """Everything from a time (ms) on. Raises Refused, Unavailable."""
        newest, gone = await self._ends()
        low, high = gone, newest
        while low < high:  # numbers and times grow together
            middle = (low + high) // 2
            row = await self._db.one("connect_log.after", self._network, middle)
            if row is None or row["at"] >= at:
                high = middle
            else:
                low = row["n"]
        return await self.after(low, newest)

    async def after(self, n: int, upto: int | None = None) -> Stretch:
        """Everything after a number, ``upto`` another (None: to the end). Raises Refused, Unavailable."""
        newest, gone = await self._ends()
        end = newest if upto is None else min(upto, newest)
        rows = await self._db.all("connect_log.stretch", self._network, n, end, self._most + 1)
        more, rows = len(rows) > self._most, rows[: self._most]
        return Stretch(
            n, rows[-1]["n"] if more else end, sum(not row["waits"] for row in rows),
            sum(row["waits"] > 0 for row in rows), rows[0]["at"] if rows else None, rows[-1]["at"] if rows else None,
            n < gone, more,
        )  # fmt: skip

    async def single(self, ident: str) -> Stretch:
        """One event, by its ``webhook-id``. Raises Refused, Unavailable."""
        await self._ends()
        row = await self._db.one("connect_log.one", self._network, ident)
        if row is None:
            raise Refused("unknown_event")
        return await self.after(row["n"] - 1, row["n"])

    async def send(self, by: str, after: int, upto: int) -> int:
        """Send what is between these numbers and was taken again, soon and in order; gives how many.

        Raises Refused (product_reads: it reads by itself; too_many_events), Unavailable.
        """
        await self._ends()
        assert self._resending is not None
        if self._resending.reads():
            raise Refused("product_reads")
        found = await self.after(after, upto)
        if found.more:
            raise Refused("too_many_events")
        async with self._db.transaction("connect.again") as tx:
            count = len(await tx.all("connect_log.again", self._network, after, found.upto))
            numbers = {"events": count, "after": after, "upto": found.upto}
            await note(
                tx, TrailEntry(TrailKind.OPERATOR, by, self._network, None, "sent_again", numbers), self._clock()
            )
        self._resending.wake()
        return count

    async def _ends(self) -> tuple[int, int]:
        """The newest number, and the last one that is gone. Raises Refused (no_webhook)."""
        if self._resending is None:
            raise Refused("no_webhook")
        row = await self._db.one("connect_log.log", self._network)
        if row is None:
            raise Unavailable("not_ready", 2)
        return row["n"], row["gone"]
