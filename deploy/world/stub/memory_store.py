"""A store of files in memory, where no homeserver is: it keeps what it is given, and can be away."""

from __future__ import annotations

import hashlib

from bridge.errors import Refused
from bridge.files import PIECE, Pieces
from bridge.model import StoredFile


class MemoryStore:
    """See :class:`bridge.files.FileStore`. ``most`` bytes are taken; ``away`` is raised while it is set."""

    def __init__(self, most: int = 200_000_000) -> None:
        self.most = most
        self.kept: dict[str, bytes] = {}
        self.away: Exception | None = None

    async def put(self, pieces: Pieces, size: int) -> StoredFile:
        """Keep it once it is whole."""
        if self.away is not None:
            raise self.away
        data = b"".join([piece async for piece in pieces])
        if len(data) != size:
            raise Refused("wrong_size")
        handle = f"mem:{len(self.kept)}"
        self.kept[handle] = data
        return StoredFile(handle, size, hashlib.sha256(data).hexdigest())

    async def open(self, stored: StoredFile, start: int = 0, end: int | None = None) -> Pieces:
        """In pieces, of which none is more than others give."""
        if self.away is not None:
            raise self.away
        data = self.kept[stored.handle][start:end]
        for at in range(0, len(data), PIECE):
            yield data[at : at + PIECE]
