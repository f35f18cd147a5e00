"""PostgreSQL through asyncpg: some connections that work, and one that holds the lock that keeps a second hub out."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from bridge.db.database import Component, Conflict, Counts, Row, Trouble, missing_migrations, read_statements
from bridge.db.postgres.connections import Connections
from bridge.db.postgres.together import Statement, Together
from bridge.db.postgres.transaction import PostgresTx
from bridge.errors import Unavailable
from bridge.parts.failpoint import ACTIVE, failpoint

_LOCK = zlib.crc32(b"liaison hub")
_CONNECTIONS = 16  # at most, beside the one that holds the lock
_AWAY = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InsufficientResourcesError, OSError,
    asyncpg.OperatorInterventionError, asyncpg.TransactionRollbackError, asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError, asyncpg.PostgresSystemError, asyncpg.PostgresIOError,
    asyncpg.InternalClientError,  # what a connection that is broken in the wrong moment ends with
)  # fmt: skip


class Postgres:
    """Some connections that do the work, and the one that holds the lock."""

    engine = "postgresql"

    def __init__(self, url: str, keeper: Any, statements: dict[str, Statement], together: Together) -> None:
        self._url = url
        self._counts = Counts()
        self._connections = Connections(url, _CONNECTIONS, self._counts)
        self._keeper = keeper
        self._statements = statements
        self._together = together
        self._relock = asyncio.Lock()
        self._trouble = Trouble()

    @classmethod
    async def open(cls, url: str, components: Sequence[Component]) -> Postgres:
        """Connect, keep other hubs out (advisory lock), migrate. Raises Unavailable."""
        try:
            return await cls._open(url, components)
        except (*_AWAY, asyncpg.InvalidCatalogNameError, asyncpg.InsufficientPrivilegeError) as error:
            raise Unavailable("database", 1.0, alone=True) from error
        except ValueError:  # its text may hold a part of the password
            said = "database.url is no address (in a password, write @ : / # as %40 %3A %2F %23)"
            raise ValueError(said) from None

    @classmethod
    async def _open(cls, url: str, components: Sequence[Component]) -> Postgres:
        texts = {k: v for c in components for k, v in read_statements(c, "postgresql").items()}
        statements = {name: Statement.of(text) for name, text in texts.items()}
        keeper = await _keep_out(url)
        try:
            for component in components:
                await _migrate(keeper, component)
            together = Together(statements, await _types(keeper, statements))
            await _make(keeper, together)
        except BaseException:
            await keeper.close()
            raise
        return cls(url, keeper, statements, together)

    async def _alone(self) -> Any:
        """The connection with the lock. If it was lost, the lock is taken again before anything is written."""
        if self._keeper.is_closed():
            async with self._relock:
                if self._keeper.is_closed():
                    self._keeper = keeper = await _keep_out(self._url)
                    await _make(keeper, self._together)  # a hub of another version may have been here
        return self._keeper

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[PostgresTx]:
        """See :class:`bridge.db.Database`. A lost connection raises Unavailable."""
        try:
            keeper = await self._alone()
            transaction = PostgresTx(self._connections, self._statements, self._together, self._counts)
            try:
                yield transaction
                if ACTIVE:
                    failpoint(f"{name}.before-commit")
                if keeper.is_closed():  # another hub may have written since this one has read
                    raise asyncpg.ConnectionDoesNotExistError("the lock was lost")
                await transaction.commit()
            except BaseException:
                await transaction.undo()
                raise
            self._trouble.passed()
            if ACTIVE:
                failpoint(f"{name}.after-commit")
        except asyncpg.UniqueViolationError as error:
            raise Conflict from error
        except _AWAY as error:
            raise self._trouble.seen(error) from error

    def _sql(self, name: str) -> str:
        self._counts.statements[name] += 1
        return self._statements[name].text

    async def all(self, name: str, *args: Any) -> list[Row]:
        """See :class:`bridge.db.Database`."""
        try:
            return await self._connections.fetch(self._sql(name), args)
        except _AWAY as error:
            raise self._trouble.seen(error) from error

    async def one(self, name: str, *args: Any) -> Row | None:
        """See :class:`bridge.db.Database`."""
        try:
            return await self._connections.fetch_one(self._sql(name), args)
        except _AWAY as error:
            raise self._trouble.seen(error) from error

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
        await self._connections.close()
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


async def _types(connection: Any, statements: Mapping[str, Statement]) -> dict[str, tuple[str, ...]]:
    """The types of the parameters of every statement that gives nothing back, as the server understands them."""
    names = [name for name, statement in statements.items() if statement.gives_nothing]
    if not names:
        return {}
    marks = {f"liaison_{n}": name for n, name in enumerate(names)}
    await connection.execute("; ".join(f"PREPARE {mark} AS {statements[name].text}" for mark, name in marks.items()))
    rows = await connection.fetch("SELECT name, parameter_types::text[] AS types FROM pg_prepared_statements")
    await connection.execute("; ".join(f"DEALLOCATE {mark}" for mark in marks))
    return {marks[row["name"]]: tuple(row["types"]) for row in rows if row["name"] in marks}


async def _make(connection: Any, together: Together) -> None:
    """Make the function that runs statements together; that of another version of the program goes."""
    rows = await connection.fetch(
        "SELECT proname AS name, oid::regprocedure::text AS text FROM pg_proc"
        " WHERE starts_with(proname, $1) AND pronamespace = current_schema()::regnamespace",
        together.prefix,
    )
    for row in rows:
        if row["name"] != together.name:
            await connection.execute(f"DROP FUNCTION {row['text']}")
    if together.steps and together.name not in {row["name"] for row in rows}:
        await connection.execute(together.text)
