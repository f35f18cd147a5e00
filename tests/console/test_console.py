"""The console of a whole hub, by hand: who gets in, what each page shows, and what comes of each act."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.console.make import EVIL, PAGES, Place, console

pytestmark = [pytest.mark.real_time, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with console(Path(tmp_path_factory.mktemp("console"))) as made:
        yield made


async def test_somebody_logs_in_looks_acts_and_logs_out(place: Place) -> None:
    visitor = place.visitor()
    status, headers, _ = await visitor.ask("GET", "/waiting?network=siilo")
    assert (status, headers["Location"]) == (303, "/login?to=/waiting%3Fnetwork%3Dsiilo")
    assert "/login/start?to=/waiting%3Fnetwork%3Dsiilo" in await visitor.page(headers["Location"])
    assert await visitor.log_in("anna", "/waiting?network=siilo") == (303, "/waiting?network=siilo")
    for path in PAGES:
        page = await visitor.page(path)
        assert "<script" not in page
        assert EVIL not in page
        assert "le patient" not in page
    assert place.message in await visitor.page("/waiting?network=siilo")
