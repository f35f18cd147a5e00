"""`liaison backup`: a copy of the database while the hub runs, as of one moment, with a manifest by which it is
verified.

Whatever the engine, the copy is one SQLite file: it is verified anywhere, and put back into either engine. The seal's
keys are not in it unless that is asked for: whoever has both reads everything.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import asyncpg
import orjson

from appservice.process.safekeeping.moving import carried, there
from appservice.process.safekeeping.unfinished import FILE, KEYS, MANIFEST, filling, sweep
from bridge.config import Config, read_secret
from bridge.db import Component, file_of, is_server, open_database, read_migrations
from bridge.db.carrying.carriage import NotCarried, sum_of
from bridge.db.carrying.ends import SqliteEnd
from bridge.db.carrying.tables import tables_in
from bridge.db.postgres.reaching import reach
from bridge.db.refusals import why
from bridge.errors import said


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. ``tables``: rows and the sum of their hashes. ``keys``: those that have sealed."""

    liaison: str
    made_at: str
    engine: str
    hub: str | None
    generation: int
    sha256: str
    migrations: dict[str, int]
    tables: dict[str, str]
    keys: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("folder", type=Path, help="a folder that is not there yet")
    about = "put the seal's keys into it as well: whoever has it reads everything"
    parser.add_argument("--with-keys", action="store_true", help=about)


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Make one, print. Raises BadConfig, Unavailable."""
    try:
        made = await backup(config, asked.folder, with_keys=asked.with_keys, told=print)
    except (NotCarried, OSError, sqlite3.Error, asyncpg.PostgresError) as problem:
        print(f"no backup was made: {told_of(problem)}", file=sys.stderr)
        return 1
    rows = sum(int(one.partition(":")[0]) for one in made.tables.values())
    print(f"{asked.folder}: {rows} rows of {len(made.tables)} tables as of {made.made_at}")
    print(
        f"keep apart from it: seal.keys {', '.join(made.keys)}" if not asked.with_keys else "the seal's keys are in it"
    )
    return 0


def told_of(problem: Exception) -> str:
    """Why it did not work, in a line."""
    if isinstance(problem, sqlite3.Error | asyncpg.PostgresError | asyncpg.InterfaceError):
        return ": ".join(why(problem))
    return said(problem) if isinstance(problem, OSError) else str(problem) or type(problem).__name__


async def backup(
    config: Config, folder: Path, *, with_keys: bool = False, told: Callable[[str], None] = lambda _: None
) -> Manifest:
    """Whole, or not there. Raises NotCarried, OSError, BadConfig, and what the engines raise.

    ``told`` gets a line for each folder that a backup which was cut off had left beside it, and that is gone now.
    """
    if await asyncio.to_thread(folder.exists) or not folder.name:
        raise NotCarried(f"{folder} is there already")
    partial = folder.with_name(folder.name + ".partial")
    await asyncio.to_thread(sweep, folder.parent, "*.partial", told, {partial.name})
    with filling(partial):
        made = await _filled(partial, config, with_keys)
        _on_disk(partial)
        os.rename(partial, folder)
        _on_disk(folder.parent)
    return made


async def _filled(partial: Path, config: Config, with_keys: bool) -> Manifest:
    keys = {name: read_secret(source, f"seal.keys.{name}") for name, source in config.seal.keys.items()}
    url, path = config.database.url, partial / FILE
    components = await there(url)
    engine = "postgresql" if is_server(url) else "sqlite"
    if engine == "sqlite":
        await asyncio.to_thread(_copied, file_of(url), path)
    else:
        await _fetched(url, path, components)
    made = await described(path, engine)
    _written(partial / MANIFEST, orjson.dumps(asdict(made), option=orjson.OPT_INDENT_2))
    if with_keys:
        _written(partial / KEYS, orjson.dumps(keys))
    return made


def _on_disk(folder: Path) -> None:
    """Which files it has, and by which names."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def _copied(source: Path, path: Path) -> None:
    """In one step: whoever writes meanwhile neither waits nor is seen."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    address = f"file:{quote(str(source))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as hub, closing(sqlite3.connect(path)) as copy:
        hub.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")


async def _fetched(url: str, path: Path, components: list[Component]) -> None:
    """From a server, in one snapshot."""
    connection = await reach(url)
    try:
        rows = await connection.fetch("SELECT component, number FROM migration")
    finally:
        await connection.close()
    if {(row["component"], row["number"]) for row in rows} != {
        (c.name, number) for c in components for number, _ in read_migrations(c, "postgresql")
    }:
        raise NotCarried("the database is of another version of Liaison: call that one's `liaison backup`")
    copy = await open_database(f"sqlite:///{path}", components)
    await copy.close()
    await carried(url, f"sqlite:///{path}", components)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=DELETE")
    path.with_name(FILE + ".lock").unlink(missing_ok=True)


async def described(path: Path, engine: str) -> Manifest:
    """What a file holds."""
    with closing(sqlite3.connect(path)) as db:
        tables = tables_in(db)
        migrations = dict(db.execute("SELECT component, MAX(number) FROM migration GROUP BY component"))
        hub, generation = db.execute("SELECT hub, generation FROM life").fetchone() or (None, 0)
        keys = [name for (name,) in db.execute("SELECT key_id FROM seal_proof ORDER BY key_id")]
    end = SqliteEnd(str(path), readonly=True)
    sums = {table.name: str(await sum_of(end, table)) for table in tables}
    await end.close()
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    digest = await asyncio.to_thread(_digest, path)
    return Manifest(version("liaison-hub"), now, engine, hub, generation, digest, migrations, sums, keys)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written(path: Path, text: bytes) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(text + b"\n")
        file.flush()
        os.fsync(file.fileno())
