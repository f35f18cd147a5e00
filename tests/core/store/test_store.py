"""What the store keeps in memory is what is on disk; what waits is taken up again, whatever went wrong before."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from bridge.db.postgres import Postgres
from bridge.db.sqlite import Sqlite
from bridge.errors import Unavailable
from bridge.hub.courier import Patience
from bridge.model import Address, Delivery, Member, Person, Ref, State
from bridge.seal import Seal
from bridge.store.backlog import Backlog
from bridge.store.conversation import delivery_id, message_id
from tests.core import make
from tests.core.db.test_db import watch
from tests.core.hub.test_late import away
from tests.core.make import FAST, World, networks, running

BEN = "matrix:@ben:chu.example"
DAN = "siilo:dan"
BEN_THERE = Address("matrix", "@ben:chu.example")


async def members(w: World, conversation: str) -> set[str]:
    return {m.person.name for m in (await w.store.conversation(conversation)).members}


def test_ids_tell_nothing_and_never_change() -> None:
    ref = Ref("pandalab", "cleo's id")
    assert message_id(ref) == message_id(Ref("pandalab", "cleo's id")) == "m_49ab5f839bf4b23235d7ff03a4210018"
    assert delivery_id(message_id(ref), "matrix") != delivery_id(message_id(ref), "siilo")
    assert message_id(Ref("siilo", "cleo's id")) != message_id(ref)
    assert message_id(Ref("x", "\ud800"))  # even what is no text has an id


async def places(w: World) -> list[str]:
    """The messages in their order."""
    if isinstance(w.db, Sqlite):
        return [row["ref"] for row in w.db._reader.execute("SELECT ref FROM message ORDER BY pos")]
    assert isinstance(w.db, Postgres)
    return [row["ref"] for row in await w.db._connections.fetch("SELECT ref FROM message ORDER BY pos", ())]


@pytest.mark.looks_inside
async def test_places_are_given_by_the_database_and_grow_over_restarts(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", [BEN, DAN])
        await w.pandalab.write("p2", "B", "cleo", "y", [BEN])
        await w.until(lambda: len(w.matrix.delivered) == 2)
        assert await places(w) == ["p1", "p2"]
    async with running(url) as w:
        await w.pandalab.write("p3", "B", "cleo", "z")
        await w.hub.sequenced(message_id(Ref("pandalab", "p1")))  # it has waited for its place, and comes last now
        await w.pandalab.write("p4", "B", "cleo", "z")
        assert await places(w) == ["p2", "p3", "p1", "p4"]
        await w.until(lambda: len(w.siilo.delivered) == 1)
        orders = [delivery.order for delivery in w.matrix.delivered]
        assert orders == sorted(set(orders))


async def test_a_member_whose_joining_could_not_be_written_is_no_member(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as w:
        done = await w.pandalab.write("p1", "A", "cleo", "x", [BEN])
        await w.until(lambda: w.pandalab.told)
        while await w.store.outcomes.reports("pandalab", 1 << 60):  # noqa: ASYNC110  (the hub writes no more of its own)
            await asyncio.sleep(0.002)
        assert isinstance(w.db, Sqlite)
        watch(w.db).fail = 1
        with pytest.raises(Unavailable):
            await w.pandalab.write("p2", "A", "cleo", "y", [DAN])
        assert await members(w, done.conversation) == {"Cléo Petit", "Ben Durand"}
        await w.pandalab.write("p3", "A", "cleo", "z")
        await w.until(lambda: len(w.matrix.delivered) == 2)
        assert w.siilo.delivered == []
        await w.pandalab.write("p2", "A", "cleo", "y", [DAN])
        await w.until(lambda: w.siilo.delivered)


@pytest.mark.looks_inside
async def test_who_has_left_is_not_kept_by_somebody_who_read_meanwhile(url: str) -> None:
    async with running(url) as w:
        done = await w.pandalab.write("p1", "A", "cleo", "x", [BEN, DAN])
        await w.until(lambda: w.siilo.delivered)
        dan, chat = Address("siilo", "dan"), w.siilo.delivered[0].chat or ""

        async def look(_: Any) -> None:  # inside the transaction that removes dan
            assert "Dan Moreau" in await members(w, done.conversation)

        await w.hub.change_members(Ref("siilo", "bye"), chat, "siilo", dan, [], [dan], look)
        assert await members(w, done.conversation) == {"Cléo Petit", "Ben Durand"}


async def test_people_are_looked_up_before_a_transaction_begins(url: str) -> None:
    """A hub that has just started knows nobody: the directory is asked for everybody of an old conversation."""
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", [BEN])
    async with running(url) as w:
        done = await w.pandalab.write("p2", "A", "cleo", "y", [DAN])
        await w.pandalab.write("p3", "B", "cleo", "z", [BEN, DAN])
        assert await members(w, done.conversation) == {"Cléo Petit", "Ben Durand", "Dan Moreau"}


async def test_somebody_who_was_not_looked_up_is_a_member_without_a_name_until_the_transaction_ends(url: str) -> None:
    async with running(url) as w:
        done = await w.pandalab.write("p1", "A", "cleo", "x", [BEN])
        w.store.forget(done.conversation)
        async with w.db.transaction("test") as tx:
            found = await w.store.placed(tx, done.conversation, dict)
        assert {m.person.name for m in found.members} == {"rpps:10000000002", "rpps:10000000003"}
        assert await members(w, done.conversation) == {"Cléo Petit", "Ben Durand"}


@pytest.mark.looks_inside
async def test_a_new_name_of_a_chat_is_known_at_once(url: str) -> None:
    async with running(url) as w:
        done = await w.pandalab.write("p1", "A", "cleo", "x", [BEN])
        await w.until(lambda: w.matrix.delivered)

        async def look(_: Any) -> None:
            assert (await w.store.conversation(done.conversation)).legs["matrix"] is None

        await w.hub.bind(done.conversation, "matrix", "!r", look)
        assert (await w.store.conversation(done.conversation)).legs["matrix"] == "!r"


async def test_many_at_once_begin_one_conversation(url: str) -> None:
    async with running(url) as w:
        writes = (w.pandalab.write(f"p{n}", "A", "cleo", str(n), [BEN]) for n in range(20))
        done = await asyncio.gather(*writes)
        assert len({d.conversation for d in done}) == 1
        await w.until(lambda: len(w.matrix.delivered) == 20)
        assert [d.order for d in w.matrix.delivered] == sorted(d.order for d in w.matrix.delivered)


@pytest.mark.looks_inside
async def test_each_of_few_and_of_many_is_a_recipient_once_and_many_cost_one_statement(url: str) -> None:
    names = [f"matrix:@o'n\"{n}\\é$1:chu.example" for n in range(40)]
    members = [Member(Person(name, "N"), Address("matrix" if n % 2 else "siilo", name)) for n, name in enumerate(names)]
    async with running(url) as w:
        before = w.db.counts.copy()
        for message, some in (("few", members[:2]), ("many", members)):
            async with w.db.transaction("test") as tx:
                await w.store._recipients(tx, message, some, 5)
            rows = await w.db.all("store.recipients", message)
            assert {(r["person"], r["network"]) for r in rows} == {(m.person.id, m.address.network) for m in some}
            assert {row["state"] for row in rows} == {"accepted"}
            assert len(rows) == len(some)
        asked = w.db.counts.since(before).statements
        assert (asked["store.add_recipient"], asked["store.add_recipients"]) == (2, 1)


class Deaf:
    """A product that does not take news for a while."""

    def __init__(self, w: World, times: int) -> None:
        self.left = times
        self._report = w.pandalab.report
        w.pandalab.report = self.report  # type: ignore[method-assign]

    async def report(self, reports: Any) -> None:
        self.left -= 1
        if self.left >= 0:
            raise Unavailable("deaf")
        await self._report(reports)


async def test_news_that_could_not_be_told_is_told_later(url: str) -> None:
    async with running(url) as w:
        Deaf(w, 4)
        await w.pandalab.write("p1", "A", "cleo", "x", [BEN])
        await w.until(lambda: w.pandalab.told)
        assert w.pandalab.told[-1].states[0].state is State.DELIVERED


async def test_news_that_waited_when_the_hub_ended_is_told_by_the_next(url: str) -> None:
    nets = networks()
    slow = Patience(first=0.6, longest=0.6, give_up=5.0, reports=0.001)
    async with running(url, nets, slow) as w:
        deaf = Deaf(w, 1)
        await w.pandalab.write("p1", "A", "cleo", "x", [BEN])
        await w.until(lambda: deaf.left == 0)
        await asyncio.sleep(0.1)
    async with running(url, nets, slow) as w:
        await w.until(lambda: w.pandalab.told)


async def test_what_waited_in_vain_survives_a_database_that_is_away(tmp_path: Any) -> None:
    def away(delivery: Delivery) -> None:
        raise Unavailable("homeserver_away")

    async with running(f"sqlite:///{tmp_path}/hub.db", patience=Patience(60, 60), order_wait=0.1) as w:
        w.matrix.before = away
        for n in range(3):
            await w.pandalab.write(f"p{n}", "A", "cleo", str(n), [BEN, DAN] if n == 0 else [])
        assert isinstance(w.db, Sqlite)
        watch(w.db).fail = 2
        await w.until(lambda: len(w.siilo.delivered) == 3)
        assert [d.body.text for d in w.siilo.delivered] == list("012")


async def test_a_message_whose_key_is_missing_waits_and_hurts_nobody(url: str, monkeypatch: Any) -> None:
    def away(delivery: Delivery) -> None:
        raise Unavailable("away")

    nets = networks()
    nets["matrix"].before = away
    async with running(url, nets) as w:
        await w.pandalab.write("p1", "A", "cleo", "under k1", [BEN])
        await asyncio.sleep(0.05)
    nets["matrix"].before = lambda _: None
    with monkeypatch.context() as other:
        other.setattr(make, "SEAL", Seal({"k2": bytes(32)}, "k2"))
        async with running(url, nets) as w:
            await w.pandalab.write("p2", "B", "cleo", "under k2", [BEN])
            await w.until(lambda: w.matrix.delivered)
    monkeypatch.setattr(make, "SEAL", Seal({"k1": bytes(range(32)), "k2": bytes(32)}, "k2"))
    async with running(url, nets) as w:
        await w.until(lambda: len(w.matrix.delivered) == 2)
        assert [d.body.text for d in w.matrix.delivered] == ["under k2", "under k1"]


async def test_a_database_that_is_away_for_a_moment_loses_and_repeats_nothing(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db", patience=FAST) as w:
        assert isinstance(w.db, Sqlite)
        disk = watch(w.db)
        for n in range(30):
            disk.fail = n % 3
            for _ in range(5):
                with suppress(Unavailable):
                    await w.pandalab.write(f"p{n}", "A", "cleo", str(n), [BEN])
                    break
        await w.until(lambda: len(w.matrix.delivered) == 30 and w.courier.idle)
        assert [d.body.text for d in w.matrix.delivered] == [str(n) for n in range(30)]
        await w.until(lambda: len({r.ref.id for r in w.pandalab.told}) == 30)


@pytest.mark.looks_inside
async def test_news_that_comes_while_older_news_is_told_is_not_forgotten(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", [BEN])
        await w.until(lambda: w.pandalab.told)
        told = w.pandalab.told[-1]
        while await w.store.outcomes.reports("pandalab", 1 << 60):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        Deaf(w, 1_000_000)
        async with w.db.transaction("test") as tx:
            await tx.run("store.add_report", told.message)

        async def tell() -> None:
            async with w.db.transaction("test") as tx:
                await w.store.outcomes.told(tx, [told])

        async with w.db.transaction("test") as tx:
            await tx.run("store.changed", told.message)
            await tx.run("store.add_report", told.message)
            telling = asyncio.create_task(tell())
            await asyncio.sleep(0.1)
        await telling
        assert len(await w.store.outcomes.reports("pandalab", 1 << 60)) == 1


async def test_the_lanes_of_a_network_come_in_the_order_in_which_they_wait(url: str) -> None:
    async with running(url) as w:
        w.siilo.before = away
        for n, chat in enumerate("BAAC"):
            await w.pandalab.write(f"p{n}", chat, "cleo", "x", [DAN])
        backlog, seen, after = Backlog(w.db, "siilo"), [], 0
        while page := await backlog.after(after, 2):
            assert len(page) <= 2
            seen += [(await w.store.conversation(row.conversation)).legs["pandalab"] for row in page]
            after = page[-1].place
        assert seen == ["B", "A", "A", "C"]
        assert await Backlog(w.db, "matrix").after(0, 2) == []


async def test_the_conversation_of_exactly_these_people_as_they_come_and_go(url: str) -> None:
    cleo, ben, dan = "rpps:10000000003", "rpps:10000000002", "rpps:10000000004"
    at_ben, at_cleo, at_dan = BEN_THERE, Address("pandalab", "cleo"), Address("siilo", "dan")
    async with running(url) as w:
        old = (await w.pandalab.write("p1", "A", "cleo", "x", [BEN])).conversation
        new = (await w.pandalab.write("p2", "B", "cleo", "x", [DAN])).conversation
        assert await w.store.among([ben, cleo], at_ben) == old
        assert await w.store.among([ben, cleo], Address("siilo", "cleo")) is None  # she is there as pandalab:cleo
        await w.pandalab.write("p3", "A", "cleo", "x", [DAN])
        assert await w.store.among([ben, cleo], at_cleo) is None
        assert await w.store.among([cleo, ben, dan, ben], at_ben) == old
        await w.hub.change_members(Ref("pandalab", "m"), "A", "pandalab", Address("pandalab", "cleo"), [], [BEN_THERE])
        assert await w.store.among([cleo, dan], at_dan) in (old, new)
        assert await w.store.among([], at_dan) is None
        await w.hub.declare(Address("siilo", "dan"), "10000000005")  # somebody else's from now on
        assert await w.store.among([cleo, dan], at_dan) is None
        assert await w.store.among([cleo], at_cleo) in (old, new)


async def test_conversations_of_an_earlier_version_are_found_by_their_people(url: str) -> None:
    async with running(url) as w:
        done = [(await w.pandalab.write(f"p{n}", f"{n}", "cleo", "x", [BEN])).conversation for n in range(205)]
        async with w.db.transaction("test") as tx:
            for conversation in done:
                await tx.run("store.set_audience", conversation, None)
        people = ["rpps:10000000002", "rpps:10000000003"]
        assert await w.store.among(people, BEN_THERE) is None
        await w.store.start()
        assert await w.store.among(people, BEN_THERE) in done
        assert await w.db.all("store.without_audience", 1) == []
