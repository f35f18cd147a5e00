"""A refusal of a mail can be quicker than the hub's own note of the message: it waits for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import Refused
from bridge.model import Address, Ref, State
from deploy.world.waiting import until
from tests.mail.hub import MARC, running
from tests.mail.space import Space


@pytest.fixture(scope="module")
def space() -> Iterator[Space]:
    made = Space()
    yield made
    shutil.rmtree(made.directory)


async def test_a_refusal_waits_for_the_hub_to_note_the_message(
    tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    async with running(tmp_path, space) as node:
        departures = node.mail._departures

        async def never(*_: object) -> None:
            raise Refused("not_reachable")

        monkeypatch.setattr(departures._frames, "of", never)
        failed = node.hub.signs.failed

        async def early(ref: Ref, who: Address, reason: str, at: int) -> bool:
            asked.append(reason)
            return len(asked) > 1 and await failed(ref, who, reason, at)

        monkeypatch.setattr(node.hub.signs, "failed", early)
        await node.write("room-1", "bonjour", to=[f"mailto:{MARC}"], ref="p1")
        await until(lambda: len(asked) > 1)
        await node.rest()
        status = await node.hub.facts.status(Ref("pandalab", "p1"))
        assert status is not None
        assert [(one.state, one.reason) for one in status.states] == [(State.REFUSED, "not_reachable")]
