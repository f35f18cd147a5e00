"""The rows of a hub's database, read and written by the thousand, on both engines; the hub does not run meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import asyncpg

Row = tuple[Any, ...]
_AT_ONCE = 20_000  # rows in one COPY
_CACHE = "PRAGMA cache_size=-2000000"  # KiB: the whole index of many rows


@dataclass(frozen=True, slots=True)
class Table:
    """A table's columns in their order; ``key``: its primary key; ``unique``: columns of any unique index."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    unique: frozenset[str]

    def at(self, column: str) -> int:
        """The place of a column."""
        return self.columns.index(column)


class Rows(Protocol):
    """One database, open for nobody else."""

    async def tables(self) -> list[Table]:
        """Every table of the hub."""

    async def all(self, table: Table) -> list[Row]:
        """All rows of a (small) table."""

    async def largest(self, table: Table, column: str) -> int:
        """The largest number in a column; 0 without rows."""

    async def write(self, table: Table, rows: Iterable[Row]) -> int:
        """Add rows, without the triggers; gives how many."""

    async def size(self) -> int:
        """Bytes of the database on the disk, once everything is in its place."""

    async def close(self) -> None:
        """Let the hub have it again."""


class SqliteRows:
    """See :class:`Rows`."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in (_CACHE, "PRAGMA synchronous=OFF", "PRAGMA foreign_keys=OFF"):
            self._db.execute(pragma)
        self._triggers = self._db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        self._db.execute("BEGIN")
        for name, _ in self._triggers:
            self._db.execute(f"DROP TRIGGER {name}")

    async def tables(self) -> list[Table]:
        """See Rows."""
        names = self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return [self._table(name) for (name,) in names.fetchall()]

    def _table(self, name: str) -> Table:
        columns = self._db.execute(f"PRAGMA table_info({name})").fetchall()
        key = tuple(c[1] for c in sorted((c for c in columns if c[5]), key=lambda c: c[5]))
        unique = set(key)
        for _, index, is_unique, *_ in self._db.execute(f"PRAGMA index_list({name})").fetchall():
            if is_unique:
                unique |= {c[2] for c in self._db.execute(f"PRAGMA index_info({index})") if c[2]}
        return Table(name, tuple(c[1] for c in columns), key, frozenset(unique))

    async def all(self, table: Table) -> list[Row]:
        """See Rows."""
        return self._db.execute(f"SELECT * FROM {table.name}").fetchall()

    async def largest(self, table: Table, column: str) -> int:
        """See Rows."""
        return int(self._db.execute(f"SELECT COALESCE(MAX({column}), 0) FROM {table.name}").fetchone()[0])

    async def write(self, table: Table, rows: Iterable[Row]) -> int:
        """See Rows."""
        places = ",".join("?" * len(table.columns))
        text = f"INSERT INTO {table.name} VALUES ({places})"
        return await asyncio.to_thread(lambda: self._db.executemany(text, rows).rowcount)

    async def size(self) -> int:
        """See Rows."""
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    async def close(self) -> None:
        """See Rows."""
        for _, text in self._triggers:
            self._db.execute(text)
        self._db.execute("COMMIT")
        await asyncio.to_thread(lambda: self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        self._db.close()


_SHAPES = """
SELECT c.relname AS name,
  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum) AS columns,
  ARRAY(SELECT a.attname::text FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(n, place)
        JOIN pg_attribute a ON a.attnum = k.n WHERE i.indrelid = c.oid AND a.attrelid = c.oid AND i.indisprimary
        ORDER BY k.place) AS key,
  ARRAY(SELECT a.attname::text FROM pg_index i, unnest(i.indkey) k(n)
        JOIN pg_attribute a ON a.attnum = k.n WHERE i.indrelid = c.oid AND a.attrelid = c.oid AND i.indisunique) AS uniq
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = 'public'
"""


class PostgresRows:
    """See :class:`Rows`; on a server of ours, whose superuser may leave triggers and foreign keys out."""

    def __init__(self, connection: Any) -> None:
        self._db = connection

    @classmethod
    async def open(cls, url: str) -> PostgresRows:
        """Connect."""
        connection = await asyncpg.connect(url)
        await connection.execute("SET session_replication_role = replica")
        return cls(connection)

    async def tables(self) -> list[Table]:
        """See Rows."""
        rows = await self._db.fetch(_SHAPES)
        return [Table(r["name"], tuple(r["columns"]), tuple(r["key"]), frozenset(r["uniq"])) for r in rows]

    async def all(self, table: Table) -> list[Row]:
        """See Rows."""
        return [tuple(row) for row in await self._db.fetch(f"SELECT * FROM {table.name}")]

    async def largest(self, table: Table, column: str) -> int:
        """See Rows."""
        return int(await self._db.fetchval(f"SELECT COALESCE(MAX({column}), 0) FROM {table.name}"))

    async def write(self, table: Table, rows: Iterable[Row]) -> int:
        """See Rows."""
        done, left = 0, iter(rows)
        while some := list(islice(left, _AT_ONCE)):
            await self._db.copy_records_to_table(table.name, records=some, columns=table.columns)
            done += len(some)
        return done

    async def size(self) -> int:
        """See Rows."""
        return int(await self._db.fetchval("SELECT pg_database_size(current_database())"))

    async def close(self) -> None:
        """See Rows."""
        await self._db.execute("VACUUM ANALYZE")
        await self._db.close()


async def opened(url: str) -> Rows:
    """The rows of the database that the configuration names by this URL."""
    if url.startswith("sqlite:///"):
        return SqliteRows(url.removeprefix("sqlite:///"))
    return await PostgresRows.open(url)


def kept_by_key(tables: Sequence[Table], read: Sequence[list[Row]]) -> dict[str, set[Row]]:
    """The primary keys that are there, by table; a table without a key has its whole rows."""
    return {t.name: {key_of(t, row) for row in rows} for t, rows in zip(tables, read, strict=True)}


def key_of(table: Table, row: Row) -> Row:
    """The values of a row's primary key."""
    return tuple(row[table.at(c)] for c in table.key) if table.key else row
