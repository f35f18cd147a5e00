"""What a receipt covers, and what a join delivers, is exactly what stood open before it: however it is looked up."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from bridge.db import Database
from bridge.db.postgres import Postgres
from bridge.errors import Unavailable
from bridge.model import MATRIX, Address, Body, Delivery, Handed, Kind, Message, Ref, State
from bridge.networks.loopback import Loopback
from deploy.world.waiting import wait_for
from tests.core.db.own import teach
from tests.core.make import World, networks, running

BEN, DAN = "matrix:@ben:chu.example", "siilo:dan"
AT = {BEN: Address(MATRIX, "@ben:chu.example"), DAN: Address("siilo", "dan")}
PERSON = {BEN: "rpps:10000000002", DAN: "rpps:10000000004"}

COVERED = """
SELECT r.message AS message FROM recipient r JOIN message m ON m.id = r.message JOIN message upto ON upto.id = $1
WHERE r.person = $2 AND r.state IN ('accepted', 'sent', 'delivered')
AND m.conversation = upto.conversation AND m.pos <= upto.pos
AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message = m.id AND d.network = $3)
"""
WAITS = "SELECT id FROM delivery WHERE message = $1 AND network = $2"
REFUSED = "SELECT message, person FROM recipient WHERE state = 'refused'"
READ = "SELECT message, person FROM recipient WHERE state = 'read'"


async def rows(db: Database, sql: str, *args: Any) -> set[tuple[Any, ...]]:
    """What a statement of this test's own gives."""
    teach(db, "test.look", sql)
    found: list[Any] = await db.all("test.look", *args)
    return {tuple(row) for row in found}


async def write(w: World, ident: str, to: list[str] | None = None) -> str:
    return (await w.pandalab.write(ident, "A", "cleo", ident, to or [])).message


class Play:
    """Cleo writes, Ben and Dan read what they like, Dan leaves and comes back; the room gives held messages a place."""

    def __init__(self, w: World, seed: int) -> None:
        self.w, self.dice = w, random.Random(seed)
        self.messages: list[str] = []
        self.there = True

    async def write(self) -> None:
        self.messages.append(await write(self.w, f"p{len(self.messages)}", [] if self.messages else [BEN, DAN]))

    async def read(self) -> None:
        who, message = self.dice.choice([BEN, DAN]), self.dice.choice(self.messages)
        await self.w.until(lambda: self.w.courier.idle)  # else a network may get something between the two looks
        person = PERSON[who]
        before = await rows(self.w.db, READ)
        teach(self.w.db, "test.covered", COVERED)
        if await rows(self.w.db, WAITS, message, AT[who].network):
            return  # nobody can have read it
        async with self.w.db.transaction("test") as tx:
            open_ = await tx.all("test.covered", message, person, AT[who].network)
            covered = {(str(row["message"]), person) for row in open_}
            news = await self.w.store.outcomes.read_up_to(tx, message, person, AT[who].network, 5)
        gone = await rows(self.w.db, REFUSED)  # the courier may have given somebody up who left, just before
        assert await rows(self.w.db, READ) == before | (covered - gone)
        assert news == bool(covered - gone)

    async def place(self) -> None:
        if self.w.hub._order._held:
            await self.w.hub.sequenced(self.dice.choice(list(self.w.hub._order._held)))

    async def come_or_go(self) -> None:
        ref, cleo = Ref("pandalab", f"m{self.dice.random()}"), Address("pandalab", "cleo")
        add, remove = ([], [AT[DAN]]) if self.there else ([DAN], [])
        await self.w.hub.change_members(ref, "A", "pandalab", cleo, add, remove)
        self.there = not self.there


@pytest.mark.parametrize("seed", range(5))
async def test_a_receipt_covers_what_is_open_up_to_it(url: str, seed: int) -> None:
    async with running(url, order_wait=60.0) as w:
        play = Play(w, seed)
        await play.write()
        for _ in range(80):
            step = play.dice.choices([play.write, play.read, play.place, play.come_or_go], (6, 5, 4, 1))[0]
            await step()


async def test_nobody_has_read_what_has_not_reached_them_yet(url: str) -> None:
    """What waits for its place in the room has an early one; so has what the room gets after what is read there."""

    def away(delivery: Delivery) -> None:
        raise Unavailable("away")

    async with running(url, order_wait=60.0) as w:
        first = await write(w, "p0", [BEN, DAN])
        await w.until(lambda: w.matrix.delivered)
        await w.hub.sequenced(first)
        await w.until(lambda: len(w.siilo.delivered) == 1)
        held = await write(w, "p1")
        await there(w, held, "matrix")
        w.matrix.before = away
        waiting = await write(w, "p2")
        chat = w.matrix.delivered[0].conversation
        await w.hub.bind(chat, MATRIX, "!r")
        late = (await w.hub.accept(said("$b", "!r"))).message
        await there(w, late, "siilo")
        assert await read(w, late, DAN) == {first, late}
        assert await read(w, late, BEN) == {first, held}
        w.matrix.before = lambda delivery: None
        await there(w, waiting, "matrix")
        assert await read(w, late, BEN) == {first, held, waiting}
        for one in (held, waiting):
            await w.hub.sequenced(one)
        await there(w, waiting, "siilo")
        assert await read(w, late, DAN) == {first, late}
        assert await read(w, waiting, DAN) == {first, late, held, waiting}


async def test_whoever_reads_what_is_not_noted_yet_has_it_and_what_was_before_it(url: str) -> None:
    """The network has it: the hub was killed before it noted that, or the reader is quicker than the hub."""

    def killed(delivery: Delivery) -> None:
        raise Unavailable("killed")

    async with running(url, order_wait=60.0) as w:
        first = await write(w, "p0", [BEN, DAN])
        await there(w, first, "matrix")
        w.matrix.before = killed
        second, third = await write(w, "p1"), await write(w, "p2")
        assert await read(w, third, BEN) == {first, second, third}
        w.matrix.before = lambda delivery: None
        await there(w, third, "matrix")
        assert await read(w, third, BEN) == {first, second, third}


async def test_what_is_behind_in_the_lane_is_not_read_though_its_place_is_before(url: str) -> None:
    """The room showed a message after others, so its place is later; the hub was killed before it noted that."""

    def killed(delivery: Delivery) -> None:
        raise Unavailable("killed")

    async with running(url, order_wait=60.0) as w:
        first = await write(w, "p0", [BEN, DAN])
        await there(w, first, "matrix")
        await w.hub.bind(w.matrix.delivered[0].conversation, MATRIX, "!r")
        w.matrix.before = killed
        shown, behind = await write(w, "p1"), await write(w, "p2")
        async with w.db.transaction("test") as tx:
            await w.hub.shown(tx, [shown])
        assert await read(w, shown, BEN) == {first, shown}
        w.matrix.before = lambda delivery: None
        await there(w, behind, "matrix")
        assert await read(w, shown, BEN) == {first, shown, behind}


class Keyless(Loopback):
    """A network on which Ben cannot read what Cleo says at first."""

    async def deliver(self, delivery: Delivery) -> Ref | Handed:  # type: ignore[override]
        """As any other, but for the first message."""
        ref = await super().deliver(delivery)
        return Handed(ref, waiting={PERSON[BEN]: "recipient_no_key"}) if len(self.delivered) == 1 else ref


@pytest.mark.parametrize("noted", ["before", "meanwhile"])
async def test_what_could_not_be_read_when_its_reader_came_so_far_is_read_by_the_next_receipt(
    url: str, noted: str
) -> None:
    nets = networks()
    nets["matrix"] = Keyless("matrix", nets["matrix"].capabilities)
    async with running(url, nets) as w:
        done = await w.pandalab.write("p0", "A", "cleo", "x", [BEN])
        await there(w, done.message, "matrix")
        await w.hub.bind(done.conversation, MATRIX, "!r")
        second = await write(w, "p1")
        await there(w, second, "matrix")
        if noted == "before" or not isinstance(w.db, Postgres):
            assert await read(w, second, BEN) == {second}
            await w.hub.signs.arrived(MATRIX, "!r", AT[BEN])
        else:
            async with w.db.transaction("test") as tx:
                await w.store.outcomes.read_up_to(tx, second, PERSON[BEN], MATRIX, 5)
                given = asyncio.create_task(w.hub.signs.arrived(MATRIX, "!r", AT[BEN]))
                await asyncio.wait([given], timeout=0.2)  # it waits for this transaction
                assert not given.done()
            await given
        assert await w.hub.facts.waiting(MATRIX) == []
        third = await write(w, "p2")
        await there(w, third, "matrix")
        assert await read(w, third, BEN) == {done.message, second, third}


async def test_what_the_room_shows_late_is_read_late(url: str) -> None:
    """Nobody else waits for its place: it has one all the same, after what was accepted of the room meanwhile."""
    async with running(url) as w:
        ours = await write(w, "p0", [BEN])
        await w.until(lambda: w.matrix.delivered and w.courier.idle)
        await w.hub.bind(w.matrix.delivered[0].conversation, MATRIX, "!r")
        theirs = (await w.hub.accept(said("$b", "!r"))).message
        async with w.db.transaction("test") as tx:
            await w.hub.shown(tx, [ours])
            await w.hub.shown(tx, [ours])
        assert await read(w, theirs, BEN) == set()
        assert await read(w, ours, BEN) == {ours}


async def there(w: World, message: str, network: str) -> None:
    """Wait until a network has a message, as is on disk."""
    await wait_for(lambda: gone(w, message, network), f"{message} at {network}")


async def gone(w: World, message: str, network: str) -> bool:
    return not await rows(w.db, WAITS, message, network)


def said(ref: str, chat: str) -> Message:
    """Ben writes in the room."""
    return Message(Ref(MATRIX, ref), chat, AT[BEN], Kind.TEXT, Body("de Ben"), 1)


async def read(w: World, upto: str, who: str) -> set[str]:
    """What somebody is said to have read, once they have read up to a message."""
    async with w.db.transaction("test") as tx:
        await w.store.outcomes.read_up_to(tx, upto, PERSON[who], AT[who].network, 5)
    return {message for message, person in await rows(w.db, READ) if person == PERSON[who]}


async def test_hundreds_are_read_at_once(url: str) -> None:
    async with running(url) as w:
        messages = [await write(w, f"p{n}", [] if n else [BEN]) for n in range(250)]
        await w.until(lambda: len(w.matrix.delivered) == 250)
        async with w.db.transaction("test") as tx:
            assert await w.store.outcomes.read_up_to(tx, messages[-1], PERSON[BEN], MATRIX, 5)
        assert await rows(w.db, READ) == {(m, PERSON[BEN]) for m in messages}


class Keeping(Loopback):
    """A network that keeps what it is given for whoever has not come in."""

    async def deliver(self, delivery: Delivery) -> Ref | Handed:  # type: ignore[override]
        """As any other, for whoever is there."""
        ref = await super().deliver(delivery)
        return Handed(ref, waiting={PERSON[BEN]: None})


@pytest.mark.parametrize("never", [None, "not_joined"])
@pytest.mark.parametrize("count", [3, 250])
async def test_whoever_joins_gets_everything_that_was_kept_and_once(url: str, never: str | None, count: int) -> None:
    nets = networks()
    nets["matrix"] = Keeping("matrix", nets["matrix"].capabilities)
    async with running(url, nets) as w:
        done = await w.pandalab.write("p0", "A", "cleo", "x", [BEN])
        await w.hub.bind(done.conversation, MATRIX, "!r")
        for n in range(1, count):
            await write(w, f"p{n}")
        await w.until(lambda: len(w.matrix.delivered) == count and w.courier.idle)
        sent = await rows(w.db, "SELECT message, person FROM recipient WHERE state = 'sent'")
        assert len(sent) == count
        assert await w.hub.facts.waiting(MATRIX) == ["!r"]
        await w.hub.signs.arrived(MATRIX, "!r", AT[BEN], never)
        became = (State.REFUSED if never else State.DELIVERED).value
        assert await rows(w.db, "SELECT message, person FROM recipient WHERE state = $1", became) == sent
        assert await w.hub.facts.waiting(MATRIX) == []
        await w.hub.signs.arrived(MATRIX, "!r", AT[BEN], "not_joined")
        assert await rows(w.db, "SELECT message, person FROM recipient WHERE state = $1", became) == sent


async def test_what_went_to_another_network_stays_open_for_that_networks_receipt(url: str) -> None:
    async with running(url) as w:
        messages = [await write(w, f"p{n}", [] if n else [DAN]) for n in range(3)]
        await w.until(lambda: len(w.siilo.delivered) == 3 and w.courier.idle)
        teach(w.db, "test.move", "UPDATE recipient SET network = 'medipeps' WHERE message = $1")
        async with w.db.transaction("test") as tx:
            await tx.run("test.move", messages[0])  # he was reached there when it was said
        read: list[set[str]] = []
        for network in ("siilo", "medipeps", "medipeps"):
            before = await rows(w.db, READ)
            async with w.db.transaction("test") as tx:
                await w.store.outcomes.read_up_to(tx, messages[2], PERSON[DAN], network, 5)
            read.append({message for message, _ in await rows(w.db, READ) - before})
        assert read == [{messages[1], messages[2]}, {messages[0]}, set()]


async def test_reports_are_told_in_the_order_of_their_messages(url: str) -> None:
    """Of two marks of one reader the last stands: an old one that could not be told at first does not come last."""
    later = 1 << 50  # ms: until then the hub itself tells nothing
    async with running(url) as w:
        messages = [await write(w, f"p{n}", [] if n else [BEN]) for n in range(3)]
        await w.until(lambda: len(w.matrix.delivered) == 3 and w.courier.idle)
        async with w.db.transaction("test") as tx:
            await w.store.outcomes.changed(tx, *messages)
            for n, message in enumerate(messages):
                await tx.run("store.report_later", message, later - n)
        found = await w.store.outcomes.reports("pandalab", later)
        assert [report.message for report, _ in found] == messages
