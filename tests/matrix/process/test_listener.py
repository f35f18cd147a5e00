"""Whoever holds connections open without a request keeps nobody else out, and is seen in the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from appservice.process.listener import Listener
from bridge.config import ConnectListenSettings
from bridge.workers.entrances import Entrances
from bridge.workers.inner import Inner, head
from deploy.world.waiting import until

HALF = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "


async def _answer(request: web.Request) -> web.Response:
    return web.json_response({"size": len(await request.read())})


@contextlib.asynccontextmanager
async def listening(**more: Any) -> AsyncIterator[Listener]:
    app = web.Application()
    app.router.add_route("*", "/", _answer)
    made = Listener("connect_listen", app, ConnectListenSettings(port=0, **more))
    await made.start(None)
    try:
        yield made
    finally:
        await made.stop()


def _ended(reader: asyncio.StreamReader) -> bool:
    """Whether the hub has ended it, with an answer or without."""
    return bool(getattr(reader, "_eof")) or reader.exception() is not None  # noqa: B009


class Peers:
    """Connections that somebody holds open."""

    def __init__(self, at: Listener) -> None:
        self._at = at.addresses[0]
        self.open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def connect(self, many: int, text: bytes = b"") -> None:
        for _ in range(many):
            reader, writer = await asyncio.open_connection(*self._at)
            self.open.append((reader, writer))
            writer.write(text)

    def ended(self) -> int:
        """How many the hub has ended."""
        return sum(_ended(reader) for reader, _ in self.open)

    async def close(self) -> None:
        for _, writer in self.open:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in self.open), return_exceptions=True)


@contextlib.asynccontextmanager
async def peers(at: Listener) -> AsyncIterator[Peers]:
    made = Peers(at)
    try:
        yield made
    finally:
        await made.close()


async def asked(at: Listener, body: bytes = b"") -> int:
    """Somebody with a whole request is answered."""
    host, port = at.addresses[0]
    async with ClientSession() as session, session.post(f"http://{host}:{port}/", data=body) as answer:
        assert (await answer.json()) == {"size": len(body)}
        return answer.status


@pytest.mark.parametrize("text", [b"", HALF, b"POST / HTTP/1.1\r\nContent-Length: 9\r\nHost: x\r\n\r\nab"])
async def test_who_sends_no_whole_request_is_closed(text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with listening(head_timeout=0.3, body_timeout=0.3) as at, peers(at) as some:
        await some.connect(5, text)
        await until(lambda: some.ended() == 5)
        assert await asked(at) == 200
    lines = {r.getMessage().partition(" connections ")[2] for r in caplog.records if r.levelno >= logging.WARNING}
    assert [line for line in lines if line.startswith("closed: no")]
    assert all(record.levelno < logging.ERROR for record in caplog.records)


async def test_a_head_that_trickles_is_closed_too(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(head_timeout=0.3) as at, peers(at) as some:
        await some.connect(1, HALF)
        writer = some.open[0][1]
        while not some.ended():
            with contextlib.suppress(ConnectionError):
                writer.write(b"x")
                await writer.drain()
            await asyncio.sleep(0.02)
    assert "head_timeout" in caplog.text


async def test_a_second_head_on_one_connection_is_watched() -> None:
    async with listening(head_timeout=0.3) as at, peers(at) as some:
        await some.connect(1, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        reader, writer = some.open[0]
        await reader.readuntil(b"}")
        writer.write(HALF)
        await until(lambda: some.ended() == 1)


async def test_a_large_body_may_take_longer_than_a_head() -> None:
    size, piece = 1_000_000, bytes(50_000)
    async with listening(head_timeout=0.2) as at, peers(at) as some:
        await some.connect(1, f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + piece * 10)
        reader, writer = some.open[0]
        for _ in range(10):
            await asyncio.sleep(0.05)
            writer.write(piece)
        assert b"200" in await reader.readuntil(b"}")


async def test_a_connection_that_rests_between_two_requests_stays() -> None:
    async with listening(head_timeout=0.1) as at, peers(at) as some:
        await some.connect(1, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        reader, writer = some.open[0]
        await reader.readuntil(b"}")
        await asyncio.sleep(0.5)  # five times as long: nothing is awaited, since nothing has begun
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readuntil(b"}")


@pytest.mark.parametrize("limit", [{"max_per_peer": 20}, {"max_connections": 20}])
async def test_a_thousand_that_ask_nothing_keep_nobody_out(
    limit: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(head_timeout=60, **limit) as at, peers(at) as some:
        await some.connect(300, HALF)
        assert await asked(at, b"whole") == 200
        await until(lambda: some.ended() >= 280)
        assert len(at._runner.server.connections if at._runner.server else ()) <= 25
    assert "closed for others" in caplog.text
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1  # said once a minute


async def test_who_is_being_answered_does_not_make_room(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(max_per_peer=2) as at, peers(at) as some:
        await some.connect(2, b"POST / HTTP/1.1\r\nContent-Length: 4\r\nHost: x\r\n\r\nab")
        await until(lambda: sum(c._current_request is not None for c in at._peers.get("127.0.0.1", {})) == 2)
        await some.connect(1, HALF)
        await until(lambda: some.ended() == 1)
        assert "refused: 2 of 127.0.0.1 are open (max_per_peer)" in caplog.text
        for reader, writer in some.open[:2]:
            writer.write(b"cd")
            assert b"200" in await reader.readuntil(b"}")


async def test_the_limit_is_a_part_of_the_files_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (80, 80))
    async with listening() as at:
        assert at._most == 20


@pytest.mark.parametrize(
    "text", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nA B: c\r\n\r\n"]
)
async def test_what_is_no_http_is_no_error(text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as at, peers(at) as some:
        for _ in range(3):
            await some.connect(1, text)
        await until(lambda: some.ended() == 3)
        assert await asked(at) == 200
    assert all(record.levelno < logging.ERROR for record in caplog.records)
    assert ("sent what is no HTTP request" in caplog.text) == text.startswith(b"GET")  # TLS on such a port: DEBUG


async def test_tls_that_is_not_agreed_on_is_closed(tmp_path: Path) -> None:
    app = web.Application()
    made = Listener("connect_listen", app, ConnectListenSettings(port=0, head_timeout=0.3))
    await made.start(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    async with peers(made) as some:
        await some.connect(3)
        await until(lambda: some.ended() == 3)
    await made.stop()


async def test_what_another_worker_hands_on_counts_for_who_has_made_it() -> None:
    entrances, app = Entrances(), web.Application()
    app.router.add_route("*", "/", _answer)
    made = Listener("connect_listen", app, ConnectListenSettings(port=0, max_per_peer=1), entrances)
    await made.start(None)
    inner = Inner(entrances, "127.0.0.1")
    await inner.start()
    ends = []
    try:
        for who in ("10.1.2.3", "10.1.2.4", "10.1.2.3"):
            host, _, port = inner.address.partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            ends.append(writer)
            request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
            writer.write(head(inner.secret, "connect_listen", who) + request)
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        assert {who: len(mine) for who, mine in made._peers.items()} == {"10.1.2.3": 1, "10.1.2.4": 1}
    finally:
        for writer in ends:
            writer.transport.abort()
        await inner.stop()
        await made.stop()
