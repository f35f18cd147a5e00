"""One hub has a SQLite file, whatever the file is called, and for no longer than the hub lives."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

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
