"""What the homeserver calls (application service API): transactions, queries, ping; and the health of the process."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from aiohttp import web

from appservice.arriving.transactions import Transaction, Transactions
from bridge.errors import Unavailable
from bridge.parts.alarms import ALARMS

_OK = b"{}"
_BESIDE = 2.0  # s; no homeserver ends and starts again within
_START = 50.0  # s; the homeserver gives up after 60


@dataclass(frozen=True, slots=True)
class Asked:
    """What the routes ask the edge, and tell it.

    ``exists`` says whether a user id is a ghost of ours, ``trouble`` why the hub does not work (empty: it does).
    ``rang`` is told of each transaction, ``new_peer`` of a new connection that may be of a homeserver that was started
    again, ``skipped`` of each number that is missing.
    """

    exists: Callable[[str], Awaitable[bool]]
    trouble: Callable[[], str]
    rang: Callable[[Transaction], None]
    new_peer: Callable[[], None] = lambda: None
    skipped: Callable[[], None] = lambda: None


class Web:
    """The routes; bodies longer than ``max_body`` (bytes) are set aside."""

    def __init__(self, token: str, transactions: Transactions, edge: Asked, *, max_body: int) -> None:
        self._token = token.encode()
        self._transactions = transactions
        self._edge = edge
        self._max_body = max_body
        self._open = asyncio.Event()
        self._last: int | None = None
        self._peers: dict[asyncio.BaseTransport, float] = {}  # open connections: when each was last used

    def routes(self, app: web.Application) -> None:
        """Add everything to an application."""
        base = "/_matrix/app/v1"
        app.router.add_put(base + "/transactions/{txn}", self._transaction)
        app.router.add_get(base + "/users/{user}", self._user)
        app.router.add_get(base + "/rooms/{alias}", self._alias)
        app.router.add_post(base + "/ping", self._ping)
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._readiness)

    def open(self) -> None:
        """From now on transactions are taken; those that came before have waited."""
        self._open.set()

    async def _transaction(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        self._from(request.transport)
        self._count(request.match_info["txn"])
        try:
            if not self._open.is_set():
                async with asyncio.timeout(_START):  # what an earlier life left comes first
                    await self._open.wait()
            raw, whole = await self._read(request)
            if not whole:
                await self._transactions.set_aside("too_big", raw)
                return _json(200)
            transaction = await self._transactions.take(raw)
        except (Unavailable, TimeoutError):
            self._edge.new_peer()  # the homeserver repeats its events, and not what was for devices
            return _json(503, "M_UNKNOWN", "the database is away")
        self._edge.rang(transaction)
        return _json(200)

    def _from(self, peer: asyncio.BaseTransport | None) -> None:
        """A new connection: the homeserver may have been restarted, unless it has just used another that is still open.

        Synapse opens one more when it has the next transaction before it has put the last connection back.
        """
        now, known = time.monotonic(), self._peers
        if peer is not None and peer not in known:
            if not any(now - at < _BESIDE and not other.is_closing() for other, at in known.items()):
                self._edge.new_peer()
            for other in [other for other in known if other.is_closing()]:
                del known[other]
        if peer is not None:
            known[peer] = now

    def _count(self, txn: str) -> None:
        """Synapse numbers its transactions: one that is missing may be stuck until its next outage (seen: 1.163)."""
        if not txn.isdecimal() or len(txn) > 18:
            return
        if self._last is not None and int(txn) > self._last + 1:
            self._edge.skipped()
        self._last = max(self._last or 0, int(txn))

    async def _read(self, request: web.Request) -> tuple[bytes, bool]:
        """The body, and whether it was short enough; the rest of a longer one is read and dropped."""
        parts, size = [], 0
        async for part in request.content.iter_chunked(1 << 18):
            size += len(part)
            if size <= self._max_body:
                parts.append(part)
        return b"".join(parts), size <= self._max_body

    async def _user(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        try:
            found = await self._edge.exists(request.match_info["user"])
        except Unavailable:
            return _json(503, "M_UNKNOWN", "not now")
        return _json(200) if found else _json(404, "M_NOT_FOUND", "no such professional")

    async def _alias(self, request: web.Request) -> web.Response:
        return self._refusal(request) or _json(404, "M_NOT_FOUND", "no aliases here")

    async def _ping(self, request: web.Request) -> web.Response:
        return self._refusal(request) or _json(200)

    async def _health(self, request: web.Request) -> web.Response:
        return _json(200)

    async def _readiness(self, request: web.Request) -> web.Response:
        trouble = self._edge.trouble()
        said = {"alarms": ALARMS.by.total(), **({"errcode": "M_UNKNOWN", "error": trouble} if trouble else {})}
        return _answer(503 if trouble else 200, orjson.dumps(said))

    def _refusal(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token:
            return _json(401, "M_MISSING_TOKEN", "no token")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode("utf-8", "replace"), self._token):
            return _json(403, "M_FORBIDDEN", "wrong token")
        return None


def _json(status: int, errcode: str = "", error: str = "") -> web.Response:
    return _answer(status, orjson.dumps({"errcode": errcode, "error": error}) if errcode else _OK)


def _answer(status: int, body: bytes) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")
