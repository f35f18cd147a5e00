"""Tells the senders on one network what became of their messages, in batches; what cannot be told now is told later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from bridge.connector import Connector
from bridge.errors import Unavailable, where
from bridge.model import Report
from bridge.parts.patience import Patience
from bridge.store.outcomes import TOLD
from bridge.store.store import Store

log = logging.getLogger(__name__)
_BATCHES = 3  # that many in a row could not be told: the network is left alone for a while


class Telling:
    """The reports of one network. ``clock`` gives milliseconds since 1970."""

    def __init__(
        self, store: Store, connector: Connector, patience: Patience, clock: Callable[[], int],
        jitter: Callable[[], float],
    ) -> None:  # fmt: skip
        self._store = store
        self._connector = connector
        self._patience = patience
        self._clock = clock
        self._jitter = jitter
        self._news = asyncio.Event()
        self._rested = asyncio.Event()
        self._failed = 0  # batches in a row
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Something became of a message."""
        self._news.set()

    def answered(self) -> None:
        """The network answers: nobody rests any longer."""
        self._failed = 0
        self._rested.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        self.wake()
        while True:
            await self._news.wait()
            await asyncio.sleep(self._patience.reports)
            self._news.clear()
            try:
                next_at = await self._tell_all()
            except Unavailable:
                next_at = self._clock() + int(self._patience.first * 1000)
            except Exception as bug:  # it would end the courier, and the hub
                log.error("reports for %s cannot be told: %s", self._connector.network, where(bug))
                next_at = self._clock() + int(self._patience.longest * 1000)
            if next_at is not None:
                self._look_again((next_at - self._clock()) / 1000)

    def _look_again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.01), self._news.set)

    async def _tell_all(self) -> int | None:
        """Tell whatever is due; gives when (ms) something is due again."""
        name = self._connector.network
        while due := await self._store.outcomes.reports(name, self._clock()):
            if self._failed >= _BATCHES:
                await self._rest()
                due = await self._store.outcomes.reports(name, self._clock())
            await self._tell([r for r, _ in due], max((a for _, a in due), default=0))
            if len(due) < TOLD:
                break
        return await self._store.outcomes.next_report(name)

    async def _rest(self) -> None:
        """One batch after the other could not be told: the rest of them would fare no better."""
        self._rested.clear()
        try:
            async with asyncio.timeout(self._patience.backoff(self._failed - _BATCHES, self._jitter)):
                await self._rested.wait()
        except TimeoutError:
            pass

    async def _tell(self, reports: list[Report], attempt: int) -> None:
        """Tell one batch, now or later."""
        try:
            if self._connector.capabilities.receipts:
                await self._connector.report(reports)
        except Unavailable as reason:
            self._failed += 1
            wait = max(self._patience.backoff(attempt, self._jitter), reason.retry_after or 0.0)
            async with self._store.db.transaction("courier.report-later") as tx:
                at = self._clock() + int(wait * 1000)
                await tx.many("store.report_later", [(r.message, at) for r in reports])
        except Exception as bug:
            await self._tell_apart(reports, bug)
        else:
            self._failed = 0
            async with self._store.db.transaction("courier.told") as tx:
                await self._store.outcomes.told(tx, reports)

    async def _tell_apart(self, reports: Sequence[Report], bug: Exception) -> None:
        """One of these cannot be told: find it, drop it with an alarm, keep the others."""
        if len(reports) > 1:
            for report in reports:
                await self._tell([report], 0)
            return
        log.error("the state of %s cannot be told: %s", reports[0].message, where(bug))
        async with self._store.db.transaction("courier.told") as tx:
            await tx.run("store.drop_report", reports[0].message)
