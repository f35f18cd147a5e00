"""One request to the hub, and its repetition until there is a final answer."""

from __future__ import annotations

import asyncio
import io
import json
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Self

import aiohttp

from liaison.connect.errors import NoAnswer, Refused

PREFIX = "/connect/v1"
AGAIN = frozenset({408, 425, 429})
"""With all of 500 and more: ask again later."""
_LONGEST_WAIT = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the hub. ``body``: its JSON, text or bytes by its type, or None; ``retry_after`` in seconds."""

    status: int
    body: Any = field(repr=False)
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def final(self) -> bool:
        """Whether asking again would change nothing."""
        return self.status < 500 and self.status not in AGAIN

    @property
    def done(self) -> bool:
        """Whether the hub did it."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Retries:
    """How long to go on: pauses from ``first`` to ``longest``, at most ``within`` in all. Seconds."""

    first: float = 0.5
    longest: float = 30.0
    within: float = 300.0

    def pause(self, attempt: int, asked: float | None) -> float:
        """Before the next attempt (the first pause is after attempt 1): never less than the hub asked for."""
        grown = min(self.longest, self.first * 2.0 ** min(attempt - 1, 16))
        return max(asked or 0.0, grown * random.uniform(0.5, 1.0))


class Transport:
    """A connection pool with a token. One of it serves the whole product."""

    def __init__(self, url: str, token: str, *, timeout: float = 60.0, retries: Retries | None = None) -> None:
        self._url = url.rstrip("/") + PREFIX
        self._token = token
        self._timeout = timeout
        self._retries = retries or Retries()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Get ready to send."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)

    async def close(self) -> None:
        """Let go of every connection."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def use(self, token: str) -> None:
        """From now on."""
        self._token = token

    @asynccontextmanager
    async def stream(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """One GET whose body is read by the caller, piece by piece. Raises NoAnswer, also out of the block."""
        if self._session is None:
            raise NoAnswer("the client is closed")
        said = {"Authorization": f"Bearer {self._token}", "Accept": "*/*"} | dict(headers)
        no_end = aiohttp.ClientTimeout(total=None, sock_read=self._timeout, sock_connect=self._timeout)
        try:
            async with self._session.get(
                self._url + path, headers=said, allow_redirects=False, timeout=no_end
            ) as answer:
                yield answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NoAnswer(type(error).__name__) from None

    async def once(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None, raw: bool = False,
    ) -> Answer:  # fmt: skip
        """One attempt. ``body`` is sent as JSON, bytes and the file at a Path as they are.

        ``raw`` gives the bytes of a 2xx answer, whatever their type. Raises NoAnswer when there is none.
        """
        if self._session is None:
            raise NoAnswer("the client is closed")
        said = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"} | dict(headers or {})
        data: Any = None
        if isinstance(body, Path):
            data = body.open("rb")  # sent piece by piece, and closed by aiohttp
        elif isinstance(body, bytes):
            data = io.BytesIO(body)
        elif body is not None:
            data = io.BytesIO(json.dumps(body).encode())
            said["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                method, self._url + path, data=data, headers=said, params=query,
                allow_redirects=False,
            ) as answer:  # fmt: skip
                found = await answer.read()
                wait = retry_after(answer.headers.get("Retry-After"))
                whole = raw and 200 <= answer.status < 300
                return Answer(
                    answer.status, found if whole else parsed(found, answer.content_type), wait, answer.headers
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NoAnswer(type(error).__name__) from None

    async def call(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None, raw: bool = False,
    ) -> Any:  # fmt: skip
        """Repeat until the hub has answered for good; gives the answer's body. Raises Refused, NoAnswer.

        A body with an ``id`` may be repeated without harm: the same id is one message and the same answer.
        """
        until = time.monotonic() + self._retries.within
        attempt = 0
        while True:
            attempt += 1
            asked = None
            try:
                answer = await self.once(method, path, body, query=query, headers=headers, raw=raw)
                if answer.done:
                    return answer.body
                if answer.final:
                    raise Refused(answer.status, answer.body)
                last, asked = f"{answer.status}", answer.retry_after
            except NoAnswer as none:
                last = none.last
            pause = self._retries.pause(attempt, asked)
            if self._session is None or time.monotonic() + pause > until:
                raise NoAnswer(last)
            await asyncio.sleep(pause)


def parsed(said: bytes, kind: str) -> Any:
    """A body by its media type: JSON, text, else the bytes; None for none."""
    if not said:
        return None
    if kind.startswith("text/"):
        return said.decode("utf-8", "replace")
    if not kind.endswith("json"):
        return said
    try:
        return json.loads(said)
    except ValueError:
        return None


def retry_after(value: str | None) -> float | None:
    """Seconds (RFC 9110, 10.2.3: a number of seconds, or a date), at most an hour; None if not said."""
    if not value:
        return None
    text = value.strip()
    try:
        wait = float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)
