"""Loads in SQLite: each a file of its own in a folder beside the hub's database, so that the hub's writer never waits.

``current`` names the one in use; it is replaced as a whole. Every file has a thread of its own.
"""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import orjson

from bridge.db.database import Row
from bridge.errors import Unavailable
from bridge.parts.disk import write_whole
from bridge.people.national.kept.tables import MADE, Bulk, Todo, statements

T = TypeVar("T")
_PRAGMAS = (
    "PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "PRAGMA busy_timeout=10000", "PRAGMA cache_size=-32768",
    "PRAGMA temp_store=FILE", "PRAGMA mmap_size=0",
)  # fmt: skip
_WIDTHS = {"entry": 8, "posting": 4, "mark": 2, "gram": 2}


class FileTables:
    """One load. Statements run in its thread, one after the other."""

    def __init__(self, path: Path, number: int) -> None:
        self.number = number
        self._path = path
        self._thread = ThreadPoolExecutor(1, f"directory-{number}")
        self._statements = statements("sqlite")
        self._connection: sqlite3.Connection | None = None

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._try, work)

    def _try(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = _connect(self._path)
            return work(self._connection)
        except sqlite3.Error as error:
            raise Unavailable("directory", 1.0, alone=True) from error

    async def all(self, name: str, *args: Any) -> Sequence[Row]:
        """See :class:`.tables.Tables`."""
        text = self._statements[name]
        given = [orjson.dumps(one).decode() if isinstance(one, list) else one for one in args]
        return await self._do(lambda connection: connection.execute(text, given).fetchall())

    async def write(self, bulk: Bulk, todo: Todo = ()) -> None:
        """See :class:`.tables.Tables`."""
        await self._do(lambda connection: self._write(connection, bulk, todo))

    def _write(self, connection: sqlite3.Connection, bulk: Bulk, todo: Todo) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for table, rows in bulk.items():
                marks = ", ".join("?" * _WIDTHS[table])
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608  (no value)
            for name, rows in todo:
                connection.executemany(self._statements[name], rows)
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    async def change(self, statements: Sequence[str]) -> None:
        """See :class:`.tables.Tables`."""
        for name in statements:
            text = self._statements[name]
            await self._do(lambda connection, text=text: connection.execute(text).close())  # type: ignore[misc]

    async def settle(self) -> None:
        """Everything is in the file itself and on the disk."""
        await self._do(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close())

    async def close(self) -> None:
        """See :class:`.tables.Tables`."""
        with suppress(Unavailable):
            await self._do(lambda connection: connection.close())
        self._thread.shutdown(wait=False)


class FileLoads:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def current(self) -> int | None:
        """See :class:`.tables.Loads`."""
        try:
            return int((self.folder / "current").read_text("ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Unavailable("directory", 1.0, alone=True) from error

    async def open(self, number: int) -> FileTables:
        """See :class:`.tables.Loads`."""
        if not self._path(number).exists():  # (SQLite would make an empty one)
            raise Unavailable("directory", 1.0, alone=True)
        return FileTables(self._path(number), number)

    async def draft(self) -> FileTables:
        """See :class:`.tables.Loads`."""
        number = (await self.current() or 0) + 1
        path = self._path(number)
        path.touch(0o600)
        tables = FileTables(path, number)
        await tables.change(MADE)
        return tables

    async def publish(self, number: int) -> None:
        """See :class:`.tables.Loads`."""
        tables = await self.open(number)
        await tables.settle()
        await tables.close()
        await asyncio.to_thread(write_whole, self.folder / "current", b"%d\n" % number)

    async def tidy(self) -> None:
        """See :class:`.tables.Loads`."""
        current = await self.current()
        for path in self.folder.glob("load-*"):
            if current is None or not path.name.startswith(self._path(current).name):
                path.unlink()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """See :class:`.tables.Loads`."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = open(self.folder / "lock", "wb")  # noqa: ASYNC230, SIM115  (held for the block)
        except OSError as error:
            raise Unavailable("directory", 1.0, alone=True) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Unavailable("directory_in_use") from None
            yield

    async def close(self) -> None:
        """See :class:`.tables.Loads`."""

    def _path(self, number: int) -> Path:
        return self.folder / f"load-{number}.db"


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    connection.row_factory = sqlite3.Row
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    return connection
