"""A message goes to whom it was accepted for: not to who came later, and who left before is said not to have it."""

from __future__ import annotations

import pytest

from bridge.errors import Refused, Unavailable
from bridge.model import Address, Delivery, Kind, Ref, State
from tests.core.make import World, running

BEN = "rpps:10000000002"
DAN, CLEO = Address("siilo", "dan"), Address("pandalab", "cleo")


def away(delivery: Delivery) -> None:
    """A network that is down."""
    raise Unavailable("down")


def away_for_dan(delivery: Delivery) -> None:
    """A network that is down for as long as dan would be given what waits."""
    if delivery.body.text == "attend" and any(m.address == DAN for m in delivery.recipients):
        raise Unavailable("down")


def said(w: World, network: str) -> list[tuple[str, list[str]]]:
    """What a network was given, and for whom."""
    found = [d for d in w.nets[network].delivered if d.kind is Kind.TEXT]
    return [(d.body.text, sorted(m.address.id for m in d.recipients)) for d in found]


def settled(w: World, ref: str) -> bool:
    """Whether cleo's product was told of everybody."""
    return any(r.ref.id == ref and all(s.state is not State.ACCEPTED for s in r.states) for r in w.pandalab.told)


async def states(w: World, ref: str) -> dict[str, tuple[State, str | None]]:
    """What became of a message of cleo's."""
    status = await w.hub.facts.status(Ref("pandalab", ref))
    assert status is not None
    return {s.person.name: (s.state, s.reason) for s in status.states}


async def test_who_comes_later_reads_nothing_earlier(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "d'abord", ["siilo:dan", BEN])
        await w.until(lambda: w.siilo.delivered)
        w.siilo.before = away
        await w.pandalab.write("p2", "A", "cleo", "pour Dan")
        await w.hub.change_members(Ref("pandalab", "m1"), "A", "pandalab", CLEO, ["siilo:fay"], [])
        await w.pandalab.write("p3", "A", "cleo", "pour les deux")
        w.siilo.before = lambda _: None
        await w.until(lambda: len(said(w, "siilo")) == 3)
        assert said(w, "siilo")[1:] == [("pour Dan", ["dan"]), ("pour les deux", ["dan", "fay"])]
        earlier, later = [d for d in w.siilo.delivered if d.body.text.startswith("pour ")]
        assert {m.address.id for m in later.members} - {m.address.id for m in earlier.members} == {"fay"}
        assert "Fay Roux" not in await states(w, "p2")


async def test_who_left_before_it_went_out_has_not_got_it(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "d'abord", ["siilo:dan", "siilo:fay"])
        await w.until(lambda: w.siilo.delivered)
        w.siilo.before = away_for_dan
        await w.pandalab.write("p2", "A", "cleo", "attend")
        await w.hub.change_members(Ref("pandalab", "m1"), "A", "pandalab", CLEO, [], [DAN])
        await w.until(lambda: len(said(w, "siilo")) == 2)
        assert said(w, "siilo")[1] == ("attend", ["fay"])
        await w.until(lambda: settled(w, "p2"))
        found = await states(w, "p2")
        assert found["Dan Moreau"] == (State.REFUSED, "left_before")
        assert found["Fay Roux"] == (State.DELIVERED, None)


async def test_nobody_is_left_to_hand_it_to(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "d'abord", ["siilo:dan", BEN])
        await w.until(lambda: w.siilo.delivered and w.matrix.delivered)
        w.siilo.before = away_for_dan
        await w.pandalab.write("p2", "A", "cleo", "attend")
        await w.hub.change_members(Ref("pandalab", "m1"), "A", "pandalab", CLEO, [], [DAN])
        await w.until(lambda: len(said(w, "matrix")) == 2)
        await w.until(lambda: any(d.kind is Kind.MEMBERS for d in w.siilo.delivered))
        assert len(said(w, "siilo")) == 1
        await w.until(lambda: settled(w, "p2"))
        found = await states(w, "p2")
        assert found["Dan Moreau"] == (State.REFUSED, "left_before")
        assert found["Ben Durand"] == (State.DELIVERED, None)


async def test_colleagues_of_one_product_alone_are_told_so(url: str) -> None:
    """The product shows them the message itself; the hub has nobody to give it to."""
    async with running(url) as w:
        with pytest.raises(Refused, match="same_network"):
            await w.pandalab.write("p1", "A", "cleo", "à Fay", ["pandalab:fay"])
        await w.pandalab.write("p2", "A", "cleo", "à Fay et Dan", ["pandalab:fay", "siilo:dan"])
        await w.hub.change_members(Ref("pandalab", "m1"), "A", "pandalab", CLEO, [], [DAN])
        with pytest.raises(Refused, match="same_network"):
            await w.pandalab.write("p3", "A", "cleo", "encore")
