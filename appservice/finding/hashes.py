"""A table of hashed mail addresses, as identity servers look them up (identity service API, "Hash details").

Nobody can ask a store for what has this hash: the hash holds a pepper of ours. So every address is hashed once for
each pepper, and a look-up is a search in a sorted array. An address takes about 65 bytes; half a million are hashed in
a few seconds, in pages, while everything else goes on. As that is cheap, a pepper need not be kept: each table has a
new one, and what somebody has hashed for an old one is of no use. Source of the form: specification, "sha256".
"""

from __future__ import annotations

import asyncio
import secrets
from array import array
from base64 import urlsafe_b64decode
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256

from bridge.parts.shared import Shared

_ROTATED = 24 * 3600.0  # s for which a table counts
_PREFIX = 8  # bytes of a hash by which it is found; the whole hash is compared after


class HashTable:
    """Addresses under one pepper."""

    def __init__(self, pepper: str) -> None:
        self.pepper = pepper
        self._addresses = bytearray()
        self._ends = array("Q")
        self._keys = array("Q")  # sorted when it is finished
        self._rows = array("I")

    def add(self, addresses: Sequence[str]) -> None:
        """Hash some more."""
        for address in addresses:
            self._addresses += address.encode()
            self._ends.append(len(self._addresses))
            self._keys.append(_key(self._hash(address)))

    def finish(self) -> HashTable:
        """Sort; nothing is added after."""
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        self._rows = array("I", order)
        self._keys = array("Q", (self._keys[row] for row in order))
        return self

    def __len__(self) -> int:
        return len(self._ends)

    def find(self, hashed: str) -> str | None:
        """The address behind a hash in base64; None: nobody's here."""
        try:
            wanted = urlsafe_b64decode(hashed + "=" * (-len(hashed) % 4))
        except ValueError:
            return None
        if len(wanted) != sha256().digest_size:
            return None
        place = bisect_left(self._keys, _key(wanted))
        while place < len(self._keys) and self._keys[place] == _key(wanted):
            address = self._address(self._rows[place])
            if secrets.compare_digest(self._hash(address), wanted):
                return address
            place += 1
        return None

    def _address(self, row: int) -> str:
        begin = self._ends[row - 1] if row else 0
        return self._addresses[begin : self._ends[row]].decode()

    def _hash(self, address: str) -> bytes:
        return sha256(f"{address} email {self.pepper}".encode()).digest()


def _key(digest: bytes) -> int:
    return int.from_bytes(digest[:_PREFIX], "big")


class Hashes:
    """The table that counts now. ``mailboxes`` gives every address that may be found; ``seconds`` never jumps."""

    def __init__(
        self, mailboxes: Callable[[], AsyncIterator[Sequence[str]]], seconds: Callable[[], float],
        rotated: float = _ROTATED,
    ) -> None:  # fmt: skip
        self._mailboxes = mailboxes
        self._seconds = seconds
        self._rotated = rotated
        self._table: HashTable | None = None
        self._made_at = 0.0
        self._making: Shared[str, HashTable] = Shared("hashes")

    async def now(self) -> HashTable:
        """Made when it is first asked for, and again when it is too old. Raises Unavailable: the directory is away."""
        if self._table is not None and self._seconds() - self._made_at < self._rotated:
            return self._table
        return await asyncio.shield(self._making.of("table", self._make))

    async def _make(self) -> HashTable:
        table = HashTable(secrets.token_urlsafe(16))
        async for page in self._mailboxes():
            table.add(page)
            await asyncio.sleep(0)
        self._table, self._made_at = await asyncio.to_thread(table.finish), self._seconds()
        return self._table

    async def stop(self) -> None:
        """Make no more."""
        await self._making.stop()
