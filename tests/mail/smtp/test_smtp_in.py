"""The operator port, spoken to word by word: what it takes, what it refuses, and what it says then."""

from __future__ import annotations

import re
import ssl
import warnings

import pytest

from tests.mail.smtp.conftest import A, Start
from tests.mail.smtp.peer import PLAIN_MAIL, Peer
from tests.mail.space import HUB, Party, Shelf, Space

# --- before TLS ---


async def test_says_what_it_can(port: int, space: Space, anna: Party) -> None:
    async with Peer(port) as peer:
        assert peer.greeting == "220 mx.liaison.example ESMTP Liaison"
        before = await peer.say("EHLO x.example")
        words = ["SIZE 25000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "STARTTLS"]
        assert [line[4:] for line in before.splitlines()[1:]] == words
        after = await peer.tls(space.client_context(anna))
        assert "STARTTLS" not in after
        assert "AUTH" not in after
        assert after.splitlines()[-2:] == ["250-PIPELINING", "250 DSN"]


@pytest.mark.parametrize(
    "command",
    [
        "HELO x",
        "MAIL FROM:<a@mss-a.example>",
        "RCPT TO:<b@c.example>",
        "DATA",
        "RSET",
        "VRFY x",
        "EXPN x",
        "AUTH PLAIN",
        "HELP",
        "XYZZY",
    ],
)
async def test_nothing_goes_before_tls(port: int, command: str) -> None:
    async with Peer(port) as peer:
        await peer.say("EHLO x.example")
        assert await peer.say(command) == "530 5.7.0 Must issue a STARTTLS command first"
        assert (await peer.say("NOOP")).startswith("250 2.0.0")
        assert (await peer.say("QUIT")).startswith("221 2.0.0")


async def test_what_is_sent_with_starttls_ends_the_connection(port: int, shelf: Shelf) -> None:
    async with Peer(port) as peer:
        await peer.say("EHLO x.example")
        peer.write(b"STARTTLS\r\nMAIL FROM:<eve@mss-a.example>\r\n")
        assert (await peer.answer()).startswith("503 5.5.1")
        assert await peer.ended()
    assert not shelf.mails


async def test_commands_sent_after_starttls_in_the_clear_never_count(port: int, shelf: Shelf) -> None:
    async with Peer(port) as peer:
        await peer.say("EHLO x.example")
        assert (await peer.say("STARTTLS")).startswith("220")
        peer.write(b"MAIL FROM:<eve@mss-a.example>\r\n")
        assert await peer.ended()
    assert not shelf.mails


async def test_without_a_usable_certificate_of_our_own(start: Start, space: Space) -> None:
    tls = {"certificate": "/nowhere.crt", "key": "/nowhere.pem", "authority": str(space.bundle)}
    edge = await start(tls=tls)
    async with Peer(edge.port) as peer:
        await peer.say("EHLO x.example")
        assert (await peer.say("STARTTLS")).splitlines()[-1].startswith("454 4.7.0")
        assert (await peer.say("MAIL FROM:<a@mss-a.example>")).startswith("530 5.7.0")


async def test_tls_1_1_is_not_spoken(port: int, space: Space, anna: Party) -> None:
    context = space.client_context(anna)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with Peer(port) as peer:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await peer.tls(context)


async def test_tls_1_2_is_spoken(port: int, space: Space, anna: Party) -> None:
    context = space.client_context(anna)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with Peer(port) as peer:
        assert "DSN" in await peer.tls(context)


# --- who sends ---


async def test_a_good_mail(peer: Peer, shelf: Shelf) -> None:
    assert (await peer.envelope()).startswith("250 2.1.5")
    reply = await peer.data()
    envelope, raw = await shelf.next()
    assert reply == f"250 2.0.0 Ok, stored as {envelope.id}"
    assert (envelope.sender, envelope.recipients) == (f"anna@{A}", (f"ben@{HUB}",))
    assert envelope.dn_domains == {A, "second.mss-a.example"}
    assert envelope.peer == "127.0.0.1"
    assert envelope.helo == "mail.mss-a.example"
    received, rest = raw[: -len(PLAIN_MAIL)].decode(), raw[-len(PLAIN_MAIL) :]
    assert rest == PLAIN_MAIL
    assert re.fullmatch(
        r"Received: from mail\.mss-a\.example \(\[127\.0\.0\.1\]\)\r\n\t\(using TLSv1\.3 with cipher \S+\)\r\n"
        rf"\tby mx\.liaison\.example with ESMTPS id {envelope.id};\r\n\t\w+, .* \+0000\r\n",
        received,
    )
    assert "anna" not in repr(envelope)


async def test_no_certificate(port: int, space: Space) -> None:
    async with Peer(port) as peer:
        await peer.tls(space.client_context(None))
        reply = await peer.envelope()
        assert reply.splitlines()[0].startswith("550-5.7.1 Aucun certificat")
        assert reply.splitlines()[1].startswith("550 5.7.1 No client certificate")


async def test_unlisted_certificate_is_told_its_subject(port: int, space: Space) -> None:
    async with Peer(port) as peer:
        await peer.tls(space.client_context(space.party("unlisted.example")))
        assert "CN=unlisted.example" in (reply := await peer.envelope())
        assert reply.startswith("550-5.7.1")


async def test_stale_list(port: int, space: Space, anna: Party) -> None:
    async with Peer(port) as peer:
        await peer.tls(space.client_context(anna))
        space.judge.stale = True
        try:
            assert (await peer.envelope()).startswith("451-4.7.0")
        finally:
            space.judge.stale = False
        assert (await peer.envelope()).startswith("250")


async def test_forged_sender(peer: Peer, space: Space) -> None:
    space.party("mail.mss-b.example", "mss-b.example")
    for sender in ("eve@mss-b.example", "eve@gmail.example", f"eve@sub.{A}", "eve@xmss-a.example"):
        assert (await peer.envelope(sender)).startswith("550-5.7.1"), sender
    assert (await peer.envelope("Anna.X@MSS-A.Example")).startswith("250")


@pytest.mark.parametrize(
    ("author", "code"),
    [
        ("Anna <anna@mss-a.example>", "250 2.0.0"),
        ("anna@SECOND.mss-a.example", "250 2.0.0"),
        ("=?utf-8?q?Ann=C3=A9?= <anna@mss-a.example>", "250 2.0.0"),
        ("Dr Durand, cardiologue <anna@mss-a.example>", "250 2.0.0"),
        ("eve@mss-b.example", "550-5.7.1"),
        ("anna@mss-a.example, eve@mss-b.example", "550-5.7.1"),
        ('"anna@mss-a.example" <eve@mss-b.example>', "550-5.7.1"),
        ("anna@mss-a.example <eve@mss-b.example>", "550-5.7.1"),
        ("cercle: anna@mss-a.example, eve@mss-b.example;", "550-5.7.1"),
        ("Anna", "554-5.6.0"),
        ("", "554-5.6.0"),
        ("(" * 900, "554-5.6.0"),
        ("x" * 2000 + " <anna@mss-a.example>", "554-5.6.0"),
    ],
)
async def test_header_from(peer: Peer, shelf: Shelf, author: str, code: str) -> None:
    await peer.envelope()
    assert (await peer.data(b"From: " + author.encode() + b"\r\n\r\nx\r\n")).startswith(code)
    assert bool(shelf.mails) == code.startswith("250")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"Subject: x\r\n\r\nx\r\n", "554-5.6.0 Champ From absent"),
        (b"\r\nFrom: anna@mss-a.example\r\n", "554-5.6.0 Champ From absent"),
        (b"From: x@mss-b.example\x00 <anna@mss-a.example>\r\n\r\nx\r\n", "554-5.6.0 Champ From absent"),
        (b"From: anna@mss-a.example\r\nFrom: anna@mss-a.example\r\n\r\nx\r\n", "554-5.6.0 Plusieurs"),
        (b"From: anna@mss-a.example\r\nfrom : eve@mss-b.example\r\n\r\nx\r\n", "554-5.6.0 Plusieurs"),
        (b"From: anna@mss-a.example\r\nnot a header\r\nFrom: eve@mss-b.example\r\n\r\nx\r\n", "554-5.6.0 Plusieurs"),
        (b"From: anna@mss-a.example\r\n\r\nx\ny\r\n", "554-5.6.0 CR ou LF"),
        (b"From: anna@mss-a.example\r\n\r\nx\ry\r\n", "554-5.6.0 CR ou LF"),
        (b"From: anna@mss-a.example\r\n" + b"Received: from x\r\n" * 31 + b"\r\nx\r\n", "554-5.4.6"),
        (b"From: anna@mss-a.example\r\n" + b"X: y\r\n" * 50_000 + b"\r\nx\r\n", "554-5.6.0 En-tete"),
        (b"From: anna@mss-a.example\r\n\r\n" + b"x" * 70_000 + b"\r\n", "554-5.6.0 Ligne"),
        (b"From: anna@mss-a.example\r\n\r\n" + b"x" * 60_000 + b"\r\n", "250 2.0.0"),
        (b"From:\r\n anna@mss-a.example\r\n\r\nx\r\n", "250 2.0.0"),
        (b"From: anna@mss-a.example\r\n", "250 2.0.0"),
    ],
)
async def test_header_rules(peer: Peer, shelf: Shelf, raw: bytes, code: str) -> None:
    await peer.envelope()
    assert (await peer.data(raw)).startswith(code)
    assert bool(shelf.mails) == code.startswith("250")


async def test_header_from_check_can_be_switched_off_but_not_for_the_null_sender(
    start: Start, space: Space, anna: Party, shelf: Shelf
) -> None:
    edge = await start(header_from_check=False)
    foreign = b"From: x@elsewhere.example\r\n\r\nx\r\n"
    async with Peer(edge.port) as peer:
        await peer.tls(space.client_context(anna))
        await peer.envelope()
        assert (await peer.data(foreign)).startswith("250")
        await peer.envelope("")
        assert (await peer.data(foreign)).startswith("550-5.7.1")


async def test_null_sender(peer: Peer, shelf: Shelf) -> None:
    report = (
        b"From: MAILER-DAEMON@mss-a.example\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n"
        b" boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
    )
    for raw in (report, PLAIN_MAIL):
        assert (await peer.envelope("")).startswith("250")
        assert (await peer.data(raw)).startswith("250")
        assert (await shelf.next())[0].sender == ""
    await peer.envelope("")
    assert (await peer.data(b"From: postmaster@mss-b.example\r\n\r\nx\r\n")).startswith("550-5.7.1")


async def test_domain_removed_while_the_connection_is_open(peer: Peer, space: Space, anna: Party) -> None:
    assert (await peer.envelope()).startswith("250")
    assert (await peer.data()).startswith("250")
    space.judge.unlist(A)
    try:
        assert (await peer.envelope()).startswith("550-5.7.1")
    finally:
        space.judge.list(A, anna.dn)
    assert (await peer.envelope()).startswith("250")


async def test_rate_limit_counts_by_certificate(start: Start, space: Space, anna: Party) -> None:
    now = 1000.0
    edge = await start(clock=lambda: now, limits={"mails_per_minute": 2})
    async with Peer(edge.port) as peer:
        await peer.tls(space.client_context(anna))
        for expected in ("250", "250", "451-4.7.0"):
            await peer.say("RSET")
            assert (await peer.say(f"MAIL FROM:<anna@{A}>")).startswith(expected)
        now += 30
        assert (await peer.say(f"MAIL FROM:<anna@{A}>")).startswith("250")


# --- who receives ---


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        (f"ben@{HUB}", "250 2.1.5"),
        (f"ben@{HUB.upper()}", "250 2.1.5"),
        ("postmaster", "250 2.1.5"),
        ("ben@mss-a.example", "550-5.7.1 Relais refuse"),
        (f"ben@sub.{HUB}", "550-5.7.1 Relais refuse"),
        (f"ben%gmail.example@{HUB}", "250 2.1.5"),
        (f"nobody@{HUB}", "550-5.1.1"),
        (f"closed@{HUB}", "550-5.2.1"),
        (f"full@{HUB}", "452-4.2.2"),
        (f"loading@{HUB}", "451-4.3.0"),
        (f"strange@{HUB}", "451-4.3.0"),
        ("ben@[127.0.0.1]", "553-5.1.3"),
        (f"@{A}:ben@{HUB}", "553-5.1.3"),
        (f"Dr ben@{HUB}", "553-5.1.3"),
        (f"bén@{HUB}", "553-5.6.7"),
        ("", "553-5.1.3"),
    ],
)
async def test_recipients(peer: Peer, shelf: Shelf, recipient: str, code: str) -> None:
    shelf.boxes = {"nobody": "unknown", "closed": "closed", "full": "full", "loading": "later", "strange": "?"}
    assert (await peer.envelope(f"anna@{A}", recipient)).startswith(code)


async def test_too_many_recipients(start: Start, space: Space, anna: Party, shelf: Shelf) -> None:
    edge = await start(limits={"recipients": 2})
    async with Peer(edge.port) as peer:
        await peer.tls(space.client_context(anna))
        assert (await peer.envelope(f"anna@{A}", *(f"u{n}@{HUB}" for n in range(3)))).startswith("452-4.5.3")
        assert (await peer.data()).startswith("250")
        assert (await shelf.next())[0].recipients == (f"u0@{HUB}", f"u1@{HUB}")


async def test_what_was_asked_about_reports_is_kept(peer: Peer, shelf: Shelf) -> None:
    await peer.say(f"MAIL FROM:<anna@{A}> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=QQ+2B314")
    await peer.say(f"RCPT TO:<ben@{HUB}> NOTIFY=SUCCESS,failure ORCPT=rfc822;Ben@old.example")
    await peer.say(f"RCPT TO:<cleo@{HUB}> NOTIFY=NEVER")
    await peer.say(f"RCPT TO:<zoe@{HUB}>")
    await peer.data()
    envelope, _ = await shelf.next()
    assert (envelope.envid, envelope.ret) == ("QQ+314", "HDRS")
    assert envelope.notify == (frozenset({"SUCCESS", "FAILURE"}), frozenset(), None)
    assert envelope.orcpt == ("rfc822;Ben@old.example", None, None)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (f"MAIL FROM:<anna@{A}> SIZE=25000001", "552-5.3.4"),
        (f"MAIL FROM:<anna@{A}> SIZE=x", "501 5.5.4"),
        (f"MAIL FROM:<anna@{A}> SIZE", "501 5.5.4"),
        (f"MAIL FROM:<anna@{A}> SIZE=1 SIZE=2", "501 5.5.4"),
        (f"MAIL FROM:<anna@{A}> BODY=BINARYMIME", "501 5.5.4"),
        (f"MAIL FROM:<anna@{A}> ENVID=a+b", "501 5.5.4"),
        (f"MAIL FROM:<anna@{A}> ENVID={'x' * 101}", "501 5.5.4"),
        (f"MAIL FROM:<anna@{A}> ENVID=a+0D+0Ab", "501 5.5.4"),
        (f"MAIL FROM:<anna@{A}> RET=ALL", "501 5.5.4"),
        (f"MAIL FROM:<anna@{A}> SMTPUTF8=1", "501 5.5.4"),
        (f"MAIL FROM:<anna@{A}> AUTH=<>", "555 5.5.4"),
        (f"MAIL FROM:<anna@{A}> MT-PRIORITY=1", "555 5.5.4"),
        (f"MAIL FROM:anna@{A}", "553-5.1.3"),
        (f"MAIL FROM:<anna@{A}", "553-5.1.3"),
        ("MAIL FROM:<anna>", "553-5.1.3"),
        ("MAIL", "501 5.5.4"),
        ("MAIL TO:<x@y.example>", "501 5.5.4"),
        (f"MAIL FROM: <anna@{A}>", "250 2.1.0"),
        (f'MAIL FROM:<"anna b"@{A}>', "250 2.1.0"),
        (f"MAIL FROM:<{'x' * 3000}@{A}>", "500 5.5.2"),
    ],
)
async def test_parameters_of_mail(peer: Peer, command: str, code: str) -> None:
    assert (await peer.say(command)).startswith(code)


async def test_utf8_addresses(peer: Peer, shelf: Shelf) -> None:
    assert (await peer.say(f"MAIL FROM:<annaé@{A}> SMTPUTF8")).startswith("250")
    assert (await peer.say(f"RCPT TO:<bén@{HUB}>")).startswith("250")
    assert (await peer.data()).startswith("250")
    assert (await shelf.next())[0].recipients == (f"bén@{HUB}",)
    peer.write(b"MAIL FROM:<\xff@mss-a.example> SMTPUTF8\r\n")
    assert (await peer.answer()).startswith("553-5.1.3")
