"""Where the worker that works takes the connections that others hand on: one port, and a head before each connection.

The head has :data:`HEAD` bytes: the secret that the worker has published in the database, the name of the entrance, and
the address of whoever has made the connection. What follows are the bytes of the connection, also where they are TLS.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import socket

from bridge.parts.tasks import Tasks
from bridge.workers.entrances import Entrances

log = logging.getLogger(__name__)
_SECRET, _NAME, _PEER = 43, 32, 46  # bytes; an address of IPv6 has 45 at most
HEAD = _SECRET + _NAME + _PEER
_PATIENCE = 5.0  # s for the head
_MOST = 2000  # connections whose head has not come


def head(secret: str, name: str, peer: str) -> bytes:
    """What comes before a connection that is handed on."""
    return b"".join(
        text.encode("ascii", "replace")[:size].ljust(size)
        for text, size in ((secret, _SECRET), (name, _NAME), (peer, _PEER))
    )


def read_head(raw: bytes) -> tuple[str, str, str]:
    """Secret, entrance and peer of a head."""
    text = raw.decode("ascii", "replace")
    return text[:_SECRET].rstrip(), text[_SECRET : _SECRET + _NAME].rstrip(), text[_SECRET + _NAME :].rstrip()


class Inner:
    """The port for other workers. ``host``: where they reach this one."""

    def __init__(self, entrances: Entrances, host: str) -> None:
        self._entrances, self._host = entrances, host
        self.secret = secrets.token_urlsafe(32)
        self._listening: socket.socket | None = None
        self._tasks = Tasks("workers")

    @property
    def address(self) -> str:
        """``host:port``; empty before the start."""
        return "" if self._listening is None else f"{self._host}:{self._listening.getsockname()[1]}"

    async def start(self) -> None:
        """Listen on a port that is free. Raises OSError."""
        found = await asyncio.get_running_loop().getaddrinfo(self._host, 0, type=socket.SOCK_STREAM)
        family, _, _, _, place = found[0]
        self._listening = socket.create_server(place[:2], family=family, backlog=256)
        self._listening.setblocking(False)
        self._tasks.start(self._accept(self._listening))

    async def stop(self) -> None:
        """Take nothing more; what was handed over is its edge's."""
        await self._tasks.stop()
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, _ = await loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(1)
                continue
            if len(self._tasks) > _MOST:
                taken.close()
            else:
                self._tasks.start(self._hand_over(taken))

    async def _hand_over(self, taken: socket.socket) -> None:
        taken.setblocking(False)
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.timeout(_PATIENCE):
                raw = await _exactly(taken, HEAD)
        except (OSError, TimeoutError):
            return taken.close()
        secret, name, peer = read_head(raw)
        take = self._entrances.takes.get(name)
        if take is None or not hmac.compare_digest(secret.encode(), self.secret.encode()):
            log.warning("a connection that no worker has handed on was closed")
            return taken.close()
        await take(taken, peer)


async def _exactly(taken: socket.socket, size: int) -> bytes:
    loop, raw = asyncio.get_running_loop(), b""
    while len(raw) < size:
        more = await loop.sock_recv(taken, size - len(raw))
        if not more:
            raise ConnectionResetError
        raw += more
    return raw
