"""Both ends of a carriage, for each engine: rows are read in one snapshot, and written in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from bridge.db.carrying.tables import Rows, Table
from bridge.db.postgres.lease import fence_call
from bridge.db.postgres.reaching import reach, reaching

PAGE = 500  # rows in memory
_PLACES = "message_place"  # the order of messages, of PostgreSQL only


class End(Protocol):
    """A database that is read, or written, as a whole."""

    def pages(self, table: Table) -> AsyncGenerator[Rows]:
        """All rows of a table as of one moment, a page at a time."""

    async def numbers(self, tables: Sequence[Table]) -> dict[str, int]:
        """The last number that the database has given by itself, by table."""

    async def begin(self) -> None:
        """One transaction begins, in which no trigger writes anything."""

    async def put(self, table: Table, rows: Rows) -> None:
        """Write these."""

    async def go_on(self, tables: Sequence[Table], numbers: Mapping[str, int]) -> None:
        """Number after these."""

    async def commit(self) -> None:
        """All of it is there from now on."""

    async def close(self) -> None:
        """What was not committed is not there."""


class SqliteEnd:
    """A file. ``readonly``: a hub may be writing to it."""

    def __init__(self, path: str, *, readonly: bool = False) -> None:
        mode = "ro" if readonly else "rw"
        self._db = sqlite3.connect(f"file:{quote(path)}?mode={mode}", uri=True, isolation_level=None)
        self._triggers: list[str] = []
        if readonly:
            self._db.execute("BEGIN")

    async def pages(self, table: Table) -> AsyncGenerator[Rows]:
        """See :class:`End`."""
        cursor = self._db.execute(_all_of(table))
        while rows := cursor.fetchmany(PAGE):
            yield rows

    async def numbers(self, tables: Sequence[Table]) -> dict[str, int]:
        """See :class:`End`."""
        return {name: int(last) for name, last in self._db.execute("SELECT name, seq FROM sqlite_sequence")}

    async def begin(self) -> None:
        """See :class:`End`."""
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.execute("BEGIN IMMEDIATE")
        for name, text in self._db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall():
            self._triggers.append(text)
            self._db.execute(f"DROP TRIGGER {name}")

    async def put(self, table: Table, rows: Rows) -> None:
        """See :class:`End`."""
        marks = ", ".join("?" * len(table.columns))
        into = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})"  # noqa: S608 (names of ours)
        self._db.executemany(into, rows)

    async def go_on(self, tables: Sequence[Table], numbers: Mapping[str, int]) -> None:
        """See :class:`End`."""
        counted = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
        for (name,) in self._db.execute(counted).fetchall():
            self._db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, numbers.get(name, 0)))

    async def commit(self) -> None:
        """See :class:`End`."""
        for text in self._triggers:
            self._db.execute(text)
        self._db.execute("COMMIT")

    async def close(self) -> None:
        """See :class:`End`."""
        self._db.close()


class PostgresEnd:
    """A server's database, by one connection."""

    def __init__(self, connection: Any, transaction: Any, fence: int | None) -> None:
        self._connection, self._transaction, self._fence = connection, transaction, fence
        self._silent: list[str] = []

    @classmethod
    async def open(cls, url: str, *, readonly: bool = False, fence: int | None = None) -> PostgresEnd:
        """Connect; ``readonly``: everything is seen as of now; else it is written under this number of the lease.

        Raises Unavailable, BadAddress, and what asyncpg raises.
        """
        connection = await reach(url)
        isolation = "repeatable_read" if readonly else "read_committed"  # a snapshot would not see the next holder
        transaction = connection.transaction(isolation=isolation, readonly=readonly)
        await transaction.start()
        return cls(connection, transaction, fence)

    async def pages(self, table: Table) -> AsyncGenerator[Rows]:
        """See :class:`End`."""
        name = f"carried_{table.name}"  # a text of its own: each gives other columns
        await self._connection.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {_all_of(table)}")
        try:
            while rows := await self._connection.fetch(f"FETCH {PAGE} FROM {name}"):
                yield [tuple(row) for row in rows]
        finally:
            if not self._connection.is_closed():
                await self._connection.execute(f"CLOSE {name}")

    async def numbers(self, tables: Sequence[Table]) -> dict[str, int]:
        """See :class:`End`."""
        found = {}
        for table in tables:
            if (sequence := await self._sequence(table)) is not None:
                row = await self._connection.fetchrow(f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608
                found[table.name] = int(row["last_value"]) if row["is_called"] else 0
        return found

    async def _sequence(self, table: Table) -> str | None:
        if table.numbered is None:
            return None
        found = await self._connection.fetchval("SELECT pg_get_serial_sequence($1, $2)", table.name, table.numbered)
        return None if found is None else str(found)

    async def begin(self) -> None:
        """See :class:`End`. It has begun with the connection.

        From here on whoever takes the lease over waits, or ends this.
        """
        if self._fence is not None:
            with reaching():
                await self._connection.execute(fence_call(self._fence))
        rows = await self._connection.fetch(
            "SELECT DISTINCT tgrelid::regclass::text AS name FROM pg_trigger WHERE NOT tgisinternal"
            " AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)"
        )
        self._silent = [row["name"] for row in rows]
        for name in self._silent:
            await self._connection.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")

    async def put(self, table: Table, rows: Rows) -> None:
        """See :class:`End`."""
        await self._connection.copy_records_to_table(table.name, records=rows, columns=table.columns)

    async def go_on(self, tables: Sequence[Table], numbers: Mapping[str, int]) -> None:
        """See :class:`End`."""
        for table in tables:
            if (sequence := await self._sequence(table)) is not None:
                await self._number(
                    sequence, max(await self._most(table.name, table.numbered), numbers.get(table.name, 0))
                )
        if await self._connection.fetchval("SELECT to_regclass($1) IS NOT NULL", _PLACES):
            await self._number(_PLACES, await self._most("message", "pos"))

    async def _most(self, table: str, column: str | None) -> int:
        return int(await self._connection.fetchval(f"SELECT COALESCE(MAX({column}), 0) FROM {table}"))  # noqa: S608

    async def _number(self, sequence: str, last: int) -> None:
        await self._connection.fetchval("SELECT setval($1::regclass, $2, $3)", sequence, max(last, 1), last > 0)

    async def commit(self) -> None:
        """See :class:`End`."""
        for name in self._silent:
            await self._connection.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")
        await self._transaction.commit()

    async def close(self) -> None:
        """See :class:`End`."""
        await self._connection.close()


def _all_of(table: Table) -> str:
    return f"SELECT {', '.join(table.columns)} FROM {table.name}"  # noqa: S608 (names of our own migrations)


async def end_of(url: str, *, readonly: bool = False, fence: int | None = None) -> End:
    """One end, by its address; ``fence``: the number of the lease under which it is written.

    Raises Unavailable, BadAddress, and what the engine raises.
    """
    if url.startswith("sqlite:///"):
        return SqliteEnd(url.removeprefix("sqlite:///"), readonly=readonly)
    return await PostgresEnd.open(url, readonly=readonly, fence=fence)
