"""One connection: one request at a time, written at once; llhttp (httptools) reads its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import httptools

_HEAD = 64 * 1024  # bytes of an answer beside its body
_SIZED = frozenset({b"content-length", b"transfer-encoding"})
_RETRY_AFTER = b"retry-after"
_LENGTHS = frozenset(map(len, (*_SIZED, _RETRY_AFTER)))
_SWITCHED = 101


class Broken(ConnectionError):
    """The connection ended, or what came was no answer. ``begun``: something of an answer had come."""

    def __init__(self, why: str, *, begun: bool = True) -> None:
        super().__init__(why)
        self.begun = begun


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """``body`` is empty where it was longer than the caller wants; ``retry_after`` as it was sent."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str | None = None


class Connection(asyncio.Protocol):
    """``ask`` once it is made; again while it is ``usable``. ``idle_since`` is in seconds of the loop's clock."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._asked: asyncio.Future[HttpAnswer] | None = None
        self._most = self._size = self._heads = self._came = 0
        self._body: list[bytes] = []
        self._retry_after: str | None = None
        self._sized = self._headed = self._begun = False
        self.usable = False

    async def ask(self, request: bytes, most: int, deadline: float) -> HttpAnswer:
        """Write a request; gives its answer, with a body of at most so many bytes.

        ``deadline`` is a time of the loop's clock. Raises Broken, TimeoutError.
        """
        if self._transport is None or not self.usable:
            raise Broken("closed", begun=False)
        self._most, self.usable, self._begun = most, False, False
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[HttpAnswer] = loop.create_future()
        self._asked = asked
        timer = loop.call_at(deadline, _late, asked)
        self._transport.write(request)
        try:
            return await asked
        finally:
            timer.cancel()
            self._asked = None

    def abort(self) -> None:
        """Nobody wants anything of it any more."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    # ---- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self._transport, self.usable = cast(asyncio.Transport, transport), True

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        if self._asked is None:  # an answer to nothing: whatever it is, nobody may take it for the next one
            return self.abort()
        self._begun = True
        self._came += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(Broken(f"no HTTP: {type(error).__name__}"))
        if self._came > _HEAD:  # a header that does not end is nowhere but in the parser
            self._fail(Broken("more headers than anybody sends"))

    def connection_lost(self, error: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self.usable, self._transport = False, None
        if error is None and self._headed and not self._sized:
            self._answered()  # RFC 9112, 6.3: without a length, the body ends with the connection
        else:
            self._fail(Broken("the connection ended", begun=self._begun))

    # ---- what the parser tells

    def on_message_begin(self) -> None:
        """An answer."""
        if self._asked is None or self._asked.done():
            self.usable = False
        self._body, self._retry_after = [], None
        self._size = self._heads = self._came = 0
        self._sized = self._headed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        self._heads += len(name) + len(value)
        if self._heads > _HEAD:
            raise ValueError("more headers than anybody sends")
        if len(name) not in _LENGTHS:  # of ten headers one or two say what matters here
            return
        name = name.lower()
        if name in _SIZED:
            self._sized = True
        elif name == _RETRY_AFTER:
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """What follows is its body."""
        self._headed = True

    def on_body(self, data: bytes) -> None:
        """A part of its body."""
        self._size += len(data)
        self._came = 0
        if self._size <= self._most:
            self._body.append(data)
        elif self._asked is not None and not self._asked.done():
            self._asked.set_result(HttpAnswer(self._parser.get_status_code(), b"", self._retry_after))
            self.abort()

    def on_message_complete(self) -> None:
        """All of it has come."""
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != _SWITCHED:
            return  # RFC 9110, 15.2: what is answered comes later
        if self._asked is not None and not self._asked.done():  # else it is one answer too many
            self.usable = self._parser.should_keep_alive() and status != _SWITCHED
        self._answered()

    def _answered(self) -> None:
        if self._asked is not None and not self._asked.done():
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._asked.set_result(HttpAnswer(self._parser.get_status_code(), body, self._retry_after))

    def _fail(self, why: Broken) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(why)
        self.abort()


def _late(asked: asyncio.Future[HttpAnswer]) -> None:
    if not asked.done():
        asked.set_exception(TimeoutError())


def header(name: str, value: str) -> str:
    """One header of a request, as a line. Raises ValueError for a value that would be more than that."""
    if not value.isascii() or not value.isprintable():
        raise ValueError(f"no value of the header {name}")
    return f"{name}: {value}\r\n"
