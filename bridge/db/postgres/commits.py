"""Commits that several transactions share: while one is on its way to the server, the next one gathers.

A transaction that comes when no commit is under way goes at once. Those that come meanwhile go together with the next
one, each in a step of its own that is there or not. One that fails there, or would have to wait for somebody else's
lock, is tried again alone, so that its error is its own and nobody else waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import asyncpg

from bridge.db.database import Counts
from bridge.db.postgres.connections import AWAY, Connections
from bridge.db.postgres.together import Together, Writes

_MOST = 50  # transactions in one commit: above 64 the server's bookkeeping of such steps becomes slow
_SIZE = 4 * 1024 * 1024  # bytes in one commit, unless a single transaction has more


class _Waiting:
    """One transaction that waits for the next commit: its outcome is whether it went through."""

    __slots__ = ("outcome", "writes")

    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()


class Commits:
    """One commit after the other."""

    def __init__(self, connections: Connections, together: Together, counts: Counts) -> None:
        self._connections = connections
        self._together = together
        self._counts = counts
        self._waiting: deque[_Waiting] = deque()
        self._busy = False
        self._task: asyncio.Task[None] | None = None
        self._quiet: asyncio.Future[None] | None = None  # of whoever waits until no commit is under way

    async def commit(self, writes: Writes) -> None:
        """On the server's disk when this returns. Raises what a statement in it raises."""
        if self._busy:
            waiting = _Waiting(writes)
            self._waiting.append(waiting)
            went = await waiting.outcome
        else:
            self._busy = True
            try:
                went = not await self._try([writes])
            finally:
                self._go_on()
        if not went:
            await self._alone(writes)

    async def close(self) -> None:
        """Wait for the commits that are under way."""
        if self._busy:
            self._quiet = asyncio.get_running_loop().create_future()
            await self._quiet

    async def _alone(self, writes: Writes) -> None:
        await self._send(self._together.one(writes))
        self._counts.commits += 1

    async def _try(self, several: Sequence[Writes]) -> set[int]:
        """Commit each whole or not at all; gives the places of those that failed."""
        try:
            rows = await self._send(self._together.many(several))
        except AWAY:
            raise
        except Exception:  # one of them cannot even be sent (a text that is none)
            return set(range(len(several)))
        self._counts.commits += 1
        return set(rows[0][0])

    async def _send(self, call: tuple[str, Sequence[Any]]) -> list[Any]:
        return await self._connections.fetch(*call)

    def _go_on(self) -> None:
        self._task = asyncio.create_task(self._next()) if self._waiting else None
        self._busy = self._task is not None
        if not self._busy and self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)

    async def _next(self) -> None:
        batch = self._gather()
        try:
            if batch:
                await self._together_now(batch)
        except asyncio.CancelledError:  # the loop ends
            batch += self._waiting
            self._waiting.clear()
            raise
        finally:
            for one in batch:
                one.outcome.cancel()  # unless it has one
            self._go_on()

    def _gather(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < _MOST:
            size += self._waiting[0].writes.size
            if batch and size > _SIZE:
                break
            one = self._waiting.popleft()
            if not one.outcome.done():  # not cancelled
                batch.append(one)
        return batch

    async def _together_now(self, batch: Sequence[_Waiting]) -> None:
        try:
            failed = await self._try([one.writes for one in batch])
        except AWAY as error:
            for one in batch:
                _lost(one.outcome, error)
        else:
            for n, one in enumerate(batch):
                if not one.outcome.done():
                    one.outcome.set_result(n not in failed)


def _lost(outcome: asyncio.Future[bool], error: BaseException) -> None:
    """Whether it was written nobody knows. Each has an error of its own: a traceback belongs to one task."""
    if not outcome.done():
        lost = asyncpg.ConnectionDoesNotExistError("the commit of several transactions failed")
        lost.__cause__ = error
        outcome.set_exception(lost)
