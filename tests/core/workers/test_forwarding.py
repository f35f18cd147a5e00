"""Connections that one worker hands on to another: byte by byte, with who has made them, and none is lost meanwhile."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
import uvloop

from bridge.parts.tasks import Tasks
from bridge.workers import forwarding
from bridge.workers.entrances import Entrances
from bridge.workers.forwarding import Forwarding, Working
from bridge.workers.inner import HEAD, Inner, head, read_head
from deploy.world.waiting import until

_HOST = "127.0.0.1"


@dataclass
class Worker:
    """One that works: it answers each connection with who has made it, then gives back what comes."""

    entrances: Entrances = field(default_factory=lambda: Entrances(shared=True))
    peers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inner = Inner(self.entrances, _HOST)
        self._tasks = Tasks("test")
        self._sockets: list[socket.socket] = []

    async def open(self, port: int = 0) -> Working:
        """Listen at the entrance ``api``; gives the directions for others."""
        self._sockets = await self.entrances.bind("api", _HOST, port)
        self.entrances.opened("api", self._sockets, self._take)
        for one in self._sockets:
            self._tasks.start(self._accept(one))
        await self.inner.start()
        return Working(self.inner.address, self.inner.secret, dict(self.entrances.places))

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            taken, _ = await asyncio.get_running_loop().sock_accept(listening)
            await self._take(taken, "")

    async def _take(self, taken: socket.socket, peer: str) -> None:
        self._tasks.start(self._answer(taken, peer))

    async def _answer(self, taken: socket.socket, peer: str) -> None:
        self.peers.append(peer)
        reader, writer = await asyncio.open_connection(sock=taken)
        while piece := await reader.read(1000):
            writer.write(piece)
        writer.write(b" end")
        writer.close()

    async def close(self) -> None:
        """Die."""
        self.entrances.closed("api")
        await self.inner.stop()
        await self._tasks.stop()
        for one in self._sockets:
            one.close()


@pytest_asyncio.fixture
async def worker() -> AsyncIterator[Worker]:
    made = Worker()
    yield made
    await made.close()


@dataclass
class Waiting:
    """One that waits, with a port of its own for ``api``."""

    entrances: Entrances = field(default_factory=lambda: Entrances(shared=True))

    def __post_init__(self) -> None:
        with socket.create_server((_HOST, 0)) as free:
            self.port = free.getsockname()[1]
        self.forwarding = Forwarding(self.entrances, lambda name: (_HOST, self.port) if name == "api" else None)


@pytest_asyncio.fixture
async def waiting() -> AsyncIterator[Waiting]:
    made = Waiting()
    yield made
    await made.forwarding.stop()


async def _said(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(_HOST, port)
    writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_what_comes_to_one_that_waits_is_answered_by_the_one_that_works(worker: Worker, waiting: Waiting) -> None:
    await waiting.forwarding.towards(await worker.open())
    large = bytes(range(256)) * 4000
    assert await asyncio.gather(*(_said(waiting.port, text) for text in (b"a", large, b""))) == [
        b"a end", large + b" end", b" end"
    ]  # fmt: skip
    assert worker.peers == [_HOST] * 3


async def test_while_nobody_works_a_connection_waits(worker: Worker, waiting: Waiting) -> None:
    await waiting.forwarding.towards(await worker.open())
    await waiting.forwarding.towards(None)
    call = asyncio.create_task(_said(waiting.port, b"a"))
    await asyncio.sleep(0.1)
    assert not call.done()
    await waiting.forwarding.towards(Working(worker.inner.address, worker.inner.secret, worker.entrances.places))
    assert await call == b"a end"


@pytest.mark.parametrize("between", [True, False])
async def test_who_was_to_be_handed_on_to_a_silent_machine_is_handed_on_as_soon_as_somebody_else_works(
    worker: Worker, waiting: Waiting, monkeypatch: pytest.MonkeyPatch, between: bool
) -> None:
    monkeypatch.setattr(forwarding, "_CONNECT", 600.0)
    with socket.create_server((_HOST, 0), backlog=0) as silent:
        place = silent.getsockname()
        full = [socket.socket() for _ in range(8)]  # more than the system keeps for it: the next gets no answer at all
        for one in full:
            one.setblocking(False)
            one.connect_ex(place)
        working = await worker.open()
        await waiting.forwarding.towards(Working(f"{_HOST}:{place[1]}", "another", working.places))
        call = asyncio.create_task(_said(waiting.port, b"a"))
        await until(lambda: bool(waiting.forwarding._trying))
        if between:
            await waiting.forwarding.towards(None)
        await waiting.forwarding.towards(working)
        assert await call == b"a end"
        for one in full:
            one.close()


async def test_whoever_begins_to_work_has_the_sockets_with_what_waits_there(worker: Worker, waiting: Waiting) -> None:
    await waiting.forwarding.towards(await worker.open())
    await worker.close()
    await waiting.forwarding.towards(None)
    held = asyncio.create_task(_said(waiting.port, b"held"))
    await asyncio.sleep(0.05)
    successor = Worker(waiting.entrances)
    working = await successor.open(waiting.port)
    fresh = await _said(waiting.port, b"fresh")
    await waiting.forwarding.towards(working)
    assert (fresh, await held) == (b"fresh end", b"held end")
    assert sorted(successor.peers) == ["", _HOST]
    await successor.close()


async def test_without_the_secret_nothing_is_handed_over(worker: Worker) -> None:
    working = await worker.open()
    host, _, port = working.address.partition(":")
    for first in (head("x" * 43, "api", "1.2.3.4"), head(working.secret, "other", ""), b"GET / HTTP/1.1\r\n" * 20):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(first)
        with suppress(ConnectionResetError):  # some of it was not read
            assert await reader.read() == b""
        writer.close()
    assert worker.peers == []
    assert working.secret not in repr(worker.inner)


async def test_who_sends_no_head_is_cut_off(worker: Worker) -> None:
    working = await worker.open()
    host, _, port = working.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"x")
    assert await reader.read() == b""
    writer.close()


def test_a_head_has_one_length() -> None:
    for parts in (("s" * 43, "api", "2001:db8::1"), ("", "", ""), ("s" * 99, "n" * 99, "é" * 99)):
        assert len(head(*parts)) == HEAD
    assert read_head(head("s" * 43, "mail.smtp", "10.0.0.1")) == ("s" * 43, "mail.smtp", "10.0.0.1")


async def test_a_port_that_is_not_to_be_had_is_no_reason_to_stop(worker: Worker, waiting: Waiting) -> None:
    working = await worker.open()
    with socket.create_server((_HOST, waiting.port)):
        await waiting.forwarding.towards(working)
    await waiting.forwarding.towards(working)
    assert await _said(waiting.port, b"a") == b"a end"


class _Slow(Worker):
    """It has more to say after whoever has called has gone."""

    async def _answer(self, taken: socket.socket, peer: str) -> None:
        reader, writer = await asyncio.open_connection(sock=taken)
        writer.write(await reader.read(1000))
        await reader.read()
        for _ in range(4):
            writer.write(b"more")
            await asyncio.sleep(0.02)
        writer.close()
        self.peers.append(peer)


def test_whoever_hangs_up_in_the_middle_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """On the hub's own loop, which has another error for it than asyncio's."""

    async def hang_up() -> None:
        worker, waiting = _Slow(), Waiting()
        await waiting.forwarding.towards(await worker.open())
        for _ in range(5):
            reader, writer = await asyncio.open_connection(_HOST, waiting.port)
            writer.write(b"a")
            assert await reader.readexactly(1) == b"a"
            writer.transport.abort()
        await until(lambda: len(worker.peers) == 5 and not waiting.forwarding._open["api"])
        await waiting.forwarding.stop()
        await worker.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(hang_up())
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


class _Silent(Worker):
    """It stands still: it takes what comes, and never says a word."""

    async def _answer(self, taken: socket.socket, peer: str) -> None:
        reader, writer = await asyncio.open_connection(sock=taken)
        self.peers.append(peer)
        with suppress(ConnectionResetError):
            await reader.read()
        self.peers.append("ended")
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()


async def test_a_call_does_not_wait_for_a_worker_that_works_no_more(worker: Worker, waiting: Waiting) -> None:
    silent = _Silent()
    await waiting.forwarding.towards(await silent.open())
    reader, writer = await asyncio.open_connection(_HOST, waiting.port)
    await until(lambda: silent.peers == [_HOST])
    await waiting.forwarding.towards(None)
    await waiting.forwarding.towards(await worker.open())
    assert await reader.read() == b""
    writer.close()
    assert await _said(waiting.port, b"a") == b"a end"
    await until(lambda: not waiting.forwarding._ways)
    await silent.close()


async def test_a_call_that_breaks_ends_at_the_worker_too(waiting: Waiting) -> None:
    """Else each would hold a place among those that are handed on, for as long as the worker waits for more."""
    silent = _Silent()
    await waiting.forwarding.towards(await silent.open())
    _, writer = await asyncio.open_connection(_HOST, waiting.port)
    await until(lambda: silent.peers == [_HOST])
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    await until(lambda: silent.peers == [_HOST, "ended"] and not waiting.forwarding._open["api"])
    await silent.close()
