"""A way to Redis that can be made slow: what a process behind it hears of the others, it hears late."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

_PIECE = 1 << 16


class Relay:
    """A socket before another one. ``delay`` (seconds) holds back all that comes from there, in its order."""

    def __init__(self, socket: Path, behind: Path) -> None:
        self.socket, self.delay = socket, 0.0
        self._behind = behind
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, once."""
        if self._server is None:
            self._server = await asyncio.start_unix_server(self._connected, self.socket)

    async def stop(self) -> None:
        """End it with its connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            theirs, ours = await asyncio.open_unix_connection(self._behind)
            try:
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(_pump(reader, ours))
                    ways.create_task(self._slowly(theirs, writer))
            finally:
                ours.close()
        except* (OSError, _Ended):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _slowly(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def let_go() -> None:
            while True:
                since, piece = await held.get()
                await asyncio.sleep(max(0.0, since + self.delay - loop.time()))
                writer.write(piece)
                await writer.drain()

        goes = asyncio.create_task(let_go())
        try:
            while piece := await reader.read(_PIECE):
                held.put_nowait((loop.time(), piece))
            raise _Ended
        finally:
            goes.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await goes


class _Ended(Exception):
    """One side has ended: so does the other."""


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
    raise _Ended
