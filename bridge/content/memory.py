"""Some bytes of memory that all share: whoever wants more than there are waits for a while, and goes without."""

from __future__ import annotations

import asyncio
from collections import deque


class Lease:
    """Memory for some bytes, given back with the last mention of this object: also by a stream that nobody read."""

    def __init__(self, memory: Memory, size: int) -> None:
        self._memory = memory
        self._size = size

    def __del__(self) -> None:
        self._memory.given_back(self._size)


class Memory:
    """``size`` in bytes, ``patience`` in seconds."""

    def __init__(self, size: int, patience: float) -> None:
        self.free = size
        self._patience = patience
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, size: int) -> Lease | None:
        """None: there is no room for so much now."""
        try:
            async with asyncio.timeout(self._patience):
                while self.free < size:
                    await self._more()
        except TimeoutError:
            return None
        self.free -= size
        return Lease(self, size)

    async def _more(self) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await waiting
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def given_back(self, size: int) -> None:
        """There is more room; everybody who waits looks again."""
        self.free += size
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.get_loop().call_soon_threadsafe(_wake, waiting)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
