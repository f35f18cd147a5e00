"""Databases of earlier versions: for each migration the rows that a real hub of it left, with work waiting.

``<component>-<number>.json`` holds the rows; the tables are what the migrations up to that number make, and those files
are frozen by their hashes in ``frozen.json``. ``python -m tests.core.db.versions`` records the newest version: once for
each migration, when it is released.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from appservice.console import COMPONENT as CONSOLE
from appservice.e2ee import COMPONENT as E2EE
from appservice.process import matrix, proof
from bridge.db import Component, open_database, read_migrations
from bridge.db.postgres import Postgres
from bridge.db.sqlite import Sqlite
from bridge.networks.connect import fingerprints
from bridge.networks.mail.leg import ledger
from bridge.store import store
from bridge.trail.entry import COMPONENT as TRAIL
from tests.core.db.own import teach

HERE = Path(__file__).parent
COMPONENTS = (
    store.COMPONENT, TRAIL, matrix.COMPONENT, E2EE, ledger.COMPONENT, fingerprints.COMPONENT, proof.COMPONENT,
    CONSOLE,
)  # fmt: skip
FROZEN: dict[str, str] = json.loads((HERE / "frozen.json").read_text()) if (HERE / "frozen.json").exists() else {}


def migration_files(component: Component) -> dict[int, Path]:
    """The migrations of a component by number."""
    return {int(p.name.split("_")[0]): p for p in sorted((component.folder / "migrations").glob("[0-9]*.sql"))}


def digest(path: Path) -> str:
    """The hash by which a migration is frozen."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def recorded(component: Component) -> dict[int, Path]:
    """The versions of a component whose rows were kept."""
    return {int(p.stem.rpartition("-")[2]): p for p in HERE.glob(f"{component.name}-*.json")}


def tables(component: Component) -> list[str]:
    """The tables that a component has now."""
    with sqlite3.connect(":memory:") as db:
        there: set[str] = set()
        for one in COMPONENTS:
            before = there
            for _, text in read_migrations(one, "sqlite"):
                db.executescript(text)
            rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
            there = {name for (name,) in rows}
            if one is component:
                return sorted(there - before)
    raise KeyError(component.name)


def record(database: Path) -> None:
    """Keep the rows of a hub's SQLite file for each component whose newest version has none; freeze the migrations."""
    frozen: dict[str, str] = {}
    with sqlite3.connect(database) as db:
        db.row_factory = sqlite3.Row
        there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for component in COMPONENTS:
            kept = HERE / f"{component.name}-{max(migration_files(component)):04}.json"
            if not kept.exists():
                rows = {
                    t: [_pack(r) for r in db.execute(f"SELECT * FROM {t}")] if t in there else []
                    for t in tables(component)
                    if t != "trail_new"  # the database writes it itself when a version's rows are put back
                }
                kept.write_text(json.dumps(rows, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
            frozen |= {f"{component.name}/{p.name}": digest(p) for p in migration_files(component).values()}
    (HERE / "frozen.json").write_text(json.dumps(frozen, indent=1, sort_keys=True) + "\n")


def _pack(row: sqlite3.Row) -> dict[str, Any]:
    return {k: {"b64": base64.b64encode(v).decode()} if isinstance(v, bytes) else v for k, v in dict(row).items()}


def _unpack(value: Any) -> Any:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


async def make(url: str, folder: Path, versions: dict[str, int]) -> None:
    """A database as it was when each component was at this version."""
    old = [_at(component, versions[component.name], folder) for component in COMPONENTS]
    db = await open_database(url, old)
    assert isinstance(db, Sqlite | Postgres)
    for component in COMPONENTS:
        kept = json.loads((HERE / f"{component.name}-{versions[component.name]:04}.json").read_text())
        for table in sorted(kept, key=lambda t: t != "conversation"):  # others refer to it
            await _insert(db, table, kept[table])
    await db.close()


def _at(component: Component, number: int, folder: Path) -> Component:
    """The component with its migrations up to a number."""
    copy = folder / component.name
    (copy / "migrations").mkdir(parents=True)
    for n, path in migration_files(component).items():
        if n <= number:
            shutil.copy(path, copy / "migrations")
    return Component(component.name, copy)


async def _insert(db: Sqlite | Postgres, table: str, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        teach(db, "insert", f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})")
        async with db.transaction("test") as tx:
            await tx.run("insert", *map(_unpack, row.values()))
