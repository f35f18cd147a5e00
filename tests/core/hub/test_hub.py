"""Stories of the hub with pretend networks: routing, order, retries, what senders are told. On both databases."""

from __future__ import annotations

import asyncio

import pytest

from bridge.db import Tx
from bridge.errors import Refused, Unavailable
from bridge.hub.courier import Patience
from bridge.model import Address, Delivery, Kind, Ref, State, Typing
from bridge.networks.loopback import Loopback
from tests.core.make import FAST, networks, running

BEN = "matrix:@ben:chu.example"


async def test_a_product_writes_to_matrix_and_is_told(url: str) -> None:
    async with running(url) as w:
        done = await w.pandalab.write("p1", "chat-1", "cleo", "Bonjour Ben", [BEN])
        await w.until(lambda: w.matrix.delivered)
        [delivery] = w.matrix.delivered
        assert delivery.body.text == "Bonjour Ben"
        assert delivery.sender.name == "Cléo Petit"
        assert [str(m.address) for m in delivery.recipients] == [BEN]
        assert delivery.chat is None  # Matrix names its own chats
        assert delivery.conversation == done.conversation
        await w.until(lambda: w.pandalab.told)
        [state] = w.pandalab.told[-1].states
        assert (state.person.name, state.state) == ("Ben Durand", State.DELIVERED)
        assert w.pandalab.told[-1].ref == Ref("pandalab", "p1")
        assert await w.waiting() == 0  # the body is gone


async def test_the_same_message_twice_is_one(url: str) -> None:
    async with running(url) as w:
        first = await w.pandalab.write("p1", "chat-1", "cleo", "Une fois", [BEN])
        again = await asyncio.gather(*(w.pandalab.write("p1", "chat-1", "cleo", "Une fois", [BEN]) for _ in range(5)))
        assert {a.message for a in again} == {first.message}
        assert all(a.duplicate for a in again)
        await w.pandalab.write("p2", "chat-1", "cleo", "Deux")
        await w.until(lambda: len(w.matrix.delivered) == 2)
        assert [d.body.text for d in w.matrix.delivered] == ["Une fois", "Deux"]


async def test_both_ways_and_replies_are_translated(url: str) -> None:
    async with running(url) as w:
        done = await w.pandalab.write("p1", "chat-1", "cleo", "Question", [BEN])
        await w.until(lambda: w.matrix.delivered)
        await w.hub.bind(done.conversation, "matrix", "!room")
        await w.matrix.write("$1", "!room", "@ben:chu.example", "Réponse", reply_to="matrix-1")
        await w.until(lambda: w.pandalab.delivered)
        answer = w.pandalab.delivered[0]
        assert (answer.chat, answer.reply_to) == ("chat-1", Ref("pandalab", "p1"))
        assert answer.sender.rpps == "10000000002"


async def test_matrix_begins_and_the_product_answers(url: str) -> None:
    async with running(url) as w:
        by = Address("matrix", "@ben:chu.example")
        made = await w.hub.change_members(Ref("matrix", "$i"), "!r", "matrix", by, ["rpps:10000000003"], [])
        await w.until(lambda: w.pandalab.delivered)
        assert w.pandalab.delivered[0].kind is Kind.MEMBERS
        await w.matrix.write("$1", "!r", "@ben:chu.example", "Bonjour")
        await w.until(lambda: len(w.pandalab.delivered) == 2)
        chat = w.pandalab.delivered[1].chat
        assert chat == made  # a product calls a new chat as the hub does
        await w.pandalab.write("p1", chat or "", "cleo", "Bonjour Ben")
        await w.until(lambda: w.matrix.delivered)
        assert w.matrix.delivered[0].chat == "!r"


async def test_matrix_decides_the_order_for_all(url: str) -> None:
    async with running(url, order_wait=60) as w:
        done = await w.pandalab.write("p1", "c", "cleo", "eins", [BEN, "siilo:dan"])
        await w.until(lambda: w.matrix.delivered)
        await w.hub.bind(done.conversation, "matrix", "!r")
        await w.matrix.write("$1", "!r", "@ben:chu.example", "zwei")  # the room shows it before cleo's
        await w.until(lambda: w.siilo.delivered)
        assert [d.body.text for d in w.siilo.delivered] == ["zwei"]
        await w.hub.sequenced(done.message)
        await w.until(lambda: len(w.siilo.delivered) == 2)
        assert [d.body.text for d in w.siilo.delivered] == ["zwei", "eins"]


async def test_nobody_waits_for_ever_for_the_order(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "bridge.hub.order")

    def away(delivery: Delivery) -> None:
        raise Unavailable("homeserver_away")

    async with running(url, order_wait=0.1) as w:
        w.matrix.before = away
        for n in range(5):
            await w.pandalab.write(f"p{n}", "c", "cleo", str(n), [BEN, "siilo:dan"] if n == 0 else [])
        await w.until(lambda: len(w.siilo.delivered) == 5)
        assert [d.body.text for d in w.siilo.delivered] == list("01234")
    assert sum("without its place" in record.getMessage() for record in caplog.records) == 5


async def test_what_was_held_is_taken_up_after_a_restart(url: str) -> None:
    nets = networks()
    async with running(url, nets, order_wait=60) as w:
        await w.pandalab.write("p1", "c", "cleo", "eins", [BEN, "siilo:dan"])
        await w.until(lambda: w.matrix.delivered)
    assert nets["siilo"].delivered == []
    async with running(url, nets, order_wait=0.05) as w:
        await w.until(lambda: w.siilo.delivered)


async def test_a_lane_keeps_its_order_through_failures_and_others_go_on(url: str) -> None:
    failures = {"left": 4}

    def sometimes(delivery: Delivery) -> None:
        if delivery.body.text == "0" and (failures["left"] > 0 or not w.matrix.delivered):
            failures["left"] -= 1
            raise Unavailable("busy")

    async with running(url) as w:
        w.matrix.before = sometimes
        for n in range(5):
            await w.pandalab.write(f"a{n}", "A", "cleo", str(n), [BEN] if n == 0 else [])
        await w.pandalab.write("b", "B", "cleo", "other lane", [BEN])
        await w.until(lambda: w.matrix.delivered)
        assert w.matrix.delivered[0].body.text == "other lane"
        await w.until(lambda: len(w.matrix.delivered) == 6)
        assert [d.body.text for d in w.matrix.delivered[1:]] == list("01234")


async def test_retry_after_is_honoured(url: str) -> None:
    times: list[float] = []

    def busy_once(delivery: Delivery) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            raise Unavailable("rate", retry_after=0.3)

    async with running(url) as w:
        w.matrix.before = busy_once
        await w.pandalab.write("p1", "A", "cleo", "x", [BEN])
        await w.until(lambda: w.matrix.delivered)
        assert times[1] - times[0] >= 0.29


async def test_a_refusal_reaches_the_sender_and_the_lane_goes_on(url: str) -> None:
    def never(delivery: Delivery) -> None:
        if delivery.body.text == "bad":
            raise Refused("product_refused")

    async with running(url) as w:
        w.matrix.before = never
        await w.pandalab.write("p1", "A", "cleo", "bad", [BEN])
        await w.pandalab.write("p2", "A", "cleo", "good")
        await w.until(lambda: len(w.pandalab.told) == 2)
        told = {r.ref.id: r.states[0] for r in w.pandalab.told}
        assert (told["p1"].state, told["p1"].reason) == (State.REFUSED, "product_refused")
        assert told["p2"].state is State.DELIVERED


async def test_giving_up_is_visible(url: str) -> None:
    def away(delivery: Delivery) -> None:
        raise Unavailable("away")

    async with running(url, patience=Patience(0.01, 0.02, 0.2, 0.001)) as w:
        w.matrix.before = away
        await w.pandalab.write("p1", "A", "cleo", "x", [BEN])
        await w.until(lambda: w.pandalab.told)
        assert w.pandalab.told[0].states[0].reason == "gave_up"
        assert await w.waiting() == 0


async def test_a_poisonous_delivery_ends_with_a_notice(url: str) -> None:
    def bug(delivery: Delivery) -> None:
        if delivery.body.text == "poison":
            raise KeyError("poison text must not be logged")

    async with running(url) as w:
        w.matrix.before = bug
        await w.pandalab.write("p1", "A", "cleo", "poison", [BEN])
        await w.pandalab.write("p2", "A", "cleo", "fine")
        await w.until(lambda: len(w.matrix.delivered) == 1 and len(w.pandalab.told) == 2)
        assert {r.states[0].reason for r in w.pandalab.told} == {"internal_error", None}


async def test_read_marks_everything_before_it(url: str) -> None:
    async with running(url) as w:
        for n in range(3):
            await w.pandalab.write(f"p{n}", "A", "cleo", str(n), [BEN] if n == 0 else [])
        await w.until(lambda: len({r.ref.id for r in w.pandalab.told}) == 3)
        await w.hub.signs.read(Ref("matrix", "matrix-2"), Address("matrix", "@ben:chu.example"), 5)
        status = [await w.hub.facts.status(Ref("pandalab", f"p{n}")) for n in range(3)]
        assert [s.states[0].state.value for s in status if s] == ["read", "read", "delivered"]
        await w.until(lambda: len([r for r in w.pandalab.told if r.states[0].state is State.READ]) == 2)


async def test_nobody_else_sees_a_status(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", [BEN])
        await w.until(lambda: w.matrix.delivered)
        assert await w.hub.facts.status(Ref("matrix", "matrix-1")) is None
        assert await w.hub.facts.status(Ref("siilo", "p1")) is None
        assert await w.hub.facts.chat("siilo", "A") is None


async def test_three_networks_one_conversation(url: str) -> None:
    async with running(url) as w:
        done = await w.pandalab.write("p1", "A", "cleo", "Bonjour", [BEN])
        await w.until(lambda: w.matrix.delivered)
        await w.pandalab.write("p2", "A", "cleo", "Dan nous rejoint", ["siilo:dan"])
        await w.until(lambda: w.siilo.delivered)
        assert w.siilo.delivered[0].body.text == "Dan nous rejoint"
        await w.siilo.write("s1", w.siilo.delivered[0].chat or "", "dan", "Me voilà")
        await w.until(lambda: w.pandalab.delivered and len(w.matrix.delivered) == 3)
        assert w.pandalab.delivered[0].conversation == done.conversation
        assert {m.person.name for m in w.matrix.delivered[-1].members} == {"Cléo Petit", "Ben Durand", "Dan Moreau"}


async def test_who_leaves_gets_nothing_more(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", [BEN, "siilo:dan"])
        await w.until(lambda: w.matrix.delivered and w.siilo.delivered)
        chat = w.siilo.delivered[0].chat or ""
        dan = Address("siilo", "dan")
        await w.hub.change_members(Ref("siilo", "bye"), chat, "siilo", dan, [], [dan])
        await w.pandalab.write("p2", "A", "cleo", "y")
        await w.until(lambda: len(w.matrix.delivered) == 3)
        assert [d.body.text for d in w.siilo.delivered] == ["x"]
        with pytest.raises(Refused, match="not_a_member"):
            await w.siilo.write("s1", chat, "dan", "still here?")


async def test_who_is_alone_is_told_so(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", ["siilo:dan"])
        await w.until(lambda: w.siilo.delivered)
        dan = Address("siilo", "dan")
        await w.hub.change_members(Ref("siilo", "bye"), w.siilo.delivered[0].chat or "", "siilo", dan, [], [dan])
        with pytest.raises(Refused, match="nobody_else"):
            await w.pandalab.write("p2", "A", "cleo", "y")
        assert await w.hub.facts.status(Ref("pandalab", "p2")) is None
        await w.pandalab.write("p3", "A", "cleo", "z", ["siilo:dan"])
        await w.until(lambda: [d.body.text for d in w.siilo.delivered if d.body.text] == ["x", "z"])


@pytest.mark.parametrize(
    ("sender", "to", "code"),
    [
        ("nobody", [BEN], "unknown_sender"),
        ("cleo", [], "unknown_conversation"),
        ("cleo", ["rpps:10000000099"], "unknown_recipient"),
        ("cleo", ["rpps:1"], "bad_handle"),
        ("cleo", ["hello"], "bad_handle"),
        ("cleo", ["matrix:@eve:evil.example"], "untrusted_server"),
        ("cleo", ["matrix:@rpps_10000000099:hub.example"], "unknown_recipient"),
        ("cleo", ["mailto:nobody@mss.example"], "unknown_recipient"),
        ("cleo", ["mailto:Anna@mss.example"], "not_reachable"),
        ("cleo", ["siilo:nobody"], "unknown_recipient"),
        ("cleo", ["arcad:somebody"], "unknown_network"),
        ("cleo", ["rpps:10000000003"], "nobody_else"),
        ("cleo", ["pandalab:fay"], "same_network"),
    ],
)
async def test_what_cannot_be_routed_is_refused_and_leaves_nothing(
    url: str, sender: str, to: list[str], code: str
) -> None:
    async with running(url) as w:
        with pytest.raises(Refused) as refusal:
            await w.pandalab.write("p1", "A", sender, "x", to)
        assert refusal.value.code == code
        assert await w.hub.facts.chat("pandalab", "A") is None
        assert await w.hub.facts.status(Ref("pandalab", "p1")) is None


async def test_an_unlisted_user_of_a_trusted_server_takes_part(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", ["matrix:@new:lyon.ville.example"])
        await w.until(lambda: w.matrix.delivered)
        assert not w.matrix.delivered[0].recipients[0].person.listed


async def test_a_declared_account_routes_and_survives(url: str) -> None:
    async with running(url) as w:
        with pytest.raises(Refused, match="unknown_rpps"):
            await w.hub.declare(Address("siilo", "new"), "10000000098")
        await w.hub.declare(Address("siilo", "anna2"), "10000000001")
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", ["mailto:anna@mss.example"])
        await w.until(lambda: w.siilo.delivered)
        assert w.siilo.delivered[0].recipients[0].address == Address("siilo", "anna2")


async def test_typing_passes_to_the_other_legs(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("p1", "A", "cleo", "x", ["siilo:dan"])
        await w.until(lambda: w.siilo.delivered)
        await w.hub.signs.typing("pandalab", "A", Address("pandalab", "cleo"), True)
        await w.hub.signs.typing("pandalab", "A", Address("pandalab", "nobody"), True)
        await w.until(lambda: w.siilo.signs)
        assert [(s.person.name, s.typing) for s in w.siilo.signs] == [("Cléo Petit", True)]
        assert w.pandalab.signs == []


async def test_typing_waits_for_no_network_and_keeps_its_order(url: str) -> None:
    class Hangs(Loopback):
        gate = asyncio.Event()

        async def typing(self, typing: Typing) -> None:
            await self.gate.wait()
            await super().typing(typing)

    async with running(url, networks() | {"siilo": Hangs("siilo")}) as w:
        said = await w.pandalab.write("p1", "A", "cleo", "x", ["siilo:dan", BEN])
        await w.until(lambda: w.siilo.delivered and w.matrix.delivered)
        await w.hub.bind(said.conversation, "matrix", "!r")
        before = len(asyncio.all_tasks())
        for n in range(200):
            await w.hub.signs.typing("pandalab", "A", Address("pandalab", "cleo"), n % 2 == 0)
            await asyncio.sleep(0)
        await w.until(lambda: len(w.matrix.signs) > 16)  # the one that hangs takes nothing from the other
        assert len(asyncio.all_tasks()) - before <= 2 * 16
        Hangs.gate.set()
        await w.until(lambda: len(w.siilo.signs) == 16)
        assert [s.typing for s in w.siilo.signs] == [True, False] * 8


async def test_many_writers_keep_one_order_on_every_leg(url: str) -> None:
    async with running(url, patience=FAST, order_wait=60) as w:
        done = await w.pandalab.write("p", "A", "cleo", "start", [BEN, "siilo:dan"])
        await w.until(lambda: w.matrix.delivered)
        await w.hub.bind(done.conversation, "matrix", "!r")
        await w.echo()
        await w.until(lambda: w.siilo.delivered)
        siilo = w.siilo.delivered[0].chat or ""

        async def write(n: int) -> None:
            await w.pandalab.write(f"p{n}", "A", "cleo", f"p{n}")
            await w.siilo.write(f"s{n}", siilo, "dan", f"s{n}")
            await w.matrix.write(f"$m{n}", "!r", "@ben:chu.example", f"m{n}")

        for n in range(20):
            await write(n)
        await w.until(lambda: len(w.matrix.delivered) == 41)
        await w.echo()
        await w.until(lambda: len(w.siilo.delivered) == 41 and len(w.pandalab.delivered) == 40)
        panda = [d.body.text for d in w.pandalab.delivered]
        other = [d.body.text for d in w.siilo.delivered]
        assert [t for t in panda if t.startswith("m")] == [t for t in other if t.startswith("m")]
        assert [t for t in other if t.startswith("p")] == [f"p{n}" for n in range(20)]


async def test_a_slow_ordering_leg_is_waited_for_while_it_goes_on(url: str) -> None:
    async with running(url, order_wait=1.2) as w:
        sent = [
            await w.pandalab.write(f"p{n}", "A", "cleo", f"p{n}", [BEN, "siilo:dan"] if n == 0 else [])
            for n in range(4)
        ]
        await w.hub.bind(sent[0].conversation, "matrix", "!r")
        await w.matrix.write("$m", "!r", "@ben:chu.example", "m")  # the room shows it before cleo's
        for one in sent:
            await asyncio.sleep(0.5)  # slower than order_wait for all but the first
            await w.hub.sequenced(one.message)
        await w.until(lambda: len(w.siilo.delivered) == 5)
        assert [d.body.text for d in w.siilo.delivered] == ["m", "p0", "p1", "p2", "p3"]


async def test_what_the_disk_holds_is_released_even_if_the_memory_has_forgotten_it(url: str) -> None:
    async def noted(_: Tx) -> None:
        pass

    async with running(url, order_wait=60) as w:
        accepted = await w.pandalab.write("p1", "A", "cleo", "x", [BEN, "siilo:dan"])
        w.hub._order._held.pop(accepted.message)[1].cancel()
        await w.hub.sequenced(accepted.message, noted)
        await w.until(lambda: w.siilo.delivered)
