"""Where the files of the kit's hub lie: in memory, for as long as it runs; a hospital's lie in its homeserver."""

from __future__ import annotations

import hashlib

from bridge.errors import Refused
from bridge.files import PIECE, Pieces
from bridge.model import StoredFile
from liaison.connect import new_id

_MOST = 100_000_000  # bytes of one file


class MemoryShelf:
    """See :class:`bridge.files.FileStore`."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    @property
    def most(self) -> int:
        """The bytes of the largest file."""
        return _MOST

    async def put(self, pieces: Pieces, size: int) -> StoredFile:
        """Keep a file whole. Raises Refused (wrong_size)."""
        parts = [piece async for piece in pieces]
        content = b"".join(parts)
        if len(content) != size:
            raise Refused("wrong_size")
        handle = new_id()
        self._kept[handle] = content
        return StoredFile(handle, size, hashlib.sha256(content).hexdigest())

    async def open(self, stored: StoredFile, start: int = 0, end: int | None = None) -> Pieces:
        """The bytes of a file. Raises Refused (file_not_fetched)."""
        if stored.handle not in self._kept:
            raise Refused("file_not_fetched")
        part = self._kept[stored.handle][start:end]
        for at in range(0, len(part), PIECE):
            yield part[at : at + PIECE]
