"""One document from HTTPS or a file: bounded in size and time, asked for again only if it has changed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiohttp

from bridge.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Validators:
    """What a web server said of the version that we have (RFC 9110, 8.8)."""

    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """``data`` is None if nothing has changed; ``at`` is when the source vouched for it (seconds since 1970)."""

    data: bytes | None = field(repr=False)
    at: float
    mark: Validators = Validators()


class Source(Protocol):
    """Where a document comes from."""

    where: str

    async def fetch(self, known: Validators = Validators()) -> Fetched:
        """The document, unless it is still the known one. Raises Unavailable with a reason."""
        ...


class WebSource:
    """An address; ``timeout`` in seconds for everything, ``largest`` in bytes. No redirects, no compression."""

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext | None,
        clock: Callable[[], float],
        *,
        largest: int,
        timeout: float = 120.0,
    ) -> None:
        self.where = url
        self._tls: ssl.SSLContext | bool = tls or True
        self._clock = clock
        self._largest = largest
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def fetch(self, known: Validators = Validators()) -> Fetched:
        """By GET. Raises Unavailable: unreachable, answered_NNN, too_large."""
        headers = {"User-Agent": "Liaison", "Accept-Encoding": "identity"}
        if known.etag:
            headers["If-None-Match"] = known.etag
        if known.modified:
            headers["If-Modified-Since"] = known.modified
        try:
            async with (
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session,
                session.get(
                    self.where, headers=headers, allow_redirects=False, ssl=self._tls, timeout=self._timeout
                ) as answer,
            ):
                return await self._answer(answer)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError, ValueError):
            raise Unavailable("unreachable") from None

    async def _answer(self, answer: aiohttp.ClientResponse) -> Fetched:
        if answer.status == 304:
            return Fetched(None, self._clock())
        if answer.status != 200:
            raise Unavailable(f"answered_{answer.status}")
        mark = Validators(answer.headers.get("ETag", "")[:256], answer.headers.get("Last-Modified", "")[:64])
        parts: list[bytes] = []
        size = 0
        while part := await answer.content.readany():
            size += len(part)
            if size > self._largest:
                answer.close()
                raise Unavailable("too_large")
            parts.append(part)
        return Fetched(b"".join(parts), self._clock(), mark)


class FileSource:
    """A file that somebody else renews: it vouches for its content at the time when it was last written."""

    def __init__(self, path: Path, *, largest: int) -> None:
        self.where = str(path)
        self._path = path
        self._largest = largest

    async def fetch(self, known: Validators = Validators()) -> Fetched:
        """By reading. Raises Unavailable: unreadable, too_large."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Fetched:
        try:
            with self._path.open("rb") as file:
                data = file.read(self._largest + 1)
            written = self._path.stat().st_mtime
        except OSError:
            raise Unavailable("unreadable") from None
        if len(data) > self._largest:
            raise Unavailable("too_large")
        return Fetched(data, written)


def source(
    where: str, tls: ssl.SSLContext | None, clock: Callable[[], float], *, largest: int, timeout: float
) -> Source:
    """For an http(s) address or a path."""
    if where.startswith(("https://", "http://")):
        return WebSource(where, tls, clock, largest=largest, timeout=timeout)
    return FileSource(Path(where), largest=largest)
