"""What becomes of accounts is told to their products: kept on disk until each has taken it, however long it is away."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Iterable, Mapping

from bridge.connector import Connector, Declares
from bridge.db import Database, Row, Tx
from bridge.errors import Refused, Unavailable, where
from bridge.model import AccountEvent, AccountNews, Address, Claim, Standing
from bridge.parts.patience import Patience

log = logging.getLogger(__name__)
_BUGS_ALLOWED = 8  # attempts until what fails unexpectedly makes room for what follows


class News:
    """A task for each product, which takes its news in order, one at a time."""

    def __init__(
        self,
        db: Database,
        connectors: Mapping[str, Connector],
        patience: Patience,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._db = db
        self._served = connectors
        self._patience = patience
        self._jitter = jitter
        self._products: dict[str, Declares] = {}
        self._bells: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Tell what waits, and what comes."""
        self._products = {name: one for name, one in self._served.items() if isinstance(one, Declares)}
        self._bells = {name: asyncio.Event() for name in self._products}
        self._tasks = [asyncio.create_task(self._run(name)) for name in self._products]
        self.ring()

    async def stop(self) -> None:
        """What was not told is on disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def ring(self) -> None:
        """There is something to tell."""
        for bell in self._bells.values():
            bell.set()

    async def write(self, tx: Tx, claim: Claim, event: AccountEvent, accounts: Iterable[Address], at: int) -> None:
        """Keep it for each of these accounts; :meth:`ring` once it is on disk."""
        rows = [
            ("u_" + secrets.token_hex(16), one.network, one.id, event.value, claim.network, claim.standing.value, at)
            for one in accounts
        ]
        if rows:
            await tx.many("claims.add_news", rows)

    async def _run(self, network: str) -> None:
        bell, attempt = self._bells[network], 0
        while True:
            try:
                row = await self._db.one("claims.next_news", network)
                told = row is None or await self._told(network, row, attempt)
            except Unavailable:  # the database
                row, told = None, False
            if not told:
                await asyncio.sleep(self._patience.backoff(attempt, self._jitter))
                attempt += 1
                continue
            attempt = 0
            if row is None:
                await bell.wait()
                bell.clear()

    async def _told(self, network: str, row: Row, attempt: int) -> bool:
        """One attempt; False: again later. Raises Unavailable for the database."""
        try:
            await self._products[network].tell_account(_read(row))
        except Unavailable as reason:
            if reason.retry_after:
                await asyncio.sleep(reason.retry_after)
            return False
        except Refused as refusal:
            log.warning("%s does not take what became of %s: %s", network, row["account"], refusal.code)
        except Exception as bug:
            log.error("%s cannot be told what became of %s: %s", network, row["account"], where(bug))
            if attempt < _BUGS_ALLOWED:
                return False
        async with self._db.transaction("hub.told-account") as tx:
            await tx.run("claims.end_news", row["n"])
        return True


def _read(row: Row) -> AccountNews:
    account = Address(row["network"], row["account"])
    return AccountNews(
        row["id"], AccountEvent(row["event"]), account, row["claimant"], Standing(row["state"]), row["at"]
    )
