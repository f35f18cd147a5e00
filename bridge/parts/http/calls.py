"""Short calls to one place, on connections that are kept: what is asked is small, and so is the answer."""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Mapping

import aiohappyeyeballs
from yarl import URL

from bridge.parts.http.connection import Broken, Connection, HttpAnswer, header
from bridge.parts.http.places import Places

_IDLE = 15.0  # s: servers and what stands before them keep an unused connection for longer than that
_EYEBALLS = 0.25  # s until another address of a name is tried beside the first (RFC 8305)
_AGAIN = frozenset({"GET", "PUT", "DELETE"})  # RFC 9110, 9.2.2: asked twice they do the same
MOST = 64 * 1024 * 1024


class Calls:
    """Raises ConnectionError, TimeoutError. Follows no redirection, takes no compressed answer, reads no cookie.

    ``headers`` go with every call; at most ``connections`` of them are under way, others wait.
    """

    def __init__(
        self, url: URL, headers: Mapping[str, str], *, connections: int = 64, tls: ssl.SSLContext | None = None
    ) -> None:
        self._url = url
        self._base = url.raw_path.rstrip("/")
        self._tls = tls
        self._places = Places(connections)
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        sent = {"Host": url.host_port_subcomponent or "", "Accept-Encoding": "identity", **headers}
        if url.user is not None:
            sent["Authorization"] = "Basic " + b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
        self._head = "".join(header(name, value) for name, value in sent.items())

    async def close(self) -> None:
        """End every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._idle.clear()
        for connection in list(self._all):
            connection.abort()
        await asyncio.sleep(0)  # what was aborted is told so

    async def call(
        self, method: str, target: str, body: bytes, seconds: float, more: str = "", *, most: int = MOST
    ) -> HttpAnswer:
        """Ask; ``target`` is added to the path of the place, ``more`` are header lines (:func:`header`).

        An answer longer than ``most`` bytes is not read, its connection not kept.
        """
        if not target.isascii() or not target.isprintable() or " " in target:
            raise ValueError("no target of a request")
        line = f"{method} {self._base}{target} HTTP/1.1\r\n{self._head}{more}Content-Length: {len(body)}\r\n\r\n"
        request, deadline = line.encode() + body, asyncio.get_running_loop().time() + seconds
        await self._places.take(deadline)
        try:
            while True:
                kept = self._take()
                connection = kept or await self._connect(deadline)
                try:
                    return await connection.ask(request, most, deadline)
                except Broken as broken:
                    if kept is None or broken.begun or method not in _AGAIN:
                        raise  # else it had been closed by the other side, which has not seen this
                finally:
                    self._give_back(connection)  # one that was left in the midst of an answer is not usable
        finally:
            self._places.give()

    # ---- connections

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            self._all.discard(connection)  # the other side has closed it
        return None

    def _give_back(self, connection: Connection) -> None:
        if not connection.usable:
            connection.abort()
            self._all.discard(connection)
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(_IDLE, self._swept)

    def _swept(self) -> None:
        """Close what nobody has used for a while."""
        loop, self._sweep = asyncio.get_running_loop(), None
        old = loop.time() - _IDLE
        for connection in [one for one in self._idle if one.idle_since <= old or not one.usable]:
            self._idle.remove(connection)
            self._all.discard(connection)
            connection.abort()
        if self._idle:
            self._sweep = loop.call_at(self._idle[0].idle_since + _IDLE, self._swept)

    async def _connect(self, deadline: float) -> Connection:
        """A new one. Raises Broken, TimeoutError."""
        url, loop = self._url, asyncio.get_running_loop()
        assert url.raw_host is not None
        host = url.raw_host.rstrip(".")
        tls = self._context() if url.scheme == "https" else None
        try:
            async with asyncio.timeout_at(deadline):
                found = await loop.getaddrinfo(host, url.port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
                plain = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=_EYEBALLS)
                try:
                    _, connection = await loop.create_connection(
                        Connection, sock=plain, ssl=tls, server_hostname=None if tls is None else host
                    )
                except BaseException:
                    plain.close()
                    raise
        except TimeoutError:
            raise
        except OSError as error:
            raise Broken(f"no connection: {type(error).__name__}", begun=False) from error
        self._all.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls
