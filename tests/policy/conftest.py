"""One world for all stories of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.policy.far_world import PolicyWorld, policy_world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def policy() -> AsyncIterator[PolicyWorld]:
    """Three homeservers, started once."""
    async with policy_world() as world:
        yield world
