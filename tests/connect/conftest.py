"""Worlds for the tests of Connect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.demo.postgres import Postgres
from tests.connect.make import World, running


@pytest_asyncio.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """A running hub and two simulated products whose users are declared."""
    async with running(tmp_path) as world:
        await world.declare()
        yield world


@pytest.fixture(scope="session")
def connect_postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for the whole run."""
    server = Postgres()
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/prints.db"
    server: Postgres = request.getfixturevalue("connect_postgres")
    return asyncio.run(server.create_database())
