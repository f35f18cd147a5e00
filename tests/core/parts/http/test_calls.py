"""Short calls: connections are kept and used again; whatever a server answers, a call has just one end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme
from yarl import URL

from bridge.parts.http.calls import Calls
from bridge.parts.http.connection import Broken, header
from deploy.world.waiting import until

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
Answer = Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
"""Answers the n-th request of a server; False: the connection ends."""


class Server:
    """Says what it is told to say; remembers what it was asked, and on how many connections."""

    def __init__(self, answer: bytes | Answer = _OK) -> None:
        self._answer = answer
        self.asked: list[bytes] = []
        self.connections = self._open = 0
        self.port = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
                self.asked.append(head + await reader.readexactly(size))
                if callable(self._answer):
                    if not await self._answer(len(self.asked), reader, writer):
                        break
                else:
                    writer.write(self._answer)
                    if b"Connection: close" in self._answer:
                        break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._open -= 1

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[URL]:
        """Its address."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield URL(f"{'https' if tls else 'http'}://127.0.0.1:{self.port}")
            await until(lambda: self._open == 0)


@asynccontextmanager
async def calls(server: Server, prefix: str = "", connections: int = 4) -> AsyncIterator[Calls]:
    """A server, and calls to it."""
    async with server.running() as url:
        made = Calls(url.with_path(prefix), {"Authorization": "Bearer t"}, connections=connections)
        try:
            yield made
        finally:
            await made.close()


async def test_what_is_asked_is_written_and_a_connection_is_used_again() -> None:
    server = Server()
    async with calls(server, "/hs") as asking:
        answers = [await asking.call("PUT", "/a?b=c", b"{}", 5, header("X-Y", "z")) for _ in range(3)]
    assert [(answer.status, answer.body, answer.retry_after) for answer in answers] == [(200, b"ok", None)] * 3
    assert server.connections == 1
    assert (
        server.asked[0]
        == (
            f"PUT /hs/a?b=c HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAccept-Encoding: identity\r\n"
            "Authorization: Bearer t\r\nX-Y: z\r\nContent-Length: 2\r\n\r\n{}"
        ).encode()
    )


@pytest.mark.parametrize(
    ("said", "status", "body", "connections"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", 1),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", 200, b"ok!", 1),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + _OK, 200, b"ok", 1),
        (_CLOSE + b"until it ends", 200, b"until it ends", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", 2),
        (_OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother", 200, b"ok", 2),  # nobody has asked for it
        (b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + b"x" * 40, 200, b"", 2),  # longer than it may be
        (b"HTTP/1.1 101 Other\r\nConnection: Upgrade\r\nUpgrade: w\r\n\r\n", 101, b"", 2),
        (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 302, b"", 1),
    ],
)
async def test_an_answer_ends_where_it_says(said: bytes, status: int, body: bytes, connections: int) -> None:
    server = Server(said)
    async with calls(server) as asking:
        for _ in range(2):
            answer = await asking.call("PUT", "/", b"", 5, most=39)
            assert (answer.status, answer.body) == (status, body)
    assert server.connections == connections


async def test_when_to_come_again() -> None:
    async with calls(Server(b"HTTP/1.1 429 Slow\r\nRetry-after: 7\r\nContent-Length: 0\r\n\r\n")) as asking:
        assert (await asking.call("PUT", "/", b"", 5)).retry_after == "7"


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"Connection: close",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,  # and so on
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 200_000,
    ],
)
async def test_what_is_no_answer_breaks_the_call_and_its_connection(said: bytes) -> None:
    server = Server(said)
    async with calls(server) as asking:
        with pytest.raises(Broken):
            await asking.call("PUT", "/", b"", 5)
    assert len(server.asked) == 1  # something had come: it is not asked again


@pytest.mark.parametrize(("method", "asked"), [("PUT", 3), ("POST", 2)])
async def test_a_connection_that_the_server_has_closed_is_left_and_only_what_may_be_said_twice_is(
    method: str, asked: int
) -> None:
    async def answer(n: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if n != 2:  # it had closed as the second one came
            writer.write(_OK)
        return n != 2

    server = Server(answer)
    async with calls(server) as asking:
        await asking.call(method, "/", b"", 5)
        if method == "PUT":
            assert (await asking.call(method, "/", b"", 5)).status == 200
        else:
            with pytest.raises(Broken) as broken:
                await asking.call(method, "/", b"", 5)
            assert not broken.value.begun
    assert (len(server.asked), server.connections) == (asked, asked - 1)


async def test_who_waits_no_longer_leaves_no_answer_for_the_next() -> None:
    free = asyncio.Event()

    async def answer(n: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if n <= 2:
            await free.wait()
        writer.write(_OK.replace(b"ok", b"%02d" % n))
        return True

    server = Server(answer)
    async with calls(server, connections=1) as asking:
        with pytest.raises(TimeoutError):
            await asking.call("PUT", "/late", b"", 0.05)
        task = asyncio.create_task(asking.call("PUT", "/unwanted", b"", 5))
        await until(lambda: len(server.asked) == 2)
        waiting = asyncio.create_task(asking.call("PUT", "/next", b"", 5))  # the only place is taken
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        free.set()
        assert (await waiting).body == b"03"
    assert server.connections == 3


async def test_what_nobody_uses_is_closed_and_nobody_waits_for_it() -> None:
    server = Server()
    async with calls(server) as asking:
        await asyncio.gather(*(asking.call("PUT", "/", b"", 5) for _ in range(3)))
        assert server.connections == 3
        await asyncio.sleep(16)  # the clock is put forward
        await asking.call("PUT", "/", b"", 5)
    assert server.connections == 4


async def test_what_the_server_closes_meanwhile_is_forgotten() -> None:
    async def answer(n: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(_OK)
        return False

    server = Server(answer)
    async with calls(server) as asking:
        for n in range(5):
            await asking.call("PUT", "/", b"", 5)
            await until(lambda: not any(one.usable for one in asking._all))
            assert (server.connections, len(asking._all)) == (n + 1, 1)


async def test_nothing_but_the_right_server_is_asked() -> None:
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.configure_trust(ours)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    server = Server()
    async with server.running(theirs) as url:
        good, bad = Calls(url, {}, tls=ours), Calls(url, {})
        assert (await good.call("PUT", "/", b"", 5)).body == b"ok"
        with pytest.raises(ConnectionError):
            await bad.call("PUT", "/", b"", 5)
        await good.close()
        await bad.close()
    nobody = Calls(url, {})
    with pytest.raises(ConnectionError):
        await nobody.call("PUT", "/", b"", 5)
    assert len(server.asked) == 1


async def test_a_name_and_a_password_of_the_address_are_told() -> None:
    server = Server()
    async with server.running() as url:
        asking = Calls(url.with_user("anna").with_password("é"), {})
        await asking.call("POST", "/", b"", 5)
        await asking.close()
    assert b"Authorization: Basic YW5uYTrDqQ==\r\n" in server.asked[0]


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "é", "\0"])
async def test_no_value_is_more_than_a_value(value: str) -> None:
    with pytest.raises(ValueError, match="header X"):
        header("X", value)
    with pytest.raises(ValueError, match="no target"):
        await Calls(URL("http://localhost"), {}).call("PUT", f"/{value}", b"", 5)
