"""`liaison upgrade --check`: what this release will do to the database and the configuration of the one that runs
now.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import quote

from appservice.process import examine
from appservice.process.app import COMPONENTS
from bridge.config import BadConfig, Config, read_config
from bridge.db import Component, file_of, is_server, present, read_migrations
from bridge.db.migrating import MigrationStep, needs, steps
from bridge.db.postgres.reaching import reach

_SECONDS = 2.0  # for a million rows that are read, on a slow disk
_WRITES = 10.0  # the same, where each is written
_LONG = 1.0  # s after which it is worth saying
_STILL = "the release that runs now works with it"
_NO_MORE = "the release that runs now cannot start after it"


@dataclass(frozen=True, slots=True)
class PendingMigration:
    """A migration that would run. ``beside``: the release that used the database last works with what it makes."""

    component: str
    number: int
    beside: bool
    steps: tuple[MigrationStep, ...]


def due(components: Sequence[Component], engine: str, done: Mapping[str, int]) -> list[PendingMigration]:
    """What would run on a database in which these were the newest. Pure."""
    found = []
    for component in components:
        before = done.get(component.name, 0)
        for number, text in read_migrations(component, engine):
            if number > before:
                beside = needs(text, number) <= before or component.name not in done
                found.append(PendingMigration(component.name, number, beside, tuple(steps(text))))
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It only looks."""
    parser.add_argument("--check", action="store_true", required=True, help="look, and change nothing (a hub may run)")


async def main(asked: argparse.Namespace) -> int:
    """Print; status 1: the hub would not start. Raises BadConfig, Unavailable."""
    said = [f"Liaison {version('liaison-hub')}"]
    try:
        config = read_config(asked.config)
        sections = examine.sections(config)
    except BadConfig as problems:
        wrong = [f"  {problem}" for problem in str(problems).splitlines()]
        print("\n".join([*said, "the configuration has to be changed first:", *wrong]))
        return 1
    tables = [*COMPONENTS, *(table for row, _ in sections for table in row.tables)]
    done, rows = await _seen(config)
    if done is None:
        print("\n".join([*said, "the database is empty, or not there: the start makes it"]))
        return 0
    print("\n".join([*said, *lines(due(tables, _engine(config), done), rows)]))
    return 0


def _engine(config: Config) -> str:
    return "postgresql" if is_server(config.database.url) else "sqlite"


def lines(found: Sequence[PendingMigration], rows: Mapping[str, int]) -> list[str]:
    """What an operator reads. ``rows``: how many each table has."""
    if not found:
        return ["no migration would run: the database is as this release has it; either release works with it"]
    said, seconds = [f"{len(found)} migrations would run:"], 0.0
    for one in found:
        said.append(f"  {one.component} {one.number:04}: {_STILL if one.beside else _NO_MORE}")
        for step in one.steps:
            takes = _takes(step, rows)
            seconds += takes
            if step.breaks or takes >= _LONG:
                waits = ", and whoever writes to it waits" if step.blocks and takes >= _LONG else ""
                many = f"{rows.get(step.table, 0)} rows, about {takes:.0f} s{waits}"
                said.append(f"    {step.what}: {step.table or 'no table'}, {many}")
    said.append(
        f"about {max(seconds, 1):.0f} s in all; products and the homeserver repeat meanwhile what they hand over"
    )
    several = "with several workers: start this release beside the old one, then stop the old one"
    if all(one.beside for one in found):
        return [*said, f"{several}; the way back is the same"]
    return [*said, "make a backup first (liaison backup): the way back is the backup", several]


def _takes(step: MigrationStep, rows: Mapping[str, int]) -> float:
    """Seconds, roughly: only what goes through a whole table takes any."""
    each = _WRITES if step.what.startswith("writes") else _SECONDS
    return rows.get(step.table, 0) / 1e6 * each if step.reads else 0.0


async def _seen(config: Config) -> tuple[dict[str, int] | None, dict[str, int]]:
    """The newest migrations that were applied, and how many rows there are; None: no hub's database yet."""
    if is_server(config.database.url):
        return await _in_server(config.database.url)
    return _in_file(config.database.url)


def _in_file(url: str) -> tuple[dict[str, int] | None, dict[str, int]]:
    path = file_of(url)
    if not path.exists():
        return None, {}
    present(url)
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if "migration" not in names:
            return None, {}
        done = dict(db.execute("SELECT component, MAX(number) FROM migration GROUP BY component"))
        counts = {name: db.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in names}  # noqa: S608
    return done, counts


async def _in_server(url: str) -> tuple[dict[str, int] | None, dict[str, int]]:
    connection = await reach(url)
    try:
        if not await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL"):
            return None, {}
        done = await connection.fetch("SELECT component, MAX(number) FROM migration GROUP BY component")
        rows = await connection.fetch(
            "SELECT relname, GREATEST(reltuples, 0)::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
    finally:
        await connection.close()
    return {row[0]: row[1] for row in done}, {row[0]: row[1] for row in rows}
