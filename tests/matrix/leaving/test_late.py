"""A product that does not answer: whoever writes in the room sees that it waits, and that it has arrived in the end."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bridge.errors import Refused, Unavailable
from deploy.world.waiting import until
from tests.matrix import make
from tests.matrix.make import Node, World, meet, statuses


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "FAST", dataclasses.replace(make.FAST, late=0.2))


def _away(_: Any) -> None:
    raise Unavailable("away")


async def waiting(world: World, node: Node) -> tuple[make.Chat, list[str]]:
    """Two messages of ben's that Anna's product does not take."""
    chat = await meet(world, node)
    node.product.before = _away
    events = [await chat.ben.say(chat.room, text) for text in ("un", "deux")]
    await until(lambda: all(statuses(chat.ben, event) == ["PENDING"] for event in events))
    return chat, events


def notices(chat: make.Chat, text: str) -> list[str]:
    """What notices with these words answer to."""
    relations = [s.event["content"].get("m.relates_to", {}) for s in chat.ben.seen if text in (s.text or "")]
    return [relation.get("m.in_reply_to", {}).get("event_id", "") for relation in relations]


async def test_it_is_said_once_for_what_waits_and_once_when_it_is_there(world: World) -> None:
    async with world.node() as node:
        chat, events = await waiting(world, node)
        await chat.ben.heard("Dr Anna Martin : Pas encore remis")
        node.product.before = lambda _: None
        await chat.ben.heard("Remis maintenant.")
        await until(lambda: all(statuses(chat.ben, event)[-1] == "SUCCESS" for event in events))
        assert notices(chat, "Pas encore remis") == notices(chat, "Remis maintenant") == [events[0]]
        assert node.texts()[-2:] == ["un", "deux"]


async def test_each_that_was_shown_as_waiting_is_shown_as_arrived(world: World) -> None:
    async with world.node() as node:
        chat, events = await waiting(world, node)
        node.product.before = lambda _: None
        await until(lambda: all(statuses(chat.ben, event) == ["PENDING", "SUCCESS"] for event in events))


async def test_a_restart_says_nothing_again(world: World) -> None:
    async with world.node() as node:
        chat, events = await waiting(world, node)
        await chat.ben.heard("Pas encore remis")
    async with world.node() as node:
        await chat.ben.heard("Remis maintenant.")
        await until(lambda: all(statuses(chat.ben, event)[-1] == "SUCCESS" for event in events))
        assert notices(chat, "Pas encore remis") == [events[0]]


async def test_what_is_refused_after_it_was_late_is_no_good_news(world: World) -> None:
    async with world.node() as node:
        chat, events = await waiting(world, node)
        await chat.ben.heard("Pas encore remis")
        node.product.before = _never
        await until(lambda: all(statuses(chat.ben, event)[-1] == "FAIL_PERMANENT" for event in events))
        assert notices(chat, "Remis maintenant") == []


def _never(_: Any) -> None:
    raise Refused("product_refused")
