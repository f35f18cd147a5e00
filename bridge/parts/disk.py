"""Files: written whole or not at all, also through a power cut; and what a person edits is read when it is whole."""

from __future__ import annotations

import asyncio
import os
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


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file: a reader, and a machine that starts again, find the old bytes or the new ones.

    Folders that are missing are made for this user alone. The bytes are on the disk before they get the name, and so is
    the name before this returns (fsync of the file, rename, fsync of the folder). OSError: nothing is replaced.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_new(path: Path, secret: bytes) -> None:
    """Make a file that only this user reads. Raises FileExistsError: nothing is ever written over."""
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(secret)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
