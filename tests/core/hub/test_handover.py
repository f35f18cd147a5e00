"""A user of a product becomes somebody else: nothing meant for the one goes to the other. On both databases."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest

from bridge.connector import Capabilities
from bridge.db import Tx
from bridge.errors import Refused, Unavailable
from bridge.model import MATRIX, Address, Body, Delivery, File, Kind, Message, RecipientState, Ref, State
from bridge.networks.loopback import Loopback
from tests.core.make import World, networks, running

ANNA, DAN, FAY = "10000000001", "10000000004", "10000000005"
BEN = "matrix:@ben:chu.example"
Z = Address("siilo", "z")
NOT_REACHABLE = (State.REFUSED, "not_reachable")


def away(delivery: Delivery) -> None:
    raise Unavailable("away")


def present(delivery: Delivery) -> None:
    pass


def texts(net: Loopback) -> list[str]:
    return [d.body.text for d in net.delivered if d.kind is Kind.TEXT]


async def outcome(w: World, ident: str) -> dict[str, tuple[State, str | None]]:
    status = await w.hub.facts.status(Ref("pandalab", ident))
    assert status is not None
    return {s.person.name: _said(s) for s in status.states}


def _said(state: RecipientState) -> tuple[State, str | None]:
    return state.state, state.reason


async def test_what_is_written_to_the_former_one_does_not_reach_the_new_one(url: str) -> None:
    async with running(url) as w:
        await w.hub.declare(Z, ANNA)
        done = await w.pandalab.write("p1", "A", "cleo", "for Anna", ["siilo:z"])
        await w.until(lambda: w.siilo.delivered)
        await w.hub.declare(Z, FAY)
        with pytest.raises(Refused, match="nobody_else"):
            await w.pandalab.write("p2", "A", "cleo", "still for Anna")
        with pytest.raises(Refused, match="not_a_member"):
            await w.siilo.write("s1", done.conversation, "z", "I am Fay")
        await w.until(lambda: w.pandalab.delivered)
        assert w.pandalab.delivered[0].kind is Kind.MEMBERS
        assert [m.person.name for m in w.pandalab.delivered[0].members] == ["Cléo Petit"]
        with pytest.raises(Refused, match="not_reachable"):
            await w.pandalab.write("p3", "B", "cleo", "for Anna", [f"rpps:{ANNA}"])
        await w.pandalab.write("p4", "C", "cleo", "for Fay", ["siilo:z"])
        await w.until(lambda: len(texts(w.siilo)) == 2)
        assert texts(w.siilo) == ["for Anna", "for Fay"]
        assert w.siilo.delivered[-1].recipients[0].person.name == "Fay Roux"


async def test_the_others_go_on_without_the_former_one(url: str) -> None:
    async with running(url) as w:
        await w.hub.declare(Z, ANNA)
        await w.pandalab.write("p1", "A", "cleo", "to all", [BEN, "siilo:dan", "siilo:z"])
        await w.until(lambda: w.matrix.delivered and w.siilo.delivered)
        await w.hub.declare(Z, FAY)
        await w.pandalab.write("p2", "A", "cleo", "without Anna")
        await w.until(lambda: len(texts(w.matrix)) == 2 and len(texts(w.siilo)) == 2)
        assert [m.person.name for m in w.siilo.delivered[-1].recipients] == ["Dan Moreau"]
        members = [d for d in w.matrix.delivered if d.kind is Kind.MEMBERS]
        assert [{m.person.name for m in d.members} for d in members] == [{"Cléo Petit", "Ben Durand", "Dan Moreau"}]


async def test_what_waits_for_the_former_one_is_refused_and_erased(url: str) -> None:
    nets = networks() | {name: Loopback(name, Capabilities(files=True)) for name in ("pandalab", "siilo")}
    async with running(url, nets) as w:
        await w.hub.declare(Z, ANNA)
        w.siilo.before = away
        document = File("b.pdf", "application/pdf", b"%PDF")
        body, cleo = Body("x", None, (document,)), Address("pandalab", "cleo")
        first = Message(Ref("pandalab", "p1"), "A", cleo, Kind.TEXT, body, 0, ("siilo:z",))
        done = await w.hub.accept(first)
        await w.hub.accept(replace(first, ref=Ref("pandalab", "p2"), chat="B", to=("siilo:z", "siilo:dan")))
        await w.until(lambda: len(w.siilo.calls) > 1)
        await w.hub.declare(Z, FAY)
        assert await outcome(w, "p1") == {"Anna Martin": NOT_REACHABLE}
        assert await w.db.all("store.files", done.message) == []
        await w.until(lambda: w.pandalab.told)
        w.siilo.before = present
        await w.until(lambda: w.siilo.delivered)
        await asyncio.sleep(0.05)
        assert [[m.person.name for m in d.recipients] for d in w.siilo.delivered] == [["Dan Moreau"]]
        assert await outcome(w, "p2") == {"Anna Martin": NOT_REACHABLE, "Dan Moreau": (State.DELIVERED, None)}
        assert await w.waiting() == 0


async def test_what_waits_for_its_place_is_refused_too(url: str) -> None:
    async with running(url, order_wait=0.1) as w:
        await w.hub.declare(Z, ANNA)
        w.matrix.before = away
        await w.pandalab.write("p1", "A", "cleo", "x", [BEN, "siilo:z"])
        await w.hub.declare(Z, FAY)
        assert (await outcome(w, "p1"))["Anna Martin"] == NOT_REACHABLE
        w.matrix.before = present
        await w.until(lambda: len(w.matrix.delivered) == 2)
        await asyncio.sleep(0.15)
        assert w.siilo.delivered == []


async def test_nothing_is_handed_out_at_an_address_that_is_somebody_elses(url: str) -> None:
    """Even if the former one is still a member: the delivery was read, or the message accepted, a moment before."""
    async with running(url) as w:
        await w.hub.declare(Z, ANNA)
        w.siilo.before = away
        await w.pandalab.write("p1", "A", "cleo", "for Anna", ["siilo:z"])
        await w.pandalab.write("p2", "B", "cleo", "for Anna and Dan", ["siilo:z", "siilo:dan"])
        w.store._people.accounts.remember(Z, f"rpps:{FAY}", 1)
        w.siilo.before = present
        await w.until(lambda: w.siilo.delivered and len(w.pandalab.told) == 2)
        assert texts(w.siilo) == ["for Anna and Dan"]
        [delivery] = w.siilo.delivered
        assert {m.person.name for m in delivery.members} == {"Cléo Petit", "Dan Moreau"}
        assert [m.person.name for m in delivery.recipients] == ["Dan Moreau"]
        assert await outcome(w, "p1") == {"Anna Martin": NOT_REACHABLE}
        assert await outcome(w, "p2") == {"Anna Martin": NOT_REACHABLE, "Dan Moreau": (State.DELIVERED, None)}
        assert await w.waiting() == 0


async def test_an_address_of_the_directory_goes_to_somebody_else(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "for Dan", ["siilo:dan"])
        await w.until(lambda: w.siilo.delivered)
        await w.hub.declare(Address("siilo", "dan"), ANNA)
        with pytest.raises(Refused, match="nobody_else"):
            await w.pandalab.write("p2", "A", "cleo", "for Dan")
        with pytest.raises(Refused, match="not_reachable"):
            await w.pandalab.write("p3", "B", "cleo", "for Dan", [f"rpps:{DAN}"])
    async with running(url) as w:
        with pytest.raises(Refused, match="not_reachable"):
            await w.pandalab.write("p4", "B", "cleo", "for Dan", [f"rpps:{DAN}"])


async def test_a_declaration_that_was_broken_off_is_completed_by_the_next(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(url) as w:
        await w.hub.declare(Z, ANNA)
        await w.pandalab.write("p1", "A", "cleo", "for Anna", ["siilo:z"])
        await w.until(lambda: w.siilo.delivered)
        begin = w.db.transaction

        def failing(name: str) -> AbstractAsyncContextManager[Tx]:
            if name == "hub.declare":
                raise Unavailable("database")
            return begin(name)

        with monkeypatch.context() as patched:
            patched.setattr(w.db, "transaction", failing)
            with pytest.raises(Unavailable):
                await w.hub.declare(Z, FAY)
        owner = await w.hub.facts.who(Z)
        assert owner is not None
        assert owner.name == "Anna Martin"
        await w.pandalab.write("p2", "B", "cleo", "still hers", ["siilo:z"])
        await w.until(lambda: len(texts(w.siilo)) == 2)
        await w.hub.declare(Z, FAY)
        for chat in ("A", "B"):
            with pytest.raises(Refused, match="nobody_else"):
                await w.pandalab.write(f"late {chat}", chat, "cleo", "for Anna")


async def test_the_same_declaration_again_changes_nothing(url: str) -> None:
    async with running(url) as w:
        first = await w.hub.declare(Z, ANNA)
        done = await w.pandalab.write("p1", "A", "cleo", "one", [BEN, "siilo:z"])
        await w.until(lambda: w.siilo.delivered and w.matrix.delivered)
        before = await w.store.conversation(done.conversation)
        assert await w.hub.declare(Z, ANNA) == first
        assert await w.store.conversation(done.conversation) is before
        await w.pandalab.write("p2", "A", "cleo", "two")
        await w.until(lambda: len(w.siilo.delivered) == 2)
        assert [d.kind for d in w.matrix.delivered] == [Kind.TEXT, Kind.TEXT]


async def test_many_at_once_leave_one_owner(url: str) -> None:
    async with running(url) as w:
        await w.hub.declare(Z, ANNA)
        done = await w.pandalab.write("p1", "A", "cleo", "one", [BEN, "siilo:z"])
        await asyncio.gather(*(w.hub.declare(Z, number) for number in (FAY, DAN, FAY, DAN)))
        owner = await w.hub.facts.who(Z)
        assert owner is not None
        assert owner.id == f"rpps:{DAN}"
        chat = await w.hub.facts.leg(done.conversation, MATRIX)
        assert chat is not None
        assert {m.person.name for m in chat.members} == {"Cléo Petit", "Ben Durand"}
        await w.until(lambda: [d for d in w.matrix.delivered if d.kind is Kind.MEMBERS])
        assert len([d for d in w.matrix.delivered if d.kind is Kind.MEMBERS]) == 1
