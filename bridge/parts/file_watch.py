"""Says when a file has changed: an editor writes it bit by bit, so two looks have to find it alike first."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

_Mark = tuple[int, int, int]


class FileWatch:
    """``look``: seconds between two looks."""

    def __init__(self, path: Path, look: float) -> None:
        self.path = path
        self._look = look
        self._seen = self._tried = self._mark()
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Somebody wants it to be read as it is now."""
        self._asked.set()

    async def changed(self) -> bool:
        """Wait until it has changed, or somebody asks (then True)."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look):
                    await self._asked.wait()
            asked = self._asked.is_set()
            self._asked.clear()
            mark = await asyncio.to_thread(self._mark)
            steady, self._seen = mark == self._seen, mark
            if asked or (steady and mark != self._tried):
                self._tried = mark
                return asked

    def _mark(self) -> _Mark | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
