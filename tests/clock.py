"""A clock that is put forward: when all that takes part in a test waits, it is the time of whoever is due next.

A world of the tests lives in one event loop: hub, stubs and people. It waits often and on purpose: for the next try,
for the quiet before a mail leaves, for a time in which nothing may happen. When the loop has nothing to run, no socket
has anything to read and nobody outside of the loop works for it, nothing can happen before the next timer: the clock is
put forward to it. Everything runs in the same order as without. Time is real while anything runs, and while a thread, a
program or a database works. The import of this module installs the clock: before anything of ours is imported.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
import time
from asyncio.base_subprocess import BaseSubprocessTransport
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import asyncpg

T = TypeVar("T")
_SHARE = 20  # one part of it is waited for: the system may be late with what was sent by the loop to itself
_LONGEST = 0.005  # seconds of that, however long the wait
_SHORTEST = 0.001  # seconds that a selector knows

_steady, _wall, _wall_ns = time.monotonic, time.time, time.time_ns
_Select = Callable[[float], list[Any]]


class Clock:
    """How far the time is ahead. The steady clock never goes back; the other one is right again after each test."""

    def __init__(self) -> None:
        self._forward = False
        self._outside = 0  # calls under way that something outside of the event loop answers
        self._steady = self._wall = self._owed = 0.0

    def wait(self, select: _Select, seconds: float) -> list[Any]:
        """Wait for sockets, at most so long by this clock."""
        if not self._forward or self._outside > 0:
            return select(seconds)
        self._owed = min(self._owed + seconds / _SHARE, _LONGEST)
        begun = _steady()
        found = select(min(seconds, self._owed) if self._owed >= _SHORTEST else 0.0)
        waited = _steady() - begun
        self._owed = max(0.0, self._owed - waited)
        if not found and waited < seconds:
            self._steady += seconds - waited
            self._wall += seconds - waited
        return found

    def monotonic(self) -> float:
        """See :func:`time.monotonic`."""
        return _steady() + self._steady

    def time(self) -> float:
        """See :func:`time.time`."""
        return _wall() + self._wall

    def time_ns(self) -> int:
        """See :func:`time.time_ns`."""
        return _wall_ns() + int(self._wall * 1e9)

    @contextmanager
    def put_forward(self) -> Iterator[None]:
        """Nobody who waits in the block waits for long."""
        self._forward, self._outside = True, 0
        try:
            yield
        finally:
            self._forward, self._wall = False, 0.0

    @contextmanager
    def real(self) -> Iterator[None]:
        """Another process takes part in the block."""
        before, self._forward = self._forward, False
        try:
            yield
        finally:
            self._forward = before

    def begun(self) -> None:
        """Something outside of the event loop works for it."""
        self._outside += 1

    def over(self) -> None:
        """It does so no longer."""
        self._outside -= 1


CLOCK = Clock()


class _Selector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[Any]:
        """In the clock's time; without any timer there is no time to put it forward to."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        return CLOCK.wait(super().select, timeout)


class _Program(BaseSubprocessTransport):
    """A program works outside of the event loop until it ends."""

    _begin, _end = BaseSubprocessTransport.__init__, BaseSubprocessTransport._process_exited

    def begin(self, *args: Any, **kwargs: Any) -> None:
        CLOCK.begun()
        try:
            _Program._begin(self, *args, **kwargs)
        except BaseException:
            CLOCK.over()
            raise

    def end(self, code: int) -> None:
        CLOCK.over()
        _Program._end(self, code)


def _thread(real: Callable[..., asyncio.Future[Any]]) -> Callable[..., asyncio.Future[Any]]:
    @functools.wraps(real)
    def run(*args: Any) -> asyncio.Future[Any]:
        future = real(*args)
        CLOCK.begun()
        future.add_done_callback(lambda _: CLOCK.over())
        return future

    return run


def _server(real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(real)
    async def call(*args: Any, **kwargs: Any) -> Any:
        CLOCK.begun()
        try:
            return await real(*args, **kwargs)
        finally:
            CLOCK.over()

    return call


@asynccontextmanager
async def during(block: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """A block in which something outside of the event loop works."""
    CLOCK.begun()
    try:
        async with block as inner:
            yield inner
    finally:
        CLOCK.over()


def _install() -> None:
    replaced: list[tuple[Any, str, Any]] = [
        *((time, name, getattr(CLOCK, name)) for name in ("monotonic", "time", "time_ns")),
        (selectors, "DefaultSelector", _Selector),
        (asyncio.BaseEventLoop, "run_in_executor", _thread(asyncio.BaseEventLoop.run_in_executor)),
        (BaseSubprocessTransport, "__init__", _Program.begin),
        (BaseSubprocessTransport, "_process_exited", _Program.end),
        (asyncpg, "connect", _server(asyncpg.connect)),
    ]
    calls = ["fetch", "fetchrow", "fetchval", "execute", "executemany", "prepare", "close", "add_listener"]
    calls += ["copy_records_to_table"]
    replaced += [(asyncpg.Connection, name, _server(getattr(asyncpg.Connection, name))) for name in calls]
    for where, name, what in replaced:
        setattr(where, name, what)


_install()
