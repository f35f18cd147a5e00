"""The way of webhooks to one product: posted, kept in its log, or both."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.errors import Unavailable
from bridge.networks.connect.log.event_log import Event, EventLog
from bridge.networks.connect.log.resending import Resending, upkeep
from bridge.networks.connect.log.taken import name_of
from bridge.networks.connect.webhooks import Webhook
from bridge.parts.tasks import Tasks
from bridge.receiver import Receiver


@dataclass(frozen=True, slots=True)
class HandedIn:
    """The product took it, and calls it ``name``; ``waits``: it is in the log, to be taken later."""

    name: str
    waits: bool = False


class WayOut:
    """Without ``webhook`` there is the log alone, without ``events`` no log is kept; one of both there must be."""

    def __init__(self, network: str, webhook: Webhook | None, events: EventLog | None, hub: Receiver | None) -> None:
        self._network = network
        self.webhook = webhook
        self.events = events
        self._hub = hub
        both = webhook is not None and events is not None and hub is not None
        self.resending = Resending(network, events, webhook, hub) if both else None  # type: ignore[arg-type]
        self._tasks = Tasks(f"log of {network}")

    async def start(self) -> None:
        """Be able to send."""
        if self.webhook is not None:
            self.webhook.open()
        if self.events is not None and self._hub is not None:
            await self.events.start()
            self._tasks.start(upkeep(self.events, self._hub, self._network))
            if self.resending is not None:
                self._tasks.start(self.resending.run())

    async def stop(self) -> None:
        """No more; whoever waits for an event is answered."""
        if self.events is not None:
            self.events.stop()
        await self._tasks.stop()
        if self.webhook is not None:
            await self.webhook.close()

    async def hand(self, event: Event) -> HandedIn:
        """One attempt, or a place in the log. Raises Refused, Unavailable."""
        if self.events is None:
            return HandedIn(name_of(await self._post(event)) or event.id)
        known, behind = await self.events.place(event.id, event.lane)
        if known is not None:
            return HandedIn(known.named or event.id, known.waits)
        if self.webhook is None or behind or await self._queues(self.events):
            return await self._kept(self.events, event)
        try:
            name = name_of(await self._post(event))
        except Unavailable as reason:
            if reason.code == "not_ready":  # the hub itself ends
                raise
            return await self._kept(self.events, event)
        await self.events.add(event, waits=False, named=name)
        return HandedIn(name or event.id)

    async def _queues(self, events: EventLog) -> bool:
        """Whether nobody was there for what waits: what comes now waits behind it."""
        return self.resending is not None and self.resending.down and bool(await events.waiting(0, 1))

    async def _post(self, event: Event) -> bytes:
        assert self.webhook is not None
        return await self.webhook.post(event.id, event.body)

    async def _kept(self, events: EventLog, event: Event) -> HandedIn:
        await events.add(event, waits=True)
        if self.resending is not None:
            self.resending.wake()
        return HandedIn(event.id, waits=True)

    async def sign(self, event: Event, timeout: float) -> None:
        """What is of no use later: one short attempt, kept nowhere. Raises Refused, Unavailable."""
        if self.webhook is not None:
            await self.webhook.post(event.id, event.body, timeout=timeout)
