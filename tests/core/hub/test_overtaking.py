"""What is corrected or taken back in time leaves corrected, or not at all; only who has it is told of."""

from __future__ import annotations

import asyncio

import pytest

from bridge.connector import Capabilities
from bridge.errors import Refused, Unavailable
from bridge.hub.overtaking import Overtaking
from bridge.kinds import EVERYWHERE
from bridge.model import Accepted, Address, Body, File, Kind, Message, Ref
from bridge.networks.loopback import Loopback
from tests.core.hub.test_late import away
from tests.core.hub.test_outlet import Counting
from tests.core.make import World, networks, running

DAN, BEN = "siilo:dan", "matrix:@ben:chu.example"
FILE = File("x.pdf", "application/pdf", b"pdf")
EDITS = Capabilities(kinds=EVERYWHERE | {Kind.EDIT, Kind.REMOVAL}, files=True)


async def say(w: World, ident: str, text: str, to: str = "", about: str = "", kind: Kind = Kind.TEXT) -> Accepted:
    """Cléo says, corrects or takes back something in chat A."""
    cited = Ref("pandalab", about) if about else None
    files = (FILE,) if ident == "file" else ()
    ref, cleo = Ref("pandalab", ident), Address("pandalab", "cleo")
    to_whom = tuple(to.split())
    return await w.hub.accept(Message(ref, "A", cleo, kind, Body(text, None, files), 0, to_whom, cited))


def states(w: World, accepted: Accepted) -> list[tuple[str, str | None]]:
    """What Cléo was told last of a message."""
    reports = [r for r in w.pandalab.told if r.message == accepted.message]
    return [(s.state.value, s.reason) for s in reports[-1].states] if reports else []


async def became(w: World, accepted: Accepted, *expected: tuple[str, str | None]) -> None:
    """Wait until Cléo knows this."""
    await w.until(lambda: states(w, accepted) == list(expected))


def texts(net: Loopback) -> list[str]:
    """What a network was given, in order."""
    return [f"{d.kind.value} {d.body.text}" if d.kind is not Kind.TEXT else d.body.text for d in net.delivered]


async def left(w: World, accepted: Accepted) -> int:
    """How many deliveries of a message are on disk."""
    return len(await w.db.all("store.waiting_of", accepted.message))


async def test_what_is_taken_back_while_a_product_is_away_never_comes(url: str) -> None:
    async with running(url) as w:
        w.siilo.before = away
        wrong = await say(w, "p1", "pour un autre patient", DAN)
        await w.until(lambda: w.siilo.calls)
        await say(w, "p2", "autre chose")
        removal = await say(w, "p3", "", about="p1", kind=Kind.REMOVAL)
        await became(w, wrong, ("refused", "taken_back_late"))
        assert await left(w, wrong) == 0
        w.siilo.before = lambda _: None
        await w.until(lambda: texts(w.siilo) == ["autre chose"])
        assert states(w, removal) == []  # it is told of nobody: nobody has what it takes back


async def test_what_was_never_tried_is_taken_back_for_sure(url: str) -> None:
    nets = networks()
    nets["siilo"] = siilo = Counting("siilo")
    siilo.gate.clear()
    async with running(url, nets) as w:
        first = await say(w, "p1", "un", DAN)
        await w.until(lambda: siilo.now == 1)
        wrong = await say(w, "p2", "deux")
        last = await say(w, "p3", "trois")
        await say(w, "r", "", about="p2", kind=Kind.REMOVAL)
        siilo.gate.set()
        await became(w, wrong, ("refused", "taken_back"))
        await became(w, first, ("delivered", None))
        await became(w, last, ("delivered", None))
        assert texts(siilo) == ["un", "trois"]


async def test_what_is_being_handed_out_is_not_called_taken_back(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.hub.overtaking._PATIENCE", 0.05)
    nets = networks()
    nets["siilo"] = siilo = Counting("siilo")
    siilo.gate.clear()
    async with running(url, nets) as w:
        said = await say(w, "p1", "un", DAN)
        await w.until(lambda: siilo.now == 1)
        for kind in (Kind.EDIT, Kind.REMOVAL):
            await say(w, f"r{kind}", "x", about="p1", kind=kind)
        siilo.gate.set()
        await became(w, said, ("delivered", None))
        await w.until(lambda: len(texts(siilo)) == 3)
        un, edit, removal = texts(siilo)
        assert (un, edit.endswith(":\nx"), "a retiré" in removal) == ("un", True, True)


async def test_an_attempt_that_fails_meanwhile_is_awaited(url: str) -> None:
    nets = networks()
    nets["siilo"] = siilo = Counting("siilo")
    siilo.gate.clear()
    async with running(url, nets) as w:
        w.siilo.before = away
        wrong = await say(w, "p1", "un", DAN)
        await w.until(lambda: siilo.now == 1)
        removal = asyncio.create_task(say(w, "r", "", about="p1", kind=Kind.REMOVAL))
        await w.until(lambda: w.courier.overtaking._open)
        siilo.gate.set()
        await removal
        await became(w, wrong, ("refused", "taken_back_late"))
        w.siilo.before = lambda _: None
        await say(w, "p2", "deux")
        await w.until(lambda: texts(siilo) == ["deux"])


async def test_only_who_has_it_is_told_of(url: str) -> None:
    async with running(url) as w:
        w.siilo.before = away
        said = await say(w, "p1", "un", f"{DAN} {BEN}")
        await w.until(lambda: w.nets["matrix"].delivered)
        await w.echo()
        await w.until(lambda: w.siilo.calls)
        await w.until(lambda: ("delivered", None) in states(w, said))
        removal = await say(w, "r", "", about="p1", kind=Kind.REMOVAL)
        await became(w, said, ("delivered", None), ("refused", "taken_back_late"))
        await w.echo()
        await became(w, removal, ("refused", "removal_said"))  # Ben's
        w.siilo.before = lambda _: None
        await say(w, "p2", "deux")
        await w.until(lambda: len(w.nets["matrix"].delivered) == 3)
        await w.echo()
        await w.until(lambda: texts(w.siilo) == ["deux"])


async def test_what_waits_leaves_corrected_in_its_place_with_its_file(url: str) -> None:
    carry = {name: Loopback(name, Capabilities(files=True)) for name in ("pandalab", "siilo")}
    async with running(url, networks() | carry) as w:
        w.siilo.before = away
        await say(w, "file", "500 mg", DAN)
        await say(w, "p2", "à prendre le soir")
        await w.until(lambda: w.siilo.calls)
        edit = await say(w, "e", "50 mg", about="file", kind=Kind.EDIT)
        await became(w, edit, ("refused", "corrected_late"))
        again = await say(w, "e2", "5 mg", about="file", kind=Kind.EDIT)
        await became(w, again, ("refused", "corrected_late"))
        w.siilo.before = lambda _: None
        await w.until(lambda: texts(w.siilo) == ["5 mg", "à prendre le soir"])
        assert [f.data for f in w.siilo.delivered[0].body.files] == [b"pdf"]


async def test_a_lane_that_has_read_the_old_text_reads_again(url: str) -> None:
    nets = networks()
    nets["siilo"] = siilo = Counting("siilo")
    siilo.gate.clear()
    async with running(url, nets) as w:
        w.siilo.before = away
        for n in range(4):
            await say(w, f"p{n}", str(n), DAN if n == 0 else "")
        w.siilo.before = lambda _: None
        await w.until(lambda: siilo.now == 1)  # the lane holds all four
        edit = await say(w, "e", "zwei", about="p2", kind=Kind.EDIT)
        gone = await say(w, "r", "", about="p1", kind=Kind.REMOVAL)
        siilo.gate.set()
        await w.until(lambda: texts(siilo) == ["0", "zwei", "3"])
        await became(w, edit, ("refused", "corrected"))
        assert states(w, gone) == []


async def test_a_network_that_can_correct_gets_one_or_the_other(url: str) -> None:
    async with running(url, {**networks(), "siilo": Loopback("siilo", EDITS)}) as w:
        w.siilo.before = away
        await say(w, "p1", "500 mg", DAN)
        await w.until(lambda: w.siilo.calls)
        await say(w, "e1", "50 mg", about="p1", kind=Kind.EDIT)
        w.siilo.before = lambda _: None
        await w.until(lambda: texts(w.siilo) == ["50 mg"])
        await w.until(lambda: w.courier.idle)
        edit = await say(w, "e2", "5 mg", about="p1", kind=Kind.EDIT)
        await became(w, edit, ("delivered", None))
        removal = await say(w, "r", "", about="p1", kind=Kind.REMOVAL)
        await became(w, removal, ("delivered", None))
        assert texts(w.siilo) == ["50 mg", "edit 5 mg", "removal "]


async def test_a_correction_and_a_kill_at_its_commit(url: str) -> None:
    """Nothing of it is written, or all: what is on disk afterwards is what leaves after the next start."""
    async with running(url) as w:
        w.siilo.before = away
        said = await say(w, "p1", "500 mg", DAN)
        await w.until(lambda: w.siilo.calls)

        async def fails(_: object) -> None:
            raise Unavailable("the transaction is undone")

        ref, cleo = Ref("pandalab", "e"), Address("pandalab", "cleo")
        edit = Message(ref, "A", cleo, Kind.EDIT, Body("50 mg"), 0, (), Ref("pandalab", "p1"))
        with pytest.raises(Unavailable):
            await w.hub.accept(edit, fails)
        assert await left(w, said) == 1
    nets = networks()
    async with running(url, nets) as w:
        await w.until(lambda: texts(w.siilo) == ["500 mg"])


async def test_somebody_elses_message_is_taken_back_by_nobody(url: str) -> None:
    async with running(url) as w:
        w.siilo.before = away
        await say(w, "p1", "un", f"{DAN} {BEN}")
        await w.until(lambda: w.siilo.calls)
        ben = Address("matrix", "@ben:chu.example")
        await w.until(lambda: w.nets["matrix"].delivered)
        chat = w.nets["matrix"].delivered[0].conversation
        await w.hub.bind(chat, "matrix", "!room")
        seen = Ref("matrix", "matrix-1")
        with pytest.raises(Refused, match="removal_not_carried"):
            await w.hub.accept(Message(Ref("matrix", "$r"), "!room", ben, Kind.REMOVAL, Body(), 0, (), seen))
        await w.echo()
        w.siilo.before = lambda _: None
        await w.until(lambda: texts(w.siilo) == ["un"])


async def test_what_is_handed_out_and_what_is_changed_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.hub.overtaking._PATIENCE", 0.05)
    both, seen = Overtaking(), 0
    with both.handing("a"):
        async with both.of(["a", "b"]) as free:
            assert free == {"b"}
            assert both.stale("b", both.seen)
            assert not both.stale("a", both.seen)
            waits = asyncio.create_task(both.over("b"))
            await asyncio.sleep(0)
            assert not waits.done()
        await waits
    assert both.stale("b", seen)
    assert not both.stale("b", both.seen)
    async with both.of(["a"]) as free:
        assert free == {"a"}
    assert both.stale("a", seen)


async def test_a_correction_that_waits_behind_what_is_corrected_anew_does_not_bring_the_old_text_back(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.hub.overtaking._PATIENCE", 0.05)
    nets = networks()
    nets["siilo"] = siilo = Counting("siilo")
    siilo._capabilities = EDITS
    siilo.gate.clear()
    async with running(url, nets) as w:
        w.siilo.before = away
        await say(w, "p1", "500 mg", DAN)
        await w.until(lambda: siilo.now == 1)
        first = await say(w, "e1", "50 mg", about="p1", kind=Kind.EDIT)  # the message is under way: it waits behind
        siilo.gate.set()
        await w.until(lambda: siilo.calls and siilo.now == 0)
        last = await say(w, "e2", "5 mg", about="p1", kind=Kind.EDIT)
        w.siilo.before = lambda _: None
        await became(w, last, ("refused", "corrected_late"))
        await became(w, first, ("refused", "corrected"))
        await say(w, "p2", "suite")
        await w.until(lambda: texts(siilo) == ["5 mg", "suite"])
