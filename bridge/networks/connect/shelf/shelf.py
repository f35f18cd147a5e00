"""What a product has uploaded and not yet said, and what it may fetch of what it was told."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

import orjson

from bridge.db import Database
from bridge.errors import Refused
from bridge.files import Arriving, Files, Pieces, from_json, to_json
from bridge.model import Delivery, File, StoredFile
from bridge.networks.connect.shelf import address
from bridge.networks.connect.shelf.address import Lent
from bridge.seal import Seal

_PURPOSE = "connect file ids"
_DAY = 86_400_000  # ms
_UNSAID = _DAY  # so long an upload may wait to be named by a message
_SWEEP = 600_000  # ms between two times at which what is over is forgotten


class ProductFiles:
    """``public_url``: what stands before every address. ``address_s``, ``days``: see the settings. ``clock`` in s."""

    def __init__(
        self, db: Database, seal: Seal, files: Files, clock: Callable[[], float],
        *, public_url: str = "", address_s: float = 3600.0, days: int = 30,
    ) -> None:  # fmt: skip
        self.files = files
        self._db = db
        self._seal = seal
        self._clock = clock
        self._public_url = public_url.rstrip("/")
        self._address_s, self._days = address_s, days
        self._swept = 0

    async def upload(self, network: str, file: Arriving, pieces: Pieces) -> tuple[str, File]:
        """Keep what a product uploads; gives its id and what it is now. Raises Refused, Unavailable."""
        taken = await self.files.take(file, pieces)
        ident = "f_" + secrets.token_urlsafe(18)
        await self._put(ident, network, None, taken, _UNSAID)
        return ident, taken

    async def lend(self, delivery: Delivery, path: str) -> list[Lent | None]:
        """Let a product fetch the files of a delivery, the same ids at each attempt; None for a file in no store.

        ``path``: below which files are served.
        """
        expires, found = int(self._clock() + self._address_s), list[Lent | None]()
        for n, file in enumerate(delivery.body.files):
            if not isinstance(file.content, StoredFile):
                found.append(None)
                continue
            ident = self._id(f"{delivery.id}/{n}")
            await self._put(ident, delivery.network, delivery.message, file, self._days * _DAY)
            query = address.query(self._seal, ident, expires)
            found.append(Lent(ident, f"{self._public_url}{path}/{ident}?{query}", expires))
        return found

    def _id(self, what: str) -> str:
        """Nobody guesses it, and it is the same after a crash."""
        digest = hmac.digest(self._seal.derive(_PURPOSE), what.encode(), "sha256")
        return "f_" + digest.hex()[:40]

    async def _put(self, ident: str, network: str, message: str | None, file: File, kept: int) -> None:
        now = int(self._clock() * 1000)
        about = self._seal.seal(orjson.dumps(to_json(file)), f"connect file {ident}")
        async with self._db.transaction("shelf.put") as tx:
            await tx.run("shelf.put", ident, network, message, about, now + kept)
            if now - self._swept > _SWEEP:
                self._swept = now
                await tx.run("shelf.forget", now)

    async def find(self, ident: str, network: str, field: str = "id") -> File:
        """A file of this product's. Raises Refused (unknown_file)."""
        row = await self._db.one("shelf.one", ident, int(self._clock() * 1000))
        if row is None or row["network"] != network:
            raise Refused("unknown_file", field)
        return from_json(orjson.loads(self._seal.open(bytes(row["about"]), f"connect file {ident}")))

    async def owner(self, ident: str, given: dict[str, str]) -> str:
        """The product to which a file was lent at a signed address. Raises Refused."""
        address.check(self._seal, ident, given, self._clock())
        row = await self._db.one("shelf.one", ident, int(self._clock() * 1000))
        if row is None:
            raise Refused("unknown_file", "id")
        return str(row["network"])

    async def take_back(self, message: str, network: str) -> None:
        """A message (hub id) was taken back: its files cannot be fetched any more."""
        async with self._db.transaction("shelf.taken-back") as tx:
            await tx.run("shelf.take_back", message, network)
