"""What is about a message that has not come yet waits for it; in whatever order all comes, every leg ends the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import pytest

from bridge.connector import Capabilities
from bridge.errors import Refused, Unavailable
from bridge.kinds import EVERYWHERE
from bridge.model import Accepted, Address, Body, Delivery, Kind, Message, Ref
from bridge.networks.loopback import Loopback
from bridge.parts.patience import Patience
from bridge.store.conversation import message_id
from tests.core.make import World, networks, running

CLEO, DAN, BEN = Address("pandalab", "cleo"), Address("siilo", "dan"), "matrix:@ben:chu.example"
ABLE = EVERYWHERE | {Kind.EDIT, Kind.REMOVAL, Kind.REACTION}


class Named(Loopback):
    """A network that calls each message by the hub's name of it, so that its people can speak of what is to come."""

    shown = 0

    async def deliver(self, delivery: Delivery) -> Ref:
        """Take it once."""
        await super().deliver(delivery)
        return Ref(self.network, f"{self.network}:{delivery.message}")


def able(*names: str) -> dict[str, Loopback]:
    """Networks of which these carry everything."""
    made: dict[str, Loopback] = {name: Named(name, Capabilities(kinds=ABLE)) for name in names}
    if "matrix" in names:
        made["matrix"] = Named("matrix", Capabilities(echoes=True, names_chats=True, kinds=ABLE))
    return networks() | made


def about(ident: str, kind: Kind, target: str, text: str = "", at: int = 1, chat: str = "A") -> Message:
    """What Cléo does to a message of hers."""
    return Message(Ref("pandalab", ident), chat, CLEO, kind, Body(text), at, reply_to=Ref("pandalab", target))


async def opened(w: World) -> Accepted:
    """A conversation of Cléo and Dan."""
    return await w.pandalab.write("p0", "A", "cleo", "bonjour", ["siilo:dan"])


def told(w: World, ident: str) -> list[tuple[str, str | None]]:
    """What the product was told last of a message of its own."""
    reports = [r for r in w.pandalab.told if r.ref.id == ident]
    return [(s.state.value, s.reason) for s in reports[-1].states] if reports else []


def texts(net: Loopback) -> list[str]:
    """What a network was given, in order."""
    return [f"{d.kind.value} {d.body.text}".rstrip() for d in net.delivered if d.kind is not Kind.MEMBERS]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the next look."""
    monkeypatch.setattr("bridge.hub.accepting.early._LOOK", 0.01)


async def waiting(w: World) -> int:
    return len(await w.db.all("early.all", "", "", 100))


async def test_a_correction_before_its_message_is_in_it(url: str) -> None:
    async with running(url, able("siilo")) as w:
        await opened(w)
        fix = await w.hub.accept(about("e", Kind.EDIT, "p1", "50 mg"))
        assert fix == await w.hub.accept(about("e", Kind.EDIT, "p1", "50 mg"))
        status = await w.hub.facts.status(Ref("pandalab", "e"))
        assert status is not None
        assert (status.message, status.states, await waiting(w)) == (fix.message, (), 1)
        await w.pandalab.write("p1", "A", "cleo", "500 mg")
        await w.until(lambda: texts(w.siilo) == ["text bonjour", "text 50 mg"])
        await w.until(lambda: told(w, "e") == [("refused", "corrected")])
        assert (await w.hub.accept(about("e", Kind.EDIT, "p1", "50 mg"))).duplicate
        assert await waiting(w) == 0


async def test_what_is_taken_back_before_it_comes_never_leaves(url: str) -> None:
    async with running(url, able("siilo")) as w:
        await opened(w)
        await w.hub.accept(about("r", Kind.REMOVAL, "p1"))
        await w.pandalab.write("p1", "A", "cleo", "pour un autre patient")
        await w.until(lambda: told(w, "p1") == [("refused", "taken_back")])
        await w.pandalab.write("p2", "A", "cleo", "suite")
        await w.until(lambda: texts(w.siilo) == ["text bonjour", "text suite"])


async def test_a_reaction_its_taking_back_and_then_the_message(url: str) -> None:
    async with running(url, able("siilo")) as w:
        await opened(w)
        await w.hub.accept(about("back", Kind.REMOVAL, "thumb", at=3))
        await w.hub.accept(about("thumb", Kind.REACTION, "p1", "👍", at=2))
        await w.hub.accept(about("e2", Kind.EDIT, "e1", "deux", at=5))  # a correction of a correction
        await w.hub.accept(about("e1", Kind.EDIT, "p1", "un", at=4))
        await w.pandalab.write("p1", "A", "cleo", "zéro")
        # The message takes what is about it along; what is about that follows, and may find it on its way already.
        await w.until(lambda: texts(w.siilo)[1:] in (["text deux"], ["text un", "edit deux"]))
        assert await waiting(w) == 0
        await w.hub.accept(about("e3", Kind.EDIT, "e2", "trois", at=6))
        await w.until(lambda: texts(w.siilo)[-1] == "edit trois")
        original = w.siilo.delivered[1]
        last = next(d for d in w.siilo.delivered if d.body.text == "trois")
        assert last.reply_to == Ref("siilo", f"siilo:{original.message}")


async def test_what_is_about_one_another_does_not_wait_for_ever(url: str) -> None:
    now = [1_000_000]
    async with running(url, able("siilo"), clock=lambda: now[0]) as w:
        await opened(w)
        await w.hub.accept(about("a", Kind.EDIT, "b", "x"))
        await w.hub.accept(about("b", Kind.EDIT, "a", "x"))
        now[0] += 1_201_000
        await w.until(lambda: told(w, "a") and told(w, "b"))
        assert await waiting(w) == 0


async def test_the_writer_hears_that_it_never_came(url: str) -> None:
    now = [1_000_000]
    async with running(url, able("siilo"), clock=lambda: now[0]) as w:
        await opened(w)
        for ident, kind in (("e", Kind.EDIT), ("r", Kind.REMOVAL), ("t", Kind.REACTION)):
            await w.hub.accept(about(ident, kind, "never", "x"))
        now[0] += 599_000
        await w.until(lambda: w.courier.idle)
        assert await waiting(w) == 3
        now[0] += 2_000
        for ident in "ert":
            await w.until(lambda ident=ident: told(w, ident) == [("refused", "target_never_came")])  # type: ignore[misc]
        assert await waiting(w) == 0
        assert texts(w.siilo) == ["text bonjour"]


async def test_what_waits_outlives_the_hub(url: str) -> None:
    async with running(url, able("siilo")) as w:
        await opened(w)
        await w.hub.accept(about("e", Kind.EDIT, "p1", "50 mg"))
    async with running(url, able("siilo")) as w:
        await w.pandalab.write("p1", "A", "cleo", "500 mg")
        await w.until(lambda: "text 50 mg" in texts(w.siilo))


async def test_a_kill_between_the_message_and_what_waited_for_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(url, able("siilo")) as w:
        await opened(w)
        await w.hub.accept(about("e", Kind.EDIT, "p1", "50 mg"))
        with monkeypatch.context() as patched:
            patched.setattr("bridge.hub.accepting.early.Early._settle", _dies)
            with pytest.raises(RuntimeError):
                await w.pandalab.write("p1", "A", "cleo", "500 mg")
    async with running(url, able("siilo")) as w:
        await w.until(lambda: texts(w.siilo)[-1:] in (["edit 50 mg"], ["text 50 mg"]))


async def _dies(*_: object, **__: object) -> None:
    raise RuntimeError


async def test_who_may_not_is_told_so_when_the_message_has_come(url: str) -> None:
    async with running(url, able("siilo", "matrix")) as w:
        await w.pandalab.write("p0", "A", "cleo", "bonjour", ["siilo:dan", BEN])
        await w.until(lambda: w.matrix.delivered)
        await w.echo()
        await w.until(lambda: w.siilo.delivered)
        chat = w.siilo.delivered[0].conversation
        name = Ref("siilo", f"siilo:{message_id(Ref('pandalab', 'p1'))}")
        await w.hub.accept(Message(Ref("siilo", "x"), chat, DAN, Kind.EDIT, Body("faux"), 1, reply_to=name))
        await w.pandalab.write("p1", "A", "cleo", "vrai")
        await w.until(lambda: len(w.matrix.delivered) == 2)
        await w.echo()
        await w.until(lambda: any(r.ref.id == "x" for r in w.siilo.told))
        [state, *_] = [r for r in w.siilo.told if r.ref.id == "x"][-1].states
        assert (state.state.value, state.reason) == ("refused", "edit_not_carried")
        assert texts(w.siilo)[-1] == texts(w.matrix)[-1] == "text vrai"


async def test_nobody_fills_the_disk_with_what_is_about_nothing(url: str) -> None:
    async with running(url, able("siilo")) as w:
        await opened(w)
        for n in range(100):
            await w.hub.accept(about(f"e{n}", Kind.EDIT, f"never{n}", "x"))
        with pytest.raises(Refused, match="edit_not_carried"):
            await w.hub.accept(about("one more", Kind.EDIT, "never", "x"))
        with pytest.raises(Refused, match="unknown_conversation"):
            await w.hub.accept(about("e", Kind.EDIT, "never", "x", chat="nowhere"))
        stranger = Message(Ref("siilo", "y"), "A", DAN, Kind.EDIT, Body("x"), 1, reply_to=Ref("siilo", "never"))
        with pytest.raises(Refused, match="unknown_conversation"):
            await w.hub.accept(stranger)


async def test_an_older_correction_that_comes_later_is_told_so(url: str) -> None:
    async with running(url, able("siilo")) as w:
        await opened(w)
        await w.hub.accept(about("new", Kind.EDIT, "p0", "deux", at=20))
        await w.hub.accept(about("old", Kind.EDIT, "p0", "un", at=10))
        await w.until(lambda: told(w, "old") == [("refused", "superseded")])
        await w.hub.accept(about("same", Kind.EDIT, "p0", "trois", at=20))
        await w.until(lambda: texts(w.siilo)[-1].endswith("trois"))
        assert not any("un" in text.split() for text in texts(w.siilo))


async def test_what_was_taken_back_stays_so(url: str) -> None:
    async with running(url, able("siilo")) as w:
        await opened(w)
        await w.until(lambda: texts(w.siilo) == ["text bonjour"])
        await w.until(lambda: w.courier.idle)
        await w.hub.accept(about("r", Kind.REMOVAL, "p0"))
        await w.hub.accept(about("r2", Kind.REMOVAL, "p0"))  # once more, by another name
        for ident, kind in (("e", Kind.EDIT), ("t", Kind.REACTION)):
            with pytest.raises(Refused, match="target_removed"):
                await w.hub.accept(about(ident, kind, "p0", "x"))
        await w.pandalab.write("p1", "A", "cleo", "suite")
        await w.until(lambda: texts(w.siilo) == ["text bonjour", "removal", "text suite"])


async def test_of_what_a_network_never_got_it_is_told_nothing(url: str) -> None:
    async with running(url, able("siilo", "matrix")) as w:
        w.siilo.before = _refuses
        await w.pandalab.write("p0", "A", "cleo", "bonjour", ["siilo:dan", BEN])
        await w.until(lambda: w.matrix.delivered)
        await w.echo()
        await w.until(lambda: ("refused", "product_refused") in told(w, "p0"))
        w.siilo.before = lambda _: None
        await w.hub.accept(about("e", Kind.EDIT, "p0", "x", at=1))
        await w.hub.accept(about("r", Kind.REMOVAL, "p0", at=2))
        await w.until(lambda: len(w.matrix.delivered) == 3)
        await w.echo()
        await w.until(lambda: told(w, "e") == [("delivered", None), ("refused", "target_not_there")])
        await w.until(lambda: told(w, "r") == [("delivered", None), ("refused", "taken_back")])
        assert texts(w.siilo) == []


def _refuses(_: Delivery) -> None:
    raise Refused("product_refused")


def _away(_: Delivery) -> None:
    raise Unavailable("away", alone=True)


# ---- every order


async def shown(w: World) -> None:
    """The room shows what it was given since, and nothing twice."""
    matrix = w.nets["matrix"]
    assert isinstance(matrix, Named)
    while matrix.shown < len(matrix.delivered):
        matrix.shown += 1
        await w.hub.sequenced(matrix.delivered[matrix.shown - 1].message)


async def quiet(w: World, *, early: bool = False) -> None:
    """Nothing is on its way any more, and the room has shown everything; ``early``: nothing waits for its target."""
    while (early and await waiting(w)) or await w.waiting() or await w.db.all("store.held", 0, 1) or not w.courier.idle:
        await shown(w)
        await asyncio.sleep(0.005)


@dataclass
class Shown:
    """What a leg shows of one message after everything that it was given."""

    text: str | None = None
    reactions: set[str] = field(default_factory=set)

    def take(self, delivery: Delivery, original: str) -> None:
        """One more."""
        of = delivery.reply_to.id.partition(":")[2] if delivery.reply_to is not None else ""
        if delivery.message == original:
            self.text = delivery.body.text
        elif delivery.kind is Kind.EDIT and of == original:
            assert self.text is not None, "a correction of nothing"
            self.text = delivery.body.text
        elif delivery.kind is Kind.REACTION and of == original:
            self.reactions.add(delivery.message)
        elif delivery.kind is Kind.REMOVAL and of == original:
            self.text, self.reactions = None, set()
        elif delivery.kind is Kind.REMOVAL:
            self.reactions.discard(of)


class Play:
    """Two writers of one conversation, and everything that they do to one message, in some order."""

    def __init__(self, w: World, n: int, dice: random.Random, *, refused: bool) -> None:
        self.w, self.n, self.dice, self.refused = w, n, dice, refused
        self.chat = f"A{n}"
        self.original = message_id(Ref("pandalab", f"t{n}"))
        self.trace: list[str] = []
        self.done = [step for step in ("e1", "e2", "r", "thumb", "back") if dice.random() < 0.75]

    def steps(self) -> Iterator[str]:
        """Each of them, and some of them once more, in an order of this play's own."""
        order = ["t", *self.done]
        order += [step for step in order if self.dice.random() < 0.4]
        self.dice.shuffle(order)
        yield from order

    def message(self, step: str) -> Message:
        """What is handed in for a step; Dan, who reacts, calls the message as his product does."""
        n, chat = self.n, self.chat
        match step:
            case "t":
                return Message(
                    Ref("pandalab", f"t{n}"), chat, CLEO, Kind.TEXT, Body("x" * 1_100_000 if self.refused else "0"), 1
                )
            case "thumb" | "back":
                kind = Kind.REACTION if step == "thumb" else Kind.REMOVAL
                of = f"siilo:{self.original}" if step == "thumb" else f"thumb{n}"
                return Message(
                    Ref("siilo", f"{step}{n}"),
                    self.dans,
                    DAN,
                    kind,
                    Body("👍" if step == "thumb" else ""),
                    4,
                    reply_to=Ref("siilo", of),
                )
            case "r":
                return about(f"r{n}", Kind.REMOVAL, f"t{n}", at=5, chat=chat)
        return about(f"{step}{n}", Kind.EDIT, f"t{n}", step[1:], at=1 + int(step[1:]), chat=chat)

    async def run(self) -> None:
        """Everything is handed in; some time later nothing is on its way."""
        opening = await self.w.pandalab.write(f"o{self.n}", self.chat, "cleo", "o", ["siilo:dan", BEN])
        self.dans = opening.conversation
        for step in self.steps():
            self.trace.append(step)
            with suppress(Refused):
                await self.w.hub.accept(self.message(step))
            if self.dice.random() < 0.3:
                await shown(self.w)

    def shows(self, network: str) -> tuple[str | None, bool]:
        """The text on a leg, and whether anybody's reaction stands there."""
        shown = Shown()
        for delivery in self.w.nets[network].delivered:
            if delivery.conversation == self.dans:
                shown.take(delivery, self.original)
        return shown.text, bool(shown.reactions)

    @property
    def end(self) -> tuple[str | None, bool]:
        """What every leg has to show."""
        if self.refused or "r" in self.done:
            return None, False
        text = next((step[1:] for step in ("e2", "e1") if step in self.done), "0")
        return text, "thumb" in self.done and "back" not in self.done


async def test_what_a_room_never_shows_by_itself_waits_for_no_place(url: str) -> None:
    async with running(url, able("siilo", "matrix"), order_wait=600.0) as w:
        await w.pandalab.write("p0", "A", "cleo", "bonjour", ["siilo:dan", BEN])
        await w.until(lambda: w.matrix.delivered)
        await w.echo()
        await w.until(lambda: w.siilo.delivered)
        w.matrix.before = _away
        await w.pandalab.write("p1", "A", "cleo", "500 mg")
        [chat] = {d.conversation for d in w.siilo.delivered}
        async with w.db.transaction("test") as tx:  # as if the room had shown it, and nobody knew by which name
            await w.store.release(tx, message_id(Ref("pandalab", "p1")))
        w.courier.wake(chat, "siilo")
        await w.until(lambda: "text 500 mg" in texts(w.siilo))
        await w.hub.accept(about("e", Kind.EDIT, "p1", "50 mg"))
        await w.until(lambda: "edit 50 mg" in texts(w.siilo))  # long before the room can be asked


@pytest.mark.parametrize("seed", range(2))
async def test_every_order_ends_the_same_on_every_leg(url: str, seed: int) -> None:
    dice, now, fast = random.Random(seed), count(10_000_000), Patience(0.05, 0.3, give_up=1e9, reports=0.001)
    ahead = [0]
    async with running(url, able("siilo", "matrix"), fast, 30.0, lambda: next(now) + ahead[0]) as w:
        plays = [Play(w, n, dice, refused=n % 8 == 7) for n in range(8)]
        for play in plays:
            w.siilo.before = dice.choice([_away, lambda _: None])
            w.matrix.before = dice.choice([_away, lambda _: None, lambda _: None])
            await play.run()
        w.siilo.before = w.matrix.before = lambda _: None
        await quiet(w)
        ahead[0] = 601_000
        await quiet(w, early=True)
        for play in plays:
            assert {name: play.shows(name) for name in ("siilo", "matrix")} == {
                "siilo": (play.end[0], False), "matrix": play.end,
            }, (play.n, play.trace)  # fmt: skip
