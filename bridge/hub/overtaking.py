"""A correction may overtake what it corrects: what waits, and nobody has, leaves corrected or not at all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from bridge.parts.lru import Lru

_REMEMBERED = 10_000
_PATIENCE = 15.0  # s that a correction waits for an attempt that is under way, and may fail: a webhook has 10 s


class Overtaking:
    """Keeps apart what is being handed out, which nobody can change any more, and what is being changed on disk."""

    def __init__(self) -> None:
        self._handed: set[str] = set()  # deliveries that their network may have by now
        self._open: Counter[str] = Counter()  # deliveries that are being changed, and by how many
        self._changed: Lru[str, int] = Lru(_REMEMBERED)
        self._changes = 0
        self._stirred = asyncio.Event()

    @property
    def seen(self) -> int:
        """How many changes there were: what is read after this is older than none of them."""
        return self._changes

    def stale(self, delivery: str, seen: int) -> bool:
        """Whether a delivery that was read then has to be read again."""
        return self._open[delivery] > 0 or (self._changed.get(delivery) or 0) > seen

    @contextmanager
    def handing(self, delivery: str) -> Iterator[None]:
        """Until the block is left, and what became of it is on disk, nothing overtakes this delivery."""
        self._handed.add(delivery)
        try:
            yield
        finally:
            self._handed.discard(delivery)
            self._stirred.set()

    @asynccontextmanager
    async def of(self, deliveries: Collection[str]) -> AsyncIterator[frozenset[str]]:
        """Those of these deliveries that may be changed on disk in the block; nobody hands them out meanwhile.

        Of what is being handed out just now it is awaited, not for long, whether that fails. The network may need the
        conversation's turn for that, so whoever waits here must not hold it.
        """
        wanted = mine = frozenset(deliveries)
        self._open.update(wanted)
        try:
            await self._until(lambda: not self._handed & wanted, _PATIENCE)
            mine = wanted - self._handed
            self._close(wanted - mine)
            yield mine
        finally:
            self._close(mine)
            self._changes += 1
            for delivery in wanted:
                self._changed.put(delivery, self._changes)
            self._stirred.set()

    def _close(self, deliveries: Collection[str]) -> None:
        self._open.subtract(deliveries)
        self._open = +self._open

    async def over(self, delivery: str) -> None:
        """Wait until a delivery is not being changed any more."""
        await self._until(lambda: not self._open[delivery])

    async def _until(self, true: Callable[[], bool], patience: float | None = None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not true():
                    self._stirred.clear()
                    await self._stirred.wait()
