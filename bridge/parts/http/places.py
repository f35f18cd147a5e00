"""So many at once, first come first served: what is free is taken without a stop, as every message does."""

from __future__ import annotations

import asyncio
from collections import deque


class Places:
    """Whoever has taken one gives it back."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: deque[asyncio.Future[None]] = deque()

    async def take(self, deadline: float) -> None:
        """Wait for a place until a time of the loop's clock. Raises TimeoutError."""
        if self._free > 0:
            self._free -= 1
            return
        come: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(come)
        try:
            async with asyncio.timeout_at(deadline):
                await come
        except BaseException:
            if come.done() and not come.cancelled():  # it had come, and nobody is there any more
                self.give()
            raise

    def give(self) -> None:
        """Let the next one have it."""
        while self._queue:
            come = self._queue.popleft()
            if not come.done():
                return come.set_result(None)
        self._free += 1
