"""The port of a mail server, also for what other workers of the hub hand on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from bridge.workers.entrances import Entrances


class Listening:
    """One port; ``wire`` makes a connection's protocol, told who has made it where another worker hands it on."""

    def __init__(self, name: str, entrances: Entrances, wire: Callable[[str], asyncio.BaseProtocol]) -> None:
        self._name, self._entrances, self._wire = name, entrances, wire
        self._servers: list[asyncio.Server] = []

    @property
    def port(self) -> int:
        """Where it listens; 0 before the start."""
        sockets = [one for server in self._servers for one in server.sockets]
        return int(sockets[0].getsockname()[1]) if sockets else 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError when the port is not to be had."""
        loop = asyncio.get_running_loop()
        sockets = await self._entrances.bind(self._name, host, port)
        for one in sockets:
            self._servers.append(await loop.create_server(lambda: self._wire(""), sock=one))
        self._entrances.opened(self._name, sockets, self._handed_on)

    def stop(self) -> None:
        """Take nothing new."""
        self._entrances.closed(self._name)
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def _handed_on(self, taken: socket.socket, peer: str) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self._wire(peer), taken)
