"""Connections to a PostgreSQL server, kept open: taking one and giving it back costs no round trip and no timer.

asyncpg's own pool asks the server to reset each connection that comes back. Here nothing is ever left in a session: a
connection that comes back has ended its transaction, and one of which that is not certain does not come back.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg

from bridge.db.database import Counts
from bridge.db.postgres import session
from bridge.parts.tasks import Tasks

_COMMAND = 60.0  # s in which the server has to answer
_FAREWELL = 5.0  # s for a connection to end
_IDLE = 300.0  # s after which a connection that nobody used may have been cut off silently (firewalls)
_STATEMENTS = 1024  # prepared at most on each connection: all that there are

AWAY = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InsufficientResourcesError, OSError,
    asyncpg.OperatorInterventionError, asyncpg.TransactionRollbackError, asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError, asyncpg.PostgresSystemError, asyncpg.PostgresIOError,
    asyncpg.InvalidCatalogNameError,  # the database is gone, or another one is to have its name
    asyncpg.InternalClientError,  # what a connection that is broken in the wrong moment ends with
)  # fmt: skip

# What a server says that is no primary any more, or a connection that has ended.
_NOT_HERE = (
    asyncpg.PostgresConnectionError, asyncpg.ReadOnlySQLTransactionError, asyncpg.OperatorInterventionError,
)  # fmt: skip


class Connections:
    """At most ``most`` connections; whoever comes when all are taken gets the next one, first come first served."""

    def __init__(self, url: str, most: int, counts: Counts) -> None:
        self._url = url
        self._most = most
        self._counts = counts
        self._places = asyncio.Semaphore(most)
        self._idle: deque[tuple[Any, float]] = deque()  # the one used last is the first to be used again
        self._sure: set[Any] = set()  # those that see nothing that a replica lacks
        self._alone: set[Any] = set()  # those on which a commit did not wait for the replica
        self._ending = Tasks("PostgreSQL")
        self._closed = False

    async def take(self) -> Any:
        """A connection outside of any transaction. Raises what asyncpg raises when there is no server."""
        await self._places.acquire()
        try:
            if self._closed:
                raise asyncpg.InterfaceError("the connections are closed")
            connection = self._kept() or await self._connect()
        except BaseException:
            self._places.release()
            raise
        if connection not in self._sure:
            await self._make_sure(connection)
        return connection

    def give_back(self, connection: Any) -> None:
        """It is outside of any transaction, and no call on it was left unfinished.

        One on which a commit was given up is not used again: what it wrote is seen, and may be on no replica.
        """
        if connection in self._alone:
            return self.drop(connection)
        now = time.monotonic()
        self._idle.append((connection, now))
        if now - self._idle[0][1] > _IDLE:
            self._end(self._idle.popleft()[0])
        self._places.release()

    def drop(self, connection: Any) -> None:
        """It may be in the middle of something: the server takes that back when the connection ends.

        Unless that was a commit: then it is seen from now on, and may be on no replica yet.
        """
        self._sure.clear()
        self._end(connection)
        self._places.release()

    def committed(self, connection: Any) -> None:
        """Give it back after a commit. Raises ConnectionDoesNotExistError if what was written may be on no replica."""
        gave_up = connection in self._alone
        self.give_back(connection)
        if gave_up:
            raise asyncpg.ConnectionDoesNotExistError("the commit did not wait for the replica")

    async def fetch(self, text: str, args: Sequence[Any]) -> list[Any]:
        """Every row of one statement, which is a transaction of its own."""
        return await self.fetch_on(await self.take(), text, args)

    async def fetch_on(self, connection: Any, text: str, args: Sequence[Any]) -> list[Any]:
        """The same on a connection that was taken; it is given back."""
        self._counts.trips += 1
        try:
            rows: list[Any] = await connection.fetch(text, *args)
        except BaseException as error:
            self._after(connection, error)
            raise
        self.committed(connection)
        return rows

    async def fetch_one(self, text: str, args: Sequence[Any]) -> Any | None:
        """The first row of one statement, which is a transaction of its own."""
        connection = await self.take()
        self._counts.trips += 1
        try:
            row = await connection.fetchrow(text, *args)
        except BaseException as error:
            self._after(connection, error)
            raise
        self.give_back(connection)
        return row

    async def close(self) -> None:
        """Wait until every connection has come back, then end them."""
        self._closed = True
        for _ in range(self._most):
            await self._places.acquire()
        while self._idle:
            self._end(self._idle.pop()[0])
        await self._ending.ended()
        for _ in range(self._most):
            self._places.release()

    def _kept(self) -> Any | None:
        while self._idle:
            connection, since = self._idle.pop()
            if not connection.is_closed() and time.monotonic() - since <= _IDLE:
                return connection
            self._end(connection)
        return None

    async def _connect(self) -> Any:
        connection = await session.connect(
            self._url, self._alone.add, command_timeout=_COMMAND, statement_cache_size=_STATEMENTS,
            max_cached_statement_lifetime=0,
        )  # fmt: skip
        self._sure.add(connection)
        return connection

    async def _make_sure(self, connection: Any) -> None:
        try:
            await session.make_sure(connection)
        except BaseException:
            self.drop(connection)
            raise
        self._sure.add(connection)

    def _after(self, connection: Any, error: BaseException) -> None:
        """A statement that the server refused leaves its connection as it was; after anything else nobody knows."""
        if isinstance(error, asyncpg.PostgresError) and not isinstance(error, _NOT_HERE):
            self.give_back(connection)
        else:
            self.drop(connection)

    def _end(self, connection: Any) -> None:
        self._sure.discard(connection)
        self._alone.discard(connection)
        if connection.is_closed():
            connection.terminate()
            return
        self._ending.start(_farewell(connection))


async def _farewell(connection: Any) -> None:
    with suppress(Exception):  # asyncpg cuts it off when it cannot end it
        await connection.close(timeout=_FAREWELL)
