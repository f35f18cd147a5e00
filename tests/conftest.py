"""What every test may ask for; servers start when the first test asks."""

from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.demo.postgres import Postgres
from deploy.demo.synapse import Synapse
from tests.peers import world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[Postgres]:
    """A PostgreSQL server for the whole run; take a database of your own with `create_database()`."""
    server = Postgres()
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def homeservers() -> AsyncIterator[tuple[Synapse, Synapse]]:
    """Two federated homeservers without a hub for the whole run; make users of your own."""
    async with world.federation() as servers:
        yield servers


@pytest_asyncio.fixture
async def new_client() -> AsyncIterator[world.NewClient]:
    """Start clients for new users; they end with the test."""
    async with world.clients() as start:
        yield start
