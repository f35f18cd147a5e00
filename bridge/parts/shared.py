"""What is under way is shared: whoever asks for the same meanwhile waits for the same task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from bridge.parts.tasks import Tasks

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Shared(Generic[K, V]):
    """Tasks by key. Their errors are for those who wait; who stops waiting (``asyncio.shield``) stops nothing."""

    def __init__(self, owner: str) -> None:
        self._tasks = Tasks(owner)
        self._shared: dict[K, asyncio.Task[V]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def of(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        """The task of this key; begun by ``work`` if none is under way."""
        if (known := self._shared.get(key)) is not None:
            return known
        task = self._shared[key] = self._tasks.start(work(), awaited=True)
        task.add_done_callback(lambda ended: self._ended(key, ended))
        return task

    def no_more(self, key: K) -> None:
        """Whoever asks from now on needs a new one: what is under way may have looked already."""
        self._shared.pop(key, None)

    def _ended(self, key: K, task: asyncio.Task[V]) -> None:
        if self._shared.get(key) is task:
            del self._shared[key]

    async def stop(self) -> None:
        """End all."""
        await self._tasks.stop()
