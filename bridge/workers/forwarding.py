"""Hands the connections of a worker that waits on to the one that works, byte by byte.

While nobody works (one has died, the next one begins) a connection waits, so that whoever calls sees a delay and no
failure. A connection ends with the worker behind it; whoever calls tries again, as after any cut.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from bridge.parts.tasks import Tasks
from bridge.workers.entrances import Entrances
from bridge.workers.inner import head

log = logging.getLogger(__name__)
_MOST = 1000  # connections that are handed on at once, for each entrance
_WAIT = 20.0  # s that a connection waits for somebody who works
_CONNECT = 3.0  # s
_AGAIN = 0.1  # s between two tries
_PIECE = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Working:
    """The worker that works: where it takes connections, with which secret, and which entrances it has."""

    address: str
    secret: str = field(repr=False)
    places: Mapping[str, tuple[str, int]]


class Forwarding:
    """``own`` gives, for the name of an entrance, where this process listens, if its configuration says so."""

    def __init__(self, entrances: Entrances, own: Callable[[str], tuple[str, int] | None]) -> None:
        self._entrances, self._own = entrances, own
        self._working: Working | None = None
        self._come = asyncio.Event()
        self._open: dict[str, int] = {}
        self._ways: dict[asyncio.StreamWriter, str] = {}  # to which worker (its secret) a connection is handed on
        self._trying = dict[asyncio.Timeout, str]()  # … somebody tries to reach
        self._refused = set[str]()
        self._tasks = Tasks("workers")

    async def towards(self, working: Working | None) -> None:
        """Who works now, as far as is known."""
        self._working = working
        for limit, secret in self._trying.items():
            if working is None or secret != working.secret:  # its machine may be silent, and never refuse a connection
                limit.reschedule(asyncio.get_running_loop().time())
        if working is None:
            self._come.clear()
            return
        self._come.set()
        for far, secret in list(self._ways.items()):
            if secret != working.secret:  # that one may stand still, and never say a word: whoever calls tries again
                far.transport.abort()
        for name, place in working.places.items():
            if not self._entrances.is_lent(name) and name not in self._entrances.places:
                await self._listen(name, *self._where(name, place))

    async def stop(self) -> None:
        """End everything."""
        await self._entrances.close()
        await self._tasks.stop()

    def _where(self, name: str, place: tuple[str, int]) -> tuple[str, int]:
        own = self._own(name)
        return place if own is None else (own[0], own[1] or place[1])

    async def _listen(self, name: str, host: str, port: int) -> None:
        try:
            sockets = await self._entrances.bind(name, host, port)
        except OSError as error:
            if name not in self._refused:
                self._refused.add(name)
                log.warning("%s: this worker cannot listen while it waits: %s", name, error.strerror)
            return
        tasks = Tasks("workers")
        for one in sockets:
            tasks.start(self._accept(name, one))
        self._entrances.lend(name, sockets, tasks)

    async def _accept(self, name: str, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, peer = await loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(1)
                continue
            if self._open.get(name, 0) >= _MOST:
                taken.close()
            else:
                self._tasks.start(self._hand_on(name, taken, peer[0] if isinstance(peer, tuple) else ""))

    async def _hand_on(self, name: str, taken: socket.socket, peer: str) -> None:
        self._open[name] = self._open.get(name, 0) + 1
        near: asyncio.StreamWriter | None = None
        far: asyncio.StreamWriter | None = None
        try:
            reader, near = await asyncio.open_connection(sock=taken)
            async with asyncio.timeout(_WAIT):
                answers, far, secret = await self._reached(name, peer)
                self._ways[far] = secret
            await _both(reader, near, answers, far)
        except (OSError, TimeoutError):
            pass
        finally:
            self._open[name] -= 1
            if far is not None:
                self._ways.pop(far, None)
            for one in (near, far):
                if one is not None:
                    one.close()
            if near is None:
                taken.close()

    async def _reached(self, name: str, peer: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        """A way to the worker that works, and its secret."""
        while True:
            await self._come.wait()
            working = self._working
            if working is not None:
                host, _, port = working.address.rpartition(":")
                with suppress(OSError, TimeoutError):
                    async with self._while_it_works(working):
                        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                    writer.write(head(working.secret, name, peer))
                    return reader, writer, working.secret
            await asyncio.sleep(_AGAIN)

    @asynccontextmanager
    async def _while_it_works(self, working: Working) -> AsyncIterator[None]:
        """Raises TimeoutError once that takes too long, or somebody else works."""
        async with asyncio.timeout(_CONNECT) as limit:
            self._trying[limit] = working.secret
            try:
                yield
            finally:
                del self._trying[limit]


async def _both(
    reader: asyncio.StreamReader, near: asyncio.StreamWriter, answers: asyncio.StreamReader, far: asyncio.StreamWriter
) -> None:
    """Until the worker has said its last word; whoever calls may have ended its own before."""
    there = asyncio.create_task(_hand_up(reader, far))
    try:
        await _pump(answers, near)
    finally:
        there.cancel()
        with suppress(asyncio.CancelledError):
            await there


async def _hand_up(reader: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
    if not await _pump(reader, far):  # the call broke: the worker would wait for more for ever, and hold a place here
        far.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Until the end; False: it broke before."""
    with suppress(OSError, RuntimeError):  # what uvloop says of a connection that has just ended
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        return True
    return False
