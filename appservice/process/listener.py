"""Where the hub listens for HTTP: a bounded number of connections, and no patience with whoever sends no whole request.

aiohttp waits for a request's head for an hour and takes any number of connections: a few thousand that send nothing
use up the process's files, and with them every edge. Here a connection has ``head_timeout`` for each head, and a body
may not stand still. When too many are open, the one that has waited longest for its head makes room, so that a
client that says what it wants at once is served also while somebody only holds connections open.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
import time
from collections import Counter
from functools import partial
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bridge.config import ListenSettings
from bridge.parts.tasks import Tasks
from bridge.workers.entrances import Entrances

log = logging.getLogger(__name__)
_LOOK = 1.0  # s between two looks at the connections, at most
_AGAIN = 60.0  # s between two lines about one thing
_KINDS = 256  # of trouble, remembered
_SHARE = 4  # part of the process's files that one port may use
_FULL = 1.0  # s to wait when the process has no file left


class Listener:
    """One port; ``name`` is its section in the configuration."""

    def __init__(
        self, name: str, app: web.Application, where: ListenSettings, entrances: Entrances | None = None, **handler: Any
    ) -> None:
        self._name, self._where = name, where
        self._entrances = entrances or Entrances()
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = where.max_connections if files < 0 else min(where.max_connections, files // _SHARE)
        self._handler = handler
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=3.0)
        self._tasks = Tasks(name)
        self._sockets: list[socket.socket] = []
        self._opening = 0  # connections that are not in the protocol's hands yet (TLS)
        self._peers: dict[str, dict[_Connection, None]] = {}
        self._trouble: Counter[str] = Counter()
        self._said: dict[str, float] = {}

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return [one.getsockname()[:2] for one in self._sockets]

    async def start(self, context: ssl.SSLContext | None) -> None:
        """Listen. Raises OSError."""
        await self._runner.setup()
        self._sockets = await self._entrances.bind(self._name, self._where.host, self._where.port)
        self._entrances.opened(self._name, self._sockets, partial(self._handed_on, context))
        for one in self._sockets:
            self._tasks.start(self._accept(one, context))
        self._tasks.start(self._watch())
        log.info("%s: at most %d connections, %d of one peer", self._name, self._most, self._where.max_per_peer)

    async def stop(self) -> None:
        """Take no more connections, finish what is being answered."""
        self._entrances.closed(self._name)
        await self._tasks.stop()
        for one in self._sockets:
            one.close()
        await self._runner.cleanup()

    # ---- connections

    async def _accept(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, _ = await loop.sock_accept(listening)
            except OSError as error:
                self.noticed(f"cannot take connections: {error.strerror}")
                await asyncio.sleep(_FULL)
                continue
            self._take(taken, context, "")

    def _take(self, taken: socket.socket, context: ssl.SSLContext | None, peer: str) -> None:
        if self._count + self._opening >= self._most and not self._make_room(None):
            self.noticed(f"refused: {self._most} are open (max_connections)")
            return taken.close()
        self._opening += 1
        self._tasks.start(self._open(taken, context, peer))

    async def _handed_on(self, context: ssl.SSLContext | None, taken: socket.socket, peer: str) -> None:
        self._take(taken, context, peer)

    async def _open(self, taken: socket.socket, context: ssl.SSLContext | None, peer: str) -> None:
        timeout = {} if context is None else {"ssl_handshake_timeout": self._where.head_timeout}
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(partial(self._protocol, peer), taken, ssl=context, **timeout)
        except (OSError, ConnectionError, TimeoutError):  # no TLS, or the peer is gone
            self.noticed("ended before a request: no TLS was agreed on")
        finally:
            self._opening -= 1

    def _protocol(self, peer: str) -> _Connection:
        server = self._runner.server
        if server is None:
            raise ConnectionAbortedError
        loop = asyncio.get_running_loop()
        return _Connection(self, server, peer, loop=loop, access_log=None, **self._handler)

    @property
    def _count(self) -> int:
        return sum(len(some) for some in self._peers.values())

    def made(self, connection: _Connection, transport: asyncio.Transport) -> bool:
        """A connection can talk; False: it may not, and is cut off."""
        name = transport.get_extra_info("peername")
        connection.peer = connection.peer or (name[0] if isinstance(name, tuple) else "")
        mine = self._peers.setdefault(connection.peer, {})
        if len(mine) >= self._where.max_per_peer and not self._make_room(connection.peer):
            self.noticed(f"refused: {self._where.max_per_peer} of {connection.peer} are open (max_per_peer)")
            transport.abort()
            return False
        self._peers.setdefault(connection.peer, {})[connection] = None  # anew: whoever made room may have been the last
        return True

    def lost(self, connection: _Connection) -> None:
        """It has ended."""
        mine = self._peers.get(connection.peer, {})
        mine.pop(connection, None)
        if not mine:
            self._peers.pop(connection.peer, None)

    def _make_room(self, peer: str | None) -> bool:
        """End the connection (of a peer) that has been without a request for longest, if there is any."""
        some = self._peers.values() if peer is None else [self._peers.get(peer, {})]
        idle = [one for few in some for one in few if one.idle]
        if not idle:
            return False
        self.noticed("closed for others: no whole request came, and too many are open")
        self._cut(min(idle, key=lambda one: (one.head_since is None, one.head_since or one.fed_at)))
        return True

    def _cut(self, connection: _Connection) -> None:
        self.lost(connection)
        if connection.transport is not None:
            connection.transport.abort()

    async def _watch(self) -> None:
        """Look for connections that keep the hub waiting, for ever."""
        where = self._where
        while True:
            await asyncio.sleep(min(_LOOK, where.head_timeout / 4, where.body_timeout / 4))
            now = asyncio.get_running_loop().time()
            for one in [one for some in self._peers.values() for one in some]:
                if one.head_since is not None and now - one.head_since > where.head_timeout:
                    self.noticed(f"closed: no whole request within {where.head_timeout:g} s (head_timeout)")
                    self._cut(one)
                elif one.stands_still(now - where.body_timeout):
                    self.noticed(f"closed: nothing of a body came for {where.body_timeout:g} s (body_timeout)")
                    self._cut(one)
            self._say()

    # ---- the log

    def noticed(self, what: str) -> None:
        """What a connection did or got, for the log: not for each."""
        self._trouble[what] += 1
        self._say()

    def _say(self) -> None:
        now = time.monotonic()
        for what in [w for w in self._trouble if now - self._said.get(w, -_AGAIN) >= _AGAIN]:
            log.warning("%s: %d connections %s", self._name, self._trouble.pop(what), what)
            self._said[what] = now
            if len(self._said) > _KINDS:
                del self._said[next(iter(self._said))]


class _Connection(web.RequestHandler):
    """aiohttp's protocol, and since when it waits for what. ``head_since``: None while there is a request.

    ``peer`` has made it, where another worker has handed it on.
    """

    __slots__ = ("_listener", "fed_at", "head_since", "peer")

    def __init__(self, listener: Listener, server: web.Server, peer: str, **more: Any) -> None:
        super().__init__(server, **more)
        self._listener = listener
        self.peer = peer
        self.head_since: float | None = self._loop.time()
        self.fed_at = self.head_since

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        super().connection_made(transport)
        if not self._listener.made(self, cast(asyncio.Transport, transport)):
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It ends."""
        self._listener.lost(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came: a request is whole as far as its head goes, or there is a part of one."""
        self.fed_at = self._loop.time()
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self.head_since = None
        elif self.head_since is None and not self._request_in_progress:
            self.head_since = self.fed_at

    async def _handle_request(self, *args: Any, **kw: Any) -> Any:
        """There is a request: what came between its head and this was its body, and the beginning of no other head."""
        self.head_since = None
        return await super()._handle_request(*args, **kw)

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return not self._request_in_progress

    def stands_still(self, since: float) -> bool:
        """Whether the rest of a body is awaited, and nothing has come since then, though it could have."""
        request, transport = self._current_request, self.transport
        if request is None or transport is None or self.fed_at > since or request.content.is_eof():
            return False
        return transport.is_reading()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """What a stranger sends, or leaves unfinished, is no error of the hub."""
        error = kw.get("exc_info")
        if isinstance(error, HttpProcessingError):
            self._listener.noticed("sent what is no HTTP request")
        elif isinstance(error, ConnectionError):
            self._listener.noticed("ended within a request")
        else:
            super().log_exception(*args, **kw)
