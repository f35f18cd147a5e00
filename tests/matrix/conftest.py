"""One world per test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from tests.far.stub_homeserver import StubHomeserver
from tests.matrix.make import SERVER, World


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A stub homeserver; start humans and hubs from it."""
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(StubHomeserver(SERVER))
        room = stub.world.create_room(stub.sender, {})  # as if a hub had been here before
        stub.account_data[(stub.sender, "fr.liaison.heartbeat")] = {"room_id": room.room_id}
        yield World(stub, tmp_path, stack)
