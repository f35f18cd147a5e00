"""LMTP behind a mail server of the site: one reply for each recipient, no certificates, domains from the list."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pydantic
import pytest
import pytest_asyncio

from bridge.errors import Unavailable
from bridge.networks.mail.smtp.lmtp_in import LmtpIn
from tests.mail.smtp.peer import PLAIN_MAIL, Peer
from tests.mail.space import HUB, Shelf, Space

A = "mss-a.example"
Start = Callable[..., Awaitable[LmtpIn]]


@pytest.fixture(scope="module")
def space() -> Space:
    space = Space()
    space.party("mail.mss-a.example", A)
    return space


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(boxes={"nobody": "unknown", "full": "full"})


@pytest_asyncio.fixture
async def start(space: Space, shelf: Shelf) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def begin(**lmtp: Any) -> LmtpIn:
            settings = space.settings(lmtp={"judged_by_front": True, **lmtp})
            edge = LmtpIn(settings, space.judge, shelf.take, shelf.known)
            await edge.start()
            stack.push_async_callback(edge.stop)
            return edge

        yield begin


async def test_one_reply_for_each_recipient(start: Start, shelf: Shelf) -> None:
    edge = await start(port=0)
    async with Peer(edge.port) as peer:
        greeting = await peer.say("LHLO mail.site.example")
        assert [line[4:] for line in greeting.splitlines()[-2:]] == ["PIPELINING", "DSN"]
        await peer.say(f"MAIL FROM:<anna@{A}>")
        codes = [(await peer.say(f"RCPT TO:<{name}@{HUB}>"))[:3] for name in ("ben", "nobody", "cleo", "full")]
        assert codes == ["250", "550", "250", "452"]
        assert (await peer.data()).startswith("250 2.0.0")
        assert (await peer.answer()).startswith("250 2.0.0")
        envelope, raw = await shelf.next()
        assert envelope.recipients == (f"ben@{HUB}", f"cleo@{HUB}")
        assert (envelope.tls, envelope.dn_domains) == ("", frozenset())
        assert raw.endswith(PLAIN_MAIL)
        assert b"with LMTP id" in raw
        assert (await peer.say("QUIT")).startswith("221")


async def test_a_refusal_is_said_as_often(start: Start, shelf: Shelf) -> None:
    async def fail() -> None:
        raise Unavailable("database")

    shelf.before = fail
    edge = await start(port=0)
    async with Peer(edge.port) as peer:
        await peer.say("LHLO x")
        await peer.envelope(f"anna@{A}", f"ben@{HUB}", f"cleo@{HUB}")
        assert (await peer.data()).startswith("451-4.3.0")
        assert (await peer.answer()).startswith("451-4.3.0")
        assert (await peer.say("NOOP")).startswith("250")


async def test_a_unix_socket(start: Start, space: Space, shelf: Shelf) -> None:
    path = space.directory / "lmtp"
    edges = list[LmtpIn]()
    for _ in range(2):  # the second finds what the first left
        edges.append(await start(path=path, mode=0o600))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, edge = edges
    await first.stop()  # a worker that hung, and whose place another has taken
    async with Peer(0, str(path)) as peer:
        await peer.say("LHLO x")
        await peer.envelope()
        assert (await peer.data()).startswith("250")
        assert (await shelf.next())[0].peer == "local"
    await edge.stop()
    assert not path.exists()


async def test_a_file_in_the_place_of_the_socket_is_not_removed(start: Start, space: Space) -> None:
    path = space.directory / "precious"
    path.write_text("x")
    with pytest.raises(OSError):
        await start(path=path)
    assert path.read_text() == "x"


async def test_it_is_not_smtp(start: Start) -> None:
    edge = await start(port=0)
    async with Peer(edge.port) as peer:
        assert (await peer.say("EHLO x")).startswith("500 5.5.2")
        assert (await peer.say("HELO x")).startswith("500 5.5.2")
        assert (await peer.say(f"MAIL FROM:<anna@{A}>")).startswith("503")
        await peer.say("LHLO x")
        assert (await peer.say("STARTTLS")).startswith("502")
        assert (await peer.say(f"RCPT TO:<ben@{HUB}>")).startswith("503")


async def test_domains_outside_the_list(start: Start, space: Space, shelf: Shelf) -> None:
    edge = await start(port=0)
    async with Peer(edge.port) as peer:
        await peer.say("LHLO x")
        assert (await peer.say("MAIL FROM:<eve@gmail.example>")).startswith("550-5.7.1")
        await peer.envelope()
        assert (await peer.data(b"From: eve@gmail.example\r\n\r\nx\r\n")).startswith("550-5.7.1")
        assert (await peer.envelope(f"anna@{A}", "x@elsewhere.example")).startswith("550-5.7.1 Relais")
        await peer.say("RSET")
        await peer.envelope()
        assert (await peer.data(PLAIN_MAIL.replace(b"Bonjour", b"a\nb"))).startswith("554-5.6.0")
        space.judge.stale = True
        try:
            assert (await peer.say(f"MAIL FROM:<anna@{A}>")).startswith("451-4.7.0")
        finally:
            space.judge.stale = False
    assert not shelf.mails
    free = await start(port=0, check_list=False)
    async with Peer(free.port) as peer:
        await peer.say("LHLO x")
        await peer.envelope("eve@gmail.example")
        assert (await peer.data(b"From: eve@gmail.example\r\n\r\nx\r\n")).startswith("250")


@pytest.mark.parametrize(
    "lmtp",
    [
        {"port": 24},
        {"judged_by_front": False, "port": 24},
        {"judged_by_front": True},
        {"judged_by_front": True, "port": 24, "path": "/x"},
        {"judged_by_front": True, "port": 24, "host": "0.0.0.0"},
    ],
)
def test_it_must_be_said_who_judges(space: Space, lmtp: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        space.settings(lmtp=lmtp)


def test_it_must_be_configured(space: Space, shelf: Shelf) -> None:
    with pytest.raises(ValueError):
        LmtpIn(space.settings(), space.judge, shelf.take, shelf.known)
    assert Path(space.bundle).exists()
