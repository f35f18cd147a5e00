"""One state for each recipient of each mail: waiting, with the operator, in the mailbox, read, refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

import pytest

from bridge.model import Address, Kind, Ref, State
from bridge.networks.mail.smtp.peer import Outcome
from deploy.world.waiting import until
from tests.mail.hub import ANNA, CLEO_BOX, MARC, OTHER, PEER, Node, StubOut, running
from tests.mail.space import Space

A, M = "rpps:10000000001", f"mail:{MARC}"


async def told(node: Node, ref: str) -> dict[str, State]:
    """What the hub says of a message and what the product was told last, which is the same."""
    status = await node.hub.facts.status(Ref("pandalab", ref))
    assert status is not None
    now = {one.person.id: one.state for one in status.states}
    reports = [one for one in node.products["pandalab"].told if one.ref.id == ref]
    if reports:
        assert {one.person.id: one.state for one in reports[-1].states} == now
    return now


async def report(node: Node, kind: str, fields: str) -> None:
    """A report comes in by mail."""
    raw = (
        f"From: Anna <{ANNA}>\r\nTo: {CLEO_BOX}\r\nSubject: Rapport\r\nMessage-ID: <{abs(hash(fields))}@{PEER}>\r\n"
        f'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={kind}; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain\r\n\r\nRapport.\r\n--b\r\nContent-Type: message/{kind}\r\n\r\n"
        f"{fields}\r\n\r\n--b--\r\n"
    )
    await node.hand_in(raw.encode(), CLEO_BOX, sender="")
    await node.rest()


async def dsn(node: Node, about: str, action: str, who: str = ANNA) -> None:
    """The operator says what became of a mail, by its envelope id (RFC 3464)."""
    fields = f"Original-Envelope-Id: {about}\r\nReporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; {who}"
    await report(node, "delivery-status", f"{fields}\r\nAction: {action}\r\nStatus: 2.0.0")


async def mdn(node: Node, about: str) -> None:
    """anna's program says that it has shown a mail (RFC 8098)."""
    fields = f"Final-Recipient: rfc822; {ANNA}\r\nOriginal-Message-ID: <{about}>"
    await report(
        node, "disposition-notification", f"{fields}\r\nDisposition: manual-action/MDN-sent-manually; displayed"
    )


class Slow:
    """STUB of an operator that does not take the first mail (yet)."""

    def __init__(self, out: StubOut) -> None:
        self.kind, self.status, self.asked = "later", "4.2.0", 0
        self._out = out

    def session(self) -> AbstractAsyncContextManager[Slow]:
        return nullcontext(self)

    async def send(self, sender: str, recipients: Sequence[str], raw: bytes, envid: str) -> list[Outcome]:
        if b"le premier attend" not in raw:
            return await self._out.send(sender, recipients, raw, envid)
        self.asked += 1
        code = 550 if self.kind == "refused" else 450
        return [Outcome(one, code, self.status, self.kind, "", "peer:25") for one in recipients]  # type: ignore[arg-type]


async def until_told(node: Node, ref: str, state: State) -> None:
    """Until the hub and the product say so of anna."""
    reports = node.products["pandalab"].told
    await until(lambda: any(r.ref.id == ref and r.states[0].state is state for r in reports))


def envelope(node: Node, n: int) -> str:
    """The id of a mail in its envelope."""
    return str(node.out.sent[n][2].message_id).partition("@")[0]


async def test_every_step_is_told(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, retry={"pauses": [0.6]}) as node:
        node.out.answer = lambda domain, r: ("later", "4.2.0") if domain == OTHER else ("accepted", "2.0.0")
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}", f"mailto:{MARC}"], ref="p1")
        await node.mailed()
        await node.rest()
        assert await told(node, "p1") == {A: State.SENT, M: State.ACCEPTED}
        await dsn(node, envelope(node, 0), "relayed")
        assert (await told(node, "p1"))[A] is State.SENT
        await dsn(node, envelope(node, 0), "delivered")
        assert (await told(node, "p1"))[A] is State.DELIVERED
        await mdn(node, str(node.out.sent[0][2].message_id))
        assert (await told(node, "p1"))[A] is State.READ
        await dsn(node, envelope(node, 0), "delivered")  # again, and late
        node.out.answer = lambda domain, r: ("accepted", "2.0.0")
        await node.mailed(2)
        await node.rest()
        assert await told(node, "p1") == {A: State.READ, M: State.SENT}


async def test_a_receipt_is_about_its_mail_alone(tmp_path: Path, space: Space) -> None:
    """What came before may still be on its way, and its end has to be told."""
    async with running(tmp_path, space, retry={"pauses": [0.2]}) as node:
        first = Slow(node.out)
        node.mail._queue._out = first
        await node.write("room-1", "le premier attend", to=[f"mailto:{ANNA}"], ref="p1")
        await until(lambda: first.asked > 0)
        await node.write("room-1", "le second arrive", ref="p2")
        await node.mailed()
        await until_told(node, "p2", State.SENT)
        await mdn(node, str(node.out.sent[0][2].message_id))
        assert (await told(node, "p1"), await told(node, "p2")) == ({A: State.ACCEPTED}, {A: State.READ})
        first.kind, first.status = "refused", "5.2.2"
        await until_told(node, "p1", State.REFUSED)
        assert (await told(node, "p2"))[A] is State.READ


@pytest.mark.parametrize("action", ["failed", "delivered"])
async def test_a_report_after_the_operator_took_it(tmp_path: Path, space: Space, action: str) -> None:
    async with running(tmp_path, space) as node:
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}"], ref="p1")
        await node.mailed()
        await node.rest()
        await dsn(node, envelope(node, 0), action)
        assert await told(node, "p1") == {A: {"failed": State.REFUSED, "delivered": State.DELIVERED}[action]}


async def test_a_delay_is_told_once_and_the_end_too(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, retry={"pauses": [0.2], "delay_notice": 0.1, "give_up": 1.5}) as node:
        node.out.answer = lambda domain, r: ("later", "4.2.0")
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}"], ref="p1")
        notice = await node.got("Pas encore")
        assert (notice.kind, notice.sender.id, notice.chat) == (Kind.NOTICE, A, "room-1")
        await until_told(node, "p1", State.REFUSED)
        status = await node.hub.facts.status(Ref("pandalab", "p1"))
        assert status is not None
        assert [one.reason for one in status.states] == ["mail_gave_up"]
        assert len([d for d in node.shown() if "Pas encore" in d.body.text]) == 1


async def test_a_delay_that_nobody_is_left_to_hear_of_stops_nothing(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space, retry={"pauses": [0.2], "delay_notice": 0.5}) as node:
        node.out.answer = lambda domain, r: ("later", "4.2.0")
        await node.write("room-1", "bonjour", to=[f"mailto:{ANNA}"], ref="p1")
        await until(lambda: node.mail.idle)
        cleo = Address("pandalab", "cleo")
        await node.hub.change_members(Ref("pandalab", "bye"), "room-1", "pandalab", cleo, [], [cleo])
        await asyncio.sleep(1.0)
        node.out.answer = lambda domain, r: ("accepted", "2.0.0")
        await node.mailed()
