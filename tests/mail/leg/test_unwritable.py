"""A mailbox that no field of a mail can hold is refused alone; everybody else has theirs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.model import Kind, Ref, State
from bridge.networks.mail.mime.mail import Dsn
from tests.mail.hub import ANNA, MARC, PEER, TEAM, Node, Written, running
from tests.mail.leg.test_copies import LABO, room
from tests.mail.space import Space

ZOE = f"zoé@{PEER}"
Found = dict[str, tuple[State, str | None]]


@pytest.fixture(scope="module")
def space() -> Iterator[Space]:
    made = Space()
    yield made
    shutil.rmtree(made.directory)


async def states(node: Node, ref: str) -> Found:
    """What became of a message of the product, by mailbox or name."""
    status = await node.hub.facts.status(Ref("pandalab", ref))
    assert status is not None
    return {one.person.id.removeprefix("mail:"): (one.state, one.reason) for one in status.states}


async def test_it_is_refused_and_the_others_have_their_mail(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.write("room-1", "bonjour", to=[f"mailto:{box}" for box in (MARC, ZOE)], ref="p1")
        ((_, recipients, mail, _),) = await node.mailed()
        assert recipients == [box.address for box in mail.to] == [MARC]
        await node.rest()
        found = await states(node, "p1")
        assert found.pop(ZOE) == (State.REFUSED, "bad_address")
        assert [state for state, _ in found.values()] == [State.SENT]


async def test_alone_it_is_refused_with_its_reason(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.write("room-1", "bonjour", to=[f"mailto:{ZOE}"], ref="p1")
        await node.rest()
        assert await states(node, "p1") == {ZOE: (State.REFUSED, "bad_address")}
        assert not node.out.sent


async def test_a_copy_goes_to_the_others(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        address, _ = await room(node, ZOE)
        await node.hand_in(Written("Le résultat", [address], sender=LABO).raw(), address, sender=MARC)
        assert "sans accent" in (await node.got(ZOE)).body.text
        await node.mailed(2)
        await node.rest()
        copies = [recipients for sender, recipients, _, _ in node.out.sent if sender == address]
        assert copies == [[ANNA]]
        (report,) = [mail.report for sender, _, mail, _ in node.out.sent if not sender]
        assert isinstance(report, Dsn)
        assert [(one.address, one.action) for one in report.recipients] == [(ZOE, "failed")]
        assert b"Final-Recipient: utf-8; zo\\x{E9}@" in next(raw for sender, _, _, raw in node.out.sent if not sender)
        assert len([d for d in node.shown() if d.kind is Kind.NOTICE]) == 1


async def test_a_team_answers_the_others_and_knows(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        raw = (
            Written("Bonjour", to=[TEAM], cc=[f"zoe@{PEER}"], mid=f"t1@{PEER}").raw().replace(b"zoe@", "zoé@".encode())
        )
        await node.hand_in(raw, TEAM)
        seen = await node.got("Bonjour")
        thread = node.products["pandalab"]._refs[seen.id]
        await node.write(str(seen.chat), "Oui", thread=thread, ref="p1")
        ((_, recipients, _, _),) = await node.mailed()
        assert ZOE not in recipients
        assert (await node.got("sans accent")).body.text.startswith(f"⚠️ {ZOE} : ")
        await node.rest()
        assert (await states(node, "p1"))[TEAM] == (State.SENT, None)
