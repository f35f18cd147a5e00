"""A product gives a user up: written down first, then done step by step, and gone on with after a crash."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bridge.db import Database
from bridge.erasure import erase_account
from bridge.errors import Refused, Unavailable
from bridge.model import Address
from bridge.networks.connect.products import Product
from bridge.parts.lanes import Lanes
from bridge.parts.patience import Patience
from bridge.receiver import Receiver

log = logging.getLogger(__name__)
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Ended:
    """When (ms) a product gave a user up, and when all was done; None: some of it is still to do."""

    at: int
    done: int | None


class Endings:
    """``clock`` gives milliseconds since 1970."""

    def __init__(self, db: Database, clock: Callable[[], int]) -> None:
        self._db = db
        self._clock = clock
        self._hubs: dict[str, Receiver] = {}
        self._lanes = Lanes("ends of users", self._next, Patience())

    async def start(self, product: Product) -> None:
        """Go on with what a crash has interrupted."""
        if product.hub is not None:
            self._hubs[product.name] = product.hub
            self._lanes.wake(product.name)

    async def stop(self, network: str) -> None:
        """The rest is on disk."""
        if self._hubs.pop(network, None) is not None and not self._hubs:
            await self._lanes.stop()

    async def of(self, account: Address) -> Ended | None:
        """What is known of an end."""
        row = await self._db.one("connect_users.ended", account.network, account.id)
        return None if row is None else Ended(row["at"], row["done"])

    async def end(self, product: Product, user: str) -> Ended:
        """Begin, once; again it says how far it is. Raises Refused (unknown_user)."""
        assert product.hub is not None
        address = Address(product.name, user)
        account, known = await product.hub.facts.account(address), await self.of(address)
        if account is None and known is None:
            raise Refused("unknown_user", "id")
        if account is not None and (known is None or known.done is not None):
            async with self._db.transaction("connect.end") as tx:
                await tx.run("connect_users.end", product.name, user, account.person.id, self._clock())
        task = self._lanes.wake(product.name)
        del task  # it is told how far it is, however long it takes
        ended = await self.of(address)
        assert ended is not None
        return ended

    async def reopened(self, account: Address) -> None:
        """Somebody is declared anew. Raises Unavailable while the end of the one before is under way."""
        known = await self.of(account)
        if known is not None and known.done is None:
            raise Unavailable("ending", 2)

    async def replaced(self, hub: Receiver, account: Address, former: str) -> None:
        """An account is somebody else's than before (``former``, a person id): their wishes are not hers."""
        async with self._db.transaction("connect.replaced") as tx:
            await erase_account(tx, account, former, "connect_users")
        await hub.absent(account, None)

    async def _next(self, network: str) -> float | None:
        hub = self._hubs.get(network)
        rows = await self._db.all("connect_users.to_end", network, "", _PAGE)
        for row in rows if hub is not None else ():
            assert hub is not None
            await hub.give_up(Address(network, row["id"]), row["at"])
            async with self._db.transaction("connect.ended") as tx:
                await erase_account(tx, Address(network, row["id"]), row["person"], "connect_users")
                await tx.run("connect_users.done", network, row["id"], self._clock())
            await hub.absent(Address(network, row["id"]), None)
            log.warning("connect: %s has given up %s, who was %s", network, row["id"], row["person"])
        return 0.0 if len(rows) == _PAGE else None
