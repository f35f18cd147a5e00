"""Loads in PostgreSQL: each a schema of its own in the hub's database, on connections of its own.

The table ``liaison_directory.current`` names the one in use. No extension is needed.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from bridge.db.database import Counts, Row
from bridge.db.postgres.connections import AWAY, Connections
from bridge.errors import Unavailable
from bridge.people.national.kept.tables import MADE, Bulk, Todo, statements

_SCHEMA = "liaison_directory"
_LOCK = zlib.crc32(b"liaison directory")
_CONNECTIONS = 4
_PATIENCE = 3600.0  # s for an index
_MAKE = f"""
CREATE SCHEMA IF NOT EXISTS {_SCHEMA};
CREATE TABLE IF NOT EXISTS {_SCHEMA}.current (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL)
"""
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


class SchemaTables:
    """One load."""

    def __init__(self, url: str, number: int) -> None:
        self.number = number
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
        async with working(self._connections) as connection, connection.transaction():
            for table, rows in bulk.items():
                await connection.copy_records_to_table(table, records=rows, columns=_COLUMNS[table], timeout=_PATIENCE)
            for name, rows in todo:
                await connection.executemany(self._statements[name], rows, timeout=_PATIENCE)

    async def change(self, statements: Sequence[str]) -> None:
        """See :class:`.tables.Tables`."""
        async with working(self._connections) as connection:
            for name in statements:
                await connection.execute(self._statements[name], timeout=_PATIENCE)

    async def close(self) -> None:
        """See :class:`.tables.Tables`."""
        await self._connections.close()


class SchemaLoads:
    """The schemas."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connections = Connections(url, 2, Counts())

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
        return SchemaTables(self._url, number)

    async def draft(self) -> SchemaTables:
        """See :class:`.tables.Loads`."""
        number = (await self.current() or 0) + 1
        await self._execute(f"{_MAKE}; CREATE SCHEMA IF NOT EXISTS {_schema(number)}")
        tables = SchemaTables(self._url, number)
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
        try:
            keeper = await asyncpg.connect(self._url)
        except (*AWAY, asyncpg.InvalidCatalogNameError) as error:
            raise Unavailable("database", 1.0, alone=True) from error
        try:
            if not await keeper.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                raise Unavailable("directory_in_use")
            yield
        finally:
            with suppress(Exception):  # the server would see some time later that it has closed
                await keeper.fetchval("SELECT pg_advisory_unlock($1)", _LOCK)
            await keeper.close()

    async def _execute(self, text: str) -> None:
        async with working(self._connections) as connection:
            await connection.execute(text, timeout=_PATIENCE)

    async def close(self) -> None:
        """See :class:`.tables.Loads`."""
        await self._connections.close()


def _schema(number: int) -> str:
    return f"{_SCHEMA}_{number:d}"
