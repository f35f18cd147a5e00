"""What is judged at the door: the length of a text for every leg, times, and who is reached where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.capabilities import LONGEST
from bridge.connector import Capabilities
from bridge.errors import Refused
from bridge.hub.hub import now_ms
from bridge.kinds import EVERYWHERE
from bridge.model import Address, Body, Kind, Message, Ref
from bridge.networks.loopback import Loopback
from tests.core.make import networks, running

BEN = "matrix:@ben:chu.example"


async def test_a_text_that_nobody_writes_is_refused_at_the_door(url: str) -> None:
    async with running(url) as w:
        with pytest.raises(Refused, match="too_long"):
            await w.pandalab.write("p1", "A", "cleo", "é" * (LONGEST // 2), [BEN])


async def test_a_long_text_goes_in_as_many_parts_as_each_leg_needs(url: str) -> None:
    """They are one message: what is done to it is done to all of them, and an answer to one is an answer to it."""
    able = Capabilities(max_text=100, kinds=EVERYWHERE | {Kind.EDIT})
    nets = networks() | {"siilo": Loopback("siilo", able)}
    async with running(url, nets) as w:
        text = " ".join(f"mot{n}" for n in range(40))
        await w.pandalab.write("p1", "A", "cleo", text, [BEN, "siilo:dan"])
        await w.until(lambda: w.matrix.delivered)
        assert w.matrix.delivered[0].body.text == text
        await w.echo()
        await w.until(lambda: len(w.siilo.delivered) == 4)
        assert len({d.id for d in w.siilo.delivered}) == 4
        said = " ".join(d.body.text.partition("\n")[2] for d in w.siilo.delivered)
        assert said == text
        edit = Message(Ref("pandalab", "p2"), "A", Address("pandalab", "cleo"), Kind.EDIT, Body("court"), now_ms())
        await w.hub.accept(replace(edit, reply_to=Ref("pandalab", "p1")))
        await w.until(lambda: len(w.matrix.delivered) == 2)
        await w.echo()
        await w.until(lambda: len(w.siilo.delivered) == 8)
        seen = [(d.kind, d.reply_to, d.body.text) for d in w.siilo.delivered[4:]]
        assert seen == [(Kind.EDIT, Ref("siilo", f"siilo-{n}"), "court" if n == 1 else "…") for n in range(1, 5)]
        longer = replace(
            edit, ref=Ref("pandalab", "p3"), body=Body(text + " fin " * 20), reply_to=Ref("pandalab", "p1")
        )
        await w.hub.accept(longer)
        await w.until(lambda: len(w.matrix.delivered) == 3)
        await w.echo()
        await w.until(lambda: len(w.siilo.delivered) == 13)
        assert [d.kind for d in w.siilo.delivered[8:]] == [Kind.EDIT] * 4 + [Kind.TEXT]
        await w.until(lambda: w.courier.idle)
        row = await w.db.one("store.by_ref", "siilo", "siilo-13")
        assert row is not None
        assert row["id"] == w.siilo.delivered[0].message


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
