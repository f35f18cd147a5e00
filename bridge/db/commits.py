"""Commits that several transactions share: who waits for one, and the thread that does them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue

from bridge.errors import Unavailable


class Batch:
    """What one commit writes; everybody in it waits for that."""

    __slots__ = ("_waiting", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: list[asyncio.Future[None]] = []

    def over(self) -> asyncio.Future[None]:
        """Done once everything is on disk. A future for each: who is cancelled cancels the future they wait for."""
        over: asyncio.Future[None] = self.loop.create_future()
        self._waiting.append(over)
        return over

    def end(self, error: Unavailable | None) -> None:
        """It is on disk, or it is not."""
        for over in self._waiting:
            if over.done():
                continue
            if error is None:
                over.set_result(None)
            else:
                over.set_exception(Unavailable(error.code, error.retry_after))


class Committer(threading.Thread):
    """A thread that does one thing after the other; the end of the program waits for none of them."""

    def __init__(self) -> None:
        super().__init__(name="sqlite-commit", daemon=True)
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.put = self._jobs.put
        self.start()

    def run(self) -> None:
        """Until None is put."""
        while (job := self._jobs.get()) is not None:
            job()
