"""The client of the API: one question at a time, within the limits that the operator of the directory sets.

Facts (ANS, API "Annuaire Santé en libre accès" v2): 17 calls/s for one application, a time-out of 30 s at the server,
key in the header ``ESANTE-API-KEY``; errors are OperationOutcome resources; pages are followed by the link ``next``.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
import orjson

from bridge.parts.bucket import Bucket

log = logging.getLogger(__name__)
Json = dict[str, Any]

BASE = "https://gateway.api.esante.gouv.fr/fhir/v2"
_RATE, _BURST = 8.0, 8  # calls a second, half of what is allowed
_TRIES = 6
_LONGEST_WAIT = 60.0  # s between two tries
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=15, sock_read=45)
_LARGEST = 32 * 1024 * 1024  # bytes of one page
_MOST_PAGES = 200_000  # of one search: four times the whole directory in pages of 50


class AnswerRefused(Exception):
    """The server will not answer this; ``status`` and what its OperationOutcome says (no personal data)."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status} {said}".strip())
        self.status = status
        self.said = said


class PageExpired(Exception):
    """The next page of a search is not kept any more: begin it anew."""


class NoAnswer(Exception):
    """The server could not be had after several tries; nothing is known of why it will not last."""


class Api:
    """One connection to the API for the time of a read; ``async with``."""

    def __init__(
        self, base: str, key: str, *, tls: ssl.SSLContext | None = None, rate: float = _RATE, pause: float = 1.0
    ) -> None:
        """``base``: the address with ``/v2``; ``rate``: calls a second; ``pause``: s before the first repetition."""
        self._base = base.rstrip("/") + "/"
        self._key = key
        self._tls: ssl.SSLContext | bool = tls or True
        self._bucket = Bucket(rate, max(1, min(_BURST, int(rate))))
        self._pause = pause
        self._session: aiohttp.ClientSession | None = None
        self._one = asyncio.Lock()
        self.calls = 0

    def __repr__(self) -> str:
        return f"Api({self._base})"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=_TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def pages(self, resource: str, params: Sequence[tuple[str, str]]) -> AsyncIterator[list[Json]]:
        """The resources of a search, page by page, those included with them too.

        Raises AnswerRefused, PageExpired, NoAnswer.
        """
        bundle = await self._get(urljoin(self._base, resource), params)
        for _ in range(_MOST_PAGES):
            yield _resources(bundle)
            following = self._next(bundle)
            if following is None:
                return
            try:
                bundle = await self._get(following, None)
            except AnswerRefused as refusal:
                if refusal.status in (404, 410):
                    raise PageExpired from None
                raise
        raise NoAnswer("pages without end")

    def _next(self, bundle: Json) -> str | None:
        """The link to the next page, if it leads to the same server: the key goes nowhere else. Raises NoAnswer."""
        links = bundle.get("link")
        for link in links if isinstance(links, list) else []:
            if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
                url: str = urljoin(self._base, link["url"])
                if urlsplit(url)[:2] != urlsplit(self._base)[:2]:
                    raise NoAnswer(f"the next page is at another server: {urlsplit(url).hostname}")
                return url
        return None

    async def _get(self, url: str, params: Sequence[tuple[str, str]] | None) -> Json:
        pause = self._pause
        for left in reversed(range(_TRIES)):
            await self._turn()
            try:
                return await self._once(url, params)
            except _Later as later:
                if not left:
                    raise NoAnswer(later.why) from None
                wait = min(_LONGEST_WAIT, later.after if later.after is not None else pause * random.uniform(0.7, 1.3))
                log.info("the directory's API gave no answer (%s); again in %.0f s", later.why, wait)
                await asyncio.sleep(wait)
                pause *= 2
        raise AssertionError

    async def _turn(self) -> None:
        """Wait until one more call is allowed."""
        async with self._one:
            wait = self._bucket.take(time.monotonic())
            while wait:
                await asyncio.sleep(wait)
                wait = self._bucket.take(time.monotonic())

    async def _once(self, url: str, params: Sequence[tuple[str, str]] | None) -> Json:
        assert self._session is not None
        self.calls += 1
        headers = {"ESANTE-API-KEY": self._key, "Accept": "application/fhir+json", "User-Agent": "Liaison"}
        try:
            async with self._session.get(
                url, params=params, headers=headers, allow_redirects=False, ssl=self._tls
            ) as answer:
                body = await _bounded(answer)
                return _judged(answer.status, answer.headers.get("Retry-After", ""), body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _Later(type(error).__name__) from None


class _Later(Exception):
    """Not now; ``after`` in seconds, if the server has said it."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.after = after


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await answer.content.readany():
        size += len(part)
        if size > _LARGEST:
            answer.close()
            raise NoAnswer(f"a page has more than {_LARGEST >> 20} MiB")
        parts.append(part)
    return b"".join(parts)


def _judged(status: int, retry_after: str, body: bytes) -> Json:
    """A Bundle. Raises AnswerRefused, _Later."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if status == 429 or status >= 500 or (status == 200 and not isinstance(content, dict)):
        after = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
        raise _Later(f"{status} {_outcome(content)}".strip() if status != 200 else "no JSON", after)
    if status != 200 or content.get("resourceType") != "Bundle":
        raise AnswerRefused(status, _outcome(content))
    return dict(content)


def _outcome(content: object) -> str:
    """The server's own words: diagnostics of an OperationOutcome, one line, bounded."""
    issues = content.get("issue") if isinstance(content, dict) else None
    said = [str(issue.get("diagnostics") or issue.get("code")) for issue in issues or [] if isinstance(issue, dict)]
    return " ".join("; ".join(said).split())[:200]


def _resources(bundle: Json) -> list[Json]:
    entries = bundle.get("entry")
    found = [entry.get("resource") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [resource for resource in found if isinstance(resource, dict)]
