"""Reports of failures that name our mail in no field: the writer is told all the same, and nobody can make them up."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from email.utils import formatdate
from pathlib import Path

import pytest

from bridge.hub.hub import now_ms
from bridge.model import Delivery, Kind, Ref, State
from deploy.world.waiting import until
from tests.mail.cases.test_cases import CASES, ORIGINAL, WRITER
from tests.mail.hub import BEN_BOX, OTHER, PEER, Node, running
from tests.mail.space import HUB, Space

EXIM, BARE, REWRITTEN = (
    "23-bounce-exim-x-failed-recipients", "24-dsn-without-original", "25-dsn-message-id-rewritten",
)  # fmt: skip
MAILBOX_FULL = ("Boîte aux lettres", "mailbox")


async def wrote(node: Node, count: int = 1) -> tuple[str, str]:
    """Ben has written to anna; the message id of his last mail, and the mailbox that it came from."""
    before = len(node.out.sent)
    for n in range(count):
        await node.write(f"room-{n}", f"question {n}", by="ben", network="siilo", to=[f"mailto:{WRITER}"], ref=f"s{n}")
        await node.mailed(before + n + 1)
    await node.rest()
    sender, _, mail, _ = node.out.sent[-1]
    return str(mail.message_id), sender


async def state(node: Node, ref: str = "s0") -> State:
    """What Ben knows of his message."""
    status = await node.hub.facts.status(Ref("siilo", ref))
    assert status is not None
    return next(one.state for one in status.states if one.person.id != "rpps:10000000002")


def case(name: str, *changes: tuple[str, str]) -> bytes:
    raw = (CASES / f"{name}.eml").read_bytes().decode()
    for old, new in changes:
        assert old in raw
        raw = raw.replace(old, new)
    return raw.encode()


async def report(node: Node, raw: bytes, to: str, *, sender: str = "", domain: str = PEER) -> None:
    await node.hand_in(raw, to, sender=sender, domains=(domain,))
    await node.rest()


def notices(node: Node) -> list[Delivery]:
    return [one for one in node.shown("siilo") if one.kind is Kind.NOTICE]


async def test_an_id_in_the_text_of_a_report_is_enough(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await wrote(node, 2)
        first = str(node.out.sent[0][2].message_id)
        named = case(EXIM, ("d_0000000000000000000000000000@liaison.mss.example", first))
        await report(node, named, node.out.sent[0][0], domain=OTHER)  # another operator knows nothing of it
        await report(node, named.replace(b"Mailer-Daemon@", b"mallory@"), node.out.sent[0][0])
        assert await state(node) is State.SENT
        await report(node, named, node.out.sent[0][0])
        assert (await state(node), await state(node, "s1")) == (State.REFUSED, State.SENT)


@pytest.mark.parametrize("name", [BARE, REWRITTEN])
async def test_a_report_without_our_id_is_about_the_only_mail_of_late(tmp_path: Path, space: Space, name: str) -> None:
    async with running(tmp_path, space) as node:
        _, box = await wrote(node)
        await report(node, case(name, ("MAILER-DAEMON@", "mallory@")), box)
        await report(node, case(name), box, sender=f"mallory@{PEER}")  # a mail system has no envelope sender
        await report(node, case(name), box, domain=OTHER)
        assert await state(node) is State.SENT
        await report(node, case(name), box)
        assert await state(node) is State.REFUSED


async def test_among_several_mails_the_date_of_the_enclosed_one_decides(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await wrote(node)
        await asyncio.sleep(1.1)  # dates have seconds
        await node.write("room-1", "et ceci", by="ben", network="siilo", to=[f"mailto:{WRITER}"], ref="s1")
        await node.mailed(2)
        await node.rest()
        (box, _, first, _), (_, _, second, _) = node.out.sent
        for mail, wrong in ((second, 0), (first, 3600_000)):
            dated = formatdate(((mail.sent_at or 0) + wrong) / 1000)
            await report(node, case(REWRITTEN, ("Subject: Re: question", f"Date: {dated}")), box)
            assert (await state(node), await state(node, "s1")) == (State.SENT, State.REFUSED)
        await until(lambda: notices(node), "the report that fits none of them")


async def test_among_several_mails_the_time_of_arrival_decides(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await wrote(node, 2)
        box, at = node.out.sent[0][0], now_ms()
        with closing(sqlite3.connect(tmp_path / "hub.db")) as db:  # the first went an hour ago
            db.execute("UPDATE mail_out SET created_at = created_at - 3600000 WHERE n = (SELECT MIN(n) FROM mail_out)")
            db.commit()
        arrived = formatdate((at - 3_600_000) / 1000)
        await report(node, case(BARE, ("dns; mx.mss-a.example\r\n", f"dns; mx\r\nArrival-Date: {arrived}\r\n")), box)
        assert (await state(node), await state(node, "s1")) == (State.REFUSED, State.SENT)


async def test_what_an_answer_cites_is_not_what_failed(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await wrote(node, 2)
        cited, box = str(node.out.sent[0][2].message_id), node.out.sent[0][0]
        raw = case(REWRITTEN, ("Subject: Re: question", f"References: <a@b>\r\n <{cited}>\r\nIn-Reply-To: <{cited}>"))
        await report(node, raw, box)
        assert await state(node) is State.SENT


@pytest.mark.parametrize("name", [EXIM, BARE, REWRITTEN])
async def test_a_failure_that_nobody_can_match_is_shown_to_the_mailbox(tmp_path: Path, space: Space, name: str) -> None:
    async with running(tmp_path, space) as node:
        await report(node, case(name), BEN_BOX)
        await until(lambda: notices(node), "the report")
        (shown,) = notices(node)
        assert f"anna@{PEER}" in shown.body.text
        assert [file.name for file in shown.body.files] == [ORIGINAL]
        await report(node, case(name), BEN_BOX)  # the same once more
        assert len(notices(node)) == 1


async def test_a_report_without_an_author_is_shown_as_its_operators(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        author = "MAILER-DAEMON@mss-a.example (Mail Delivery System)"
        await report(node, case(BARE, (f"From: {author}", "From: <>")), BEN_BOX)
        await until(lambda: notices(node), "the report")
        assert notices(node)[0].sender.addresses[0].id == f"postmaster@{PEER}"


async def test_a_conversation_is_told_of_what_nobody_can_match(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await wrote(node)
        seen = await node.hub.facts.status(Ref("siilo", "s0"))
        assert seen is not None
        room = f"salon-{seen.conversation.removeprefix('c_')}@{HUB}"
        await report(node, case(REWRITTEN, (f"rfc822; anna@{PEER}", f"rfc822; {WRITER}")), room, sender=f"x@{PEER}")
        await until(lambda: notices(node), "what the conversation is told")
        assert f"{WRITER} : Un message n'a pas été remis ; le rapport ne dit pas" in notices(node)[0].body.text
        assert await state(node) is State.SENT


async def test_a_receipt_about_nothing_of_ours_is_no_news(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await report(node, case(BARE, ("Action: failed", "Action: delivered"), ("5.2.2", "2.0.0")), BEN_BOX)
        assert node.shown("siilo") == []
