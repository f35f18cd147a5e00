"""Work that nobody waits for: each task is kept until it ends, and its unexpected end is said once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from bridge.errors import where

log = logging.getLogger(__name__)
T = TypeVar("T")


class Tasks:
    """The tasks of one owner, named in the log as ``owner``."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, T], *, awaited: bool = False) -> asyncio.Task[T]:
        """Begin something. Its error is said in the log, or is for those who wait for it (``awaited``) alone."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._awaited if awaited else self._alone)
        return task

    def _awaited(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; perhaps nobody does any more

    def _alone(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: a task failed unexpectedly: %s", self._owner, where(error))

    def cancel(self) -> None:
        """End all, and wait for none."""
        for task in self._running:
            task.cancel()

    async def stop(self) -> None:
        """End all, those too that are begun meanwhile; when this returns, nothing runs any more."""
        while self._running:
            self.cancel()
            await asyncio.wait(self._running)

    async def ended(self, patience: float | None = None) -> None:
        """Wait until all have ended by themselves, those too that are begun meanwhile; ``patience`` in seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._running:
                    await asyncio.wait(self._running)
