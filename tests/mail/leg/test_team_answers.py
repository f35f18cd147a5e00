"""A team's answer that reaches some and not others: the room is told who, and it is no failure of the whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.model import Kind, Ref, State
from tests.mail.hub import ANNA, PEER, TEAM, Node, Written, running
from tests.mail.space import Space

OUTSIDE = ("tiers@hors.example", "autre@hors.example")


@pytest.fixture(scope="module")
def space() -> Iterator[Space]:
    made = Space()
    yield made
    shutil.rmtree(made.directory)


async def answered(node: Node, *refused: str) -> list[str]:
    """The team answers a mail with people outside in Cc, of whom these are refused; the notices, first lines."""
    node.out.answer = lambda _, r: ("refused", "5.7.1") if r in refused else ("accepted", "2.0.0")
    await node.hand_in(Written("Bonjour", to=[TEAM], cc=OUTSIDE, mid=f"t1@{PEER}").raw(), TEAM)
    seen = await node.got("Bonjour")
    root = node.products["pandalab"]._refs[seen.id]
    await node.write(str(seen.chat), "Oui", thread=root, ref="p1")
    await node.rest(0.6)
    notices = [d for d in node.shown("siilo") if d.kind is Kind.NOTICE]
    assert all(d.thread is not None for d in notices)
    return sorted(d.body.text.split("\n")[0] for d in notices)


async def state(node: Node) -> tuple[State, str | None]:
    """What the writer knows of the mailbox."""
    status = await node.hub.facts.status(Ref("pandalab", "p1"))
    assert status is not None
    return next((one.state, one.reason) for one in status.states if one.person.id == f"mail:{TEAM}")


async def test_who_does_not_get_it_is_named_in_the_room(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        other, third = await answered(node, *OUTSIDE)
        assert other.startswith(f"⚠️ {OUTSIDE[1]} : ")
        assert third.startswith(f"⚠️ {OUTSIDE[0]} : ")
        assert await state(node) == (State.SENT, None)


async def test_it_failed_if_it_failed_for_all(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await answered(node, *OUTSIDE, ANNA)
        found, reason = await state(node)
        assert (found, reason is not None) == (State.REFUSED, True)
