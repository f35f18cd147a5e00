"""Worlds for the tests of Connect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.connect.make import World, running


@pytest_asyncio.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """A running hub and two simulated products whose users are declared."""
    async with running(tmp_path) as world:
        await world.declare()
        yield world
