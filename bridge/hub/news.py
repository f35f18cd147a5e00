"""What becomes of accounts is told to their products: kept on disk until each has taken it, however long it is away."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping

from bridge.connector import Connector, Declares
from bridge.db import Database, Row, Tx
from bridge.errors import Refused, where
from bridge.model import AccountEvent, AccountNews, Address, Claim, Standing
from bridge.parts.lanes import Lanes
from bridge.parts.patience import Patience

log = logging.getLogger(__name__)
_BUGS_ALLOWED = 8  # attempts until what fails unexpectedly makes room for what follows


class News:
    """A lane for each product, which takes its news in order, one at a time."""

    def __init__(self, db: Database, connectors: Mapping[str, Connector], patience: Patience) -> None:
        self._db = db
        self._served = connectors
        self._products: dict[str, Declares] = {}
        self._lanes = Lanes("news of accounts", self._next, patience, failed=self._failed)

    def start(self) -> None:
        """Tell what waits, and what comes."""
        self._products = {name: one for name, one in self._served.items() if isinstance(one, Declares)}
        self.ring()

    async def stop(self) -> None:
        """What was not told is on disk."""
        self._products = {}
        await self._lanes.stop()

    def ring(self) -> None:
        """There is something to tell."""
        for name in self._products:
            self._lanes.wake(name)

    async def write(self, tx: Tx, claim: Claim, event: AccountEvent, accounts: Iterable[Address], at: int) -> None:
        """Keep it for each of these accounts; :meth:`ring` once it is on disk."""
        rows = [
            ("u_" + secrets.token_hex(16), one.network, one.id, event.value, claim.network, claim.standing.value, at)
            for one in accounts
        ]
        if rows:
            await tx.many("claims.add_news", rows)

    async def _next(self, network: str) -> float | None:
        row = await self._db.one("claims.next_news", network)
        if row is None:
            return None
        try:
            await self._products[network].tell_account(_read(row))
        except Refused as refusal:
            log.warning("%s does not take what became of %s: %s", network, row["account"], refusal.code)
        await self._end(row)
        return 0.0

    async def _failed(self, network: str, times: int, bug: Exception) -> float | None:
        log.error("%s cannot be told what became of an account: %s", network, where(bug))
        if times <= _BUGS_ALLOWED:
            return None
        if (row := await self._db.one("claims.next_news", network)) is not None:
            await self._end(row)
        return 0.0

    async def _end(self, row: Row) -> None:
        async with self._db.transaction("hub.told-account") as tx:
            await tx.run("claims.end_news", row["n"])


def _read(row: Row) -> AccountNews:
    account = Address(row["network"], row["account"])
    return AccountNews(
        row["id"], AccountEvent(row["event"]), account, row["claimant"], Standing(row["state"]), row["at"]
    )
