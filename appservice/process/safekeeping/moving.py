"""`liaison move`: the hub's database goes to another engine, whole or not at all, and the hub goes on with the same
keys.

Both are held for the time, as a hub holds its own: none may run with either. A move is no restored copy: the new place
is noted, and the old database becomes one with which no hub starts by mistake.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg

from appservice.process.app import COMPONENTS
from bridge.db import BadAddress, Component, Database, fence_of, file_of, is_server, open_database
from bridge.db.carrying.carriage import NotCarried, Sums, carry
from bridge.db.carrying.ends import end_of
from bridge.db.carrying.tables import tables_of
from bridge.db.postgres.reaching import reach
from bridge.db.refusals import in_words, why
from bridge.errors import Unavailable
from bridge.networks import networks

EVERY: tuple[Component, ...] = (*COMPONENTS, *(table for _, row in networks() for table in row.tables))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From where, to where."""
    parser.add_argument(
        "source", help="the address of the database that the hub uses now (sqlite:///… or postgresql://…)"
    )
    parser.add_argument("target", help="the address of an empty one")


async def main(asked: argparse.Namespace) -> int:
    """Move, print."""
    try:
        sums = await move(asked.source, asked.target)
    except (NotCarried, BadAddress) as problem:
        print(f"nothing was moved: {problem}", file=sys.stderr)
        return 1
    except (sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as problem:
        print(f"nothing was moved: {': '.join(why(problem))}", file=sys.stderr)
        return 1
    print(f"{sum(one.rows for one in sums.values())} rows of {len(sums)} tables came over, each as it was")
    print("write the new address into database.url, and start the hub; no hub starts with the old database any more")
    print("the national directory, if there is one, is imported again: liaison directory import")
    return 0


async def there(url: str) -> list[Component]:
    """The components that a database has tables of. Raises NotCarried (it is no hub's), Unavailable, BadAddress."""
    names = await _in_server(url) if is_server(url) else _in_file(file_of(url))
    if not names:
        raise NotCarried("the first database is no hub's")
    return [component for component in EVERY if component.name in names]


async def _in_server(url: str) -> set[str]:
    connection = await reach(url)
    try:
        if not await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL"):
            return set()
        return {row["component"] for row in await connection.fetch("SELECT component FROM migration")}
    finally:
        await connection.close()


def _in_file(path: Path) -> set[str]:
    if not path.is_file():
        raise NotCarried(f"there is no file {path}")
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'migration'").fetchall():
            return set()
        return {name for (name,) in db.execute("SELECT component FROM migration")}


async def move(source: str, target: str) -> Sums:
    """See above. Raises NotCarried, BadAddress, and what the engines raise."""
    if source == target:
        raise NotCarried("both addresses are the same")
    with _saying("the first database"):
        components = await there(source)
    async with AsyncExitStack() as stack:
        with _saying("the first database"):
            old = await _opened(stack, source, components)
        with _saying("the second database"):
            new = await _opened(stack, target, components)
        sums = await carried(source, target, components, new)
        place = await new.place()
        async with new.transaction("process.life-placed") as tx:
            await tx.run("process.life-placed", place)
        async with old.transaction("process.life-moved") as tx:
            await tx.run("process.life-moved", "moved: ")
        return sums


async def _opened(stack: AsyncExitStack, url: str, components: Sequence[Component]) -> Database:
    db = await open_database(url, components)
    stack.push_async_callback(db.close)
    return db


@contextmanager
def _saying(which: str) -> Iterator[None]:
    try:
        yield
    except Unavailable as reason:
        raise NotCarried(f"{which}: {in_words(reason)}") from reason


async def carried(source: str, target: str, components: Sequence[Component], held: Database | None = None) -> Sums:
    """Everything of these components, into a database that is open elsewhere in this process (``held``).

    Nothing comes of it once another process has taken that one over. Raises NotCarried, Unavailable.
    """
    async with AsyncExitStack() as stack:
        first = await end_of(source, readonly=True)
        stack.push_async_callback(first.close)
        second = await end_of(target, fence=None if held is None else fence_of(held))
        stack.push_async_callback(second.close)
        return await carry(first, second, tables_of(components))
