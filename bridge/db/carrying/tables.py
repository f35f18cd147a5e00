"""What tables there are, as the migrations make them, and a sum of a table's rows that both engines agree on."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from bridge.db.database import Component, read_migrations

Rows = Sequence[Sequence[Any]]
_WHOLE = 1 << 256
_BYTES = ("BLOB", "BYTEA")


@dataclass(frozen=True, slots=True)
class Table:
    """One table. ``kinds``: of the columns, int, str or bytes. ``key``: of the primary key's columns, in order."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[type, ...]
    key: tuple[str, ...]

    @property
    def numbered(self) -> str | None:
        """The column that a database may number by itself."""
        (first, *others) = self.key
        return first if not others and self.kinds[self.columns.index(first)] is int else None


@dataclass(frozen=True, slots=True)
class Sum:
    """How many rows, and the sum of their hashes: the same in whatever order they come."""

    rows: int = 0
    hash: int = 0

    def with_rows(self, rows: Rows) -> Sum:
        """These as well."""
        total = self.hash
        for row in rows:
            total += int.from_bytes(hashlib.sha256(b"".join(_marked(value) for value in row)).digest())
        return Sum(self.rows + len(rows), total % _WHOLE)

    def __str__(self) -> str:
        return f"{self.rows}:{self.hash:064x}"


def _marked(value: Any) -> bytes:
    if value is None:
        return b"-"
    if isinstance(value, int):
        text = b"%d" % value
        return b"i%d:%b" % (len(text), text)
    raw = value.encode() if isinstance(value, str) else bytes(value)
    return b"%b%d:%b" % (b"s" if isinstance(value, str) else b"b", len(raw), raw)


def tables_of(components: Iterable[Component]) -> list[Table]:
    """Every table that these components have now, those that others refer to first."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for component in components:
            for _, text in read_migrations(component, "sqlite"):
                db.executescript(text)
        return tables_in(db)


def tables_in(db: sqlite3.Connection) -> list[Table]:
    """Every table of an SQLite database, those that others refer to first; not the list of its migrations."""
    names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    referred = {row[2] for name in names for row in db.execute(f"PRAGMA foreign_key_list({name})")}
    found = [_table(db, name) for name in names if not name.startswith("sqlite_") and not name.startswith("migration")]
    return sorted(found, key=lambda table: (table.name not in referred, table.name))


def _table(db: sqlite3.Connection, name: str) -> Table:
    info = db.execute(f"PRAGMA table_info({name})").fetchall()
    kinds = tuple(bytes if kind in _BYTES else str if kind == "TEXT" else int for _, _, kind, *_ in info)
    key = [column for _, column, *_, place in sorted(info, key=lambda row: row[5]) if place]
    return Table(name, tuple(row[1] for row in info), kinds, tuple(key))
