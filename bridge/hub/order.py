"""Where a conversation has a leg that orders it, other legs wait for the place that each message gets there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from bridge.errors import Unavailable
from bridge.hub.courier import Courier
from bridge.parts.tasks import Tasks
from bridge.parts.turns import Turns
from bridge.receiver import Within
from bridge.store.store import Store

log = logging.getLogger(__name__)

_AGAIN = 0.5  # seconds until a database that was away is tried again
_PROGRESS_KEPT = 20_000
_PAGE = 500  # held messages that one look at the disk takes up


class Order:
    """Messages that are held. ``turns`` are the hub's, one for each conversation; ``wait`` is in seconds."""

    def __init__(self, store: Store, courier: Courier, turns: Turns, wait: float) -> None:
        self._store = store
        self._courier = courier
        self._turns = turns
        self._wait = wait
        self._held: dict[str, tuple[str, asyncio.TimerHandle]] = {}  # message: conversation, timer
        self._progress: dict[str, float] = {}  # conversation: when the ordering leg last showed one that was held
        self._tasks = Tasks("order")

    async def start(self) -> None:
        """Take up what was held when the hub last ended."""
        after = 0
        while rows := await self._store.db.all("store.held", after, _PAGE):
            for message, conversation in {row["message"]: row["conversation"] for row in rows}.items():
                self.hold(message, conversation)
            after = rows[-1]["pos"]

    async def stop(self) -> None:
        """Forget the timers; what they guard is on disk."""
        for _, timer in self._held.values():
            timer.cancel()
        self._held.clear()
        await self._tasks.stop()

    def hold(self, message: str, conversation: str) -> None:
        """This message waits for its place, as the disk says too."""
        timer = asyncio.get_running_loop().call_later(self._wait, self._over, message)
        self._held[message] = (conversation, timer)

    def holds(self, conversation: str) -> bool:
        """Whether something of this conversation is held."""
        return any(conversation == where for where, _ in self._held.values())

    def _over(self, message: str) -> None:
        """The wait is over, unless the ordering leg is only slow: while it shows others of the conversation, go on."""
        conversation, _ = self._held.get(message, ("", None))
        loop = asyncio.get_running_loop()
        left = self._progress.get(conversation, -self._wait) + self._wait - loop.time()
        if message in self._held and left > 0:
            self._held[message] = (conversation, loop.call_later(left, self._over, message))
        else:
            if message in self._held:
                log.info(
                    "%s: other networks get it without its place, which was not known after %g s", message, self._wait
                )
            self._waited(message)

    def _waited(self, message: str) -> None:
        self._tasks.start(self._release_at_last(message))

    async def _release_at_last(self, message: str) -> None:
        """Nobody asks again: this has to work, and before anything later of the conversation."""
        conversation, _ = self._held.get(message, ("", None))
        async with self._turns.of(conversation or message):
            while message in self._held:
                try:
                    return await self._let_go(message, None)
                except Unavailable:
                    await asyncio.sleep(_AGAIN)

    async def sequenced(self, message: str, within: Within | None = None) -> None:
        """The ordering leg has shown this message: other legs may have it now."""
        if message in self._held:
            if len(self._progress) > _PROGRESS_KEPT:
                self._progress.clear()
            self._progress[self._held[message][0]] = asyncio.get_running_loop().time()
        if message in self._held or within is not None:
            await self._release(message, within)

    async def _release(self, message: str, within: Within | None) -> None:
        conversation, _ = self._held.get(message, ("", None))
        async with self._turns.of(conversation or message):
            await self._let_go(message, within)

    async def _let_go(self, message: str, within: Within | None) -> None:
        async with self._store.db.transaction("hub.sequenced") as tx:
            released = await self._store.release(tx, message)  # the disk knows what was held
            if within is not None:
                await within(tx)
        for one in {message, *released} & self._held.keys():
            self._held.pop(one)[1].cancel()
        for conversation, network in dict.fromkeys(lane for lanes in released.values() for lane in lanes):
            self._courier.wake(conversation, network)

    def withdrawn(self, conversation: str) -> None:
        """Deliveries of a conversation have ended by themselves: what is held for them waits no more."""
        held = [message for message, (where, _) in self._held.items() if where == conversation]
        if held:
            self._tasks.start(self._look_for(held))

    async def _look_for(self, held: Sequence[str]) -> None:
        """Let go what no leg will show any more; what cannot be looked at waits for its time."""
        with suppress(Unavailable):
            for message in held:
                rows = await self._store.db.all("operating.deliveries_of", message)
                if all(row["held"] for row in rows):
                    self.in_vain(message)

    def in_vain(self, message: str) -> None:
        """The ordering leg will never show this message: nobody need wait for it."""
        if message in self._held:
            self._waited(message)
