"""Mails that were taken are worked on in an order that lets each find what it answers."""

from __future__ import annotations

from pathlib import Path

from bridge.errors import Unavailable
from bridge.hub.hub import now_ms
from bridge.networks.mail.leg.intake import Intake, TakenMail
from bridge.networks.mail.mime.mail import Mail, MailLimits
from bridge.networks.mail.smtp.reception import Envelope
from deploy.world.waiting import until
from tests.mail.hub import ANNA, CLEO_BOX, PEER, SEAL, Written, running
from tests.mail.space import Space

ROOT, PARENT, CHILD, OTHER = (f"{name}@{PEER}" for name in ("root", "parent", "child", "other"))
ENVELOPE = Envelope("127.0.0.1", "peer", ANNA, (CLEO_BOX,), frozenset({PEER}), None, (None,), now_ms(), "TLSv1.3")


async def test_an_answer_waits_for_the_mail_that_it_names(tmp_path: Path, space: Space) -> None:
    """A program that names the answered mail only, not the beginning of the thread: both are one lane all the same."""
    settled: list[str] = []
    tries: list[str] = []

    async def settle(taken: TakenMail, mail: Mail) -> None:
        tries.append(str(mail.message_id))
        if mail.message_id == PARENT and tries.count(PARENT) == 1:
            raise Unavailable("not_yet")
        settled.append(str(mail.message_id))

    async with running(tmp_path, space) as node:
        intake = Intake(node.mail._ledger, SEAL, settle, MailLimits())
        await intake.take(ENVELOPE, Written("Premier", mid=ROOT).raw())
        await until(lambda: settled == [ROOT])
        await intake.take(ENVELOPE, Written("Deuxième", mid=PARENT, replies=[ROOT]).raw())
        await intake.take(ENVELOPE, Written("Troisième", mid=CHILD, replies=[PARENT]).raw())
        await intake.take(ENVELOPE, Written("Autre", mid=OTHER).raw())
        await until(lambda: len(settled) == 4)
        assert settled == [ROOT, OTHER, PARENT, CHILD]
        await until(lambda: intake.idle)
        assert not intake._ids
        await intake.stop()
