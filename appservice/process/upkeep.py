"""What is done again and again beside the messages: keys that wait, old rows, reminders."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from appservice.arriving.inbox import Inbox
from appservice.arriving.reading import Reading
from appservice.arriving.transactions import Item
from appservice.e2ee import Engine
from bridge.errors import Refused, Unavailable

log = logging.getLogger(__name__)
_FLUSH = 20.0  # s between two tries to send keys that wait
_ASKED = 20  # keys that are asked for again at one time
_SWEEP = 600.0  # s between two looks at old rows


class Upkeep:
    """Each of these runs for ever."""

    def __init__(
        self, engine: Engine, cleaned: Sequence[Callable[[], Awaitable[object]]], inbox: Inbox, reading: Reading,
        patience: float, clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._engine = engine
        self._cleaned = cleaned  # what forgets old rows
        self._inbox = inbox
        self._reading = reading
        self._patience = patience  # s after which a sender is told that the key of a message is missing
        self._clock = clock

    async def flush(self) -> None:
        """Send to-device messages that wait, give keys to devices that had none."""
        while True:
            await asyncio.sleep(_FLUSH)
            try:
                await self._engine.flush()
            except (Unavailable, Refused) as reason:
                log.info("keys wait: %s", reason)

    async def sweep(self) -> None:
        """Now and then: forget what is old."""
        while True:
            await asyncio.sleep(_SWEEP)
            for step in (self._engine.tidy, *self._cleaned):
                try:
                    await step()
                except (Unavailable, Refused) as reason:
                    log.warning("the sweep is not complete: %s", reason)

    async def _ask_again(self, items: Iterable[Item]) -> None:
        """A few at a time: after a start it may be time for all of them."""
        left = _ASKED
        for item in items:
            try:
                left -= await self._reading.ask_again(item)
            except (Unavailable, Refused) as reason:
                log.info("a key for %s is asked for again later: %s", item.room, reason)
                left -= 1
            if left <= 0:
                return

    async def remind(self) -> None:
        """Tell senders whose messages wait for their key, and ask their devices for it now and then."""
        patience = self._patience
        while True:
            await asyncio.sleep(max(0.05, min(5.0, patience / 4)))
            first: dict[tuple[str, str | None], Item] = {}
            for item in self._inbox.parked():
                first.setdefault((item.room, item.session), item)
            await self._ask_again(first.values())
            for item in first.values():
                if not item.told and self._clock() - (item.parked_at or 0) >= patience * 1000:
                    try:
                        await self._reading.remind(item)
                    except (Unavailable, Refused) as reason:
                        log.info("a reminder in %s waits: %s", item.room, reason)
