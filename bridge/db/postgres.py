"""PostgreSQL through asyncpg: one pool, one connection held for the lock that keeps a second hub out."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from bridge.db.database import Component, Conflict, Counts, Row, Trouble, missing_migrations, read_statements
from bridge.errors import Unavailable
from bridge.parts.failpoint import failpoint

_LOCK = zlib.crc32(b"liaison hub")
_AWAY = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InsufficientResourcesError, OSError,
    asyncpg.OperatorInterventionError, asyncpg.TransactionRollbackError, asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError, asyncpg.PostgresSystemError, asyncpg.PostgresIOError,
    asyncpg.InternalClientError,  # what a connection that is broken in the wrong moment ends with
)  # fmt: skip


class _Tx:
    def __init__(self, connection: Any, statements: dict[str, str], counts: Counts) -> None:
        self._connection = connection
        self._statements = statements
        self._counts = counts

    def _sql(self, name: str) -> str:
        self._counts.statements[name] += 1
        self._counts.trips += 1
        return self._statements[name]

    async def all(self, name: str, *args: Any) -> list[Row]:
        return list(await self._connection.fetch(self._sql(name), *args))

    async def one(self, name: str, *args: Any) -> Row | None:
        row: Row | None = await self._connection.fetchrow(self._sql(name), *args)
        return row

    async def run(self, name: str, *args: Any) -> None:
        await self._connection.execute(self._sql(name), *args)

    async def many(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        await self._connection.executemany(self._sql(name), rows)


class Postgres:
    """A pool of connections; every transaction is one of the server's own."""

    engine = "postgresql"

    def __init__(self, url: str, pool: Any, keeper: Any, statements: dict[str, str]) -> None:
        self._url = url
        self._pool = pool
        self._keeper = keeper
        self._statements = statements
        self._relock = asyncio.Lock()
        self._trouble = Trouble()
        self._counts = Counts()

    @classmethod
    async def open(cls, url: str, components: Sequence[Component]) -> Postgres:
        """Connect, keep other hubs out (advisory lock), migrate. Raises Unavailable."""
        try:
            return await cls._open(url, components)
        except (*_AWAY, asyncpg.InvalidCatalogNameError, asyncpg.InsufficientPrivilegeError) as error:
            raise Unavailable("database", 1.0) from error
        except ValueError:  # its text may hold a part of the password
            said = "database.url is no address (in a password, write @ : / # as %40 %3A %2F %23)"
            raise ValueError(said) from None

    @classmethod
    async def _open(cls, url: str, components: Sequence[Component]) -> Postgres:
        statements = {k: v for c in components for k, v in read_statements(c, "postgresql").items()}
        keeper = await _keep_out(url)
        try:
            for component in components:
                await _migrate(keeper, component)
            pool = await asyncpg.create_pool(url, min_size=2, max_size=16, command_timeout=60)
        except BaseException:
            await keeper.close()
            raise
        return cls(url, pool, keeper, statements)

    async def _still_alone(self) -> None:
        """The lock went with its connection: have it back before anything is written."""
        if self._keeper.is_closed():
            async with self._relock:
                if self._keeper.is_closed():
                    self._keeper = await _keep_out(self._url)

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[_Tx]:
        """See :class:`bridge.db.Database`. A lost connection raises Unavailable."""
        try:
            await self._still_alone()
            async with self._pool.acquire() as connection:
                async with connection.transaction():
                    yield _Tx(connection, self._statements, self._counts)
                    failpoint(f"{name}.before-commit")
                self._counts.transactions += 1
                self._counts.commits += 1
                self._counts.trips += 3  # BEGIN, COMMIT, and the reset of the connection
                self._trouble.passed()
                failpoint(f"{name}.after-commit")
        except asyncpg.UniqueViolationError as error:
            raise Conflict from error
        except _AWAY as error:
            raise self._trouble.seen(error) from error

    def _sql(self, name: str) -> str:
        self._counts.statements[name] += 1
        self._counts.trips += 2  # the statement, and the reset of the connection
        return self._statements[name]

    async def all(self, name: str, *args: Any) -> list[Row]:
        """See :class:`bridge.db.Database`."""
        try:
            return list(await self._pool.fetch(self._sql(name), *args))
        except _AWAY as error:
            raise self._trouble.seen(error) from error

    async def one(self, name: str, *args: Any) -> Row | None:
        """See :class:`bridge.db.Database`."""
        try:
            row: Row | None = await self._pool.fetchrow(self._sql(name), *args)
        except _AWAY as error:
            raise self._trouble.seen(error) from error
        return row

    @property
    def counts(self) -> Counts:
        """See :class:`bridge.db.Database`."""
        return self._counts

    @property
    def working(self) -> bool:
        """See :class:`bridge.db.Database`."""
        return self._trouble.working

    async def close(self) -> None:
        """Finish and let go of the lock."""
        await self._pool.close()
        await self._keeper.close()


async def _keep_out(url: str) -> Any:
    keeper = await asyncpg.connect(url)
    try:
        held = await keeper.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK)
    except BaseException:
        keeper.terminate()
        raise
    if not held:
        await keeper.close()
        raise Unavailable("database_in_use")
    return keeper


async def _migrate(connection: Any, component: Component) -> None:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (component TEXT, number INTEGER, PRIMARY KEY (component, number))"
    )
    rows = await connection.fetch("SELECT number FROM migration WHERE component = $1", component.name)
    done = {row["number"] for row in rows}
    for number, text in missing_migrations(component, "postgresql", done):
        async with connection.transaction():
            await connection.execute(text)
            await connection.execute("INSERT INTO migration VALUES ($1, $2)", component.name, number)
