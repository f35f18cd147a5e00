"""The operator port under stress: 250 only for what is stored, and peers that smuggle, flood, stall or go away."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bridge.errors import Refused, Unavailable
from bridge.networks.mail.smtp.smtp_in import SmtpIn
from bridge.workers.entrances import Entrances
from bridge.workers.forwarding import Forwarding, Working
from bridge.workers.inner import Inner, head
from deploy.world.ports import free_port
from deploy.world.waiting import until
from tests.mail.smtp.conftest import A, Start
from tests.mail.smtp.peer import PLAIN_MAIL, Peer
from tests.mail.space import HUB, Party, Shelf, Space

# --- 250 only when it is stored ---


async def test_250_comes_only_after_take_has_returned(peer: Peer, shelf: Shelf) -> None:
    gate = asyncio.Event()
    reached = asyncio.Event()

    async def hold() -> None:
        reached.set()
        await gate.wait()

    shelf.before = hold
    await peer.envelope()
    answer = asyncio.create_task(peer.data())
    await reached.wait()
    assert not answer.done()
    gate.set()
    assert (await answer).startswith("250")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("database"), "451-4.3.0"),
        (Unavailable("scanner_down"), "451-4.7.1"),
        (Refused("malware"), "554-5.7.1 Logiciel malveillant"),
        (Refused("loop"), "554-5.4.6"),
        (Refused("unreadable"), "554-5.6.0 Message illisible"),
        (Refused("something_else"), "554-5.7.1 Message refuse (something_else)"),
        (RuntimeError("ZZZ-secret"), "451-4.3.0"),
    ],
)
async def test_what_take_raises(
    peer: Peer, shelf: Shelf, caplog: pytest.LogCaptureFixture, error: Exception, code: str
) -> None:
    async def fail() -> None:
        raise error

    shelf.before = fail
    await peer.envelope()
    with caplog.at_level(logging.DEBUG):
        assert (await peer.data()).startswith(code)
    assert "ZZZ" not in caplog.text
    shelf.before = None
    await peer.envelope()
    assert (await peer.data()).startswith("250")


async def test_a_peer_that_goes_away_does_not_interrupt_the_storing(peer: Peer, shelf: Shelf) -> None:
    gate, reached = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        reached.set()
        await gate.wait()

    shelf.before = hold
    await peer.envelope()
    await peer.say("DATA")
    peer.write(PLAIN_MAIL + b".\r\n")
    await reached.wait()
    await peer.__aexit__(None, None, None)
    await asyncio.sleep(0)
    gate.set()
    assert (await shelf.next())[0].recipients == (f"ben@{HUB}",)


async def test_nothing_of_a_mail_is_logged(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await peer.envelope("zorglub@mss-a.example", f"199999999999999@{HUB}")
        await peer.data(b"From: zorglub@mss-a.example\r\nSubject: zorglub\r\n\r\nzorglub\r\n")
        await peer.envelope("zorglub@elsewhere.example")
    assert "zorglub" not in caplog.text
    assert "1999" not in caplog.text
    assert "250 2.0.0" in caplog.text


# --- hostile peers ---


async def test_smuggling(peer: Peer, shelf: Shelf) -> None:
    """What ends a mail for one server must not be the middle of it for another: every odd ending is refused."""
    for ending in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\r\n", b"\0\n.\r\n"):
        await peer.envelope()
        smuggled = PLAIN_MAIL[:-2] + ending + b"MAIL FROM:<eve@mss-a.example>\r\nRCPT TO:<ben@x>\r\nDATA\r\nevil\r\n"
        await peer.say("DATA")
        peer.write(smuggled + b".\r\n")
        assert (await peer.answer()).startswith("554-5.6.0"), ending
        assert (await peer.say("NOOP")).startswith("250 2.0.0"), ending
    assert not shelf.mails


async def test_dots_come_through(peer: Peer, shelf: Shelf) -> None:
    raw = b"From: anna@mss-a.example\r\n\r\n.\r\n..\r\n.x\r\n"
    await peer.envelope()
    assert (await peer.data(raw)).startswith("250")
    assert (await shelf.next())[1].endswith(raw)


async def test_pipelined_after_tls(peer: Peer, shelf: Shelf) -> None:
    peer.write(f"MAIL FROM:<anna@{A}>\r\nRCPT TO:<x@other.example>\r\nRCPT TO:<ben@{HUB}>\r\nDATA\r\n".encode())
    codes = [(await peer.answer())[:3] for _ in range(4)]
    assert codes == ["250", "550", "250", "354"]
    peer.write(PLAIN_MAIL + b".\r\nQUIT\r\n")
    assert [(await peer.answer())[:3] for _ in range(2)] == ["250", "221"]


async def test_order_of_commands(peer: Peer) -> None:
    assert (await peer.say(f"RCPT TO:<ben@{HUB}>")).startswith("503 5.5.1")
    assert (await peer.say("DATA")).startswith("503 5.5.1")
    await peer.say(f"MAIL FROM:<anna@{A}>")
    assert (await peer.say("DATA")).startswith("503 5.5.1")
    assert (await peer.say(f"MAIL FROM:<anna@{A}>")).startswith("503 5.5.1")
    assert (await peer.say("STARTTLS")).startswith("503 5.5.1")
    await peer.say("RSET")
    assert (await peer.say(f"MAIL FROM:<anna@{A}>")).startswith("250")
    await peer.say("EHLO again.example")
    assert (await peer.say(f"RCPT TO:<ben@{HUB}>")).startswith("503 5.5.1")


async def test_what_is_not_for_servers(peer: Peer) -> None:
    assert (await peer.say("AUTH PLAIN AGEAYg==")).startswith("502 5.5.1")
    assert (await peer.say("VRFY ben")).startswith("252 2.5.2")
    assert (await peer.say("EXPN all")).startswith("502 5.5.1")
    assert (await peer.say("HELP")).startswith("214 2.0.0")
    assert (await peer.say("XYZZY")).startswith("500 5.5.2")


async def test_too_large(start: Start, space: Space, anna: Party, shelf: Shelf) -> None:
    edge = await start(limits={"size": 70_000})
    async with Peer(edge.port) as peer:
        await peer.tls(space.client_context(anna))
        await peer.envelope()
        assert (await peer.data(PLAIN_MAIL + b"x" * 60 + b"\r\n" + (b"y" * 70 + b"\r\n") * 1000)).startswith(
            "552 5.3.4"
        )
        await peer.envelope()
        assert (await peer.data()).startswith("250")


async def test_floods_end_the_connection(start: Start, space: Space, anna: Party) -> None:
    edge = await start(limits={"idle_commands": 5, "errors": 10, "mails_per_session": 3})
    async with Peer(edge.port) as peer:
        for _ in range(5):
            assert (await peer.say("NOOP")).startswith("250")
        assert (await peer.say("NOOP")).startswith("421 4.7.0")
        assert await peer.ended()
    async with Peer(edge.port) as peer:
        replies = [await peer.say("DATA") for _ in range(11)]
        assert replies[-1].startswith("530")
        assert (await peer.answer()).startswith("421-4.7.0")
        assert await peer.ended()
    async with Peer(edge.port) as peer:
        await peer.tls(space.client_context(anna))
        replies = []
        for _ in range(4):
            replies.append(await peer.say(f"MAIL FROM:<anna@{A}>"))
            await peer.say("RSET")
        assert [reply[:3] for reply in replies] == ["250", "250", "250", "421"]


async def test_five_unknown_commands(peer: Peer) -> None:
    replies = [await peer.say("GET / HTTP/1.1") for _ in range(5)]
    assert replies[-1].startswith("502 5.5.1")
    assert await peer.ended()


async def test_too_many_connections(start: Start) -> None:
    edge = await start(limits={"sessions_per_peer": 2})
    async with Peer(edge.port) as one, Peer(edge.port) as two, Peer(edge.port) as three:
        assert one.greeting.startswith("220")
        assert two.greeting.startswith("220")
        assert three.greeting.startswith("421-4.7.0")
        assert await three.ended()
        await one.say("QUIT")
        await until(lambda: edge.sessions == 1)
        async with Peer(edge.port) as four:
            assert four.greeting.startswith("220")


async def test_a_silent_peer_is_told_and_cut(start: Start, space: Space, anna: Party) -> None:
    edge = await start(timeouts={"command": 0.2, "data": 0.2})
    async with Peer(edge.port) as peer:
        assert (await peer.answer()).startswith("421-4.4.2")
        assert await peer.ended()
    async with Peer(edge.port) as peer:
        await peer.tls(space.client_context(anna))
        await peer.envelope()
        await peer.say("DATA")
        peer.write(b"From: a")
        assert (await peer.answer()).startswith("421-4.4.2")
        assert await peer.ended()
    await until(lambda: not edge.sessions)


async def test_a_handshake_that_never_ends(start: Start) -> None:
    edge = await start(timeouts={"command": 0.2})
    async with Peer(edge.port) as peer:
        await peer.say("EHLO x.example")
        assert (await peer.say("STARTTLS")).startswith("220")
        assert await peer.ended()
    await until(lambda: not edge.sessions)


async def test_stopping_says_goodbye_and_finishes_what_is_being_stored(
    start: Start, space: Space, anna: Party, shelf: Shelf
) -> None:
    edge = await start()
    gate, reached = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        reached.set()
        await gate.wait()

    shelf.before = hold
    async with Peer(edge.port) as idle, Peer(edge.port) as busy:
        await busy.tls(space.client_context(anna))
        await busy.envelope()
        answer = asyncio.create_task(busy.data())
        await reached.wait()
        stopping = asyncio.create_task(edge.stop())
        assert (await idle.answer()).startswith("421-4.3.2")
        gate.set()
        await stopping
        assert (await answer).startswith("250")
    assert len(shelf.mails) == 1
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", edge.port or 1)


async def test_a_renewed_certificate_of_ours_is_used_without_a_restart(start: Start, space: Space, anna: Party) -> None:
    old, new = space.party("old.liaison.example"), space.party("new.liaison.example")
    edge = await start(tls={"certificate": str(old.certificate), "key": str(old.key), "authority": str(space.bundle)})

    async def shown() -> bytes | None:
        async with Peer(edge.port) as peer:
            await peer.tls(space.client_context(anna))
            found = peer._writer.get_extra_info("ssl_object")
            return bytes(found.getpeercert(True))

    assert await shown() == old.issued.der
    old.key.write_bytes(b"half")
    assert await shown() == old.issued.der, "a half-written key must not stop the mail"
    old.certificate.write_bytes(new.issued.pem)
    old.key.write_bytes(new.issued.key_pem)
    assert await shown() == new.issued.der


async def test_what_another_worker_hands_on_counts_for_who_has_made_it(space: Space, shelf: Shelf, anna: Party) -> None:
    """With mutual TLS to the end, and within the limit of each peer."""
    entrances = Entrances()
    limits = {"sessions_per_peer": 1}
    edge = SmtpIn(space.settings(limits=limits), space.judge, shelf.take, shelf.known, entrances=entrances)
    await edge.start()
    inner = Inner(entrances, "127.0.0.1")
    await inner.start()
    port = free_port()
    forwarding = Forwarding(Entrances(), lambda name: ("127.0.0.1", port))
    try:
        await forwarding.towards(Working(inner.address, inner.secret, entrances.places))
        async with Peer(port) as peer:
            assert peer.greeting.startswith("220")
            await peer.tls(space.client_context(anna))
            assert (await peer.envelope()).startswith("250")
            assert (await peer.data()).startswith("250")
            assert await _greeted(inner, "10.1.2.3") == "220"
            assert await _greeted(inner, "127.0.0.1") == "421"
        assert len(shelf.mails) == 1
    finally:
        await forwarding.stop()
        await inner.stop()
        await edge.stop()


async def _greeted(inner: Inner, who: str) -> str:
    host, _, port = inner.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head(inner.secret, "mail.smtp", who))
    try:
        return (await reader.readuntil(b"\n"))[:3].decode()
    finally:
        writer.transport.abort()
