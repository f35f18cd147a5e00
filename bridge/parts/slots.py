"""A few at once: slots by name, forgotten when nobody wants them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """Under each name ``at_once`` may be at work; the others wait, first come first served."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._wanted: Counter[str] = Counter()
        self._free: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """A slot, until the block is left."""
        self._wanted[key] += 1
        try:
            async with self._free.setdefault(key, asyncio.Semaphore(self._at_once)):
                yield
        finally:
            self._wanted[key] -= 1
            if not self._wanted[key]:
                del self._wanted[key], self._free[key]
