"""One hub has a SQLite file, whatever the file is called, and for no longer than the hub lives."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.db import open_database
from bridge.errors import Unavailable
from tests.core.db.notes import component
from tests.core.db.test_db import opened, write


def _hold(path: str, folder: str, ready: Any) -> None:
    async def hold() -> None:
        async with opened(f"sqlite:///{path}", Path(folder)):
            ready.set()
            await asyncio.sleep(60)

    asyncio.run(hold())


@asynccontextmanager
async def another_hub(path: str, folder: Path) -> AsyncIterator[None]:
    """Another process has the file; it is killed in the end."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    child = context.Process(target=_hold, args=(path, str(folder), ready))
    child.start()
    try:
        assert await asyncio.to_thread(ready.wait, 30)
        yield
    finally:
        child.kill()
        await asyncio.to_thread(child.join)


async def test_a_killed_process_leaves_the_file_free(tmp_path: Path) -> None:
    async with another_hub(f"{tmp_path}/hub.db", tmp_path):
        with pytest.raises(Unavailable, match="database_in_use"):
            await open_database(f"sqlite:///{tmp_path}/hub.db", [component(tmp_path)])
    async with opened(f"sqlite:///{tmp_path}/hub.db", tmp_path) as db:
        await write(db, "mine")


async def test_a_second_hub_is_refused_whatever_the_file_is_called(tmp_path: Path) -> None:
    async with another_hub(f"{tmp_path}/hub.db", tmp_path):
        (tmp_path / "hard.db").hardlink_to(tmp_path / "hub.db")
        (tmp_path / "soft.db").symlink_to(tmp_path / "hub.db")
        (tmp_path / "hub.db.lock").unlink()
        for name in ("hard.db", "soft.db", "hub.db"):
            with pytest.raises(Unavailable, match="database_in_use"):
                await open_database(f"sqlite:///{tmp_path}/{name}", [component(tmp_path)])


async def test_a_database_knows_where_it_lies(url: str, tmp_path: Path) -> None:
    places = []
    for _ in range(2):
        async with opened(url, tmp_path) as db:
            places.append(await db.place())
    assert len(set(places)) == 1


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder on a disk: a file system in memory does not count how often it gives a number."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


async def test_a_copied_file_lies_elsewhere_also_under_the_old_name(disk: Path, tmp_path: Path) -> None:
    path = disk / "hub.db"
    places = []
    for _ in range(3):
        async with opened(f"sqlite:///{path}", tmp_path) as db:
            places.append(await db.place())
        shutil.copy(path, disk / "copy.db")
        path.unlink()  # its number is free again
        shutil.copy(disk / "copy.db", path)
    if places[0].endswith("/0"):
        pytest.skip("this file system does not count how often it gives a number")
    assert len(set(places)) == 3


@pytest.mark.postgres
async def test_restored_tables_lie_elsewhere(pg_url: str, tmp_path: Path) -> None:
    async with opened(pg_url, tmp_path) as db:
        before = await db.place()
    connection = await asyncpg.connect(pg_url)
    for statement in (
        "CREATE TABLE kept AS TABLE migration", "DROP TABLE migration",
        "CREATE TABLE migration (component TEXT, number INTEGER, PRIMARY KEY (component, number))",
        "INSERT INTO migration SELECT * FROM kept",
    ):  # fmt: skip
        await connection.execute(statement)
    await connection.close()
    async with opened(pg_url, tmp_path) as db:
        assert await db.place() != before
