"""`liaison restore`: a backup is verified, and put back where there is nothing yet."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from appservice.operating.audit import judged, signing_key
from appservice.process import proof
from appservice.process.safekeeping.backing import Manifest, described, told_of
from appservice.process.safekeeping.moving import carried, there
from appservice.process.safekeeping.unfinished import FILE, MANIFEST, filling, sweep
from appservice.process.sealing.columns import Form, SealedColumn, of
from bridge.config import Config
from bridge.db import Component, Database, file_of, is_server, open_database
from bridge.db.carrying.carriage import NotCarried
from bridge.errors import Unavailable
from bridge.seal import Seal, SealBroken

_OPENED = 100  # rows of each sealed column that are opened
_PAGE = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which one, and whether it is only looked at."""
    parser.add_argument("folder", type=Path, help="what `liaison backup` has made")
    about = "look at it, and change nothing: files, rows, seals, audit trail, whether this version can use it"
    parser.add_argument("--verify", action="store_true", help=about)


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Verify, put back, print. Raises BadConfig, Unavailable (a hub uses the database)."""
    try:
        troubles = await verify(asked.folder, config)
        for line in troubles:
            print(f"NOT GOOD: {line}")
        if troubles:
            return 1
        print("the backup is whole: files, rows, references, seals and audit trail")
        if not asked.verify:
            await restore(asked.folder, config)
            print("it is in its place: start the hub; `liaison restored` says then what may have come twice")
    except (NotCarried, OSError, ValueError, sqlite3.Error, asyncpg.PostgresError) as problem:
        print(f"nothing was restored: {told_of(problem)}", file=sys.stderr)
        return 1
    return 0


async def verify(folder: Path, config: Config) -> list[str]:
    """What is wrong with a backup. It is looked at in a copy. Raises BadConfig, OSError, ValueError."""
    try:
        kept = Manifest(**orjson.loads(await asyncio.to_thread((folder / MANIFEST).read_bytes)))
        found = await described(folder / FILE, kept.engine)
    except (TypeError, sqlite3.Error) as damage:
        return [f"it cannot be read: {type(damage).__name__}"]
    said = [] if found.sha256 == kept.sha256 else [f"{FILE} is not the file that was made"]
    names = kept.tables.keys() | found.tables.keys()
    said += [
        f"{name}: {_rows(found, name)} rows of {_rows(kept, name)}, or others"
        for name in sorted(names)
        if kept.tables.get(name) != found.tables.get(name)
    ]
    async with _opened(folder / FILE) as (db, path, components):
        said += await asyncio.to_thread(_damage, path)
        said += [] if db is None else [*await _seals(db, config.seal.open(), of(components)), *await _trail(db, config)]
        if db is None:
            said.append(f"this version cannot use it: it was made by Liaison {kept.liaison}")
    return said


def _rows(manifest: Manifest, table: str) -> str:
    return manifest.tables.get(table, "no").partition(":")[0]


@asynccontextmanager
async def _opened(file: Path) -> AsyncIterator[tuple[Database | None, Path, list[Component]]]:
    """A copy, brought up to date as a start would; None: of a newer version."""
    parent = file.parent.parent
    await asyncio.to_thread(sweep, parent, ".verify-*", lambda _: None)
    folder = parent / f".verify-{secrets.token_hex(4)}"
    with filling(folder, keep=False):
        path = folder / FILE
        await asyncio.to_thread(shutil.copyfile, file, path)
        components = await there(f"sqlite:///{path}")
        try:
            db = await open_database(f"sqlite:///{path}", components)
        except Unavailable as newer:
            if newer.code != "database_newer":
                raise
            yield None, path, components
            return
        try:
            yield db, path, components
        finally:
            await db.close()


def _damage(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        found = [str(text) for (text,) in db.execute("PRAGMA integrity_check(5)") if text != "ok"]
        loose = [
            f"{row[0]}: a row refers to one of {row[2]} that is not there"
            for row in db.execute("PRAGMA foreign_key_check")
        ]
    return [*found, *sorted(set(loose))]


async def _seals(db: Database, seal: Seal, columns: Sequence[SealedColumn]) -> list[str]:
    """Every key that has sealed something is there, and is the right one; some of each column are opened."""
    proofs = {str(row["key_id"]): bytes(row["sealed"]) for row in await db.all("process.proofs")}
    said = [f"seal.keys.{name} is another key than the backup's" for name in proof.wrong(seal, proofs)]
    for column in columns:
        place: list[Any] = column.first
        opened, missing, broken = 0, set[str](), 0
        while rows := await db.all(column.statement("page"), *place, _PAGE):
            for row in rows:
                name, place = column.key_in(row["mark"]), [row[key] for key in column.key]
                if name and name not in seal.names:
                    missing.add(name)
                elif name and column.form is Form.BYTES and opened < _OPENED:
                    opened, broken = opened + 1, broken + (not await _opens(db, seal, column, place))
        said += [f"{column.name} is sealed with {name}, which is not in seal.keys" for name in sorted(missing)]
        said += [f"{column.name}: {broken} of {opened} that were opened are damaged"] if broken else []
    return said


async def _opens(db: Database, seal: Seal, column: SealedColumn, place: Sequence[Any]) -> bool:
    row = await db.one(column.statement("one"), *place)
    if row is None or row["sealed"] is None:
        return True
    try:
        seal.open(bytes(row["sealed"]), column.context_of(row))
    except SealBroken:
        return False
    return True


async def _trail(db: Database, config: Config) -> list[str]:
    key = signing_key(config)
    verifier, forged = await judged(db, [] if key is None else [key.public_key()])
    said = [] if forged is None else [f"audit trail: checkpoint {forged} is not signed by audit.key_file"]
    return said if verifier.fault is None else [*said, f"audit trail: {verifier.fault}"]


async def restore(folder: Path, config: Config) -> None:
    """Put it where the configuration's database is to be, and nothing is. Raises NotCarried, Unavailable."""
    url, file = config.database.url, folder / FILE
    components = await there(f"sqlite:///{file}")
    if not is_server(url):
        await asyncio.to_thread(_laid, file, file_of(url))
    db = await open_database(url, components)
    try:
        if is_server(url):
            await carried(f"sqlite:///{file}", url, components, db)
        async with db.transaction("process.life-placed") as tx:
            await tx.run("process.life-placed", "restored")  # the next start sees that it lies elsewhere
    finally:
        await db.close()


def _laid(file: Path, path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):  # SQLite would put what another file's log holds into this one
        if (there := path.with_name(path.name + end)).exists():
            raise NotCarried(
                f"{there} is there already: stop the hub, and move {path.name} away with its -wal and -shm"
            )
    partial = path.with_name(path.name + ".partial")
    try:
        with (
            os.fdopen(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as target,
            file.open("rb") as source,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        os.rename(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
