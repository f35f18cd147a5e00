"""The two databases behind one face: what is durable, when; what a failing disk or a lost server looks like."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bridge.db import Component, Counts, Database, open_database, read_migrations, read_statements, translate
from bridge.db import database as face
from bridge.db.postgres import Postgres
from bridge.db.sqlite import Sqlite, _split
from bridge.errors import Refused, Unavailable
from tests.watch import transactions

MIGRATION = "CREATE TABLE note (n @serial, word TEXT NOT NULL UNIQUE, raw @blob);"
STATEMENTS = """
-- name: add
INSERT INTO note (word, raw) VALUES ($1, $2);
-- name: words
SELECT word FROM note ORDER BY n;
-- name: word
SELECT word, raw FROM note WHERE word = $1;
-- name: engine
SELECT 'sqlite' AS name -- sqlite
SELECT 'postgresql' AS name -- pg
-- name: wrong
SELECT nothing FROM nowhere;
"""


def component(folder: Path, migration: str = MIGRATION) -> Component:
    """An owner of one table."""
    (folder / "sql/migrations").mkdir(parents=True, exist_ok=True)
    (folder / "sql/note.sql").write_text(STATEMENTS)
    (folder / "sql/migrations/0001_note.sql").write_text(migration)
    return Component("note", folder / "sql")


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Database]:
    db = await open_database(url, [component(folder)])
    try:
        yield db
    finally:
        await db.close()


async def write(db: Database, word: str) -> None:
    async with db.transaction("test") as tx:
        await tx.run("note.add", word, b"\0\xff")


async def words(db: Database) -> list[str]:
    return [row["word"] for row in await db.all("note.words")]


async def test_rows_by_name_both_engines_speak_the_same_sql(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as db:
        async with db.transaction("test") as tx:
            await tx.many("note.add", [("a", b"1"), ("b", None)])
            row = await tx.one("note.word", "a")
            assert row is not None
            assert bytes(row["raw"]) == b"1"
            assert [r["word"] for r in await tx.all("note.words")] == ["a", "b"]
        assert await db.one("note.word", "nobody") is None
        engine = await db.one("note.engine")
        assert engine is not None
        assert engine["name"] == db.engine


async def test_what_a_database_has_done_is_counted(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as db:
        before = db.counts.copy()
        async with db.transaction("test") as tx:
            await tx.many("note.add", [("a", b"1"), ("b", None)])
            await tx.one("note.word", "a")
            await tx.all("note.words")
        await db.all("note.words")
        with pytest.raises(Refused):
            await _refuse(db)
        done = db.counts.since(before)
        assert done.statements == {"note.words": 2, "note.word": 1, "note.add": 2}
        assert done.transactions == 1
        assert done.commits >= 1  # an empty batch is committed, too
        assert (done.trips == 0) == (db.engine == "sqlite")
        assert before.since(before) == Counts()


async def _refuse(db: Database) -> None:
    async with db.transaction("test") as tx:
        await tx.run("note.add", "c", None)
        raise Refused("no")


async def test_what_was_returned_survives_the_process(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as db:
        await asyncio.gather(*(write(db, f"w{n}") for n in range(50)))
    async with opened(url, tmp_path) as db:
        assert len(await words(db)) == 50


async def test_a_failing_body_rolls_back_alone(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as db:

        async def fails(word: str) -> None:
            async with db.transaction("test") as tx:
                await tx.run("note.add", word, None)
                raise Refused("never")

        jobs = [fails(f"bad{n}") if n % 2 else write(db, f"good{n}") for n in range(20)]
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert sum(isinstance(r, Refused) for r in results) == 10
        assert sorted(await words(db)) == sorted(f"good{n}" for n in range(0, 20, 2))


async def test_a_wrong_statement_is_a_bug_and_not_an_outage(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as db:
        with pytest.raises(Exception, match=r"nothing|nowhere") as problem:
            async with db.transaction("test") as tx:
                await tx.all("note.wrong")
        assert not isinstance(problem.value, Unavailable)
        await write(db, "still works")
        with pytest.raises(Exception, match=r"nothing|nowhere"):
            await db.all("note.wrong")


async def test_a_reader_sees_only_what_is_committed(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as db:
        async with db.transaction("test") as tx:
            await tx.run("note.add", "soon", None)
            assert await words(db) == []
        assert await words(db) == ["soon"]


async def test_a_cancelled_caller_harms_nobody(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as db:
        tasks = [asyncio.create_task(write(db, f"w{n}")) for n in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        kept = {f"w{n}" for n in range(20) if n % 3}
        assert kept <= set(await words(db))
        await write(db, "next")


async def test_a_second_hub_on_the_same_database_is_refused(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path):
        with pytest.raises(Unavailable, match="database_in_use"):
            await open_database(url, [component(tmp_path)])
    async with opened(url, tmp_path) as db:
        await write(db, "free again")


async def test_an_unknown_url_is_refused() -> None:
    with pytest.raises(ValueError, match="must begin with"):
        await open_database("mysql://x", [])


def test_two_statements_of_one_name_are_refused(tmp_path: Path) -> None:
    one = component(tmp_path)
    (one.folder / "note.sql").write_text(STATEMENTS + "-- name: add\nSELECT 1;\n")
    with pytest.raises(ValueError, match=r"note\.add"):
        read_statements(one, "sqlite")


def test_dialects() -> None:
    sql = "INSERT INTO t VALUES ($1, $12); -- pg\nx @serial, @blob -- sqlite\nboth"
    assert translate(sql, "sqlite") == "x INTEGER PRIMARY KEY AUTOINCREMENT, BLOB\nboth"
    assert translate(sql, "postgresql") == "INSERT INTO t VALUES ($1, $12);\nboth"
    assert translate("$1 $12", "sqlite") == "?1 ?12"


def test_both_engines_offer_the_same() -> None:
    offered = {name for name in vars(face.Database) if not name.startswith("_")}
    for engine in (Sqlite, Postgres):
        assert offered <= set(dir(engine))


# ---- SQLite


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Sqlite]:
    """SQLite in a file."""
    async with opened(f"sqlite:///{tmp_path}/hub.db", tmp_path) as made:
        assert isinstance(made, Sqlite)
        yield made


class Disk:
    """Stands between the database and its connection: counts commits, and fails them on demand."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.commits = 0
        self.fail = 0
        self.committing: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        self.committing()
        if self.fail:
            self.fail -= 1
            raise sqlite3.OperationalError("disk I/O error")
        self.commits += 1
        self._connection.commit()


def watch(db: Sqlite) -> Disk:
    disk = Disk(db._writer)
    db._writer = disk  # type: ignore[assignment]
    return disk


@pytest.mark.looks_inside
async def test_a_transaction_that_waits_for_something_else_is_seen(db: Sqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[str] = []
    monkeypatch.setattr(Sqlite, "transaction", transactions(Sqlite.transaction, held.append))
    await asyncio.gather(*(write(db, f"w{n}") for n in range(20)))
    assert held == []
    async with db.transaction("slow") as tx:
        await tx.run("note.add", "slow", b"")
        await asyncio.sleep(0)
    assert held == ["slow"]


async def test_many_writers_share_a_commit(db: Sqlite) -> None:
    disk = watch(db)
    await asyncio.gather(*(write(db, f"w{n}") for n in range(200)))
    assert disk.commits <= 3
    assert len(await words(db)) == 200


async def test_nobody_returns_before_the_commit_and_nothing_is_written_during_it(db: Sqlite) -> None:
    disk = watch(db)
    seen: list[int] = []
    other = sqlite3.connect(str(db._lock.name).removesuffix(".lock"))
    disk.committing = lambda: seen.append(other_thread_count())

    def other_thread_count() -> int:
        with sqlite3.connect(str(db._lock.name).removesuffix(".lock")) as peek:
            return int(peek.execute("SELECT count(*) FROM note").fetchone()[0])

    async def writer(n: int) -> None:
        for k in range(5):
            await write(db, f"w{n}-{k}")
            assert other.execute("SELECT 1 FROM note WHERE word = ?", (f"w{n}-{k}",)).fetchone()

    await asyncio.gather(*(writer(n) for n in range(20)))
    other.close()
    assert seen == sorted(seen)
    assert disk.commits < 60


async def test_a_commit_that_fails_fails_for_all_of_its_batch_and_the_next_works(db: Sqlite) -> None:
    disk = watch(db)
    disk.fail = 1
    results = await asyncio.gather(*(write(db, f"w{n}") for n in range(10)), return_exceptions=True)
    assert all(isinstance(r, Unavailable) for r in results), results
    assert await words(db) == []
    await write(db, "next")
    assert await words(db) == ["next"]


async def test_the_disk_is_full_and_then_is_not(
    db: Sqlite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(db, "before")
    size = os.path.getsize(str(db._lock.name).removesuffix(".lock") + "-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5000, hard))
        results = await asyncio.gather(*(write(db, f"w{n}" * 3000) for n in range(10)), return_exceptions=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert all(isinstance(r, Unavailable) for r in results), results
    assert await words(db) == ["before"]
    assert not db.working
    assert [r.getMessage() for r in caplog.records if "ALARM" in r.getMessage()] == [
        "ALARM the database fails: SQLITE_IOERR_WRITE, disk I/O error; messages wait where they are until it works"
    ]
    monkeypatch.setattr(face, "_OVER", 0.0)
    await write(db, "after")
    assert await words(db) == ["before", "after"]
    assert "the database works again" in caplog.text


async def test_no_member_of_a_batch_that_sqlite_took_back_is_told_it_is_safe(db: Sqlite) -> None:
    """On some errors SQLite rolls the whole transaction back by itself, the steps of others too."""
    watch(db)

    async def full() -> None:
        async with db.transaction("test") as tx:
            await tx.run("note.add", "big", None)
            db._writer.execute("ROLLBACK")  # as SQLite does after SQLITE_FULL or SQLITE_IOERR
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    results = await asyncio.gather(write(db, "first"), full(), write(db, "last"), return_exceptions=True)
    assert [type(r) for r in results] == [Unavailable, Unavailable, type(None)]
    assert await words(db) == ["last"]


async def test_pragmas_are_really_in_force(db: Sqlite) -> None:
    for connection in (db._writer, db._reader):
        got = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "temp_store")
        }
        assert got == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1, "temp_store": 2}
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db._reader.execute("DELETE FROM note")


async def test_a_transaction_writes_to_no_file_but_the_database(db: Sqlite) -> None:
    """What can be taken back is kept in memory: SQLite would put it into a file for temporary things."""
    word = "x" * 300
    async with db.transaction("fill") as tx:
        await tx.many("note.add", [(f"{n:05} {word}", None) for n in range(1000)])
    before = _open_files()
    async with db.transaction("change") as tx:
        await tx.many("note.add", [(f"{n:05} and {word}", None) for n in range(1000)])
        assert _open_files() == before


def _open_files() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return {name for name in found if name.startswith("/") and not name.startswith("/proc")}


# ---- migrations, as far as the engine goes


async def test_a_migration_that_fails_leaves_nothing(url: str, tmp_path: Path) -> None:
    broken = component(tmp_path, MIGRATION + "\nCREATE TABLE other (x TEXT);\nCREATE TABLE other (x TEXT);")
    with pytest.raises(Exception, match="other"):
        await open_database(url, [broken])
    async with opened(url, tmp_path) as db:
        await write(db, "works")


async def test_a_database_of_a_newer_program_is_left_alone(url: str, tmp_path: Path) -> None:
    newer = component(tmp_path / "newer")
    (newer.folder / "migrations/0002_more.sql").write_text("ALTER TABLE note ADD COLUMN more TEXT;")
    await (await open_database(url, [newer])).close()
    for _ in range(2):
        with pytest.raises(Unavailable, match="database_newer"):
            await open_database(url, [component(tmp_path / "older")])


def test_a_migration_without_its_last_semicolon_is_refused(tmp_path: Path) -> None:
    [(_, text)] = read_migrations(component(tmp_path, MIGRATION + "\nCREATE TABLE lost (x TEXT)\n"), "sqlite")
    with pytest.raises(ValueError, match="semicolon"):
        _split(text)
    assert len(_split(MIGRATION + "\n-- the end\n")) == 1
