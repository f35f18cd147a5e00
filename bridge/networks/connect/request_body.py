"""Bodies of requests: read within limits of size and time, and large ones only while there is room in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from aiohttp import StreamReader, web
from aiohttp.hdrs import CONTENT_ENCODING

from bridge.errors import Refused, Unavailable

SLOWEST = 256 * 1024  # bytes per second that a large body may come, or go, at least
_BUSY = 2.0  # seconds until there may be room again
T = TypeVar("T")
_THREAD = ThreadPoolExecutor(1, "connect-large")  # one: what it frees is used again by the next


async def in_executor(work: Callable[[], T]) -> T:
    """Do what is large in a thread, after what was asked for before: the event loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)


class ByteBudget:
    """How many bytes large bodies may take, all requests together; one product has at most half of it."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.taken: Counter[str] = Counter()

    @contextmanager
    def place(self, product: str) -> Iterator[BudgetShare]:
        """A place of no bytes yet; it is free again when the request is answered."""
        place = BudgetShare(self, product)
        try:
            yield place
        finally:
            self.taken[product] -= place.size


class BudgetShare:
    """What one request has of the room, in bytes."""

    def __init__(self, room: ByteBudget, product: str) -> None:
        self._room = room
        self._product = product
        self.size = 0

    def grow(self, size: int) -> None:
        """Be at least this large. Raises Unavailable (busy) if there is no room."""
        more = size - self.size
        if more <= 0:
            return
        taken = self._room.taken
        if taken[self._product] + more > self._room.total // 2 or taken.total() + more > self._room.total:
            raise Unavailable("busy", _BUSY)
        taken[self._product] += more
        self.size = size


class RequestBody:
    """The body of one request, in the parts in which it came; :meth:`take` gives it once and keeps nothing."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, part: bytes) -> None:
        """One more part."""
        self._parts.append(part)
        self.size += len(part)

    def take(self) -> bytes:
        """All of it."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Reader:
    """Reads bodies and what is in them. ``small``: up to so many bytes a body needs no room; ``timeout`` in seconds."""

    def __init__(self, room: ByteBudget, small: int, timeout: float) -> None:
        self.room = room
        self._small = small
        self._timeout = timeout

    async def read(self, request: web.Request, limit: int, place: BudgetShare) -> RequestBody:
        """A JSON body of at most ``limit`` bytes, as it came: never decompressed.

        Raises Refused (wrong_encoding, wrong_type, too_large, too_slow, broken_body) or Unavailable.
        """
        if any(one.strip().lower() not in ("", "identity") for one in request.headers.getall(CONTENT_ENCODING, ())):
            raise Refused("wrong_encoding", CONTENT_ENCODING)
        if request.content_type != "application/json" or (request.charset or "utf-8").lower() != "utf-8":
            raise Refused("wrong_type")
        body = RequestBody()
        told = request.content_length
        self._check(told or 0, limit, place)
        expected = limit if told is None else told
        parts = partial(self._parts, request.content, body, limit, place)
        try:
            if request.content.is_eof():  # it has come with the headers, as nearly all do
                await parts()
                return body
            async with asyncio.timeout(self._timeout + max(0, expected - self._small) / SLOWEST):
                await parts()
        except TimeoutError:
            raise Refused("too_slow") from None
        except web.RequestPayloadError:
            raise Refused("broken_body") from None
        return body

    async def _parts(self, content: StreamReader, body: RequestBody, limit: int, place: BudgetShare) -> None:
        while part := await content.readany():
            self._check(body.size + len(part), limit, place)
            body.add(part)

    def _check(self, size: int, limit: int, place: BudgetShare) -> None:
        if size > limit:
            raise Refused("files_too_large" if limit > self._small else "too_large", about=f"{limit} bytes of JSON")
        if size > self._small:
            place.grow(size)

    async def in_executor(self, body: RequestBody, work: Callable[[], T]) -> T:
        """Do what the body asks for: at once if it is small, else in a thread and one at a time (it takes copies)."""
        return work() if body.size <= self._small else await in_executor(work)
