"""Users of products who say that they are away: on disk here, and known to the hub, which tells whoever writes."""

from __future__ import annotations

from collections.abc import Callable

from bridge.db import Database, Row
from bridge.db.pages import pages
from bridge.errors import Refused
from bridge.model import Absence, Address
from bridge.networks.connect.products import Product
from bridge.receiver import Receiver
from bridge.seal import Seal

LONGEST = 2 * 366 * 86_400_000  # ms from now


class KeptAbsences:
    """``clock`` gives milliseconds since 1970."""

    def __init__(self, db: Database, seal: Seal, clock: Callable[[], int]) -> None:
        self._db = db
        self._seal = seal
        self._clock = clock

    async def load(self, product: Product) -> None:
        """As it was when the hub ended; what is over is erased."""
        if product.hub is None:
            return
        await self._erase_over()
        async for page in pages(self._db, "connect_users.absences", ("",), ("id",), product.name):
            for row in page:
                await product.hub.absent(account := Address(product.name, row["id"]), self._absence(account, row))

    async def put(self, hub: Receiver, user: Address, absence: Absence) -> None:
        """In place of the one before. Raises Refused (bad_period)."""
        now = self._clock()
        if not max(absence.begin, now) < absence.end <= now + LONGEST:
            raise Refused("bad_period", "until")
        said = self._seal.seal(absence.words.encode(), _context(user)) if absence.words else None
        whole = (absence.who, absence.begin, absence.end, absence.substitute, said, int(absence.both))
        await self._erase_over()
        async with self._db.transaction("connect.absent") as tx:
            await tx.run("connect_users.be_absent", user.network, user.id, *whole)
        await hub.absent(user, absence)

    async def back(self, hub: Receiver, user: Address) -> None:
        """Somebody is there again. Again is the same."""
        async with self._db.transaction("connect.back") as tx:
            await tx.run("connect_users.be_back", user.network, user.id)
        await hub.absent(user, None)

    async def of(self, user: Address) -> Absence | None:
        """The absence of a user that is not over."""
        row = await self._db.one("connect_users.absence", user.network, user.id)
        return self._absence(user, row) if row is not None and row["until"] > self._clock() else None

    async def _erase_over(self) -> None:
        async with self._db.transaction("connect.back-by-now") as tx:
            await tx.run("connect_users.back_by_now", self._clock())

    def _absence(self, user: Address, row: Row) -> Absence:
        said = row["said"]
        words = "" if said is None else self._seal.open(bytes(said), _context(user)).decode()
        return Absence(row["person"], row["since"], row["until"], row["substitute"], words, bool(row["copied"]))


def _context(user: Address) -> str:
    return f"connect absence {user}"
