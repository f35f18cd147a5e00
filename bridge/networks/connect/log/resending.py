"""What waits in a product's log is sent again, while the product does not read it: each conversation in its order."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace

from bridge.errors import Refused, Unavailable, where
from bridge.networks.connect.log.event_log import EventLog, LoggedEvent
from bridge.networks.connect.log.taken import name_of
from bridge.networks.connect.webhooks import Webhook
from bridge.parts.patience import Patience
from bridge.receiver import Receiver

log = logging.getLogger(__name__)
_PARALLEL = 8  # conversations at once
_FAILURES = 3  # conversations in a row that cannot go on: no other one would
_READS = 60.0  # s since it last read the log, in which a product is taken to go on reading
_PATIENCE = Patience(first=1.0, longest=60.0)


class Resending:
    """Rounds through what waits, with pauses that grow while nothing is taken."""

    def __init__(
        self, network: str, events: EventLog, webhook: Webhook, hub: Receiver, patience: Patience = _PATIENCE
    ) -> None:
        self._network = network
        self._log = events
        self._webhook = webhook
        self._hub = hub
        self._patience = patience
        self._bell = asyncio.Event()
        self._named = 0.0  # s, the longest time that the product itself asked for in this round
        self.down = False
        """Whether the last round found nobody: what comes now waits behind the rest, without a try of its own."""

    def wake(self) -> None:
        """Something waits."""
        self._bell.set()

    async def run(self) -> None:
        """Send until cancelled."""
        failures = 0
        self._bell.set()
        while True:
            await self._bell.wait()
            if reads := self.reads():
                await asyncio.sleep(reads)
                continue
            self._bell.clear()
            try:
                left = await self._round()
            except Unavailable:  # the database
                left = True
            except Exception as bug:
                log.error("the log of %s cannot be sent: %s", self._network, where(bug))
                left = True
            failures = failures + 1 if left else 0
            if left:
                self._bell.set()
                await asyncio.sleep(max(self._named, self._patience.backoff(failures - 1, random.random)))

    def reads(self) -> float:
        """Seconds for which the product is left to read by itself."""
        if self._log.readers:
            return 1.0
        return max(0.0, self._log.read_at + _READS - asyncio.get_running_loop().time())

    async def _round(self) -> bool:
        """Try everything once; True if something still waits."""
        stuck, after, some, self._named = set[str](), 0, False, 0.0
        while page := await self._log.waiting(after):
            after = page[-1].n
            lanes: dict[str, list[LoggedEvent]] = defaultdict(list)
            for one in page:
                lanes[one.event.lane].append(one)
            for names in _groups([lane for lane in lanes if lane not in stuck]):
                took = await asyncio.gather(*(self._lane(lanes[name]) for name in names))
                stuck |= {name for name, (whole, _) in zip(names, took, strict=True) if not whole}
                some = some or any(began for _, began in took)
                if not some and len(stuck) >= _FAILURES:
                    self.down = True
                    return True
            if self.reads():
                return True
        self.down = bool(stuck) and not some
        return bool(stuck)

    async def _lane(self, events: list[LoggedEvent]) -> tuple[bool, bool]:
        """Send these in order; whether all were taken, and whether any was."""
        began = False
        for one in events:
            try:
                if not await self.send(one.event.id):
                    continue
            except Unavailable as reason:
                self._named = max(self._named, reason.retry_after or 0.0)
                return False, began
            began = True
            self.down = False
        return True, began

    async def send(self, ident: str) -> bool:
        """Send one that waits; False: it does not wait any more. Raises Unavailable."""
        one = await self._log.one(ident)
        if one is None or not (one.waits or one.again):
            return False
        try:
            answer = await self._webhook.post(ident, one.event.body)
        except Refused as refusal:
            log.warning("%s of the log refused by %s: %s", ident, self._network, refusal.about)
            await (self._log.sent_again(one) if one.again else self._log.refused(self._hub, one))
            return True
        if one.again:
            await self._log.sent_again(one)
            return True
        await self._log.taken(self._hub, [replace(one, named=name_of(answer))])
        return True


def _groups(lanes: list[str]) -> list[list[str]]:
    return [lanes[i : i + _PARALLEL] for i in range(0, len(lanes), _PARALLEL)]


async def upkeep(events: EventLog, hub: Receiver, network: str) -> None:
    """Tell late and delete what is old, now and then, until cancelled."""
    while True:
        with suppress(Unavailable):
            try:
                await events.tell_late(hub)
                await events.clean(hub)
            except Unavailable:
                raise
            except Exception as bug:
                log.error("the log of %s cannot be kept in order: %s", network, where(bug))
        await asyncio.sleep(30.0)
