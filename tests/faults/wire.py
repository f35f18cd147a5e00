"""The network between the hub and its database, which can be cut: a relay in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_PIECE = 64 * 1024


class Wire:
    """Carries bytes both ways. ``cut``: every connection breaks, and no new one comes; ``hush``: nothing passes."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._whole = True
        self._open = asyncio.Event()
        self._open.set()
        self.port = 0

    def cut(self) -> None:
        """Broken, as when a cable is pulled and both ends are told."""
        self._whole = False
        for writer in list(self._writers):
            writer.transport.abort()

    def hush(self) -> None:
        """Silent, as when a firewall drops everything: nobody is told."""
        self._open.clear()

    def mend(self) -> None:
        """As before; what was held back by :meth:`hush` passes now."""
        self._whole = True
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._whole:
                far_reader, far = await asyncio.open_connection(*self._to)
                self._writers.add(far)
                try:
                    await asyncio.gather(self._carry(reader, far), self._carry(far_reader, writer))
                finally:
                    self._writers.discard(far)
                    far.close()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def wire(host: str, port: int) -> AsyncIterator[Wire]:
    """A relay to this address; it listens at ``port`` of 127.0.0.1."""
    made = Wire(host, port)
    server = await asyncio.start_server(made._begin, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cut()
        for task in list(made._tasks):
            task.cancel()
        await asyncio.gather(*made._tasks, return_exceptions=True)
        await server.wait_closed()
