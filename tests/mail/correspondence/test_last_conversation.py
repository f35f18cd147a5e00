"""A mail for several conversations stays on the disk until the last of them has it, and not for longer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.errors import Refused, Unavailable
from bridge.hub.hub import Hub
from deploy.world.waiting import until
from tests.mail.hub import BEN_BOX, CLEO_BOX, PEER, Node, Written, running
from tests.mail.space import Space

SAID = Written("À deux, l'un caché", to=[CLEO_BOX], mid=f"m1@{PEER}").raw()


async def kept(node: Node) -> int:
    """How many mails that were taken are on the disk."""
    [queue, *_] = await node.mail.queues(10)
    assert queue.name == "in"
    return queue.waiting


def second_fails(monkeypatch: pytest.MonkeyPatch, node: Node, error: Exception) -> list[str]:
    """The hub takes nothing into the second conversation; gives every call."""
    calls, accept = list[str](), Hub.accept

    async def fails(self: Hub, message: Any, *more: Any) -> Any:
        calls.append(message.chat)
        if message.chat != calls[0]:
            raise error
        return await accept(self, message, *more)

    monkeypatch.setattr(Hub, "accept", fails)
    return calls


async def test_a_hub_that_ends_between_two_conversations_brings_it_into_the_second(
    tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, space) as node:
        with monkeypatch.context() as patch:
            calls = second_fails(patch, node, Unavailable("disk", 0.01))
            await node.hand_in(SAID, CLEO_BOX, BEN_BOX)
            await node.got("l'un caché")
            await until(lambda: len(set(calls)) == 2)
            assert await kept(node) == 1
    async with running(tmp_path, space) as node:
        await node.got("l'un caché", "siilo")
        await until(lambda: node.mail.idle)
        assert await kept(node) == 0


async def test_what_the_last_conversation_refuses_comes_back_and_is_kept_no_longer(
    tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, space) as node:
        second_fails(monkeypatch, node, Refused("not_a_member"))
        await node.hand_in(SAID, CLEO_BOX, BEN_BOX)
        await node.got("l'un caché")
        ((sender, _, mail, _),) = await node.mailed()
        assert (sender, mail.report is not None) == ("", True)
        await until(lambda: node.mail.idle)
        assert await kept(node) == 0
