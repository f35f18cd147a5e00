"""Reads a trail beside the hub that writes it: a second process reads, and locks and changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any, Protocol
from urllib.parse import quote

from bridge.db import Row, is_server, present, read_statements
from bridge.errors import Unavailable
from bridge.trail.chain import ChainRow
from bridge.trail.checkpoints import Checkpoint
from bridge.trail.entry import COMPONENT

PAGE = 1000


class Reads(Protocol):
    """One statement, its rows."""

    async def all(self, name: str, *args: Any) -> list[Row]:
        """Every row of a named statement."""


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._statements = connection, read_statements(COMPONENT, "sqlite")

    async def all(self, name: str, *args: Any) -> list[Row]:
        return self._connection.execute(self._statements[name], args).fetchall()


class _Postgres:
    def __init__(self, connection: Any) -> None:
        self._connection, self._statements = connection, read_statements(COMPONENT, "postgresql")

    async def all(self, name: str, *args: Any) -> list[Row]:
        return list(await self._connection.fetch(self._statements[name], *args))


@asynccontextmanager
async def beside(url: str) -> AsyncIterator[Reads]:
    """The database of a hub, read only, as it is at this moment. Raises Unavailable, BadAddress."""
    if not is_server(url):
        path = present(url)
        try:
            with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)) as db:
                db.row_factory = sqlite3.Row
                db.execute("PRAGMA query_only=ON")
                db.execute("BEGIN")
                yield _Sqlite(db)
        except sqlite3.Error as error:
            raise Unavailable("database") from error
        return
    from bridge.db.postgres.reaching import reach

    connection = await reach(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield _Postgres(connection)
    finally:
        await connection.close(timeout=5)


async def rows_after(db: Reads, number: int) -> AsyncIterator[ChainRow]:
    """The rows of a chain after a number, a page at a time."""
    while page := await db.all("trail.rows", number, PAGE):
        for row in page:
            yield ChainRow(int(row["number"]), bytes(row["hash"]), row["body"])
        number = int(page[-1]["number"])


async def checkpoints_after(db: Reads, number: int) -> AsyncIterator[tuple[Checkpoint, str | None]]:
    """The checkpoints after a number with their signed form."""
    while page := await db.all("trail.checkpoints", number, PAGE):
        for row in page:
            found = Checkpoint(int(row["number"]), bytes(row["hash"]), int(row["at"]), bool(row["closing"]))
            yield found, row["jws"]
        number = int(page[-1]["number"])
