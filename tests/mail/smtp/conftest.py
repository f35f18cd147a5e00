"""An operator port with a good peer, for the tests that speak to it word by word."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from bridge.networks.mail.smtp.smtp_in import SmtpIn
from tests.mail.smtp.peer import Peer
from tests.mail.space import Party, Shelf, Space

A = "mss-a.example"
Start = Callable[..., Any]


@pytest.fixture(scope="module")
def space() -> Space:
    return Space()


@pytest.fixture(scope="module")
def anna(space: Space) -> Party:
    return space.party("mail.mss-a.example", A, "second.mss-a.example")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest_asyncio.fixture
async def start(space: Space, shelf: Shelf) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def begin(clock: Callable[[], float] | None = None, **changes: Any) -> SmtpIn:
            more: dict[str, Any] = {} if clock is None else {"clock": clock}
            edge = SmtpIn(space.settings(**changes), space.judge, shelf.take, shelf.known, **more)
            await edge.start()
            stack.push_async_callback(edge.stop)
            return edge

        yield begin


@pytest_asyncio.fixture
async def port(start: Start) -> int:
    return int((await start()).port)


@pytest_asyncio.fixture
async def peer(port: int, space: Space, anna: Party) -> AsyncIterator[Peer]:
    """A good peer, through TLS."""
    async with Peer(port) as peer:
        await peer.tls(space.client_context(anna))
        yield peer
