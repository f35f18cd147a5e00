"""Work by name: one task for each key that has something to do, never two; what fails is tried again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

from bridge.errors import Unavailable, where
from bridge.parts.patience import Patience
from bridge.parts.tasks import Tasks

log = logging.getLogger(__name__)
K = TypeVar("K", bound=Hashable)

Failed = Callable[[K, int, Exception], Awaitable[float | None]]
"""Says an unexpected error in the log; told how many there were in a row. Gives the seconds until the next try (0: what
failed was set aside), None for the pauses of ``patience``. If it fails itself, that is one more failure."""


class Lanes(Generic[K]):
    """``work(key)`` does what there is to do. It gives the seconds until it wants to be called again, None: when woken.

    Any error has it called again after the pauses of ``patience``; a wake-up shortens only a pause that ``work`` asked
    for. ``ended`` is told of each key that has nothing more to do.
    """

    def __init__(
        self, owner: str, work: Callable[[K], Awaitable[float | None]], patience: Patience,
        *, failed: Failed[K] | None = None, ended: Callable[[K], None] | None = None,
    ) -> None:  # fmt: skip
        self._owner, self._work, self._patience = owner, work, patience
        self._failed, self._ended = failed, ended
        self._tasks = Tasks(owner)
        self._lanes: dict[K, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._resting: set[K] = set()
        self.failing: dict[K, str] = {}
        """Why the last try of a lane has failed, as long as it has not worked since: a code, or ``internal_error``."""

    def __contains__(self, key: K) -> bool:
        return key in self._lanes

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def working(self) -> bool:
        """Whether a lane does more than wait for its time."""
        return any(key not in self._resting or bell.is_set() for key, (_, bell) in self._lanes.items())

    def wake(self, key: K) -> asyncio.Task[None]:
        """There is something to do; gives the lane, which ends when there is nothing more."""
        if (lane := self._lanes.get(key)) is not None:
            lane[1].set()
            return lane[0]
        bell = asyncio.Event()
        task = self._tasks.start(self._lane(key, bell))
        self._lanes[key] = (task, bell)
        return task

    async def stop(self) -> None:
        """End all; what is not done is the next start's."""
        await self._tasks.stop()

    async def _lane(self, key: K, bell: asyncio.Event) -> None:
        failures = bugs = 0
        try:
            while True:
                bell.clear()
                try:
                    pause = await self._work(key)
                except Exception as error:
                    self.failing[key] = error.code if isinstance(error, Unavailable) else "internal_error"
                    bugs += not isinstance(error, Unavailable)
                    await asyncio.sleep(await self._pause(key, error, failures, bugs))
                    failures += 1
                    continue
                failures = bugs = 0
                self.failing.pop(key, None)
                if pause is None and not bell.is_set():
                    return
                if pause:
                    self._resting.add(key)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await bell.wait()
                    self._resting.discard(key)
        finally:
            self._resting.discard(key)
            self.failing.pop(key, None)
            del self._lanes[key]
            if self._ended is not None:
                self._ended(key)

    async def _pause(self, key: K, error: Exception, failures: int, bugs: int) -> float:
        """Seconds until the next try."""
        pause = self._patience.backoff(failures, random.random)
        if isinstance(error, Unavailable):
            pause = max(pause, error.retry_after or 0.0)
            log.info("%s: %s waits %.1f s: %s", self._owner, key, pause, error)
            return pause
        if self._failed is None:
            log.error("%s: %s failed unexpectedly: %s", self._owner, key, where(error))
            return pause
        named = None
        try:
            named = await self._failed(key, bugs, error)
        except Exception as another:
            log.error("%s: %s could not be set aside: %s", self._owner, key, where(another))
        return pause if named is None else named
