"""What both databases are: named statements from .sql files, transactions, migrations.

The statements are the same for both. ``$1`` is a parameter; a line that ends in ``-- pg`` or ``-- sqlite`` is for that
engine only; ``@serial`` is an ever growing integer primary key. Names are ``area.statement``: the file's stem and its
``-- name:``.
"""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bridge.db.migrating import Needed, too_new
from bridge.errors import Unavailable

log = logging.getLogger(__name__)
OLDEST = 13  # the major version of PostgreSQL
_AGAIN = 60.0  # s between two lines about one trouble
_OVER = 10.0  # s without trouble


class Conflict(Exception):
    """Something is there already that must be there once only; nothing of the transaction was written."""


class BadAddress(ValueError):
    """What is no address of a database; its text holds nothing of the address."""


class OldServer(ConnectionError):
    """A server that is older than :data:`OLDEST`: with it nothing is begun."""


class Row(Protocol):
    """One row of a result: columns by name."""

    def __getitem__(self, key: str, /) -> Any: ...


class Tx(Protocol):
    """One open transaction. Between its calls nothing else may be awaited."""

    async def all(self, name: str, *args: Any) -> list[Row]:
        """Every row of a named statement."""

    async def one(self, name: str, *args: Any) -> Row | None:
        """The first row of a named statement, or None."""

    async def run(self, name: str, *args: Any) -> None:
        """Run a named statement without a result."""

    async def many(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a named statement once for each row of parameters."""


@dataclass(slots=True)
class Counts:
    """What a database has done; unlike times, these figures are the same on every machine.

    ``statements`` by name (one for each :meth:`Tx.many`); ``commits`` may serve several ``transactions``; ``trips`` are
    the ways to a server and back (a file has none).
    """

    statements: Counter[str] = field(default_factory=Counter)
    transactions: int = 0
    commits: int = 0
    trips: int = 0

    def copy(self) -> Counts:
        """As it is now."""
        return Counts(self.statements.copy(), self.transactions, self.commits, self.trips)

    def since(self, before: Counts) -> Counts:
        """What was done after ``before`` was copied."""
        return Counts(
            self.statements - before.statements, self.transactions - before.transactions,
            self.commits - before.commits, self.trips - before.trips,
        )  # fmt: skip


class Database(Protocol):
    """A database that holds the statements and migrations given when it was opened."""

    @property
    def engine(self) -> str:
        """``sqlite`` or ``postgresql``."""

    def transaction(self, name: str) -> AbstractAsyncContextManager[Tx]:
        """Everything inside is durable once the block has been left, or nothing is; ``name`` names its failpoints.

        On SQLite blocks of many tasks share one fsync: nobody waits longer than the current one.
        Raises Conflict where a row was there already, Unavailable where the disk or the server is to blame.
        """

    async def all(self, name: str, *args: Any) -> list[Row]:
        """Read outside of a transaction: sees what is committed."""

    async def one(self, name: str, *args: Any) -> Row | None:
        """Read one row outside of a transaction."""

    @property
    def counts(self) -> Counts:
        """What it has done since it was opened."""

    @property
    def working(self) -> bool:
        """Whether nothing has failed lately for the disk's or the server's sake."""

    async def place(self) -> str:
        """Where it lies: a copy that is restored lies in another place. Raises Unavailable."""

    async def taken_over(self) -> None:
        """Return once another process has taken the database over; nothing is written any more. Never for a file."""

    async def held(self) -> None:
        """Return if this process has the database, which a file's always has: what it read there is true.

        Asked before something leaves that does harm when it leaves twice. Raises Unavailable where another process has
        taken the database over, or nobody can say.
        """

    async def close(self) -> None:
        """Finish the running commits and let go."""


class Trouble:
    """Says in the log, not for every message, that the disk or the server fails, and when that is over."""

    def __init__(self) -> None:
        self._said: float | None = None
        self._last = -_OVER

    @property
    def working(self) -> bool:
        """Whether there was none lately."""
        return time.monotonic() - self._last >= _OVER

    def seen(self, error: BaseException) -> Unavailable:
        """Note it; gives what to raise."""
        now = self._last = time.monotonic()
        if self._said is None or now - self._said >= _AGAIN:
            self._said = now
            log.error("ALARM the database fails: %s; messages wait where they are until it works", brief(error))
        return Unavailable("database", 1.0, alone=True)

    def passed(self) -> None:
        """Something was written."""
        if self._said is not None and self.working:
            self._said = None
            log.warning("the database works again")


def brief(error: BaseException) -> str:
    """What a database says of itself; a driver's own text may quote values or the address with its password."""
    if (name := getattr(error, "sqlite_errorname", None)) is not None:
        return f"{name}, {error}"
    if (state := getattr(error, "sqlstate", None)) is not None:
        return f"{type(error).__name__} ({state})"
    return f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) else type(error).__name__


@dataclass(frozen=True, slots=True)
class Component:
    """One owner of tables: its statements (``*.sql``) and its numbered migrations (``migrations/0001_*.sql``)."""

    name: str
    folder: Path


MIGRATION = (
    "CREATE TABLE IF NOT EXISTS migration (component TEXT, number INTEGER, PRIMARY KEY (component, number))",
    "CREATE TABLE IF NOT EXISTS migration_needs"
    " (component TEXT, number INTEGER, needs INTEGER NOT NULL, PRIMARY KEY (component, number))",
)
"""The tables that say what was applied, and what a program has to know to work with it."""
NOTED = "INSERT INTO migration VALUES ($1, $2)", "INSERT INTO migration_needs VALUES ($1, $2, $3)"
"""A migration was applied; what a program has to know for it."""
NEEDS = "SELECT component, number, needs FROM migration_needs"
_NAME = re.compile(r"^-- name: *(\S+) *$", re.M)


def read_statements(component: Component, engine: str) -> dict[str, str]:
    """All named statements of a component, in the dialect of ``engine``."""
    found: dict[str, str] = {}
    for path in sorted(component.folder.glob("*.sql")):
        parts = _NAME.split(path.read_text("utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            full = f"{path.stem}.{name}"
            if full in found:
                raise ValueError(f"two statements are named {full}")
            found[full] = translate(text.strip().rstrip(";"), engine)
    return found


def read_migrations(component: Component, engine: str) -> list[tuple[int, str]]:
    """Numbered migrations of a component in order, in the dialect of ``engine``."""
    paths = sorted((component.folder / "migrations").glob("[0-9]*.sql"))
    return [(int(p.name.split("_")[0]), translate(p.read_text("utf-8"), engine)) for p in paths]


def newest(components: Sequence[Component], engine: str) -> dict[str, int]:
    """The newest migration of each that this program knows."""
    return {c.name: max((number for number, _ in read_migrations(c, engine)), default=0) for c in components}


def missing_migrations(
    component: Component, engine: str, done: Collection[int], needed: Needed | None = None
) -> list[tuple[int, str]]:
    """What is still to be applied. Raises Unavailable (database_newer) for a database of a newer program.

    ``needed``: what the database says that a program has to know (:mod:`bridge.db.migrating`).
    """
    known = read_migrations(component, engine)
    newest = max((number for number, _ in known), default=0)
    if too_new({component.name: newest}, ((component.name, number) for number in done), needed or {}):
        raise Unavailable("database_newer")
    return [(number, text) for number, text in known if number not in done]


def translate(sql: str, engine: str) -> str:
    """Make one engine's dialect of our SQL."""
    other = "-- sqlite" if engine == "postgresql" else "-- pg"
    lines = [line for line in sql.splitlines() if not line.rstrip().endswith(other)]
    text = "\n".join(line.removesuffix("-- pg").removesuffix("-- sqlite").rstrip() for line in lines)
    if engine == "sqlite":
        text = re.sub(r"\$(\d+)", r"?\1", text)
        return text.replace("@serial", "INTEGER PRIMARY KEY AUTOINCREMENT").replace("@blob", "BLOB")
    return text.replace("@serial", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY").replace("@blob", "BYTEA")
