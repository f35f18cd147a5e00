"""One world of real servers for all trials: two federated homeservers, the hub as a process, two product simulators."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from deploy.world.postgres import memory
from deploy.world.state_directory import StateDirectory
from deploy.world.world import World


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def world() -> AsyncIterator[World]:
    """The world of the demo, without its story."""
    folder = Path(tempfile.mkdtemp(prefix="liaison-trial-", dir=memory()))
    state = StateDirectory(folder)
    kept, _ = state.open()
    try:
        async with World(state, kept, lambda _: None, forked=True) as world:
            yield world
    finally:
        state.release()
        if "LIAISON_KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)
