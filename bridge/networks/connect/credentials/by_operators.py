"""What an operator does for one product: a new token, a new webhook secret, events sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.db import Database
from bridge.errors import Refused, Unavailable
from bridge.networks.connect.credentials.rotation import Credentials
from bridge.networks.connect.credentials.standing import KeyStanding, Standings
from bridge.networks.connect.log.again import SendingAgain
from bridge.networks.connect.products import Product

_AT_ONCE = 1000  # ms: an end that has not passed before it is written


class ProductOperation:
    """``clock`` gives milliseconds since 1970. The product is at work, or everything is Unavailable."""

    def __init__(
        self, product: Product, kept: Credentials, standing: Standings, db: Database, clock: Callable[[], int]
    ) -> None:
        self._product, self._kept, self._standing, self._db, self._clock = product, kept, standing, db, clock
        self._one = asyncio.Lock()

    async def token(self, by: str, overlap: int | None, known: str) -> tuple[str, int]:
        """A new token, and when (ms) the old ones end: ``overlap`` ms from now; None: once the new one is used.

        ``known``: what :func:`state_of` said when the operator looked. Raises Refused, Unavailable.
        """
        self._at_work()
        async with self._one:
            self._same(known, (await self._standing.now()).tokens)
            return await self._kept.token(self._product, self._until(overlap), by)

    async def secret(self, by: str, overlap: int | None, known: str) -> tuple[str, int]:
        """A new webhook secret, and when (ms) the old ones sign no longer: ``overlap`` ms from now; None: in a day."""
        self._at_work()
        async with self._one:
            self._same(known, (await self._standing.now()).secrets)
            return await self._kept.secret(self._product, self._until(overlap), by)

    def log(self) -> SendingAgain:
        """Its events. Raises Refused (no_event_log), Unavailable."""
        self._at_work()
        out = self._product.out
        if out is None or out.events is None:
            raise Refused("no_event_log")
        return SendingAgain(self._product.name, self._db, out.resending, self._clock)

    def _at_work(self) -> None:
        if not self._product.open:
            raise Unavailable("not_ready", 2)

    def _until(self, overlap: int | None) -> int | None:
        return None if overlap is None else self._clock() + max(overlap, _AT_ONCE)

    def _same(self, known: str, keys: tuple[KeyStanding, ...]) -> None:
        """A form that is sent twice, and two operators at once, make one change: the second one is told to look."""
        if known != state_of(keys):
            raise Refused("keys_changed")


def state_of(keys: tuple[KeyStanding, ...]) -> str:
    """Which keys there are, in a word."""
    return ",".join(sorted(key.name for key in keys))
