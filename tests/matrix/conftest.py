"""One pretended world per test; two real homeservers for all tests that ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest_asyncio

from appservice.process.registration import registration
from deploy.world.ports import free_port
from deploy.world.stub.homeserver import StubHomeserver
from deploy.world.synapse import Synapse
from tests.matrix.make import SERVER, Node, World, hub
from tests.matrix.servers import Servers
from tests.peers import world as real


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A stub homeserver; start humans and hubs from it."""
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(StubHomeserver(SERVER))
        room = stub.world.create_room(stub.sender, {})  # as if a hub had been here before
        stub.account_data[(stub.sender, "fr.liaison.heartbeat")] = {"room_id": room.room_id}
        yield World(stub, tmp_path, stack)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers() -> AsyncIterator[Servers]:
    """Started once."""
    port = free_port()

    def register(server: Synapse) -> dict[str, Any]:
        made = Servers(server, server, port).settings()
        return registration(made, "as-real", "hs-real")

    async with real.federation(register) as (home, away):
        yield Servers(home, away, port)


@pytest_asyncio.fixture(loop_scope="session")
async def node(servers: Servers, tmp_path: Path) -> AsyncIterator[Node]:
    """A hub on the first server, with a fresh database beside old ghosts."""
    async with hub(f"sqlite:///{tmp_path}/hub.db", servers.settings(), servers.trusted, servers.port) as made:
        yield made
