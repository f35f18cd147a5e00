"""What is cited is found, however soon it is answered. On both databases."""

from __future__ import annotations

import asyncio

import pytest

from bridge.hub import facts
from bridge.model import Delivery, Kind, Ref
from bridge.networks.loopback import Loopback
from bridge.store.conversation import delivery_id
from tests.core.hub.test_early import BEN, able, about, texts
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


async def test_what_is_shown_before_its_message_brings_it_along(url: str) -> None:
    """What showed the message was lost, and is asked for again: it has a place, since something is about it."""
    async with running(url, able("siilo", "matrix")) as w:
        await w.pandalab.write("p0", "A", "cleo", "bonjour", ["siilo:dan", BEN])
        await w.hub.accept(about("t", Kind.REACTION, "p0", "👍"))
        await w.until(lambda: len(w.matrix.delivered) == 2)
        message, reaction = [delivery.message for delivery in w.matrix.delivered]
        await w.hub.sequenced(reaction)
        await w.until(lambda: texts(w.siilo) == ["text bonjour", "reaction 👍"])
        await w.hub.sequenced(message)
        assert not w.hub._order._held


async def test_what_is_before_its_message_in_a_lane_goes_after_it(url: str) -> None:
    async with running(url, able("siilo", "matrix")) as w:
        await w.pandalab.write("p0", "A", "cleo", "bonjour", ["siilo:dan", BEN])
        await w.hub.accept(about("t", Kind.REACTION, "p0", "👍"))
        await w.until(lambda: len(w.matrix.delivered) == 2)
        message, reaction = [delivery.message for delivery in w.matrix.delivered]
        async with w.db.transaction("test") as tx:  # as releases before this one did
            await tx.run("store.place", reaction)
            await tx.run("store.release", reaction)
        w.courier.wake_all("siilo")
        await w.until(lambda: w.courier.reasons.peek(delivery_id(reaction, "siilo")) == "target_waits")
        await w.hub.sequenced(message)
        await w.until(lambda: texts(w.siilo) == ["text bonjour", "reaction 👍"])
