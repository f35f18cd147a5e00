"""Databases filled with a large hub, and how much of them a statement looks at: a number without a clock.

SQLite: instructions of its virtual machine. PostgreSQL: pages that the plan touched.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import asyncpg

from bridge.db import read_migrations, read_statements
from tests.core.db.versions import COMPONENTS
from tests.growth.large import Table


class Filled(Protocol):
    """A database that can be measured."""

    async def fill(self, tables: Mapping[str, Table]) -> None:
        """Write these rows."""

    async def cost(self, name: str, *args: Any) -> tuple[int, int]:
        """How much a named statement looks at, and how many rows it gives; what it changes is taken back."""

    async def close(self) -> None:
        """Let go."""


class InSqlite:
    """In memory."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.statements = {k: v for c in COMPONENTS for k, v in read_statements(c, "sqlite").items()}
        for component in COMPONENTS:
            for _, text in read_migrations(component, "sqlite"):
                self.connection.executescript(text)

    async def fill(self, tables: Mapping[str, Table]) -> None:
        """See Filled."""
        self.connection.execute("BEGIN")
        for table, (columns, rows) in tables.items():
            places = ",".join("?" * len(columns.split(",")))
            self.connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)
        self.connection.execute("COMMIT")

    async def cost(self, name: str, *args: Any) -> tuple[int, int]:
        """See Filled."""
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        self.connection.execute("BEGIN")
        self.connection.set_progress_handler(step, 1)
        rows = self.connection.execute(self.statements[name], args).fetchall()
        self.connection.set_progress_handler(None, 1)
        self.connection.execute("ROLLBACK")
        return steps, len(rows)

    async def close(self) -> None:
        """See Filled."""
        self.connection.close()


class InPostgres:
    """In a database of its own."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.statements = {k: v for c in COMPONENTS for k, v in read_statements(c, "postgresql").items()}

    @classmethod
    async def open(cls, url: str) -> InPostgres:
        """Connect and make the tables."""
        connection = await asyncpg.connect(url)
        for component in COMPONENTS:
            for _, text in read_migrations(component, "postgresql"):
                await connection.execute(text)
        return cls(connection)

    async def fill(self, tables: Mapping[str, Table]) -> None:
        """See Filled."""
        for table, (columns, rows) in tables.items():
            await self.connection.copy_records_to_table(table, records=rows, columns=columns.split(", "))
        await self.connection.execute("VACUUM ANALYZE")

    async def cost(self, name: str, *args: Any) -> tuple[int, int]:
        """See Filled."""
        transaction = self.connection.transaction()
        await transaction.start()
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {self.statements[name]}"
        plan = json.loads(await self.connection.fetchval(explain, *args))[0]["Plan"]
        await transaction.rollback()
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]), int(plan["Actual Rows"])

    async def close(self) -> None:
        """See Filled."""
        await self.connection.close()


def grew(small: Sequence[int], large: Sequence[int]) -> bool:
    """Whether the cost of a statement that gives as many rows as before has grown by more than a deeper tree."""
    return large[0] > 2 * small[0] + 20 or large[1] != small[1]
