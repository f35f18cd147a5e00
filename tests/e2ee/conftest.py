"""Real servers for the engine's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.world.synapse import Synapse
from tests.e2ee import bench
from tests.peers import world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers() -> AsyncIterator[tuple[Synapse, Synapse]]:
    """Two federated homeservers; the first knows our ghosts, and pushes nothing: the tests ring."""
    async with world.federation(bench.registration) as both:
        yield both
