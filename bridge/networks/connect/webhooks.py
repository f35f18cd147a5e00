"""One attempt to hand something to a product by a signed webhook; retries are the courier's."""

from __future__ import annotations

import asyncio
import io
import math
import ssl
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from bridge.errors import Refused, Unavailable
from bridge.networks.connect.request_body import SLOWEST, in_executor
from bridge.networks.connect.signing import Signer

_NEVER = {400, 410, 413, 422}
_LONGEST_ANSWER = 64 * 1024
_LONGEST_WAIT = 24 * 3600.0
_CONNECTIONS = 64  # to one product
_LARGE = 1024 * 1024


class Sessions:
    """One HTTP session for all products, open while any of them is."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._users = 0

    def take(self) -> aiohttp.ClientSession:
        """The session; give it back with :meth:`release`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS, ttl_dns_cache=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "Liaison", "Accept": "application/json", "Accept-Encoding": "identity"},
            )
        self._users += 1
        return self._session

    async def release(self) -> None:
        """The last one closes the session."""
        self._users -= 1
        if self._users == 0 and self._session is not None:
            session, self._session = self._session, None
            await session.close()


class Webhook:
    """A product's address for webhooks. ``timeout`` in seconds, connecting included; large bodies get more time."""

    def __init__(
        self,
        url: str,
        signer: Signer,
        sessions: Sessions,
        *,
        timeout: float = 10.0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = URL(url)
        self.signer = signer
        self._sessions = sessions
        self._session: aiohttp.ClientSession | None = None
        self._timeout = timeout
        self._tls: ssl.SSLContext | bool = tls or True
        self._clock = clock

    def open(self) -> None:
        """Get ready to send."""
        if self._session is None:
            self._session = self._sessions.take()

    async def close(self) -> None:
        """No more."""
        if self._session is not None:
            self._session = None
            await self._sessions.release()

    async def post(self, webhook_id: str, body: bytes, *, timeout: float | None = None) -> bytes:
        """Gives the body of a 2xx answer. Raises Refused (product_refused) or Unavailable."""
        if self._session is None:
            raise Unavailable("not_ready", 2)
        limit = (timeout or self._timeout) + max(0, len(body) - _LARGE) / SLOWEST
        headers = await self._headers(webhook_id, body)
        try:
            async with self._session.post(
                self._url,
                data=body if len(body) < _LARGE else io.BytesIO(body),  # aiohttp sends that in parts
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=limit),
                ssl=self._tls,
            ) as answer:
                return await self._answer(answer)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError, ssl.SSLError) as error:
            _let_go(error)
            raise Unavailable("product_unreachable") from None

    async def _headers(self, webhook_id: str, body: bytes) -> CIMultiDict[str]:
        now = int(self._clock())
        sign = self.signer.sign
        if len(body) < _LARGE:
            signature = sign(webhook_id, now, body)
        else:
            signature = await in_executor(lambda: sign(webhook_id, now, body))
        headers = CIMultiDict[str]()
        headers["Content-Type"] = "application/json"
        headers["webhook-id"] = webhook_id
        headers["webhook-timestamp"] = str(now)
        headers["webhook-signature"] = signature
        return headers

    async def _answer(self, answer: aiohttp.ClientResponse) -> bytes:
        if 200 <= answer.status < 300:
            return await _read(answer)
        if answer.status in _NEVER:
            raise Refused("product_refused", about=f"{answer.status}")
        wait = retry_after(answer.headers.get("Retry-After"), self._clock())
        raise Unavailable(f"product_answered_{answer.status}", wait)


def _let_go(error: BaseException | None) -> None:
    """Such errors and their frames refer to each other: without this the body stays until the next collection."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The body, or nothing if it is longer than any answer we know."""
    parts: list[bytes] = []
    size = 0
    while part := await answer.content.readany():
        size += len(part)
        if size > _LONGEST_ANSWER:
            answer.close()
            return b""
        parts.append(part)
    return b"".join(parts)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait (RFC 9110, 10.2.3: a number of seconds, or a date), at most a day; None if not said."""
    if not value:
        return None
    try:
        wait = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT) if math.isfinite(wait) else None
