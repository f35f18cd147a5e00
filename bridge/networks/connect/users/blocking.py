"""Whose messages users of products do not want: on disk here, and known to the hub, which refuses them on every leg."""

from __future__ import annotations

from collections.abc import Callable

from bridge.db import Database
from bridge.db.pages import pages
from bridge.model import Address
from bridge.networks.connect.products import Product
from bridge.receiver import Receiver


class Blocking:
    """``clock`` gives milliseconds since 1970."""

    def __init__(self, db: Database, clock: Callable[[], int]) -> None:
        self._db = db
        self._clock = clock

    async def load(self, product: Product) -> None:
        """As it was when the hub ended."""
        if product.hub is None:
            return
        async for page in pages(self._db, "connect_users.blocked", ("", ""), ("id", "person"), product.name):
            for row in page:
                product.hub.block(Address(product.name, row["id"]), row["person"], True)

    async def block(self, hub: Receiver, user: Address, person: str) -> None:
        """From now on ``user`` gets nothing of what this person (id) says. Again is the same."""
        async with self._db.transaction("connect.block") as tx:
            await tx.run("connect_users.block", user.network, user.id, person, self._clock())
        hub.block(user, person, True)

    async def unblock(self, hub: Receiver, user: Address, person: str) -> None:
        """What they say from now on comes again. Again is the same."""
        async with self._db.transaction("connect.unblock") as tx:
            await tx.run("connect_users.unblock", user.network, user.id, person)
        hub.block(user, person, False)

    async def of(self, user: Address, after: str, limit: int) -> list[str]:
        """A page of the people (ids) whom ``user`` has blocked."""
        rows = await self._db.all("connect_users.blocked_by", user.network, user.id, after, limit)
        return [row["person"] for row in rows]
