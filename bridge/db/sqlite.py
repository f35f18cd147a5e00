"""SQLite, the embedded default: statements run inline, only the commit (the fsync) runs in a thread, shared by all."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from bridge.db.commits import Batch, Committer
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
    translate,
)
from bridge.db.migrating import needs
from bridge.errors import Unavailable
from bridge.parts.failpoint import ACTIVE, failpoint
from bridge.parts.turns import Turn

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
    "PRAGMA cache_size=-65536",
    "PRAGMA temp_store=MEMORY",  # what a savepoint may have to restore: it would be written to a file of its own
    "PRAGMA wal_autocheckpoint=4000",  # pages: the same ones change again and again, and are copied home once
)
_TROUBLE = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
_FS_IOC_GETVERSION = 0x80087601  # ioctl_iflags(2)
_CONFLICT = sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE
_SPOILT = sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT


class _Tx:
    def __init__(self, connection: sqlite3.Connection, statements: dict[str, str], counts: Counts) -> None:
        self._connection = connection
        self._statements = statements
        self._counts = counts.statements

    async def all(self, name: str, *args: Any) -> list[Row]:
        self._counts[name] += 1
        return self._connection.execute(self._statements[name], args).fetchall()

    async def one(self, name: str, *args: Any) -> Row | None:
        self._counts[name] += 1
        cursor = self._connection.execute(self._statements[name], args)
        row: Row | None = cursor.fetchone()
        cursor.close()
        return row

    async def run(self, name: str, *args: Any) -> None:
        self._counts[name] += 1
        self._connection.execute(self._statements[name], args).close()

    async def many(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        self._counts[name] += 1
        self._connection.executemany(self._statements[name], rows).close()


class Sqlite:
    """One writer and one reader connection on a file in WAL mode with full synchronisation.

    A transaction runs as a savepoint of the batch that is open; a batch is committed as soon as nobody else
    is waiting to write, and everybody in it returns after that one commit.
    """

    engine = "sqlite"

    def __init__(self, path: str, statements: dict[str, str], lock: IO[bytes], own: int) -> None:
        self._counts = Counts()
        self._trouble = Trouble()
        self._writer = _connect(path)
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only=ON")
        self._statements = statements
        self._lock, self._own = lock, own
        self._turn = Turn()
        self._tx = _Tx(self._writer, statements, self._counts)
        self._read = _Tx(self._reader, statements, self._counts)
        self._committer = Committer()
        self._batch: Batch | None = None

    @classmethod
    async def open(cls, path: str, components: Sequence[Component]) -> Sqlite:
        """Open or make the file; a second process on the same file is refused (one writer per key store).

        Raises Unavailable.
        """
        try:
            return cls._open(path, components)
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, OSError) or _is_trouble(error) or error.sqlite_errorcode in _SPOILT:
                raise Unavailable("database", 1.0, alone=True) from error
            raise

    @classmethod
    def _open(cls, path: str, components: Sequence[Component]) -> Sqlite:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        for name in (path, path + ".lock"):  # for nobody else; SQLite gives its -wal and -shm the same rights
            os.close(os.open(name, os.O_CREAT | os.O_RDWR, 0o600))
        lock = open(path + ".lock", "wb")  # noqa: SIM115  (held for the life of the process)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            own = _lock_itself(path)
        except OSError:
            lock.close()
            raise Unavailable("database_in_use") from None
        try:
            connection = _connect(path)
            _migrate(connection, components)
            connection.close()
        except BaseException:
            os.close(own)
            lock.close()
            raise
        statements = {k: v for c in components for k, v in read_statements(c, "sqlite").items()}
        return cls(path, statements, lock, own)

    def transaction(self, name: str) -> AbstractAsyncContextManager[Tx]:
        """See :class:`bridge.db.Database`. A full or broken disk raises Unavailable."""
        return _Step(self, name)

    def _begin(self) -> Batch:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise self._trouble.seen(error) from error
        loop = asyncio.get_running_loop()
        batch = self._batch = Batch(loop)
        loop.call_soon(self._turn.then, partial(self._commit, batch))  # those who are waiting by then join this batch
        return batch

    def _undo(self, batch: Batch) -> None:
        """Take one step back; after some errors (disk full) SQLite has already taken all of the batch back."""
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK TO step")
            self._writer.execute("RELEASE step")
        else:
            self._batch = None
            batch.end(Unavailable("database", 1.0, alone=True))

    def _commit(self, batch: Batch) -> None:
        """In its turn, which ends with the commit."""
        if self._batch is not batch:
            return self._turn.give()
        self._batch = None
        self._committer.put(lambda: self._try_commit(batch))

    def _try_commit(self, batch: Batch) -> None:
        """In the thread."""
        error: Exception | None = None
        try:
            self._writer.commit()
        except Exception as failed:
            error = failed
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            batch.loop.call_soon_threadsafe(self._committed, batch, error)

    def _committed(self, batch: Batch, error: Exception | None) -> None:
        if error is None:
            self._counts.commits += 1
            self._trouble.passed()
            batch.end(None)
        else:
            self._trouble.seen(error)
            with suppress(sqlite3.Error):
                self._writer.rollback()
            batch.end(Unavailable("database", 1.0, alone=True))
        self._turn.give()

    async def all(self, name: str, *args: Any) -> list[Row]:
        """See :class:`bridge.db.Database`."""
        try:
            return await self._read.all(name, *args)
        except sqlite3.Error as error:
            if _is_trouble(error):
                raise self._trouble.seen(error) from error
            raise

    async def one(self, name: str, *args: Any) -> Row | None:
        """See :class:`bridge.db.Database`."""
        try:
            return await self._read.one(name, *args)
        except sqlite3.Error as error:
            if _is_trouble(error):
                raise self._trouble.seen(error) from error
            raise

    @property
    def counts(self) -> Counts:
        """See :class:`bridge.db.Database`."""
        return self._counts

    @property
    def working(self) -> bool:
        """See :class:`bridge.db.Database`."""
        return self._trouble.working

    async def place(self) -> str:
        """See :class:`bridge.db.Database`. The file's number, and how often the file system has given it."""
        try:
            often = int.from_bytes(fcntl.ioctl(self._own, _FS_IOC_GETVERSION, bytes(8)), "little")
        except OSError:  # a file system that does not count
            often = 0
        return f"{os.fstat(self._own).st_ino}/{often}"

    async def taken_over(self) -> None:
        """See :class:`bridge.db.Database`."""
        await asyncio.Event().wait()

    async def held(self) -> None:
        """See :class:`bridge.db.Database`."""

    async def close(self) -> None:
        """Wait for the running commit, then close."""
        while self._batch is not None:
            with suppress(Unavailable):
                await self._batch.over()
        await self._turn.take()
        self._committer.put(None)
        self._reader.close()
        self._writer.close()
        os.close(self._own)
        self._lock.close()


class _Step:
    """One transaction: a savepoint of the batch that is open. A class, since every message opens several."""

    __slots__ = ("_batch", "_db", "_name")

    def __init__(self, db: Sqlite, name: str) -> None:
        self._db, self._name = db, name

    async def __aenter__(self) -> Tx:
        db = self._db
        await db._turn.take()
        try:
            self._batch = db._batch or db._begin()
            db._writer.execute("SAVEPOINT step")
        except BaseException:
            db._turn.give()
            raise
        return db._tx

    async def __aexit__(self, kind: object, error: BaseException | None, at: object) -> None:
        if error is not None:
            return self._back(error)
        db = self._db
        try:
            db._writer.execute("RELEASE step")
        except sqlite3.Error as failed:
            self._back(failed)
            raise
        db._counts.transactions += 1
        if ACTIVE:
            failpoint(f"{self._name}.before-commit")
        over = self._batch.over()
        db._turn.give()
        await over
        if ACTIVE:
            failpoint(f"{self._name}.after-commit")

    def _back(self, error: BaseException) -> None:
        """Undo it. Raises Unavailable if the disk is to blame, Conflict if a row was there already."""
        db = self._db
        try:
            db._undo(self._batch)
        finally:
            db._turn.give()
        if _is_trouble(error):
            raise db._trouble.seen(error) from error
        if getattr(error, "sqlite_errorcode", 0) in _CONFLICT:
            raise Conflict from error


def _lock_itself(path: str) -> int:
    """Lock the file, whatever name it has: by a hard link, or once the lock beside it was removed. Raises OSError.

    The descriptor is closed after SQLite's own: closing any of a file's drops every lock that SQLite has on it (POSIX).
    """
    own = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(own)
        raise
    return own


def _is_trouble(error: BaseException) -> bool:
    """The disk or the file, and not a wrong statement, is the cause."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _TROUBLE


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    connection.row_factory = sqlite3.Row
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    return connection


def _migrate(connection: sqlite3.Connection, components: Sequence[Component]) -> None:
    for statement in MIGRATION:
        connection.execute(statement)
    needed = {(r[0], r[1]): r[2] for r in connection.execute(NEEDS)}
    for component in components:
        done = {
            r["number"]
            for r in connection.execute("SELECT number FROM migration WHERE component = ?", (component.name,))
        }
        for number, text in missing_migrations(component, "sqlite", done, needed):
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement in _split(text):
                    connection.execute(statement)
                applied = (component.name, number)
                connection.execute(translate(NOTED[0], "sqlite"), applied)
                connection.execute(translate(NOTED[1], "sqlite"), (*applied, needs(text, number)))
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def _split(text: str) -> list[str]:
    """Statements of a migration; sqlite3 knows where one ends."""
    statements, current = [], ""
    for line in text.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in current.splitlines()):
        raise ValueError("a migration does not end with a semicolon")
    return statements
