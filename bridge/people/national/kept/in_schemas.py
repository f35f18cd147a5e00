"""Loads in PostgreSQL: each a schema of its own in the hub's database, on connections of its own.

The table ``liaison_directory.current`` names the one in use. No extension is needed.

Whoever writes loads keeps a session's lock, and has a number that grows with each writer (``writer`` beside it).
The lock alone does not fence: its session may be cut off while others of the same process go on. So each transaction
that writes asks for the number and holds its row; the next writer waits for that, and what comes later is refused.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg

from bridge.db.database import Counts, Row
from bridge.db.postgres.connections import AWAY, Connections
from bridge.db.postgres.reaching import reach, reaching
from bridge.errors import Unavailable
from bridge.people.national.kept.tables import MADE, Bulk, Todo, statements

_SCHEMA = "liaison_directory"
_LOCK = zlib.crc32(b"liaison directory")
_CONNECTIONS = 4
_PATIENCE = 3600.0  # s for an index
_WAITS = "5s"  # for what a writer that was cut off has begun: an index may take longer
_MAKE = f"""
CREATE SCHEMA IF NOT EXISTS {_SCHEMA};
CREATE TABLE IF NOT EXISTS {_SCHEMA}.current (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS {_SCHEMA}.writer (one INTEGER PRIMARY KEY CHECK (one = 1), fence BIGINT NOT NULL)
"""
_MADE = f"SELECT to_regclass('{_SCHEMA}.current') IS NOT NULL AND to_regclass('{_SCHEMA}.writer') IS NOT NULL"
# At least the time (s since 1970): an older copy of the database gives no number a second time.
_NEXT = f"""
INSERT INTO {_SCHEMA}.writer VALUES (1, extract(epoch FROM clock_timestamp())::bigint)
ON CONFLICT (one) DO UPDATE SET fence = greatest(writer.fence + 1, excluded.fence) RETURNING fence
"""  # noqa: S608 (a name of ours)
_FENCE = f"SELECT 1 FROM {_SCHEMA}.writer WHERE fence = $1 FOR SHARE"  # noqa: S608 (a name of ours)
_COLUMNS = {
    "entry": ("number", "id", "rank", "print", "standing", "since", "said", "lines"),
    "posting": ("word", "part", "many", "docs"), "mark": ("word", "number"), "gram": ("gram", "words"),
}  # fmt: skip


@asynccontextmanager
async def working(connections: Connections) -> AsyncIterator[Any]:
    """A connection for the time of the block; it is not used again if that fails. Raises Unavailable."""
    try:
        connection = await connections.take()
        try:
            yield connection
        except BaseException:
            connections.drop(connection)
            raise
        connections.give_back(connection)
    except AWAY as error:
        raise Unavailable("directory", 1.0, alone=True) from error


@dataclass(slots=True)
class Fence:
    """The number of whoever writes loads in this process; None: nobody does."""

    number: int | None = None

    @asynccontextmanager
    async def writing(self, connections: Connections) -> AsyncIterator[Any]:
        """A transaction of the one writer. Raises Unavailable, also where another one has begun."""
        async with working(connections) as connection, connection.transaction():
            if self.number is None or await connection.fetchval(_FENCE, self.number) is None:
                raise Unavailable("directory_in_use")
            yield connection


class SchemaTables:
    """One load."""

    def __init__(self, url: str, number: int, fence: Fence) -> None:
        self.number = number
        self._fence = fence
        within = "&" if "?" in url else "?"
        self._connections = Connections(f"{url}{within}search_path={_schema(number)}", _CONNECTIONS, Counts())
        self._statements = statements("postgresql")

    async def all(self, name: str, *args: Any) -> Sequence[Row]:
        """See :class:`.tables.Tables`."""
        try:
            return await self._connections.fetch(self._statements[name], args)
        except (*AWAY, asyncpg.UndefinedTableError) as error:
            raise Unavailable("directory", 1.0, alone=True) from error

    async def write(self, bulk: Bulk, todo: Todo = ()) -> None:
        """See :class:`.tables.Tables`."""
        async with self._fence.writing(self._connections) as connection:
            for table, rows in bulk.items():
                await connection.copy_records_to_table(table, records=rows, columns=_COLUMNS[table], timeout=_PATIENCE)
            for name, rows in todo:
                await connection.executemany(self._statements[name], rows, timeout=_PATIENCE)

    async def change(self, statements: Sequence[str]) -> None:
        """See :class:`.tables.Tables`."""
        for text in (self._statements[name] for name in statements):
            upkeep = text.startswith("VACUUM")  # it changes nothing, and runs in no transaction
            doing = working(self._connections) if upkeep else self._fence.writing(self._connections)
            async with doing as connection:
                await connection.execute(text, timeout=_PATIENCE)

    async def close(self) -> None:
        """See :class:`.tables.Tables`."""
        await self._connections.close()


class SchemaLoads:
    """The schemas."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connections = Connections(url, 2, Counts())
        self._fence = Fence()

    async def current(self) -> int | None:
        """See :class:`.tables.Loads`."""
        try:
            row = await self._connections.fetch_one(f"SELECT number FROM {_SCHEMA}.current", ())  # noqa: S608
        except asyncpg.UndefinedTableError:
            return None
        except AWAY as error:
            raise Unavailable("directory", 1.0, alone=True) from error
        return None if row is None else int(row["number"])

    async def open(self, number: int) -> SchemaTables:
        """See :class:`.tables.Loads`."""
        return SchemaTables(self._url, number, self._fence)

    async def draft(self) -> SchemaTables:
        """See :class:`.tables.Loads`."""
        number = (await self.current() or 0) + 1
        await self._execute(f"CREATE SCHEMA IF NOT EXISTS {_schema(number)}")
        tables = SchemaTables(self._url, number, self._fence)
        await tables.change(MADE)
        return tables

    async def publish(self, number: int) -> None:
        """See :class:`.tables.Loads`."""
        await self._execute(
            f"INSERT INTO {_SCHEMA}.current VALUES (1, {number:d})"  # noqa: S608
            " ON CONFLICT (one) DO UPDATE SET number = excluded.number"
        )

    async def tidy(self) -> None:
        """See :class:`.tables.Loads`."""
        current = await self.current()
        try:
            rows = await self._connections.fetch(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE $1", (f"{_SCHEMA}_%",)
            )
        except AWAY as error:
            raise Unavailable("directory", 1.0, alone=True) from error
        for name in {str(row["nspname"]) for row in rows}:
            if name.removeprefix(f"{_SCHEMA}_").isdigit() and (current is None or name != _schema(current)):
                await self._execute(f"DROP SCHEMA {name} CASCADE")

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """See :class:`.tables.Loads`."""
        keeper = await reach(self._url)
        try:
            with reaching():
                self._fence.number = await _begun(keeper)
            yield
        finally:
            self._fence.number = None
            with suppress(Exception):  # the server would see some time later that it has closed
                await keeper.fetchval("SELECT pg_advisory_unlock($1)", _LOCK)
            await keeper.close()

    async def _execute(self, text: str) -> None:
        async with self._fence.writing(self._connections) as connection:
            await connection.execute(text, timeout=_PATIENCE)

    async def close(self) -> None:
        """See :class:`.tables.Loads`."""
        await self._connections.close()


async def _begun(keeper: Any) -> int:
    """The number of a new writer. Raises Unavailable: another one writes, or what it has begun is not over yet."""
    if not await keeper.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        raise Unavailable("directory_in_use")
    if not await keeper.fetchval(_MADE):
        await keeper.execute(_MAKE)
    try:
        async with keeper.transaction():
            await keeper.execute(f"SET LOCAL lock_timeout = '{_WAITS}'")
            return int(await keeper.fetchval(_NEXT))
    except asyncpg.LockNotAvailableError:
        raise Unavailable("directory_in_use") from None


def _schema(number: int) -> str:
    return f"{_SCHEMA}_{number:d}"
