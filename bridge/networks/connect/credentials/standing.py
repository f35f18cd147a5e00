"""How a product stands, for operators: names of tokens and secrets, times and counts; never a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from bridge.db import Database
from bridge.networks.connect.log.event_log import PAGE, EventLog
from bridge.networks.connect.products import Product


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """A token or a webhook secret. ``made``, ``until``: ms since 1970; None: by the configuration; for good."""

    name: str
    made: int | None
    until: int | None
    unused: bool = False


@dataclass(frozen=True, slots=True)
class LogStanding:
    """What is kept for a product: the newest event's number, how far it has read, how many wait (up to a bound)."""

    newest: int
    read: int
    gone: int
    bytes: int
    waiting: int
    down: bool


@dataclass(frozen=True, slots=True)
class ProductStanding:
    """``host``: of its webhooks (their path may hold a secret); None: it reads its events."""

    host: str | None
    open: bool
    tokens: tuple[KeyStanding, ...]
    secrets: tuple[KeyStanding, ...]
    log: LogStanding | None


class Standings:
    """Of one product. ``url``: of its webhooks; ``clock`` gives milliseconds since 1970."""

    def __init__(self, product: Product, url: str | None, db: Database | None, clock: Callable[[], int]) -> None:
        self._product, self._url, self._db, self._clock = product, url, db, clock

    async def now(self) -> ProductStanding:
        """At this moment. Raises Unavailable."""
        out = self._product.out
        events = None if out is None else out.events
        down = out is not None and out.resending is not None and out.resending.down
        host = None if self._url is None else urlsplit(self._url).hostname
        log = None if events is None else await self._log(events, down)
        return ProductStanding(host, self._product.open, await self._tokens(), await self._secrets(), log)

    async def _made(self, statement: str, key: str) -> dict[str, int]:
        rows = [] if self._db is None else await self._db.all(statement, self._product.name)
        return {row[key]: row["at"] for row in rows}

    async def _tokens(self) -> tuple[KeyStanding, ...]:
        product, made = self._product, await self._made("connect_keys.tokens", "hash")
        return tuple(
            KeyStanding(one.hex()[:16], made.get(one.hex()), product.ends.get(one), one in product.unused)
            for one in product.alive(self._clock())
        )

    async def _secrets(self) -> tuple[KeyStanding, ...]:
        out = self._product.out
        if out is None or out.webhook is None:
            return ()
        made = await self._made("connect_keys.secrets", "id")
        alive = out.webhook.signer.alive(self._clock())
        return tuple(KeyStanding(name[:16], made.get(name), until) for name, until in alive.items())

    async def _log(self, events: EventLog, down: bool) -> LogStanding:
        places = await events.places()
        return LogStanding(*places, len(await events.waiting(0, PAGE)), down)
