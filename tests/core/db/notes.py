"""A small database on PostgreSQL that counts how often it is asked, and somebody else who uses it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from bridge.db import Component, Database
from bridge.db.database import Counts

MIGRATION = """
CREATE TABLE note (n @serial, word TEXT NOT NULL UNIQUE, size INTEGER, at BIGINT, raw @blob);
CREATE TABLE other (word TEXT PRIMARY KEY);
"""
STATEMENTS = """
-- name: add
INSERT INTO note (word, size, at, raw) VALUES ($1, $2, $3, $4);
-- name: twice
INSERT INTO note (raw, word, at) VALUES ($2, $1, LENGTH($1));
-- name: rename
UPDATE note SET word = $2 WHERE word = $1;
-- name: gone
DELETE FROM note WHERE word = $1;
-- name: take
DELETE FROM note WHERE word = $1 RETURNING word;
-- name: lock
SELECT word FROM note WHERE word = $1 FOR UPDATE;
-- name: notes
SELECT word, size, at, raw FROM note ORDER BY n;
-- name: others
SELECT word FROM other ORDER BY word;
-- name: slow
INSERT INTO other (word) SELECT $1 FROM pg_sleep(60);
-- name: other
INSERT INTO other (word) VALUES ($1);
"""


def component(folder: Path, statements: str = STATEMENTS) -> Component:
    (folder / "sql/migrations").mkdir(parents=True, exist_ok=True)
    (folder / "sql/note.sql").write_text(statements)
    (folder / "sql/migrations/0001_note.sql").write_text(MIGRATION)
    return Component("note", folder / "sql")


async def write(db: Database, *some: str) -> None:
    async with db.transaction("test") as tx:
        for word in some:
            await tx.run("note.add", word, None, None, None)


async def words(db: Database) -> list[str]:
    return [row["word"] for row in await db.all("note.notes")]


class Trips:
    """How often the server was asked inside of a block."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.count = 0

    def __enter__(self) -> Trips:
        self._before: Counts = self._db.counts.copy()
        return self

    def __exit__(self, *_: object) -> None:
        self.count = self._db.counts.since(self._before).trips


async def until(url: str, true: str, count: int = 1) -> None:
    """Wait until this is true of so many connections of the database."""
    looking = await asyncpg.connect(url)
    text = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {true}"
    try:
        async with asyncio.timeout(20):
            while await looking.fetchval(text) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await looking.close()
