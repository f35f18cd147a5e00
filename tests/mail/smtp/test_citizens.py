"""Mail of citizens is refused in words until its rules exist; what their operator reports is taken."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from bridge.networks.mail.smtp.lmtp_in import LmtpIn
from tests.mail.smtp.conftest import Start
from tests.mail.smtp.peer import Peer
from tests.mail.space import HUB, Party, Shelf, Space

CITIZENS = "patient.mssante.fr"
INS = "279035121518989"
REPORT = 'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"\r\n'


@pytest.fixture(scope="module")
def operator(space: Space) -> Party:
    """The operator of the citizens' mailboxes, which has professionals' domains as well."""
    return space.party("mail.cnam.example", CITIZENS, "usagers.example", "pro.example")


def mail(author: str, more: str = "") -> bytes:
    return (f"From: {author}\r\nTo: ben@{HUB}\r\nSubject: question\r\n{more}\r\nBonjour docteur.\r\n").encode()


async def said(port: int, space: Space, operator: Party, sender: str, raw: bytes) -> str:
    """The last reply to a mail of the citizens' operator."""
    async with Peer(port) as peer:
        await peer.tls(space.client_context(operator))
        reply = await peer.envelope(sender)
        return await peer.data(raw) if reply.startswith("250") else reply


async def test_a_citizen_reads_in_french_what_to_do(start: Start, space: Space, operator: Party, shelf: Shelf) -> None:
    edge = await start()
    sender = f"{INS}@{CITIZENS}"
    for envelope in (sender, sender.replace(CITIZENS, "Patient.MSSANTE.fr"), "a@pro.example", ""):
        reply = await said(edge.port, space, operator, envelope, mail(f"Leo Dupond <{sender}>"))
        first, second = reply.splitlines()[:2]
        assert first.startswith("550-5.7.1 Votre message n'a pas ete remis: ce professionnel ne recoit pas encore")
        assert [second] == [
            "550-5.7.1 Contactez-le autrement, par exemple par telephone. En cas d'urgence, appelez le 15 ou le 112",
        ]
    assert INS not in reply
    assert not shelf.mails


@pytest.mark.parametrize(
    ("sender", "author", "more"),
    [
        ("", f"Mon espace santé <mailer-daemon@{CITIZENS}>", ""),
        (f"mailer-daemon@{CITIZENS}", f"<mailer-daemon@{CITIZENS}>", ""),
        ("", f"<{INS}@{CITIZENS}>", REPORT),
        ("anna@pro.example", "<anna@pro.example>", ""),
    ],
)
async def test_reports_and_professionals_are_taken(
    start: Start, space: Space, operator: Party, shelf: Shelf, sender: str, author: str, more: str
) -> None:
    edge = await start()
    assert (await said(edge.port, space, operator, sender, mail(author, more))).startswith("250")
    assert (await shelf.next())[0].sender == sender


@pytest.mark.parametrize(
    ("settings", "sender", "taken"),
    [
        ({"refuse_citizens": False}, f"{INS}@{CITIZENS}", True),
        ({"citizen_domains": ["usagers.example"]}, "leo@usagers.example", False),
        ({"citizen_domains": ["usagers.example"]}, f"{INS}@{CITIZENS}", True),
    ],
)
async def test_the_operator_decides(
    start: Start, space: Space, operator: Party, settings: dict[str, Any], sender: str, taken: bool
) -> None:
    edge = await start(**settings)
    assert (await said(edge.port, space, operator, sender, mail(f"<{sender}>"))).startswith("250" if taken else "550")


async def test_the_same_behind_a_server_of_the_site(space: Space, operator: Party, shelf: Shelf) -> None:
    async with AsyncExitStack() as stack:
        edge = LmtpIn(space.settings(lmtp={"judged_by_front": True, "port": 0}), space.judge, shelf.take, shelf.known)
        await edge.start()
        stack.push_async_callback(edge.stop)
        async with Peer(edge.port) as peer:
            await peer.say("LHLO x")
            assert "appelez le 15" in await peer.say(f"MAIL FROM:<{INS}@{CITIZENS}>")
            await peer.envelope("anna@pro.example")
            assert "Mon espace" in await peer.data(mail(f"<{INS}@{CITIZENS}>"))
    assert not shelf.mails
