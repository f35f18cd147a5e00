"""A small database on PostgreSQL, and somebody else who uses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from bridge.db import open_database
from bridge.db.postgres import Postgres
from deploy.world.postgres import Postgres as Server
from tests.core.db.notes import component


@pytest.fixture
def pg_url(postgres: Server) -> str:
    """An empty database."""
    return asyncio.run(postgres.create_database())


@pytest.fixture
async def pg(pg_url: str, tmp_path: Path) -> AsyncIterator[Postgres]:
    """A database with the table of notes."""
    made = await open_database(pg_url, [component(tmp_path)])
    assert isinstance(made, Postgres)
    yield made
    await made.close()


@pytest.fixture
async def somebody(pg_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else on the same database."""
    connection = await asyncpg.connect(pg_url)
    yield connection
    await connection.close()
