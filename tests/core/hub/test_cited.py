"""What is cited is found, however soon it is answered. On both databases."""

from __future__ import annotations

import asyncio

import pytest

from bridge.hub import facts
from bridge.model import Delivery, Ref
from bridge.networks.loopback import Loopback
from tests.core.make import networks, running


class Slow(Loopback):
    """Shows a message to its users at once; the hub hears what it is called later."""

    def __init__(self, network: str) -> None:
        super().__init__(network)
        self.shown, self.answered = asyncio.Event(), asyncio.Event()

    async def deliver(self, delivery: Delivery) -> Ref:
        """See :class:`bridge.connector.Connector`."""
        ref = await super().deliver(delivery)
        self.shown.set()
        await self.answered.wait()
        return ref


async def test_an_answer_may_come_before_the_hub_knows_the_name_of_the_question(url: str) -> None:
    nets = networks()
    nets["siilo"] = slow = Slow("siilo")
    async with running(url, nets) as w:
        done = await w.pandalab.write("p1", "chat-1", "cleo", "Question", ["siilo:dan"])
        await slow.shown.wait()
        answer = asyncio.create_task(slow.write("s1", done.conversation, "dan", "Réponse", reply_to="siilo-1"))
        await asyncio.sleep(0.1)
        assert not w.pandalab.delivered
        slow.answered.set()
        await answer
        await w.until(lambda: w.pandalab.delivered)
        assert w.pandalab.delivered[0].reply_to == Ref("pandalab", "p1")


async def test_what_nobody_knows_is_not_waited_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "_PATIENCE", 600)
    async with running(url) as w:
        done = await w.pandalab.write("p1", "chat-1", "cleo", "Question", ["siilo:dan"])
        await w.until(lambda: w.siilo.delivered)
        await w.until(lambda: w.pandalab.told)
        await w.siilo.write("s1", done.conversation, "dan", "Réponse", reply_to="siilo-999")
        await w.until(lambda: w.pandalab.delivered)
        assert w.pandalab.delivered[0].reply_to is None


async def test_what_another_conversation_says_is_continued_and_not_answered(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "chat-1", "cleo", "À deux", ["siilo:dan"])
        await w.until(lambda: len(w.siilo.delivered) == 1)
        await w.until(lambda: w.pandalab.told)
        await w.pandalab.write("p2", "chat-2", "cleo", "Ailleurs", ["siilo:dan"], reply_to="p1")
        await w.until(lambda: len(w.siilo.delivered) == 2)
        second = w.siilo.delivered[1]
        assert second.conversation != w.siilo.delivered[0].conversation
        assert (second.reply_to, second.continues) == (None, Ref("siilo", "siilo-1"))
