"""Tells the senders on one network what became of their messages, in batches; what cannot be told now is told later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from bridge.connector import Connector
from bridge.errors import Unavailable, where
from bridge.hub.handing.spans import Spans
from bridge.model import Report
from bridge.parts.lanes import Lanes
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
        database = Patience(first=patience.first, longest=patience.first)
        self._lanes = Lanes("reports", self._tell_due, database, failed=self._odd)
        self._rested = asyncio.Event()
        self.spans: Spans | None = None
        self._failed = 0  # batches in a row
        self._gathering: asyncio.TimerHandle | None = None
        self._on = False

    def wake(self) -> None:
        """Something became of a message; a moment later it is told with whatever became of others."""
        if self._on and self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(self._patience.reports, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        self._lanes.wake(self._connector.network)

    def answered(self) -> None:
        """The network answers: nobody rests any longer."""
        self._failed = 0
        self._rested.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        self._on = True
        self.wake()
        try:
            await asyncio.Event().wait()
        finally:
            self._on = False
            if self._gathering is not None:
                self._gathering.cancel()
            await self._lanes.stop()

    async def _tell_due(self, network: str) -> float | None:
        """Tell whatever is due; gives the seconds until something is due again."""
        while due := await self._store.outcomes.reports(network, self._clock()):
            if self._failed >= _BATCHES:
                await self._rest()
                due = await self._store.outcomes.reports(network, self._clock())
            await self._tell([r for r, _ in due], max((a for _, a in due), default=0))
            if len(due) < TOLD:
                break
        next_at = await self._store.outcomes.next_report(network)
        return None if next_at is None else max(self._patience.reports, (next_at - self._clock()) / 1000)

    async def _odd(self, network: str, _: int, bug: Exception) -> float:
        log.error("reports for %s cannot be told: %s", network, where(bug))
        return self._patience.longest

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
        if self.spans is not None:
            for report in reports:
                self.spans.begin(f"report {report.message}")
        try:
            if self._connector.capabilities.receipts:
                await self._connector.report(reports)
        except Unavailable as reason:
            self._failed += 1
            self._traced(reports, reason.code)
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
            self._traced(reports, "told")

    def _traced(self, reports: Sequence[Report], result: str) -> None:
        if self.spans is not None:
            for one in reports:
                about = {"network": one.ref.network, "result": result}
                self.spans.end(f"report {one.message}", "report", one.message, about)

    async def _tell_apart(self, reports: Sequence[Report], bug: Exception) -> None:
        """One of these cannot be told: find it, drop it with an alarm, keep the others."""
        if len(reports) > 1:
            for report in reports:
                await self._tell([report], 0)
            return
        log.error("the state of %s cannot be told: %s", reports[0].message, where(bug))
        async with self._store.db.transaction("courier.told") as tx:
            await tx.run("store.drop_report", reports[0].message)
