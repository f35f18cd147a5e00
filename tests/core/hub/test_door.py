"""What is judged at the door: the length of a text for every leg, times, and who is reached where."""

from __future__ import annotations

import pytest

from bridge.connector import Capabilities
from bridge.errors import Refused
from bridge.hub.hub import now_ms
from bridge.model import Address, Body, Kind, Message, Ref
from bridge.networks.loopback import Loopback
from tests.core.make import networks, running

BEN = "matrix:@ben:chu.example"


async def test_a_long_text_is_refused_at_the_door(url: str) -> None:
    async with running(url) as w:
        with pytest.raises(Refused, match="too_long"):
            await w.pandalab.write("p1", "A", "cleo", "é" * 30_001, [BEN])


async def test_a_text_is_refused_at_the_door_of_every_leg(url: str) -> None:
    """Nobody is told that something was accepted which one of the legs will refuse."""
    nets = networks() | {"siilo": Loopback("siilo", Capabilities(max_text=100))}
    async with running(url, nets) as w:
        await w.pandalab.write("p1", "A", "cleo", "é" * 49, [BEN, "siilo:dan"])
        for text in ("é" * 50, "\n" * 50, '"' * 50):
            with pytest.raises(Refused, match="too_long"):
                await w.pandalab.write(f"p{text[0]}", "A", "cleo", text)
        await w.echo()
        await w.until(lambda: [d.body.text for d in w.siilo.delivered] == ["é" * 49])


async def test_a_time_that_cannot_be_is_the_time_of_arrival(url: str) -> None:
    async with running(url) as w:
        now = now_ms()
        times = [now - 8 * 86_400_000, 2**53 - 1, now + 3_600_000, -5, now]
        for n, at in enumerate(times):
            ref, cleo = Ref("pandalab", f"p{n}"), Address("pandalab", "cleo")
            await w.hub.accept(Message(ref, "A", cleo, Kind.TEXT, Body("x"), at, (BEN,) if n == 0 else ()))
        await w.until(lambda: len(w.matrix.delivered) == 5)
        shown = [d.sent_at for d in w.matrix.delivered]
        assert (shown[0], shown[4]) == (times[0], now)
        assert all(now <= at <= now_ms() for at in shown[1:4])


async def test_colleagues_in_the_same_product_are_reached_in_it_beside_others(url: str) -> None:
    """Who is in the writer's own product sees the group there: no mail is sent, and nothing is refused."""
    async with running(url) as w:
        await w.siilo.write("s1", "A", "dan", "à tous", [BEN, "siilo:fay"])
        await w.until(lambda: w.matrix.delivered)
        members = {m.person.name: str(m.address) for m in w.matrix.delivered[0].members}
        assert members["Fay Roux"] == "siilo:fay"
        assert not w.siilo.delivered  # the product itself shows it to its own
