"""Reports that come in count for the mailboxes of whoever handed them in; those that go out name who was written to."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Collection
from pathlib import Path

import pytest

from bridge.errors import Refused, Unavailable
from bridge.model import Address, Delivery, Ref, Report, State
from deploy.world.waiting import until
from tests.core.store.test_reading import rows
from tests.mail import hub
from tests.mail.hub import (
    ANNA,
    BEN_BOX,
    CLEO_BOX,
    DAN_BOX,
    MARC,
    OTHER,
    PEER,
    TEAM,
    Node,
    Written,
    running,
)
from tests.mail.space import Space

A = "rpps:10000000001"
SUBSTITUTE, COLLEAGUE = f"remplacant@{OTHER}", f"remplacant@{PEER}"


async def asked(node: Node, *to: str) -> str:
    """Cleo has written; the id of the mail."""
    await node.write("room-1", "bonjour", to=[f"mailto:{one}" for one in to or (ANNA,)], ref="p1")
    await node.mailed(len({one.rpartition("@")[2] for one in to or (ANNA,)}))
    await node.rest()
    return str(node.out.sent[0][2].message_id)


async def state(node: Node, person: str = A) -> tuple[State, str | None]:
    """What Cleo knows of somebody."""
    status = await node.hub.facts.status(Ref("pandalab", "p1"))
    assert status is not None
    return next((one.state, one.reason) for one in status.states if one.person.id == person)


async def report(node: Node, kind: str, fields: str, sender: str, domains: Collection[str] | None = None) -> None:
    """A report comes in by mail, with the certificate of its author's domain."""
    raw = (
        f"From: <{sender}>\r\nTo: {CLEO_BOX}\r\nSubject: Rapport\r\nMessage-ID: <{abs(hash(fields))}@{OTHER}>\r\n"
        f'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={kind}; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain\r\n\r\nRapport.\r\n--b\r\nContent-Type: message/{kind}\r\n\r\n"
        f"{fields}\r\n\r\n--b--\r\n"
    )
    domains = (sender.rpartition("@")[2],) if domains is None else domains
    await node.hand_in(raw.encode(), CLEO_BOX, sender="", domains=domains)
    await node.rest()


async def dsn(
    node: Node,
    about: str,
    action: str,
    who: str,
    *,
    by: str = PEER,
    domains: Collection[str] | None = None,
    **more: str,
) -> None:
    """An operator says what became of a mail (RFC 3464); ``more``: the fields ``original`` and
    ``status``, and the ``author``.
    """
    first = f"Original-Recipient: rfc822; {more['original']}\r\n" if "original" in more else ""
    fields = (
        f"Original-Envelope-Id: {about.partition('@')[0]}\r\nReporting-MTA: dns; mx\r\n\r\n"
        f"{first}Final-Recipient: rfc822; {who}\r\nAction: {action}\r\nStatus: {more.get('status', '5.0.0')}"
    )
    author = more.get("author", f"postmaster@{by}")
    await report(node, "delivery-status", fields, author, (by,) if domains is None else domains)


async def mdn(
    node: Node, about: str, who: str, *, original: str = "", by: str = "", disposition: str = "displayed"
) -> None:
    """A program says that it has shown a mail (RFC 8098)."""
    first = f"Original-Recipient: rfc822; {original}\r\n" if original else ""
    fields = (
        f"{first}Final-Recipient: rfc822; {who}\r\nOriginal-Message-ID: <{about}>\r\n"
        f"Disposition: manual-action/MDN-sent-manually; {disposition}"
    )
    await report(node, "disposition-notification", fields, by or who)


async def test_an_operator_reports_about_its_own_mailboxes_only(
    tmp_path: Path, space: Space, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        await dsn(node, mid, "failed", ANNA, by=OTHER)
        await mdn(node, mid, ANNA, by=SUBSTITUTE)
        await mdn(node, mid, SUBSTITUTE)  # forwarded to another operator
        await mdn(node, mid, SUBSTITUTE, original=ANNA)
        assert await state(node) == (State.SENT, None)
        said = [one.getMessage() for one in caplog.records if "is not believed" in one.getMessage()]
        assert len(said) == 4
        assert not any("@" in one or PEER in one for one in said)
        await dsn(node, mid, "delivered", ANNA)
        assert await state(node) == (State.DELIVERED, None)
        await mdn(node, mid, ANNA)
        assert await state(node) == (State.READ, None)


async def test_a_report_about_two_counts_for_one(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        mid = await asked(node, ANNA, MARC)
        for who in (ANNA, MARC):
            await dsn(node, mid, "delivered", who, by=OTHER)
        assert await state(node) == (State.SENT, None)
        assert await state(node, f"mail:{MARC}") == (State.DELIVERED, None)


async def test_behind_a_server_in_front_the_author_says_whose_report_it_is(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        await dsn(node, mid, "failed", ANNA, by=OTHER, domains=())
        assert await state(node) == (State.SENT, None)
        await dsn(node, mid, "delivered", ANNA, domains=())
        assert await state(node) == (State.DELIVERED, None)


@pytest.mark.parametrize("original", ["", ANNA])
async def test_a_substitute_has_not_read_for_her(tmp_path: Path, space: Space, original: str) -> None:
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        await mdn(node, mid, COLLEAGUE, original=original)
        assert await state(node) == (State.DELIVERED, None)


async def test_another_mailbox_of_the_same_operator_has_not_read_for_her(tmp_path: Path, space: Space) -> None:
    """A receipt that names her as the reader and that somebody else has written."""
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        await mdn(node, mid, ANNA, by=COLLEAGUE)
        assert await state(node) == (State.DELIVERED, None)
        await mdn(node, mid, f"ANNA.MARTIN@{PEER}")
        assert await state(node) == (State.READ, None)


@pytest.mark.parametrize("kind", ["dsn", "mdn"])
async def test_another_mailbox_of_the_same_operator_does_not_make_it_fail(
    tmp_path: Path, space: Space, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Nor does what it says stay unsaid: it may be true."""
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        await dsn(node, mid, "delivered", ANNA)
        for author in (COLLEAGUE, COLLEAGUE, f"x@ailleurs.{PEER}"):
            if kind == "dsn":
                await dsn(node, mid, "failed", ANNA, author=author)
            else:
                await mdn(node, mid, ANNA, by=COLLEAGUE, disposition="failed")
        assert await state(node) == (State.DELIVERED, None)
        assert "another mailbox failed" in caplog.text
        seen = [d for d in node.shown() if "ce n'est pas prouvé" in d.body.text]
        assert len(seen) == (2 if kind == "dsn" else 1)
        assert f"{COLLEAGUE} → {ANNA}" in seen[0].body.text


async def test_another_mailbox_of_the_same_operator_has_not_got_it_for_her(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        await dsn(node, mid, "delivered", ANNA, author=COLLEAGUE)
        assert await state(node) == (State.SENT, None)


@pytest.mark.parametrize(
    "author",
    [
        f"MAILER-DAEMON@{PEER}", f"MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@{PEER}", f"noreply@{PEER}",
        f"ne-pas-repondre@{PEER}", f"Mail-Delivery-System@{PEER}", f"DSN@mta.{PEER}", ANNA,
    ],
)  # fmt: skip
async def test_a_mail_system_and_she_herself_say_that_it_failed(tmp_path: Path, space: Space, author: str) -> None:
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        await dsn(node, mid, "failed", ANNA, author=author)
        assert (await state(node))[0] is State.REFUSED


async def test_who_forwards_answers_for_what_follows(tmp_path: Path, space: Space) -> None:
    """anna's operator names her as she was written to; without that, another operator's mailbox is nobody of ours."""
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        await dsn(node, mid, "failed", SUBSTITUTE)
        assert await state(node) == (State.SENT, None)
        await dsn(node, mid, "failed", SUBSTITUTE, original=ANNA)
        assert (await state(node))[0] is State.REFUSED


async def test_an_alias_in_the_same_domain_is_the_only_recipient(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        await dsn(node, mid, "delivered", f"a.martin@{PEER}")
        assert await state(node) == (State.DELIVERED, None)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("5.1.1", "mail_unknown_box"), ("5.2.2", "mail_box_full"), ("5.3.4", "mail_too_large"),
        ("5.7.1", "mail_refused"), ("5.7.10", "mail_refused"), ("", "mail_refused"),
    ],
)  # fmt: skip
async def test_a_failure_is_told_with_its_reason(tmp_path: Path, space: Space, status: str, reason: str) -> None:
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        await dsn(node, mid, "failed", ANNA, status=status)
        assert await state(node) == (State.REFUSED, reason)


async def test_a_report_quicker_than_the_hub_waits_for_it(
    tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(tmp_path, space) as node:
        mid = await asked(node)
        real, missing = node.hub.signs.received, 2

        async def late(ref: Ref, recipient: Address, at: int) -> bool:
            nonlocal missing
            missing -= 1
            return missing < 0 and await real(ref, recipient, at)

        monkeypatch.setattr(node.hub.signs, "received", late)
        await dsn(node, mid, "delivered", ANNA)
        await until(lambda: missing < 0)
        await node.rest()
        assert await state(node) == (State.DELIVERED, None)
        assert node.mail._receipts._early == {}


async def test_it_waits_so_long_and_no_longer(
    tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, space) as node:
        mid = await asked(node)

        async def never(ref: Ref, recipient: Address, at: int) -> bool:
            return False

        monkeypatch.setattr(node.hub.signs, "received", never)
        monkeypatch.setattr("bridge.networks.mail.leg.mail_reports._PATIENCE", 800)
        await dsn(node, mid, "delivered", ANNA)
        await until(lambda: "reports about what the hub does not know" in caplog.text)
        await node.rest()
        assert node.mail._receipts._early == {}
        with pytest.raises(Unavailable):
            node.mail._receipts._wait(99, False)


async def outside(node: Node) -> list[str]:
    """What went to anna, as it stands on the wire, once everything is worked on."""
    await node.rest()
    assert all(recipients == [ANNA] for _, recipients, _, _ in node.out.sent)
    return [raw.decode() for _, _, _, raw in node.out.sent]


def no_member_named(raw: str) -> bool:
    """Whether a report keeps to itself who is in the team."""
    return not any(box in raw for box in (BEN_BOX, CLEO_BOX, DAN_BOX))


async def test_a_team_reports_in_its_own_name(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        written = Written("Résultat", to=[TEAM], mid=f"t1@{PEER}").raw(Disposition_Notification_To=ANNA)
        await node.hand_in(written, TEAM, notify=frozenset({"SUCCESS"}))
        seen = await node.got("Résultat", "siilo")
        await node.got("Résultat")
        (raw,) = await outside(node)
        assert "Action: delivered" in raw
        assert f"Final-Recipient: rfc822; {TEAM}" in raw
        for network, who in (("pandalab", "dan"), ("pandalab", "cleo"), ("siilo", "ben")):
            about = node.products[network]._refs[next(d.id for d in node.shown(network) if d.body == seen.body)]
            await node.hub.signs.seen(about, Address(network, who), 1)
            await node.mailed(2)
        reports = await outside(node)
        assert len(reports) == 2
        assert f"Final-Recipient: rfc822;{TEAM}" in reports[1]
        assert "; displayed" in reports[1]
        assert all(map(no_member_named, reports))


async def test_a_team_fails_only_as_a_whole(tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(delivery: Delivery) -> Ref:
        raise Refused("files_not_carried")

    async with running(tmp_path, space) as node:
        monkeypatch.setattr(node.products["siilo"], "deliver", refuses)
        await node.hand_in(Written("Résultat", to=[TEAM], mid=f"t1@{PEER}").raw(), TEAM)
        await node.got("Résultat")
        assert await outside(node) == []
        monkeypatch.setattr(node.products["pandalab"], "deliver", refuses)
        await node.hand_in(Written("Perdu", to=[TEAM], mid=f"t2@{PEER}").raw(), TEAM)
        await node.mailed()
        (raw,) = await outside(node)
        assert "Action: failed" in raw
        assert f"Final-Recipient: rfc822; {TEAM}" in raw
        assert no_member_named(raw)


@pytest.mark.parametrize("notify", [frozenset({"SUCCESS", "DELAY"}), None, frozenset({"FAILURE"}), frozenset()])
async def test_what_waits_for_long_is_reported_once_to_whoever_wants_to_know(
    tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch, notify: frozenset[str] | None
) -> None:
    def away(_: Delivery) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(hub, "FAST", dataclasses.replace(hub.FAST, late=0.2))
    wanted = notify is None or "DELAY" in notify
    async with running(tmp_path, space) as node:
        node.products["pandalab"].before = away
        await node.hand_in(Written("Bonjour", to=[CLEO_BOX], mid=f"l1@{PEER}").raw(), CLEO_BOX, notify=notify)
        if wanted:
            ((_, _, _, raw),) = await node.mailed()
            assert b"Action: delayed" in raw
            assert b"Status: 4.4.1" in raw
        await asyncio.sleep(0.6)
        assert len(node.out.sent) == wanted
        node.products["pandalab"].before = lambda _: None
        await node.got("Bonjour")
        await node.rest()
        assert len(node.out.sent) == wanted + (notify is not None and "SUCCESS" in notify)


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("recipient_no_key", 0),
        ("recipient_unsigned", 1),
        ("recipient_identity", 1),
        ("invited", 0),
        ("not_joined_yet", 1),
    ],
)
async def test_a_key_that_is_on_its_way_is_no_delay(tmp_path: Path, space: Space, why: str, told: int) -> None:
    """It takes seconds; what lasts, for somebody has to do something about it, is reported."""
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Bonjour", to=[CLEO_BOX], mid=f"k1@{PEER}").raw(), CLEO_BOX)
        await node.got("Bonjour")
        await node.rest()
        [(ref,)] = await rows(node.db, "SELECT ref FROM message")
        status = await node.hub.facts.status(Ref("mail", ref))
        assert status is not None
        states = tuple(dataclasses.replace(one, state=State.SENT, reason=why) for one in status.states)
        report = Report(status.message, status.ref, status.conversation, status.chat, status.sender, states, 99)
        await node.mail.report([report, report])
        await node.rest()
        assert [b"Action: delayed" in raw for *_, raw in node.out.sent] == [True] * told
