"""Brings every delivery to its leg: a lane per conversation and leg, strict order, retries, giving up politely."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from bridge.capabilities import fit
from bridge.connector import Connector
from bridge.db import Tx
from bridge.errors import Refused, Unavailable, where
from bridge.kinds import KINDS
from bridge.model import Address, Delivery, Handed, Member, Ref, Report
from bridge.parts.failpoint import failpoint
from bridge.parts.patience import Patience as Patience
from bridge.seal import SealBroken
from bridge.served import Served
from bridge.store.store import Store

log = logging.getLogger(__name__)
_BUGS_ALLOWED = 6  # attempts that end in an unexpected error before the sender is told


class _Network:
    """What the courier knows about one network: how many calls at once, and whether it answers again."""

    def __init__(self, connector: Connector, parallel: int) -> None:
        self.connector = connector
        self.slots = asyncio.Semaphore(parallel)
        self.failing = False
        self.recovered = asyncio.Event()
        self.news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def look_again(self, seconds: float) -> None:
        """There may be news then."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.01), self.news.set)

    def answered(self) -> None:
        """It works (again): those who wait out a backoff may try now."""
        if self.failing:
            self.failing = False
            self.recovered.set()
            self.recovered = asyncio.Event()


class Courier:
    """Delivers what is due. ``wake`` is called when something was written; at start everything is looked through."""

    def __init__(
        self, store: Store, connectors: Served, patience: Patience, clock: Callable[[], int],
        holds: Callable[[str, Address], bool], on_refused: Callable[[str, str], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._store = store
        self._connectors = connectors
        self._networks: dict[str, _Network] = {}
        self._patience = patience
        self._clock = clock
        self._jitter = jitter
        self._lanes: dict[tuple[str, str], bool] = {}  # running lanes; True: look again before ending
        self._group: asyncio.TaskGroup | None = None
        self._on_refused = on_refused
        self._holds = holds

    def _network(self, name: str) -> _Network:
        if name not in self._networks:
            self._networks[name] = _Network(self._connectors[name], self._patience.parallel)
        return self._networks[name]

    @property
    def patience(self) -> Patience:
        """How long it waits."""
        return self._patience

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for network in [self._network(name) for name in self._connectors]:
                group.create_task(self._tell(network))
            for row in await self._store.db.all("store.lanes"):
                self.wake(row["conversation"], row["network"])
            self.wake_reports()
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None  # what is accepted from now on is delivered after the next start

    def wake(self, conversation: str, network: str) -> None:
        """Something is due in this lane."""
        lane = (conversation, network)
        if lane in self._lanes:
            self._lanes[lane] = True
        elif self._group is not None and network in self._connectors:
            self._lanes[lane] = False
            self._group.create_task(self._lane(*lane))

    def wake_reports(self) -> None:
        """Something became of a message."""
        for network in self._networks.values():
            network.news.set()

    def answered(self, network: str) -> None:
        """A sign of life from a network: lanes that wait for it may try now."""
        self._network(network).answered()

    # ---- lanes

    async def _lane(self, conversation: str, name: str) -> None:
        network = self._network(name)
        fresh = True  # waiting times of an earlier life of the hub do not count
        try:
            while True:
                self._lanes[(conversation, name)] = False
                due = await self._due(conversation, name)
                for delivery, next_at in due:
                    if not fresh and next_at > self._clock():
                        await self._wait(network, (next_at - self._clock()) / 1000)
                    fresh = False
                    if not await self._attempt(network, delivery):
                        break
                if not due and not self._lanes[(conversation, name)]:
                    return
        finally:
            self._lanes.pop((conversation, name), None)

    async def _due(self, conversation: str, name: str) -> list[tuple[Delivery, int]]:
        while True:
            try:
                return await self._store.due(conversation, name)
            except Unavailable:
                await asyncio.sleep(self._patience.first)
            except SealBroken as broken:  # not the message's fault: it waits until its key is there again
                log.error("a message for %s in %s waits: %s", name, conversation, broken)
                await asyncio.sleep(self._patience.longest)

    async def _wait(self, network: _Network, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await network.recovered.wait()
        except TimeoutError:
            pass

    async def _attempt(self, network: _Network, delivery: Delivery) -> bool:
        """One attempt; True if the lane may go on with the next delivery."""
        try:
            async with network.slots:
                delivery = await self._store.ready(delivery)
                if not delivery.recipients and KINDS[delivery.kind].recipients:
                    raise Refused("left_before")
                delivery, lost = self._without_lost(delivery)
                handed = await network.connector.deliver(fit(delivery, network.connector.capabilities))
            failpoint("courier.after-deliver")
        except Refused as refusal:
            log.warning("%s refused by %s: %s", delivery.id, delivery.network, refusal.code)
            return await self._end(delivery, None, refusal.code)
        except SealBroken as broken:
            log.error("the files of %s wait: %s", delivery.id, broken)
            return await self._later(delivery, "seal_key", self._patience.longest)
        except Unavailable as reason:
            network.failing = True
            return await self._later(delivery, reason.code, reason.retry_after)
        except Exception as bug:  # poison must not stop the lane for ever
            log.error("%s to %s failed unexpectedly: %s", delivery.id, delivery.network, where(bug))
            if delivery.attempt + 1 >= _BUGS_ALLOWED:
                return await self._end(delivery, None, "internal_error")
            return await self._later(delivery, "internal_error", None)
        network.answered()
        return await self._end(delivery, handed, "", lost)

    def _without_lost(self, delivery: Delivery) -> tuple[Delivery, Sequence[Member]]:
        """The last look before it is handed out: nobody gets it at an address that is somebody else's by now."""
        lost = [m for m in delivery.recipients if not self._holds(m.person.id, m.address)]
        if not lost:
            return delivery, lost
        if len(lost) == len(delivery.recipients):
            raise Refused("not_reachable")
        return replace(delivery, members=tuple(m for m in delivery.members if m not in lost)), lost

    async def _end(
        self, delivery: Delivery, handed: Ref | Handed | None, reason: str, lost: Sequence[Member] = ()
    ) -> bool:
        handed = Handed(handed) if isinstance(handed, Ref) else handed
        try:
            async with self._store.db.transaction("courier.sent" if handed else "courier.refused") as tx:
                for member in lost:
                    await self._store.outcomes.failed(
                        tx, delivery.message, member.person.id, "not_reachable", self._clock()
                    )
                if handed is not None:
                    await self._sent(tx, delivery, handed)
                else:
                    await self._store.refused(tx, delivery, reason, self._clock())
        except Unavailable:
            await asyncio.sleep(self._patience.first)
            return False
        if handed is None:
            self._on_refused(delivery.message, delivery.network)
        if handed is not None and handed.noted is not None:
            with suppress(Unavailable):
                await handed.noted()
        self.wake_reports()
        return True

    async def _sent(self, tx: Tx, delivery: Delivery, handed: Handed) -> None:
        known, now = not self._connectors[delivery.network].capabilities.own_states, self._clock()
        await self._store.sent(tx, delivery, handed.ref, now, known=known, waiting=handed.waiting)
        for person, why in sorted(handed.without.items()):
            await self._store.outcomes.failed(tx, delivery.message, person, why, now)

    async def _later(self, delivery: Delivery, reason: str, retry_after: float | None) -> bool:
        now = self._clock()
        if now - delivery.created_at > self._patience.give_up * 1000:
            log.warning("%s to %s given up after %d attempts", delivery.id, delivery.network, delivery.attempt + 1)
            return await self._end(delivery, None, "gave_up")
        wait = max(self._patience.backoff(delivery.attempt, self._jitter), retry_after or 0.0)
        log.info("%s to %s waits %.1f s: %s", delivery.id, delivery.network, wait, reason)
        try:
            async with self._store.db.transaction("courier.later") as tx:
                late = now - int(self._patience.late * 1000)
                news = await self._store.later(tx, delivery, now + int(wait * 1000), late)
            if news:
                self.wake_reports()
        except Unavailable:
            pass
        if retry_after:
            await asyncio.sleep(retry_after)  # the network named this time: no sign of life shortens it
        return False

    # ---- news for senders

    async def _tell(self, network: _Network) -> None:
        while True:
            await network.news.wait()
            await asyncio.sleep(self._patience.reports)
            network.news.clear()
            name = network.connector.network
            try:
                while due := await self._store.outcomes.reports(name, self._clock()):
                    await self._tell_once(network, [r for r, _ in due], max(a for _, a in due))
                next_at = await self._store.outcomes.next_report(name)
            except Unavailable:
                next_at = self._clock() + int(self._patience.first * 1000)
            if next_at is not None:
                network.look_again((next_at - self._clock()) / 1000)

    async def _tell_once(self, network: _Network, reports: list[Report], attempt: int) -> None:
        """Tell one batch, now or later."""
        try:
            if network.connector.capabilities.receipts:
                await network.connector.report(reports)
        except Unavailable as reason:
            wait = max(self._patience.backoff(attempt, self._jitter), reason.retry_after or 0.0)
            async with self._store.db.transaction("courier.report-later") as tx:
                at = self._clock() + int(wait * 1000)
                await tx.many("store.report_later", [(r.message, at) for r in reports])
        except Exception as bug:
            await self._tell_apart(network, reports, bug)
        else:
            async with self._store.db.transaction("courier.told") as tx:
                await self._store.outcomes.told(tx, reports)

    async def _tell_apart(self, network: _Network, reports: list[Report], bug: Exception) -> None:
        """One of these cannot be told: find it, drop it with an alarm, keep the others."""
        if len(reports) > 1:
            for report in reports:
                await self._tell_once(network, [report], 0)
            return
        log.error("the state of %s cannot be told: %s", reports[0].message, where(bug))
        async with self._store.db.transaction("courier.told") as tx:
            await tx.run("store.drop_report", reports[0].message)
