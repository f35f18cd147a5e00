"""A mail to a conversation's address reaches everybody in it, also those with a mailbox at another operator."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import Refused
from bridge.model import Address, Delivery, Kind
from bridge.networks.mail.letters.copies import COPY_HEADER
from bridge.networks.mail.mime.mail import Mail
from bridge.networks.mail.mime.report_reading import Dsn
from deploy.world.waiting import until
from tests.mail.hub import ANNA, MARC, OTHER, PEER, Node, Written, running
from tests.mail.space import HUB, Space

ZOE = f"zoe@{PEER}"
LABO = f"Labo Leroy <{MARC}>"


@pytest.fixture(scope="module")
def space() -> Iterator[Space]:
    made = Space()
    yield made
    shutil.rmtree(made.directory)


async def room(node: Node, *more: str) -> tuple[str, Mail]:
    """The address of a conversation of Cléo, Anna and Marc, and the mail that both got."""
    await node.write("room-1", "bonjour", to=[f"mailto:{box}" for box in (ANNA, MARC, *more)])
    await node.mailed(2)
    await node.rest()
    conversation = (await node.hub.facts.chat("pandalab", "room-1")).conversation  # type: ignore[union-attr]
    first = node.out.sent[0][2]
    node.out.sent.clear()
    return str(node.mail.book.room(conversation)), first


def shown(node: Node, text: str) -> list[Delivery]:
    """What the product was given with this text."""
    return [d for d in node.shown() if text in d.body.text]


async def test_a_mail_to_the_room_reaches_who_was_not_written_to(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, product="P-1") as node:
        address, first = await room(node)
        written = Written("Le résultat est là", [address], sender=LABO, subject="Bilan", mid=f"l1@{OTHER}",
                          replies=[str(first.message_id)])  # fmt: skip
        await node.hand_in(written.raw(X_MSS_INS="O"), address, sender=MARC)
        asked = await node.got("Le résultat est là")
        await node.rest()
        (sender, recipients, mail, raw), = node.out.sent  # fmt: skip
        assert (sender, recipients) == (address, [ANNA])
        assert mail.automatic is None
        assert mail.sender is not None
        assert (mail.sender.address, mail.sender.name) == (address, "Labo Leroy via Liaison")
        assert [box.address for box in mail.reply_to] == [address]
        assert [box.address for box in mail.to] == [ANNA]
        assert mail.subject == "Bilan"
        assert "Le résultat est là" in mail.text
        assert f"Labo Leroy <{MARC}>" in mail.text
        assert (list(mail.in_reply_to), mail.references) == ([f"l1@{OTHER}"], (first.message_id, f"l1@{OTHER}"))
        assert mail.mss == {"X-MSS-NIL": "P-1", "X-MSS-INS": "O"}
        assert MARC.encode() not in raw.partition(b"\r\n\r\n")[0]
        answer = Written("Merci du résultat", [address], mid=f"a1@{PEER}", replies=[str(mail.message_id)])
        await node.hand_in(answer.raw(), address)
        merci = await node.got("Merci du résultat")
        assert (merci.chat, merci.thread) == (asked.chat, asked.thread) == ("room-1", merci.thread)
        await node.rest()
        assert [rs for _, rs, _, _ in node.out.sent[1:]] == [[MARC]]  # and Labo reads it too
        assert len(shown(node, "Le résultat est là")) == 1


async def test_an_answer_to_a_copy_of_a_new_thread_is_in_that_thread(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        address, _ = await room(node)
        await node.hand_in(Written("Nouveau sujet", [address], sender=MARC).raw(), address, sender=MARC)
        await node.mailed()
        root = await node.got("Nouveau sujet")
        mail = node.out.sent[0][2]
        assert mail.sender is not None
        assert mail.sender.name == "marc.leroy via Liaison"
        await node.hand_in(Written("J'y réponds", [address], replies=[str(mail.message_id)]).raw(), address)
        answer = await node.got("J'y réponds")
        assert answer.thread is not None
        assert answer.cites[1] == root.message
        assert answer.chat == root.chat == "room-1"


async def test_documents_and_pages_are_in_the_copy(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        address, _ = await room(node)
        head = f"From: {LABO}\r\nTo: {address}\r\nSubject: Doc\r\nMessage-ID: <d1@{OTHER}>\r\nMIME-Version: 1.0\r\n"
        raw = head.encode() + (
            b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n'
            b'<p>Voici <b>tout</b></p><script>x()</script>\r\n--b\r\nContent-Type: application/pdf; name="cr.pdf"\r\n'
            b'Content-Disposition: attachment; filename="cr.pdf"\r\n\r\n%PDF-1.4 rien\r\n--b--\r\n'
        )
        await node.hand_in(raw, address, sender=MARC)
        mail = (await node.mailed())[0][2]
        assert "Voici" in mail.text
        assert "<b>tout</b>" in (mail.html or "")
        assert "script" not in (mail.html or "")
        assert [(file.name, file.data) for file in mail.files] == [("cr.pdf", b"%PDF-1.4 rien")]


async def test_who_was_written_to_gets_no_copy(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        address, _ = await room(node, ZOE)
        named = Written("À Anna aussi", [address, ANNA.upper()], [ZOE], sender=LABO).raw()
        await node.hand_in(named, address, sender=MARC)
        one = Written("À Zoé aussi", [address], [ZOE], sender=LABO).raw()
        await node.hand_in(one, address, sender=MARC)
        await node.got("À Zoé aussi")
        await node.mailed()
        await node.rest()
        assert [(rs, "Zoé" in mail.text) for _, rs, mail, _ in node.out.sent] == [([ANNA], True)]


async def test_a_copy_leaves_once_whatever_happens(tmp_path: Path, space: Space) -> None:
    written = Written("Une seule fois", sender=LABO, mid=f"l1@{OTHER}")
    async with running(tmp_path, space, retry={"pauses": [0.3]}) as node:
        written.to = [(await room(node))[0]]
        node.out.answer = lambda domain, r: ("later", "4.2.0")
        await node.hand_in(written.raw(), written.to[0], sender=MARC)
        await node.got("Une seule fois")
        await node.rest()
    async with running(tmp_path, space, retry={"pauses": [0.3]}) as node:
        assert [rs for _, rs, _, _ in await node.mailed()] == [[ANNA]]
        await node.write("room-1", "Zoé arrive", to=[f"mailto:{ZOE}"])
        await until(lambda: sum("Zoé arrive" in mail.text for _, _, mail, _ in node.out.sent) == 2)
        await node.hand_in(written.raw(), written.to[0], sender=MARC)  # its operator has not seen our answer
        await node.rest()
        assert sum("Une seule fois" in mail.text for _, _, mail, _ in node.out.sent) == 1
        assert not shown(node, "Une seule fois")


@pytest.mark.parametrize("header", ["Auto_Submitted", "List_Id", COPY_HEADER.replace("-", "_")])
async def test_what_nobody_wrote_is_not_multiplied(tmp_path: Path, space: Space, header: str) -> None:
    async with running(tmp_path, space) as node:
        address, _ = await room(node)
        raw = Written("Absent du cabinet", [address], sender=LABO).raw(**{header: "auto-replied"})
        await node.hand_in(raw, address, sender=MARC)
        own = Written("Revenu", [address], sender=LABO, mid=f"k_1@{HUB}").raw()
        await node.hand_in(own, address, sender=MARC)
        await node.got("Absent du cabinet")
        await node.got("Revenu")
        await node.rest()
        assert node.out.sent == []


@pytest.mark.parametrize("late", [False, True])
async def test_a_copy_that_fails_is_told_in_the_room_and_to_its_author(
    tmp_path: Path, space: Space, late: bool
) -> None:
    async with running(tmp_path, space) as node:
        address, _ = await room(node)
        if not late:
            node.out.answer = lambda domain, r: ("refused", "5.2.2") if domain == PEER else ("accepted", "2.0.0")
        await node.hand_in(Written("Elle ne l'a pas", [address], sender=LABO).raw(), address, sender=MARC)
        await node.got("Elle ne l'a pas")
        if late:
            envelope = str((await node.mailed())[0][2].message_id).partition("@")[0]
            await node.hand_in(failed(envelope, address), address, sender="")
        told = await node.got(ANNA)
        assert (told.kind, told.sender.addresses, told.chat) == (Kind.NOTICE, (Address("mail", ANNA),), "room-1")
        await until(lambda: any(rs == [MARC] for _, rs, _, _ in node.out.sent))
        sender, _, mail, _ = node.out.sent[-1]
        assert sender == ""
        assert isinstance(mail.report, Dsn)
        assert [(one.address, one.action) for one in mail.report.recipients] == [(ANNA, "failed")]


async def test_a_copy_that_cannot_be_written_is_told_in_the_room_and_to_its_author(
    tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(*_: object) -> None:
        raise Refused("bad_header", "mss")

    async with running(tmp_path, space) as node:
        address, _ = await room(node, ZOE)
        monkeypatch.setattr("bridge.networks.mail.leg.arrivals.copy_letter", unwritable)
        written = Written("Elles ne l'ont pas", [address], sender=LABO, mid=f"l1@{OTHER}")
        for _ in range(2):
            await node.hand_in(written.raw(), address, sender=MARC)
            await node.got("Elles ne l'ont pas")
            await node.rest()
        told = [d for d in node.shown() if d.kind is Kind.NOTICE]
        assert {(d.sender.addresses[0].id, d.chat) for d in told} == {(ANNA, "room-1"), (ZOE, "room-1")}
        assert len(told) == 2
        assert all("Envoyez-le-lui directement" in d.body.text and d.thread is not None for d in told)
        assert [(sender, rs) for sender, rs, _, _ in node.out.sent] == [("", [MARC])] * 2
        reports = [mail.report for _, _, mail, _ in node.out.sent]
        named = [
            (one.address, one.action) for report in reports if isinstance(report, Dsn) for one in report.recipients
        ]
        assert sorted(named) == [(ANNA, "failed"), (ZOE, "failed")]
        monkeypatch.undo()
        await node.hand_in(Written("Elles l'ont", [address], sender=LABO).raw(), address, sender=MARC)
        await node.mailed(3)
        assert sorted(r for _, rs, _, _ in node.out.sent[2:] for r in rs) == [ANNA, ZOE]


async def test_a_copy_that_cannot_be_written_is_told_after_a_crash(
    tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(*_: object) -> None:
        raise Refused("bad_header", "mss")

    async with running(tmp_path, space) as node:
        address, _ = await room(node)
        monkeypatch.setattr("bridge.networks.mail.leg.arrivals.copy_letter", unwritable)
        node.mail._arrivals.ended = lambda: None  # killed before anybody is told
        await node.hand_in(Written("Elle ne l'a pas", [address], sender=LABO).raw(), address, sender=MARC)
        await node.got("Elle ne l'a pas")
        await node.rest()
        assert not [d for d in node.shown() if d.kind is Kind.NOTICE]
    async with running(tmp_path, space) as node:
        assert "Envoyez-le-lui directement" in (await node.got(ANNA)).body.text
        await node.mailed()
        assert [(sender, rs) for sender, rs, _, _ in node.out.sent] == [("", [MARC])]


def failed(envelope: str, to: str) -> bytes:
    """The report of an operator that had taken a mail."""
    return (
        f"From: MAILER-DAEMON@{PEER}\r\nTo: {to}\r\nSubject: Undelivered\r\nMessage-ID: <r1@{PEER}>\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nNon.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Original-Envelope-Id: {envelope}\r\nReporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; {ANNA}\r\n"
        "Action: failed\r\nStatus: 5.2.2\r\n\r\n--b--\r\n"
    ).encode()


async def test_a_copy_that_waits_is_told_in_the_room(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, retry={"pauses": [0.2], "delay_notice": 0.1}) as node:
        address, _ = await room(node)
        node.out.answer = lambda domain, r: ("later", "4.2.0")
        await node.hand_in(Written("Elle attend", [address], sender=LABO).raw(), address, sender=MARC)
        assert (await node.got("Pas encore")).chat == "room-1"
