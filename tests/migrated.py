"""A new database of SQLite begins as a copy of one that was migrated just so: the same file, without the work.

The migrations themselves are tested in ``tests/core/db``, which makes every file anew, as every child process does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bridge.db.database import Component
from bridge.db.sqlite import Sqlite

Open = Callable[[str, Sequence[Component]], Awaitable[Sqlite]]

_files: dict[tuple[Component, ...], bytes] = {}


def opened(real: Open) -> Open:
    """``real``; where there is no file it finds a migrated one."""

    async def opens(path: str, components: Sequence[Component]) -> Sqlite:
        if Path(path).parent.is_dir() and not Path(path).exists():
            file = await _migrated(real, tuple(components))
            with suppress(OSError):  # whatever is wrong there, the real one says so
                _write(path, file)
        return await real(path, components)

    return opens


async def _migrated(real: Open, components: tuple[Component, ...]) -> bytes:
    if components not in _files:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hub.db"
            await (await real(str(path), components)).close()
            _files[components] = path.read_bytes()
    return _files[components]


def _write(path: str, file: bytes) -> None:
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as new:
        new.write(file)
