"""The engine's tests run on SQLite and on PostgreSQL, against a stub of the key endpoints and against real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.demo.postgres import Postgres
from deploy.demo.synapse import Synapse
from tests.e2ee import bench
from tests.peers import world


@pytest.fixture(scope="session")
def e2ee_postgres() -> Iterator[Postgres]:
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
    server: Postgres = request.getfixturevalue("e2ee_postgres")
    return asyncio.run(server.create_database())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers() -> AsyncIterator[tuple[Synapse, Synapse]]:
    """Two federated homeservers; the first knows our ghosts, and pushes nothing: the tests ring."""
    async with world.federation(bench.registration) as both:
        yield both
