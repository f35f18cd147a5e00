"""The media repository as the store of files, with a homeserver that goes away in the midst of everything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from appservice.client.homeserver import Homeserver
from appservice.client.media import Media
from bridge.errors import Refused, Unavailable
from bridge.files import Pieces, pieces_of
from deploy.world.waiting import until


async def stuck() -> Pieces:
    """A product that begins, and then says nothing for ever."""
    yield bytes(10)
    await asyncio.Event().wait()
    yield b""


@contextlib.asynccontextmanager
async def media() -> AsyncIterator[Media]:
    """A store whose homeserver hangs up as soon as a body has begun."""
    open_ones = set[asyncio.StreamWriter]()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await reader.read(10)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        open_ones.discard(writer)

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Homeserver(f"http://127.0.0.1:{port}", "token", once=True) as homeserver:
        yield Media(homeserver, 10_000, 1.0)
        await until(lambda: not open_ones)


async def test_a_homeserver_that_hangs_up_while_the_product_is_waited_for() -> None:
    async with media() as store:
        for _ in range(5):
            with pytest.raises(Unavailable):
                await store.put(stuck(), 5000)


@pytest.mark.parametrize("size", [4, 6])
async def test_a_body_that_is_not_as_long_as_was_said_is_refused(size: int) -> None:
    async with media() as store:
        with pytest.raises(Refused) as refusal:
            await store.put(pieces_of(b"12345"), size)
        assert refusal.value.code == "wrong_size"
