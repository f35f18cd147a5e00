"""The core's tests run on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.postgres import Postgres


@pytest.fixture(scope="session")
def core_postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for the whole run."""
    server = Postgres()
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hub.db"
    server: Postgres = request.getfixturevalue("core_postgres")
    return asyncio.run(server.create_database())
