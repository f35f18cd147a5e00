"""Against a real Postfix as a peer operator, with mutual certificates, both ways; swaks for every refusal."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from bridge.networks.mail.smtp.lmtp_in import LmtpIn
from bridge.networks.mail.smtp.smtp_in import SmtpIn
from bridge.networks.mail.smtp.smtp_out import SmtpOut
from deploy.world.mail_client import Attachment, Mailbox
from deploy.world.ports import free_port
from deploy.world.postfix import Identity, Options, Postfix, Route
from deploy.world.waiting import until
from tests.mail.smtp.peer import PLAIN_MAIL
from tests.mail.smtp.swaks import eml, swaks
from tests.mail.space import HUB, HUB_HOST, Shelf, Space

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="module")]

A = "mss-a.example"
BEN = f"ben@{HUB}"


class Bed:
    """The hub's edge beside a real operator."""

    def __init__(self) -> None:
        self.space = Space()
        self.party = self.space.party("mail.mss-a.example", A)
        self.shelf = Shelf()
        self.port = free_port()
        boxes = {"nobody": "unknown", "closed": "closed", "full": "full"}
        self.shelf.boxes = boxes
        self.settings = self.space.settings(port=self.port)
        self.edge = SmtpIn(self.settings, self.space.judge, self.shelf.take, self.shelf.known)
        identity = Identity(A, "mail.mss-a.example", self.party.certificate, self.party.key, self.space.bundle)
        options = Options(boxes=(f"anna@{A}", f"cleo@{A}"))
        self.operator = Postfix(identity, {HUB: Route(self.port, HUB_HOST)}, options)
        self.anna = Mailbox(self.operator, f"anna@{A}", "Anna Müller")

    def out(self, **changes: Any) -> SmtpOut:
        sending = {"routes": {A: f"127.0.0.1:{self.operator.port}"}}
        return SmtpOut(self.space.settings(sending=sending, **changes), self.space.judge)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bed() -> AsyncIterator[Bed]:
    bed = Bed()
    await bed.edge.start()
    try:
        await bed.operator.start()
        yield bed
    finally:
        await bed.operator.stop()
        await bed.edge.stop()


@pytest.fixture(autouse=True)
def _empty(bed: Bed) -> None:
    bed.shelf.mails.clear()


def raw(subject: str, to: str = f"anna@{A}", author: str = BEN) -> bytes:
    head = f"From: {author}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@{HUB}>\r\n"
    return f"{head}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nVoilà.\r\n".encode()


async def test_postfix_to_hub(bed: Bed) -> None:
    pdf = bytes(range(256)) * 400
    mail = bed.anna.compose([BEN], "Compte rendu", "Voilà, à bientôt.", [Attachment("cr.pdf", "application/pdf", pdf)])
    await bed.anna.send(mail)
    envelope, taken = await bed.shelf.next()
    assert (envelope.sender, envelope.recipients) == (f"anna@{A}", (BEN,))
    assert envelope.dn_domains == {A}
    read = email.message_from_bytes(taken, policy=email.policy.default)
    assert read["Message-ID"] == mail["Message-ID"]
    assert next(read.iter_attachments()).get_content() == pdf
    assert read.get_all("Received")[0].endswith("+0000")  # type: ignore[index]


async def test_hub_to_postfix(bed: Bed) -> None:
    outcomes = await bed.out().send(BEN, [f"anna@{A}", f"nobody@{A}"], raw("vers-anna"), "delivery-7")
    assert [(each.kind, each.code, each.status) for each in outcomes] == [
        ("accepted", 250, "2.0.0"),
        ("refused", 550, "5.1.1"),
    ]
    mail = await bed.anna.wait(lambda mail: mail["Subject"] == "vers-anna")
    assert "Voilà." in mail.get_content()
    assert "(verified OK)" in str(mail["Received"]) + "".join(mail.get_all("Received", []))
    assert str(mail["Return-Path"]) == f"<{BEN}>"
    envelope, report = await bed.shelf.next()
    assert envelope.sender == ""
    assert b"Original-Envelope-Id: delivery-7" in report
    assert b"Action: relayed" in report or b"Action: delivered" in report


async def test_an_answer_cites_what_it_answers(bed: Bed) -> None:
    await bed.out().send(BEN, [f"anna@{A}"], raw("question"), "delivery-8")
    mail = await bed.anna.wait(lambda mail: mail["Subject"] == "question")
    await bed.anna.send(bed.anna.reply(mail, "Oui."))
    while (taken := await bed.shelf.next())[0].sender == "":
        pass  # the report about the question
    answer = email.message_from_bytes(taken[1], policy=email.policy.default)
    assert answer["In-Reply-To"] == f"<question@{HUB}>"
    assert "> Voilà." in answer.get_content()


async def test_a_mail_that_must_wait_comes_again(bed: Bed) -> None:
    bed.space.judge.stale = True
    try:
        await bed.anna.send(bed.anna.compose([BEN], "attente", "Bonjour"))
        await until(lambda: "Our trust list or CRL is too old" in bed.operator.log)
    finally:
        bed.space.judge.stale = False
    assert not bed.shelf.mails
    await bed.operator.flush()
    assert b"Subject: attente" in (await bed.shelf.next())[1]


async def test_a_refusal_comes_back_to_the_writer_in_words(bed: Bed) -> None:
    await bed.anna.send(bed.anna.compose([f"nobody@{HUB}"], "inconnu", "Bonjour"))
    bounce = await bed.anna.wait(lambda mail: "Undelivered" in str(mail["Subject"]))
    assert "Boite inconnue" in bounce.as_string()
    assert "Status: 5.1.1" in bounce.as_string()


async def test_many_at_once(bed: Bed) -> None:
    await asyncio.gather(*(bed.anna.send(bed.anna.compose([BEN], f"n{number}", "Bonjour")) for number in range(40)))
    subjects: set[str] = set()
    while len(subjects) < 40:
        _, taken = await bed.shelf.next()
        subjects.add(str(email.message_from_bytes(taken)["Subject"]))
    assert subjects == {f"n{number}" for number in range(40)}


async def test_behind_a_postfix_by_lmtp(bed: Bed) -> None:
    """A site that keeps Postfix in front: it takes the operators' mail and hands it to the hub by LMTP."""
    space, shelf = bed.space, Shelf(boxes={"nobody": "unknown"})
    socket = space.directory / "front"
    settings = space.settings(lmtp={"judged_by_front": True, "path": socket, "mode": 0o666})
    edge = LmtpIn(settings, space.judge, shelf.take, shelf.known)
    await edge.start()
    front_party = space.party("front.liaison.example")
    identity = Identity(
        "front.liaison.example", "front.liaison.example", front_party.certificate, front_party.key, space.bundle
    )
    options = Options(main={"relay_domains": HUB, "relay_transport": f"lmtp:unix:{socket}"})
    front = Postfix(identity, {}, options)
    try:
        await front.start()
        both = ("--to", f"{BEN},cleo@{HUB}")
        assert (await swaks(space, front.port, bed.party, *both)).code == 0
        envelope, _ = await shelf.next()
        assert envelope.recipients == (BEN, f"cleo@{HUB}")
        assert envelope.sender == f"anna@{A}"
    finally:
        await front.stop()
        await edge.stop()


# --- swaks: every refusal ---

Say = Callable[..., Any]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--from", "eve@mss-b.example"), "550-5.7.1"),
        (("--from", "eve@gmail.example"), "550-5.7.1"),
        (("--to", "someone@gmail.example"), "550-5.7.1 Relais refuse"),
        (("--to", f"nobody@{HUB}"), "550-5.1.1"),
        (("--to", f"closed@{HUB}"), "550-5.2.1"),
        (("--to", f"full@{HUB}"), "452-4.2.2"),
        (("--to", ",".join(f"u{n}@{HUB}" for n in range(101))), "452-4.5.3"),
        (("--header", "From: eve@mss-b.example"), "550-5.7.1"),
        (("--from", "<>", "--header", "From: eve@mss-b.example"), "550-5.7.1"),
        (("--add-header", "From: second@mss-a.example"), "554-5.6.0"),
        (("--add-header", "\\n".join(["Received: from x"] * 31)), "554-5.4.6"),
        (("--auth", "PLAIN", "--auth-user", "x", "--auth-password", "y"), ""),
    ],
)
async def test_refusals_of_a_listed_peer(bed: Bed, options: tuple[str, ...], code: str) -> None:
    said = await swaks(bed.space, bed.port, bed.party, *options)
    assert said.refusal.startswith(code)
    if "452-4.5.3" in code:
        assert len((await bed.shelf.next())[0].recipients) == 100
    else:
        assert said.code != 0
    assert not bed.shelf.mails


async def test_accepted(bed: Bed) -> None:
    for options in ((), ("--from", "<>"), ("--tls-protocol", "tlsv1_2")):
        said = await swaks(bed.space, bed.port, bed.party, *options, "--header", f"From: anna@{A}")
        assert said.code == 0, said.text
        await bed.shelf.next()


async def test_refusals_by_certificate(bed: Bed) -> None:
    space = bed.space
    assert (await swaks(space, bed.port, None, tls=False)).refusal == "530 5.7.0 Must issue a STARTTLS command first"
    assert (await swaks(space, bed.port, None)).refusal.startswith("550-5.7.1 Aucun certificat")
    unlisted = space.party("unlisted.example")
    assert (await swaks(space, bed.port, unlisted)).refusal.startswith("550-5.7.1 Le DN")
    revoked = space.party("revoked.example", "mss-revoked.example")
    space.judge.revoked.add(revoked.issued.certificate.serial_number)
    assert (await swaks(space, bed.port, revoked)).refusal.startswith("550-5.7.1 Certificat revoque")
    assert not bed.shelf.mails


async def test_a_renewed_certificate_with_the_same_name(bed: Bed) -> None:
    renewed = bed.space.party("mail.mss-a.example")
    assert renewed.dn == bed.party.dn
    assert (await swaks(bed.space, bed.port, renewed)).code == 0
    await bed.shelf.next()


async def test_a_full_size_mail_and_one_byte_too_many(bed: Bed, tmp_path: Any) -> None:
    line = b"x" * 76 + b"\r\n"
    fits = PLAIN_MAIL + line * ((25_000_000 - len(PLAIN_MAIL)) // 78 - 10)
    said = await swaks(bed.space, bed.port, bed.party, "--data", eml(tmp_path, "fits.eml", fits))
    assert said.code == 0, said.refusal
    assert len((await bed.shelf.next())[1]) > 24_900_000
    said = await swaks(bed.space, bed.port, bed.party, "--data", eml(tmp_path, "large.eml", fits + line * 20))
    assert said.refusal.startswith("552 5.3.4")
