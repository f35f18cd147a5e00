"""Calls to the homeserver as one of our ghosts: twenty endpoints, our own error words, no body in any log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from io import BytesIO
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from yarl import URL

from bridge.errors import Refused, Unavailable
from bridge.parts.http.calls import Calls

Json = dict[str, Any]
T = TypeVar("T")
_ODD = {"errcode", "list"}  # no success of a call that does something looks so
_BYTES = "application/octet-stream"
_AWAY = (TimeoutError, aiohttp.ClientError, ConnectionError)
_STEPS = aiohttp.ClientTimeout(total=None, connect=30.0, sock_read=30.0)  # s; of what takes as long as it is large


class MatrixRefused(Refused):
    """The homeserver said no for good: HTTP ``status`` 4xx, a Matrix ``errcode`` (spec, "Standard error response")."""

    def __init__(self, status: int, errcode: str, answer: Json | None = None) -> None:
        super().__init__("matrix_refused", about=f"{status} {errcode}")
        self.status = status
        self.errcode = errcode
        self.answer = answer or {}

    def __str__(self) -> str:
        return f"{self.status} {self.errcode}"


class Homeserver:
    """The client-server API of one homeserver with our as_token.

    mautrix's HTTP layer is not used: it logs bodies, does not retry 429 and makes random transaction ids. aiohttp's
    client serves what is read, and files; what every message writes goes by :class:`bridge.parts.http.calls.Calls`.
    Raises MatrixRefused (4xx), Unavailable (429 with its delay, 5xx, no answer).
    """

    def __init__(
        self, url: str, token: str, *, timeout: float = 30.0, connections: int = 64, once: bool = False
    ) -> None:
        """``timeout`` in seconds. ``once``: a connection for each call, of which none is closed as a body begins."""
        self._base = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._seconds = timeout
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._connections = connections
        self._once = once
        self._session: aiohttp.ClientSession | None = None
        self._calls: Calls | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, force_close=self._once),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            timeout=self._timeout,
            auto_decompress=True,
        )
        if not self._once:
            sent = self._headers | {"Content-Type": "application/json"}
            self._calls = Calls(URL(self._base), sent, connections=self._connections)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._calls is not None:
            await self._calls.close()
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        user: str | None = None,
        device: str | None = None,
        query: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Json:
        """One call as the ghost ``user``. ``path`` begins with ``/_matrix/``, its parts quoted (:func:`part`)."""
        asked = _as(user, device)
        if query:
            asked = f"{urlencode(query)}&{asked}" if asked else urlencode(query)
        data = None if body is None else orjson.dumps(body)
        try:
            answer = _result(*await self._answer(method, path, asked, data, timeout))
        except _AWAY as error:
            raise Unavailable("homeserver_away") from error
        if method != "GET" and not answer.keys().isdisjoint(_ODD):  # an answer to GET may be anybody's content
            raise Unavailable("homeserver_error")
        return answer

    async def _answer(
        self, method: str, path: str, asked: str, data: bytes | None, timeout: float | None
    ) -> tuple[int, str | None, bytes]:
        """Status, Retry-After and body of an answer. What the way of every message asks goes by :class:`Calls`."""
        if self._calls is None or data is None or method == "GET":
            limit = aiohttp.ClientTimeout(total=timeout) if timeout else None
            async with self._ask(method, path, asked, data, limit=limit) as response:
                return response.status, response.headers.get("Retry-After"), await response.read()
        target = f"{path}?{asked}" if asked else path
        answer = await self._calls.call(method, target, data, timeout or self._seconds)
        return answer.status, answer.retry_after, answer.body

    async def upload(self, data: bytes | SizedBody, *, user: str | None, timeout: float, mime: str = _BYTES) -> str:
        """Upload as a ghost (None: as the appservice); without ``mime`` it says nothing of itself. Gives its ``mxc://``.

        Raises also what the body itself raises: then the homeserver has not got it.
        """
        path = "/_matrix/media/v3/upload"
        body = BytesIO(data) if isinstance(data, bytes) else data  # in pieces: others are served meanwhile
        try:
            async with self._request("POST", path, user, body, timeout, mime) as response:
                answer = _result(response.status, response.headers.get("Retry-After"), await response.read())
        except Unavailable:
            if isinstance(body, SizedBody) and body.broken is not None:
                raise body.broken from None
            raise
        finally:
            if isinstance(body, SizedBody):
                await body.left()
        if not isinstance(answer.get("content_uri"), str):
            raise Unavailable("homeserver_error")
        return str(answer["content_uri"])

    @asynccontextmanager
    async def download(self, path: str, *, user: str | None, start: int = 0) -> AsyncIterator[aiohttp.ClientResponse]:
        """Bytes as a ghost (None: as the appservice), as they come: nobody waits for them longer than for one of them.

        ``start``: what comes before is not needed; the homeserver may give it all the same (then it answers 200).
        Raises also Unavailable (media_away) if the homeserver is there and the one that has the file is not, or is too
        slow; in the midst of the bytes, too.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            async with self._request("GET", path, user, None, None, headers=headers) as response:
                if response.status not in (200, 206):
                    raw = await response.content.read(1 << 16)
                    if response.status in (502, 504) and b'"errcode"' in raw:
                        raise Unavailable("media_away", alone=True)
                    _result(max(response.status, 400), response.headers.get("Retry-After"), raw)
                yield response
        except Unavailable as reason:
            if isinstance(reason.__cause__, TimeoutError):
                raise Unavailable("media_away", alone=True) from reason
            raise

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, user: str | None, data: BytesIO | SizedBody | None, timeout: float | None,
        mime: str = _BYTES, headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:  # fmt: skip
        """``timeout``: of everything; None: of each step alone."""
        limit = _STEPS if timeout is None else aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._ask(method, path, _as(user, None), data, mime, limit=limit, headers=headers) as response:
                yield response
        except _AWAY as error:
            raise Unavailable("homeserver_away") from error

    def _ask(
        self, method: str, path: str, asked: str, data: bytes | BytesIO | SizedBody | None,
        mime: str = "application/json", *, limit: aiohttp.ClientTimeout | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:  # fmt: skip
        assert self._session is not None, "use `async with Homeserver(…)`"
        url = URL(f"{self._base}{path}?{asked}" if asked else self._base + path, encoded=True)
        sent = dict(headers or {}) | ({"Content-Type": mime} if data is not None else {})
        if isinstance(data, SizedBody):
            sent["Content-Length"] = str(data.size)
        return self._session.request(method, url, data=data, headers=sent, timeout=limit or self._timeout)


class SizedBody:
    """A body that is sent piece by piece and is just as long as was said; ``broken`` is why it could not be."""

    def __init__(self, pieces: AsyncIterator[bytes], size: int) -> None:
        self.size = size
        self.broken: Exception | None = None
        self._pieces = pieces
        self._idle = asyncio.Event()
        self._idle.set()

    async def left(self) -> None:
        """Until nobody is within the pieces: what sends them may wait for one when the request has ended."""
        await self._idle.wait()

    async def _next(self) -> bytes | None:
        self._idle.clear()
        try:
            return await anext(self._pieces, None)
        finally:
            self._idle.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self.size
        try:
            while (piece := await self._next()) is not None:
                left -= len(piece)
                if left < 0:
                    break
                yield piece
            if left:
                raise Refused("wrong_size", about=f"{self.size} bytes")
        except Exception as broken:
            self.broken = broken
            raise


@lru_cache(10_000)
def _as(user: str | None, device: str | None) -> str:
    """Who calls, as a query: the same few people again and again."""
    asked = {"user_id": user, "device_id": device}
    return urlencode({key: value for key, value in asked.items() if value is not None})


def _result(status: int, retry_after: str | None, raw: bytes) -> Json:
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, list):
        answer = {"list": answer}  # GET /rooms/{roomId}/state
    if 200 <= status < 300:
        if not isinstance(answer, dict):  # a page of a proxy, say: nobody knows whether anything was done
            raise Unavailable("homeserver_error")
        return answer
    answer = answer if isinstance(answer, dict) else {}
    if status == 429:
        delay = answer.get("retry_after_ms")
        seconds = delay / 1000 if isinstance(delay, int) else None
        if retry_after is not None and retry_after.isdigit():
            seconds = float(retry_after)
        raise Unavailable("homeserver_rate_limit", seconds)
    if 400 <= status < 500:
        if answer.get("errcode") in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"):
            raise Unavailable("homeserver_refuses_us")  # its registration is missing: nothing is lost until it is back
        raise MatrixRefused(status, str(answer.get("errcode", "M_UNKNOWN")), answer)
    raise Unavailable("homeserver_error")


def need(answer: Json, name: str, kind: type[T]) -> T:
    """What an answer must hold. Raises Unavailable: without it the homeserver is at fault, and later it may not be."""
    value = answer.get(name)
    if not isinstance(value, kind):
        raise Unavailable("homeserver_error")
    return value


def may(answer: Json, name: str, kind: type[T]) -> T:
    """What an answer may leave out: empty then, as where it is something else."""
    value = answer.get(name)
    return value if isinstance(value, kind) else kind()


@lru_cache(10_000)
def part(value: str) -> str:
    """Quote one part of a path (a room id, an MXID)."""
    return quote(value, safe="")
