"""A database without the hub's statements: every table as it is, for what is asked once in a while. No hub runs."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from typing import Any, Protocol

from bridge.db import Row, is_server, present
from bridge.db.postgres.lease import fence_call
from bridge.db.postgres.reaching import reach, reaching


class Whole(Protocol):
    """One connection; parameters are ``$1``, ``$2`` …"""

    async def rows(self, sql: str, *args: Any) -> list[Row]:
        """What a statement gives."""

    async def change(self, sql: str, *args: Any) -> int:
        """How many rows a statement has changed."""

    async def columns(self) -> dict[str, list[str]]:
        """The columns of every table that hold text."""

    async def begin(self) -> None:
        """Begin a transaction."""

    async def commit(self) -> None:
        """Everything since then is on disk."""

    async def clean(self, tables: Sequence[str]) -> list[str]:
        """Write these tables anew, so that nothing that was erased lies in a file; says what could not be done."""


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    async def rows(self, sql: str, *args: Any) -> list[Row]:
        return self._db.execute(_marks(sql), args).fetchall()

    async def change(self, sql: str, *args: Any) -> int:
        return self._db.execute(_marks(sql), args).rowcount

    async def columns(self) -> dict[str, list[str]]:
        tables = await self.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        infos = {one["name"]: await self.rows(f"PRAGMA table_info({one['name']})") for one in tables}
        return {name: [c["name"] for c in info if c["type"] == "TEXT"] for name, info in infos.items()}

    async def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        self._db.execute("COMMIT")

    async def clean(self, tables: Sequence[str]) -> list[str]:
        for step in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            self._db.execute(step).fetchall()
        return []


def _marks(sql: str) -> str:
    return sql.replace("$", "?")


class _Postgres:
    def __init__(self, connection: Any, fence: int | None) -> None:
        self._db, self._fence = connection, fence

    async def rows(self, sql: str, *args: Any) -> list[Row]:
        return list(await self._db.fetch(sql, *args))

    async def change(self, sql: str, *args: Any) -> int:
        return int((await self._db.execute(sql, *args)).rpartition(" ")[2])

    async def columns(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in await self.rows(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
        ):
            texts = found.setdefault(row["table_name"], [])
            texts += [row["column_name"]] if row["data_type"] == "text" else []
        return found

    async def begin(self) -> None:
        await self._db.execute("BEGIN")
        if self._fence is not None:
            with reaching():
                await self._db.execute(fence_call(self._fence))

    async def commit(self) -> None:
        await self._db.execute("COMMIT")

    async def clean(self, tables: Sequence[str]) -> list[str]:
        import asyncpg

        for table in tables:
            await self._db.execute(f"VACUUM (FULL, ANALYZE) {table}")
        missing = []
        for step in ("VACUUM FULL pg_statistic", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT"):
            try:
                await self._db.execute(step)
            except asyncpg.InsufficientPrivilegeError:
                missing.append(step)
        return missing


@asynccontextmanager
async def whole(url: str, fence: int | None) -> AsyncIterator[Whole]:
    """Beside the hub's own connections, which keep a running hub out: ``fence`` is their number of the lease.

    Raises Unavailable, also when another process has taken the database over.
    """
    if not is_server(url):
        with closing(sqlite3.connect(present(url), isolation_level=None, timeout=10)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA secure_delete=ON")
            yield _Sqlite(db)
        return
    connection = await reach(url)
    try:
        yield _Postgres(connection, fence)
    finally:
        with suppress(Exception):
            await connection.close(timeout=5)
