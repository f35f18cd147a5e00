"""PostgreSQL through asyncpg: some connections that work, and one that holds the lock that keeps a second hub out."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg

from bridge.db.database import Component, Conflict, Counts, Row, Trouble, Tx, missing_migrations, read_statements
from bridge.db.postgres import session
from bridge.db.postgres.commits import Commits
from bridge.db.postgres.connections import AWAY, Connections
from bridge.db.postgres.together import Statement, Together
from bridge.db.postgres.transaction import PostgresTx
from bridge.errors import Unavailable
from bridge.parts.failpoint import ACTIVE, failpoint

LOCK = zlib.crc32(b"liaison hub")
_PLACE = """
SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
    (SELECT timeline_id FROM pg_control_checkpoint()), (SELECT oid FROM pg_database WHERE datname = current_database()),
    to_regclass('migration')::oid)
"""
_CONNECTIONS = 16  # at most, beside the one that holds the lock


class Postgres:
    """Some connections that do the work, and the one that holds the lock."""

    engine = "postgresql"

    def __init__(self, url: str, keeper: Any, statements: dict[str, Statement], together: Together) -> None:
        self._url = url
        self._counts = Counts()
        self._connections = Connections(url, _CONNECTIONS, self._counts)
        self._commits = Commits(self._connections, together, self._counts)
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
        except (*AWAY, asyncpg.InvalidCatalogNameError, asyncpg.InsufficientPrivilegeError) as error:
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

    def transaction(self, name: str) -> AbstractAsyncContextManager[Tx]:
        """See :class:`bridge.db.Database`. A lost connection raises Unavailable."""
        return _Block(self, name)

    def _sql(self, name: str) -> str:
        self._counts.statements[name] += 1
        return self._statements[name].text

    async def all(self, name: str, *args: Any) -> list[Row]:
        """See :class:`bridge.db.Database`."""
        try:
            return await self._connections.fetch(self._sql(name), args)
        except AWAY as error:
            raise self._trouble.seen(error) from error

    async def one(self, name: str, *args: Any) -> Row | None:
        """See :class:`bridge.db.Database`."""
        try:
            return await self._connections.fetch_one(self._sql(name), args)
        except AWAY as error:
            raise self._trouble.seen(error) from error

    @property
    def counts(self) -> Counts:
        """See :class:`bridge.db.Database`."""
        return self._counts

    @property
    def working(self) -> bool:
        """See :class:`bridge.db.Database`."""
        return self._trouble.working

    async def place(self) -> str:
        """See :class:`bridge.db.Database`. The server, its history, and the numbers of database and tables."""
        try:
            keeper = await self._alone()
            return str(await keeper.fetchval(_PLACE))
        except AWAY as error:
            raise self._trouble.seen(error) from error

    async def close(self) -> None:
        """Finish and let go of the lock."""
        await self._commits.close()
        await self._connections.close()
        await self._keeper.close()


class _Block:
    """A transaction from its first statement to its end."""

    __slots__ = ("_db", "_keeper", "_name", "_tx")

    def __init__(self, db: Postgres, name: str) -> None:
        self._db = db
        self._name = name

    async def __aenter__(self) -> PostgresTx:
        db = self._db
        try:
            self._keeper = await db._alone()
        except AWAY as error:
            raise db._trouble.seen(error) from error
        self._tx = PostgresTx(db._connections, db._commits, db._statements, db._together, db._counts)
        return self._tx

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            try:
                return await self._end()
            except BaseException as failed:
                await self._tx.undo()
                self._translate(failed)
                raise
        await self._tx.undo()
        self._translate(error)

    def _translate(self, error: BaseException) -> None:
        if isinstance(error, asyncpg.UniqueViolationError):
            raise Conflict from error
        if isinstance(error, AWAY):
            raise self._db._trouble.seen(error) from error

    async def _end(self) -> None:
        if ACTIVE:
            failpoint(f"{self._name}.before-commit")
        await self._tx.commit(self._keeper)
        self._db._trouble.passed()
        if ACTIVE:
            failpoint(f"{self._name}.after-commit")


async def _keep_out(url: str) -> Any:
    keeper = await session.connect(url)
    try:
        held = await keeper.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
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
    """Make the functions that run statements together; those of another version of the program go."""
    rows = await connection.fetch(
        "SELECT proname AS name, oid::regprocedure::text AS text FROM pg_proc"
        " WHERE starts_with(proname, $1) AND pronamespace = current_schema()::regnamespace",
        together.prefix,
    )
    for row in rows:
        if row["name"] not in together.names:
            await connection.execute(f"DROP FUNCTION {row['text']}")
    if together.steps and not together.names <= {row["name"] for row in rows}:
        await connection.execute(together.text)
