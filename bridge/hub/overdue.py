"""What waits for too long, found on disk a page at a time: its senders are told, and at last nobody tries any more."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from bridge.errors import Unavailable, where
from bridge.hub.handing.late_legs import LateLegs
from bridge.hub.outlet import Outlet
from bridge.parts.patience import Patience
from bridge.parts.steady import Steady
from bridge.store.backlog import Old
from bridge.store.store import Store

log = logging.getLogger(__name__)
_PAGE = 100  # deliveries in one transaction
_SHARE = 3  # times as long as a page took, nothing is done: others have the database
_SLOWEST = 5.0  # s between two looks


class Overdue:
    """Looks at every network's backlog now and then.

    A delivery of a network that is ``down`` is given up without a try of its own, once another one has failed after its
    time was over. Nothing is given up before the hub has tried for an hour since it started, or since the clock jumped:
    patience is counted by the wall clock, which goes on while the hub stands still.
    """

    def __init__(
        self, store: Store, outlets: Mapping[str, Outlet], patience: Patience, clock: Callable[[], int],
        refused: Callable[[str, str], None], keeps: Callable[[str, str], bool],
    ) -> None:  # fmt: skip
        """``keeps``: whether a lane waits for people to come, which is no operator's business."""
        self._store = store
        self._legs = LateLegs(store.db, patience.late, keeps, clock)
        self._outlets = outlets
        self._patience = patience
        self._clock = clock
        self._refused = refused
        self._steady = Steady(clock)

    def given_up(self, created_at: int) -> bool:
        """Whether nobody tries any longer to bring what was accepted then (ms)."""
        self._notice()
        return created_at < self._before(self._patience.give_up) and self._tried

    @property
    def _tried(self) -> bool:
        return self._steady.tried(self._patience.give_up)

    def _before(self, seconds: float) -> int:
        return self._clock() - int(seconds * 1000)

    def _notice(self) -> None:
        """After a jump of the clock no waiting time means anything: everything may be tried."""
        if jump := self._steady.jumped():
            log.warning("the clock has jumped by %.0f s: everything that waits is tried, nothing given up yet", jump)
            for outlet in self._outlets.values():
                outlet.look_through(eager=True)

    async def run(self, news: Callable[[], None]) -> None:
        """Look until cancelled; ``news``: senders are to be told something."""
        patience = self._patience
        pause = min(_SLOWEST, max(0.02, min(patience.late, patience.give_up) / 10))
        while True:
            await asyncio.sleep(pause)
            self._notice()
            for name in self._outlets:
                try:
                    await self._look(name, news)
                except Unavailable:
                    continue
                except Exception as bug:
                    log.error("what waits for %s cannot be looked at: %s", name, where(bug))

    async def _look(self, name: str, news: Callable[[], None]) -> None:
        outlet, patience = self._outlets[name], self._patience
        while rows := await outlet.backlog.late(self._before(patience.late), _PAGE):
            await self._tell(name, rows, news)
        await self._legs.over(name)
        while people := await outlet.backlog.not_in(self._before(patience.late), _PAGE):
            await self._not_in(name, people, news)
        while outlet.down and self._tried:
            before = min(outlet.failed_at, self._clock()) - int(patience.give_up * 1000)
            rows = await outlet.backlog.expired(before, _PAGE)
            if not rows or not await self._give_up(name, rows, news):
                return

    async def _tell(self, name: str, rows: Sequence[Old], news: Callable[[], None]) -> None:
        begun = time.monotonic()
        async with self._store.db.transaction("courier.late") as tx:
            told = await self._store.outcomes.late(tx, name, {row.id: row.message for row in rows})
            found = await self._legs.found(tx, name, {row.conversation for row in rows})
        self._legs.say(name, found)
        if told:
            news()
        await asyncio.sleep(_SHARE * (time.monotonic() - begun))

    async def _not_in(self, name: str, people: Sequence[tuple[str, str]], news: Callable[[], None]) -> None:
        begun, now = time.monotonic(), self._clock()
        async with self._store.db.transaction("courier.not-in") as tx:
            told = [await self._store.outcomes.not_in(tx, where, name, person, now) for where, person in people]
        if any(told):
            news()
        await asyncio.sleep(_SHARE * (time.monotonic() - begun))

    async def _give_up(self, name: str, rows: Sequence[Old], news: Callable[[], None]) -> bool:
        """Give up all but what is under way; False: all of it is."""
        begun, outlet = time.monotonic(), self._outlets[name]
        mine = outlet.claim({row.conversation for row in rows})
        try:
            gone = [row for row in rows if row.conversation in mine]
            async with self._store.db.transaction("courier.gave-up") as tx:
                for row in gone:
                    await self._store.deliveries.gave_up(tx, name, row.id, row.message, self._clock())
        finally:
            outlet.release(mine)
        if gone:
            log.warning("%d messages to %s given up, from %s on", len(gone), name, gone[0].id)
            for row in gone:
                self._refused(row.message, name)
            news()
        await asyncio.sleep(_SHARE * (time.monotonic() - begun))
        return bool(gone)
