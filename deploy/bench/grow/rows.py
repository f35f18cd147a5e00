"""The rows of a hub's database, read and written by the thousand, on both engines; the hub does not run meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg

from deploy.bench.grow.sheet import Cells

Row = tuple[Any, ...]
_SHEET = "copies"
_MANY = 20_000  # copies
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

    async def prepare(self, tables: Sequence[Table], copies: int) -> None:
        """So many copies are about to be written into these tables."""

    async def sheet(self, kinds: Mapping[str, type], rows: Iterable[Row]) -> None:
        """Have these copies in the sheet, and no others."""

    async def spread(self, table: Table, cells: Cells) -> int:
        """Add a row for each copy of the sheet, without the triggers; gives how many."""

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

    async def prepare(self, tables: Sequence[Table], copies: int) -> None:
        """See Rows."""

    async def sheet(self, kinds: Mapping[str, type], rows: Iterable[Row]) -> None:
        """See Rows."""
        columns = ", ".join(
            ["k INTEGER", *(f"{name} {'BLOB' if kind is bytes else 'TEXT'}" for name, kind in kinds.items())]
        )
        self._db.execute(f"DROP TABLE IF EXISTS temp.{_SHEET}")
        self._db.execute(f"CREATE TEMP TABLE {_SHEET} ({columns})")
        text = f"INSERT INTO {_SHEET} VALUES ({', '.join('?' * (len(kinds) + 1))})"
        await asyncio.to_thread(lambda: self._db.executemany(text, rows))

    async def spread(self, table: Table, cells: Cells) -> int:
        """See Rows."""
        rows = cells.select(_SHEET, lambda value: _literal(value, "x'{}'"))
        return await asyncio.to_thread(lambda: self._db.execute(f"INSERT INTO main.{table.name} {rows}").rowcount)

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

_CONSTRAINTS = """
SELECT conrelid::regclass::text AS on, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS text
FROM pg_constraint WHERE contype IN ('f', 'p', 'u')
  AND ARRAY[conrelid, confrelid] && ARRAY(SELECT n::regclass::oid FROM unnest($1::text[]) n)
ORDER BY contype <> 'f'
"""
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS text
FROM pg_index WHERE indrelid IN (SELECT n::regclass FROM unnest($1::text[]) n)
"""


class PostgresRows:
    """See :class:`Rows`; on a server of ours, whose superuser may leave triggers and foreign keys out."""

    def __init__(self, connection: Any) -> None:
        self._db = connection
        self._later: list[str] = []  # statements that build what was taken away for the time of the writing

    @classmethod
    async def open(cls, url: str) -> PostgresRows:
        """Connect."""
        connection = await asyncpg.connect(url)
        for setting in (
            "session_replication_role = replica",
            "synchronous_commit = off",
            "maintenance_work_mem = '1GB'",
        ):
            await connection.execute(f"SET {setting}")
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

    async def prepare(self, tables: Sequence[Table], copies: int) -> None:
        """See Rows; an index is built at once rather than row by row, where the rows are many."""
        if copies < _MANY or self._later:
            return
        for row in await self._db.fetch(_CONSTRAINTS, [t.name for t in tables]):
            await self._db.execute(f"ALTER TABLE {row['on']} DROP CONSTRAINT {row['name']}")
            self._later.insert(0, f"ALTER TABLE {row['on']} ADD CONSTRAINT {row['name']} {row['text']}")
        for row in await self._db.fetch(_INDEXES, [t.name for t in tables]):
            await self._db.execute(f"DROP INDEX {row['name']}")
            self._later.append(row["text"])

    async def sheet(self, kinds: Mapping[str, type], rows: Iterable[Row]) -> None:
        """See Rows."""
        columns = ", ".join(
            ["k BIGINT", *(f"{name} {'BYTEA' if kind is bytes else 'TEXT'}" for name, kind in kinds.items())]
        )
        await self._db.execute(f"DROP TABLE IF EXISTS pg_temp.{_SHEET}; CREATE TEMP TABLE {_SHEET} ({columns})")
        await self._db.copy_records_to_table(_SHEET, records=rows)

    async def spread(self, table: Table, cells: Cells) -> int:
        """See Rows."""
        rows = cells.select(_SHEET, lambda value: _literal(value, "'\\x{}'::bytea"))
        done = await self._db.execute(f"INSERT INTO {table.name} OVERRIDING SYSTEM VALUE {rows}")
        return int(done.split()[-1])

    async def size(self) -> int:
        """See Rows."""
        return int(await self._db.fetchval("SELECT pg_database_size(current_database())"))

    async def close(self) -> None:
        """See Rows."""
        for text in self._later:
            await self._db.execute(text)
        await self._db.execute("VACUUM ANALYZE")
        await self._db.close()


def _literal(value: Any, binary: str) -> str:
    """A value in a statement."""
    if isinstance(value, bytes):
        return binary.format(value.hex())
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "NULL" if value is None else repr(value)


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
