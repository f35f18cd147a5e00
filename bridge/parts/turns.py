"""One at a time, first come first served: a turn, and turns by name that are forgotten when nobody wants them.

They take the way of every message, hence no generator and no task: what is free is taken without a stop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager


class Turn:
    """Whoever takes it waits for those who asked before, and gives it on. It is handed over, never fought for."""

    __slots__ = ("_queue", "taken")

    def __init__(self) -> None:
        self.taken = False
        self._queue: deque[asyncio.Future[None] | Callable[[], None]] = deque()

    async def take(self) -> None:
        """Wait for the turn."""
        if not self.taken:
            self.taken = True
            return
        come: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(come)
        try:
            await come
        except asyncio.CancelledError:
            if not come.cancelled():  # it had come, and nobody is there any more
                self.give()
            raise

    def then(self, act: Callable[[], None]) -> None:
        """Call ``act`` when the turn comes; it, or somebody later, has to give it on."""
        if self.taken:
            self._queue.append(act)
        else:
            self.taken = True
            act()

    def give(self) -> None:
        """Let the next one have it."""
        while self._queue:
            come = self._queue.popleft()
            if not isinstance(come, asyncio.Future):
                return come()
            if not come.done():
                return come.set_result(None)
        self.taken = False


class _Named(Turn):
    """A turn that knows its name, and how many want it."""

    __slots__ = ("_busy", "_key", "users")

    def __init__(self, busy: dict[str, _Named], key: str) -> None:
        super().__init__()
        self._busy, self._key, self.users = busy, key, 0

    async def __aenter__(self) -> None:
        self.users += 1
        try:
            await self.take()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self.give()
        self._leave()

    def _leave(self) -> None:
        self.users -= 1
        if self.users == 0 and self._busy.get(self._key) is self:
            del self._busy[self._key]


class Turns:
    """Whoever asks for a turn under the same name waits for those who asked before."""

    def __init__(self) -> None:
        self._busy: dict[str, _Named] = {}

    def of(self, key: str) -> AbstractAsyncContextManager[None]:
        """A turn, until the block is left."""
        turn = self._busy.get(key)
        if turn is None:
            turn = self._busy[key] = _Named(self._busy, key)
        return turn
