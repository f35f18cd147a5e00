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
from yarl import URL

from bridge.errors import Refused, Unavailable
from bridge.networks.connect.request_body import SLOWEST, in_executor
from bridge.networks.connect.signing import Signer
from bridge.parts.http.calls import Calls
from bridge.parts.http.connection import HttpAnswer, header

_NEVER = {400, 410, 413, 422}
_LONGEST_ANSWER = 64 * 1024
_LONGEST_WAIT = 24 * 3600.0
_CONNECTIONS = 64  # to one product
_LARGE = 1024 * 1024
_SENT = {"User-Agent": "Liaison", "Accept": "application/json", "Accept-Encoding": "identity"}


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
                headers=_SENT,
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
        self._calls: Calls | None = None  # all that is small
        self._timeout = timeout
        self._tls: ssl.SSLContext | bool = tls or True
        self._clock = clock

    def open(self) -> None:
        """Get ready to send."""
        if self._session is None:
            self._session = self._sessions.take()
            tls = self._tls if isinstance(self._tls, ssl.SSLContext) else None
            self._calls = Calls(self._url.with_path("/"), _SENT, connections=_CONNECTIONS, tls=tls)

    async def close(self) -> None:
        """No more."""
        if self._session is not None and self._calls is not None:
            calls, self._session, self._calls = self._calls, None, None
            await calls.close()
            await self._sessions.release()

    async def post(self, webhook_id: str, body: bytes, *, timeout: float | None = None) -> bytes:
        """Gives the body of a 2xx answer. Raises Refused (product_refused) or Unavailable."""
        limit = (timeout or self._timeout) + max(0, len(body) - _LARGE) / SLOWEST
        try:
            answer = await (self._small if len(body) < _LARGE else self._large)(webhook_id, body, limit)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError, ssl.SSLError) as error:
            _let_go(error)
            raise Unavailable(_code(error)) from None
        if 200 <= answer.status < 300:
            return answer.body
        if answer.status in _NEVER:
            raise Refused("product_refused", about=f"{answer.status}")
        raise Unavailable(f"product_answered_{answer.status}", retry_after(answer.retry_after, self._clock()))

    async def _small(self, webhook_id: str, body: bytes, limit: float) -> HttpAnswer:
        if self._calls is None:
            raise Unavailable("not_ready", 2)
        now = int(self._clock())
        signed = self._signed(webhook_id, now, self.signer.sign(webhook_id, now, body))
        lines = "".join([header(name, value) for name, value in signed.items()])
        return await self._calls.call("POST", self._url.raw_path_qs, body, limit, lines, most=_LONGEST_ANSWER)

    async def _large(self, webhook_id: str, body: bytes, limit: float) -> HttpAnswer:
        if self._session is None:
            raise Unavailable("not_ready", 2)
        now, sign = int(self._clock()), self.signer.sign
        signed = self._signed(webhook_id, now, await in_executor(lambda: sign(webhook_id, now, body)))
        async with self._session.post(
            self._url,
            data=io.BytesIO(body),  # aiohttp sends that in parts
            headers=signed,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=limit),
            ssl=self._tls,
        ) as answer:
            return HttpAnswer(answer.status, await _read(answer), answer.headers.get("Retry-After"))

    def _signed(self, webhook_id: str, now: int, signature: str) -> dict[str, str]:
        """The headers of Standard Webhooks; ``now`` in seconds."""
        return {
            "Content-Type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature,
        }


def _code(error: Exception) -> str:
    """What kept a call from being answered: operators do something else for each."""
    if any(isinstance(one, ssl.SSLError | aiohttp.ClientSSLError) for one in (error, error.__cause__)):
        return "product_certificate"
    return "product_timed_out" if isinstance(error, TimeoutError) else "product_unreachable"


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
