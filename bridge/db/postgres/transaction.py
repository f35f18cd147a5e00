"""One transaction on PostgreSQL that asks the server as seldom as it can without anybody seeing a difference.

Statements that give nothing back wait, and are sent together at the end, as one step that is there or not. What only
reads, and no table that a waiting statement writes, sees what it would have seen before: each statement sees what is
committed when it begins (READ COMMITTED). So most transactions have no BEGIN and no COMMIT of their own. Only where
something gives back what it writes, or reads what this transaction has written, one of the server's own is begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from bridge.db.database import Counts, Row
from bridge.db.postgres.commits import Commits
from bridge.db.postgres.connections import Connections
from bridge.db.postgres.together import Statement, Together, Writes

_MANY = 500  # statements that wait at most


class PostgresTx:
    """See :class:`bridge.db.Tx`; ended by :meth:`commit` or :meth:`undo`."""

    def __init__(
        self, connections: Connections, commits: Commits, statements: Mapping[str, Statement], together: Together,
        counts: Counts,
    ) -> None:  # fmt: skip
        self._connections = connections
        self._commits = commits
        self._statements = statements
        self._together = together
        self._counts = counts
        self._waiting: list[tuple[str, Sequence[Any]]] = []
        self._touched: set[str] = set()  # tables that what waits will write
        self._connection: Any | None = None  # once a transaction of the server's own has begun

    async def all(self, name: str, *args: Any) -> list[Row]:
        """See :class:`bridge.db.Tx`."""
        statement = self._counted(name)
        if self._sees_the_same(statement):
            return await self._connections.fetch(statement.text, args)
        connection = await self._in_order()
        return list(await connection.fetch(statement.text, *args))

    async def one(self, name: str, *args: Any) -> Row | None:
        """See :class:`bridge.db.Tx`."""
        statement = self._counted(name)
        if self._sees_the_same(statement):
            return await self._connections.fetch_one(statement.text, args)
        connection = await self._in_order()
        row: Row | None = await connection.fetchrow(statement.text, *args)
        return row

    async def run(self, name: str, *args: Any) -> None:
        """See :class:`bridge.db.Tx`."""
        await self._write(name, [args])

    async def many(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """See :class:`bridge.db.Tx`."""
        await self._write(name, rows)

    async def _write(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        statement = self._counted(name)
        if len(rows) > _MANY or name not in self._together.steps:
            connection = await self._in_order()
            await connection.executemany(statement.text, rows)
            return
        self._waiting += [(name, row) for row in rows]
        self._touched |= statement.writes
        if len(self._waiting) > _MANY:
            await self._send(await self._begun())

    async def commit(self) -> None:
        """Everything is on the server's disk when this returns."""
        if self._connection is not None:
            await self._send(self._connection)
            self._counts.trips += 1
            if await self._connection.execute("COMMIT") != "COMMIT":
                raise asyncpg.InFailedSQLTransactionError("a statement has failed: everything was taken back")
            connection, self._connection = self._connection, None
            self._connections.committed(connection)
            self._counts.commits += 1
        elif self._waiting:
            await self._commits.commit(self._gathered())
        self._counts.transactions += 1

    async def undo(self) -> None:
        """Nothing of it is left, at once or when the server has seen that the connection ends."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._counts.trips += 1
        try:
            await connection.execute("ROLLBACK")
        except BaseException as error:
            self._connections.drop(connection)
            if not isinstance(error, Exception):
                raise
        else:
            self._connections.give_back(connection)

    def _counted(self, name: str) -> Statement:
        self._counts.statements[name] += 1
        return self._statements[name]

    def _sees_the_same(self, statement: Statement) -> bool:
        return self._connection is None and statement.only_reads and self._touched.isdisjoint(statement.tables)

    async def _in_order(self) -> Any:
        """The connection for the next statement: everything that came before it has been sent there."""
        connection = await self._begun()
        await self._send(connection)
        self._counts.trips += 1
        return connection

    async def _begun(self) -> Any:
        if self._connection is None:
            self._connection = await self._connections.take()
            self._counts.trips += 1
            await self._connection.execute(self._together.begin)
        return self._connection

    async def _send(self, connection: Any) -> None:
        if self._waiting:
            text, args = self._together.one(self._gathered())
            self._counts.trips += 1
            await connection.fetch(text, *args)

    def _gathered(self) -> Writes:
        """What waits; nothing waits any more."""
        waiting, self._waiting = self._waiting, []
        self._touched.clear()
        return self._together.writes(waiting)
