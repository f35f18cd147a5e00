"""One hub with its console, and one provider, for all tests of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.console.make import Place, console


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Each test logs in by itself, and leaves the provider unspoiled."""
    async with console(Path(tmp_path_factory.mktemp("console"))) as made:
        yield made
