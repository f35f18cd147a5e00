"""PostgreSQL through asyncpg: some connections that work, and one that keeps the lease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import asyncpg

from bridge.db.database import (
    MIGRATION,
    NEEDS,
    NOTED,
    Component,
    Conflict,
    Counts,
    Row,
    Trouble,
    Tx,
    missing_migrations,
    read_statements,
)
from bridge.db.migrating import needs
from bridge.db.postgres import session
from bridge.db.postgres.commits import Commits
from bridge.db.postgres.connections import AWAY, Connections
from bridge.db.postgres.keeper import Keeper
from bridge.db.postgres.lease import FENCED, fence_call
from bridge.db.postgres.reaching import reaching
from bridge.db.postgres.together import Statement, Together
from bridge.db.postgres.transaction import PostgresTx
from bridge.errors import Unavailable
from bridge.parts.failpoint import ACTIVE, failpoint

_PLACE = """
SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
    (SELECT timeline_id FROM pg_control_checkpoint()), (SELECT oid FROM pg_database WHERE datname = current_database()),
    to_regclass('migration')::oid)
"""
_PUBLISH = """
INSERT INTO worker (id, version, address, secret, configuration) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET address = excluded.address, secret = excluded.secret, seen_at = now(),
    configuration = excluded.configuration
"""
_CONFIGURED = "UPDATE worker SET configuration = $2 WHERE id = $1 AND configuration IS DISTINCT FROM $2"
_WORKERS = """
SELECT id, version, holder IS NOT NULL AS works, (extract(epoch FROM started_at) * 1000)::bigint AS since,
    coalesce(configuration, '') AS configuration
FROM worker LEFT JOIN lease ON holder = id
WHERE holder IS NOT NULL OR seen_at > now() - interval '15 seconds' ORDER BY holder IS NULL, started_at
"""
_CONNECTIONS = 16  # at most, beside the one of the lease


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of the hub. ``works``: it has the lease, others wait. ``since``: ms since 1970.

    ``configuration``: what it says of its own (:mod:`bridge.workers.agreement`), empty where it says nothing.
    """

    name: str
    version: str
    works: bool
    since: int
    configuration: str = ""


class Postgres:
    """Some connections that do the work, and the lease without which they write nothing."""

    engine = "postgresql"

    def __init__(self, url: str, keeper: Keeper, statements: dict[str, Statement], together: Together) -> None:
        self._counts = Counts()
        self._connections = Connections(url, _CONNECTIONS, self._counts)
        self._commits = Commits(self._connections, together, self._counts)
        self._keeper = keeper
        self._statements = statements
        self._together = together
        self._trouble = Trouble()

    @classmethod
    async def open(cls, url: str, components: Sequence[Component], keeper: Keeper | None = None) -> Postgres:
        """Take the lease, unless ``keeper`` has it, and migrate. Raises Unavailable."""
        with reaching():
            keeper = keeper or await Keeper.at_once(url)
            try:
                return await cls._open(url, components, keeper)
            except BaseException:
                await keeper.close()
                raise

    @classmethod
    async def _open(cls, url: str, components: Sequence[Component], keeper: Keeper) -> Postgres:
        texts = {k: v for c in components for k, v in read_statements(c, "postgresql").items()}
        statements = {name: Statement.of(text) for name, text in texts.items()}
        connection = await session.connect(url)
        try:
            for component in components:
                await _migrate(connection, component, keeper.fence)
            together = Together(statements, await _types(connection, statements), keeper.fence)
            await _make(connection, together, keeper.fence)
        finally:
            await connection.close()
        return cls(url, keeper, statements, together)

    @property
    def fence(self) -> int:
        """The number of the lease: what another connection of this process asks for when it writes."""
        return self._keeper.fence

    async def taken_over(self) -> None:
        """See :class:`bridge.db.Database`."""
        await self._keeper.lost.wait()

    async def held(self) -> None:
        """See :class:`bridge.db.Database`. A worker that stood still does not know it: the server is asked."""
        try:
            await self._connections.fetch(fence_call(self._keeper.fence), ())
        except Exception as error:
            self._translate(error)
            raise

    def _translate(self, error: BaseException) -> None:
        """Raise what the program knows for what the server says; return where it knows nothing better."""
        if isinstance(error, asyncpg.UniqueViolationError):
            raise Conflict from error
        if getattr(error, "sqlstate", None) == FENCED:
            self._keeper.fenced()
            raise Unavailable("database_in_use", 1.0, alone=True) from error
        if isinstance(error, AWAY):
            raise self._trouble.seen(error) from error

    async def publish(self, address: str, secret: str, version: str, configuration: str = "") -> None:
        """Everything of this worker, which has the lease, has started: tell those that wait where it is reached.

        Raises Unavailable.
        """
        self._keeper.begun()
        await self._ask(_PUBLISH, self._keeper.holder, version, address, secret, configuration)

    async def configured(self, configuration: str) -> None:
        """This worker says something else of its configuration from now on. Raises Unavailable."""
        await self._ask(_CONFIGURED, self._keeper.holder, configuration)

    async def workers(self) -> list[Worker]:
        """Every worker that runs on this database now. Raises Unavailable."""
        names = ("id", "version", "works", "since", "configuration")
        return [Worker(*(row[name] for name in names)) for row in await self._ask(_WORKERS)]

    async def _ask(self, text: str, *args: Any) -> list[Any]:
        try:
            return list(await self._connections.fetch(text, args))
        except AWAY as error:
            raise self._trouble.seen(error) from error

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
            row = await self._connections.fetch_one(_PLACE, ())
        except AWAY as error:
            raise self._trouble.seen(error) from error
        return str(row[0]) if row is not None else ""

    async def close(self) -> None:
        """Finish and let go of the lease."""
        await self._commits.close()
        await self._connections.close()
        await self._keeper.close()


class _Block:
    """A transaction from its first statement to its end."""

    __slots__ = ("_db", "_name", "_tx")

    def __init__(self, db: Postgres, name: str) -> None:
        self._db = db
        self._name = name

    async def __aenter__(self) -> PostgresTx:
        db = self._db
        self._tx = PostgresTx(db._connections, db._commits, db._statements, db._together, db._counts)
        return self._tx

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            try:
                return await self._end()
            except BaseException as failed:
                await self._tx.undo()
                self._db._translate(failed)
                raise
        await self._tx.undo()
        self._db._translate(error)

    async def _end(self) -> None:
        if ACTIVE:
            failpoint(f"{self._name}.before-commit")
        await self._tx.commit()
        self._db._trouble.passed()
        if ACTIVE:
            failpoint(f"{self._name}.after-commit")


async def _migrate(connection: Any, component: Component, fence: int) -> None:
    for statement in MIGRATION:
        await connection.execute(statement)
    needed = {(row[0], row[1]): row[2] for row in await connection.fetch(NEEDS)}
    rows = await connection.fetch("SELECT number FROM migration WHERE component = $1", component.name)
    done = {row["number"] for row in rows}
    for number, text in missing_migrations(component, "postgresql", done, needed):
        async with connection.transaction():
            await connection.execute(fence_call(fence))
            await connection.execute(text)
            await connection.execute(NOTED[0], component.name, number)
            await connection.execute(NOTED[1], component.name, number, needs(text, number))


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


async def _make(connection: Any, together: Together, fence: int) -> None:
    """Make the functions that run statements together; those of another version of the program go.

    Only for whoever has the lease: a worker that stood still at its start would take away what the next one runs.
    """
    async with connection.transaction():
        await connection.execute(fence_call(fence))
        await _make_anew(connection, together)


async def _make_anew(connection: Any, together: Together) -> None:
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
