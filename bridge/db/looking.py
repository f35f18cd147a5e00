"""A look at a database without changing it, beside a hub that may be using it: for `liaison check`."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bridge.db.database import NEEDS, Component, newest
from bridge.db.migrating import too_new
from bridge.db.refusals import why


@dataclass(slots=True)
class Looked:
    """What was seen. ``troubles``: what keeps a hub from starting, with its remedy; ``remarks``: what may be meant so.

    ``new``: there is no table of a hub yet. ``proofs``: key id → the text sealed with it (table ``seal_proof``).
    """

    troubles: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    in_use: bool = False
    new: bool = False
    proofs: dict[str, bytes] = field(default_factory=dict)
    hub: str | None = None

    def trouble(self, what: str, mend: str) -> Looked:
        """One that keeps a hub from starting."""
        self.troubles.append((what, mend))
        return self


async def look(url: str, components: Sequence[Component]) -> Looked:
    """Look. Nothing is raised for what can be wrong with a database or its address."""
    if url.startswith("sqlite:///"):
        return _sqlite(url.removeprefix("sqlite:///"), components)
    if url.startswith(("postgresql://", "postgres://")):
        return await _postgres(url, components)
    if url.startswith("sqlite:"):
        return Looked().trouble("it has too few slashes", "write sqlite:// and the absolute path: sqlite:////var/lib/…")
    return Looked().trouble("it must begin with sqlite:/// or postgresql://", "there are these two engines")


def _sqlite(path: str, components: Sequence[Component]) -> Looked:
    found, file = Looked(), Path(path)
    if not file.is_absolute():
        mend = "write four slashes: sqlite:////var/lib/liaison/hub.db"
        found.remarks.append(("the path depends on where the hub is started", mend))
    if not file.exists():
        return _no_file(found, file)
    if not file.is_file() or not os.access(file, os.R_OK | os.W_OK) or not os.access(file.parent, os.W_OK):
        return found.trouble(f"{path} cannot be written", "chown and chmod: file and folder belong to the hub's user")
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        found.remarks.append((f"{path} can be read by others than the hub's user", "chmod 600, also its copies"))
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True, timeout=5)) as db:
            db.execute("PRAGMA query_only=ON")
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            _read(found, tables, lambda sql: db.execute(sql).fetchall(), components, "sqlite")
    except sqlite3.Error as error:
        mend = "name another file, or restore a backup (README, Restore)"
        return found.trouble(f"{path} cannot be used: {getattr(error, 'sqlite_errorname', '')}, {error}", mend)
    found.in_use = _locked(path)
    return found


def _no_file(found: Looked, file: Path) -> Looked:
    """The first start makes it, if it can; a path with a mistake in it would make an empty hub."""
    found.new = True
    there = next(folder for folder in (file.parent, *file.parent.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        return found.trouble(
            f"{file} cannot be made in {there}", "make the folder and give it to the hub's user: chown"
        )
    mend = "nothing to do before the first start; if the hub has run before, its path is another one"
    found.remarks.append((f"there is no file {file}: the start makes an empty database", mend))
    return found


def _locked(path: str) -> bool:
    """Whether a hub has the file. Asked last: SQLite's own locks of this process end with the descriptor."""
    own = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(own)
    return False


async def _postgres(url: str, components: Sequence[Component]) -> Looked:
    import asyncpg

    from bridge.db.postgres import durability, session

    found = Looked()
    try:
        connection = await session.plain(url)
    except ValueError:  # its text may hold a part of the password
        return found.trouble("it is no address", "in a password, write @ : / # as %40 %3A %2F %23")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return found.trouble(*why(error))
    try:
        await _of_postgres(found, connection, components)
        seen = await durability.seen_of(connection)
        if seen["replica"]:
            found.trouble(*durability.REPLICA)
        elif seen["read_only"] == "on":
            found.trouble(*durability.READ_ONLY)
        else:
            found.remarks += durability.remarks(url, seen)
    except asyncpg.PostgresError as error:
        found.trouble(f"it cannot be read ({type(error).__name__})", "the hub's role must own the tables")
    finally:
        with suppress(Exception):
            await connection.close(timeout=5)
    return found


async def _of_postgres(found: Looked, connection: Any, components: Sequence[Component]) -> None:
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        mend = "createdb -E UTF8 -T template0 --locale=C NAME, and name that one"
        found.trouble(f"the database's encoding is {encoding}: names with accents are lost", mend)
    if not await connection.fetchval("SELECT has_schema_privilege(current_schema(), 'CREATE')"):
        found.trouble("the user may make no tables", "make the role the owner: ALTER DATABASE name OWNER TO role")
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    texts = {}
    for name, sql in _READS.items():
        if name in {row["tablename"] for row in rows}:
            texts[name] = [tuple(row) for row in await connection.fetch(sql)]
    _read(
        found, set(texts), lambda sql: texts[next(n for n, s in _READS.items() if s == sql)], components, "postgresql"
    )
    if found.new:
        mend = "nothing to do before the first start; if the hub has run before, its database is another one"
        found.remarks.append(("the database is empty", mend))
    from bridge.db.postgres.lease import IN_USE

    found.in_use = bool(await connection.fetchval(IN_USE))


_READS = {
    "migration": "SELECT component, number FROM migration",
    "migration_needs": NEEDS,
    "seal_proof": "SELECT key_id, sealed FROM seal_proof",
    "life": "SELECT hub FROM life",
}


def _read(found: Looked, tables: set[str], rows: Any, components: Sequence[Component], engine: str) -> None:
    found.new = "migration" not in tables
    if found.new:
        return
    says = rows(_READS["migration_needs"]) if "migration_needs" in tables else []
    needed = {(name, number): needs for name, number, needs in says}
    if too_new(newest(components, engine), rows(_READS["migration"]), needed):
        found.trouble("a newer Liaison has used this database", "run that version, or restore the older backup")
    if "seal_proof" in tables:
        found.proofs = {str(name): bytes(sealed) for name, sealed in rows(_READS["seal_proof"])}
    if "life" in tables:
        found.hub = next((str(hub) for (hub,) in rows(_READS["life"])), None)
