"""Correspondence of thirty people, made up and found again: each message once, in its thread, among its people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from bridge.connector import Capabilities
from bridge.errors import Unavailable
from bridge.hub.hub import now_ms
from bridge.model import Address, Body, Kind, Message, Person, Ref
from bridge.networks.loopback import Loopback
from bridge.networks.mail.leg.settings import MailSettings
from bridge.networks.mail.mime.mail import Mail
from deploy.world.waiting import until
from tests.mail.correspondence.check import Letter, Shown
from tests.mail.correspondence.drive import Drive, head_of, letter_of, numbers
from tests.mail.correspondence.mails import Head, Mails, message_id
from tests.mail.correspondence.plan import MAIL, Human, Plan, Said, Size, make, pretend
from tests.mail.hub import Node, StubOut, Trust, assembled
from tests.mail.space import HUB, Space

T = TypeVar("T")
CHAT = ("pandalab", "siilo", "matrix")  # three pretend networks, the last one for the third kind of people


class World:
    """A hub that can crash, and far ends that outlive it."""

    def __init__(self, people: dict[str, Human], url: str, space: Space, folder: Path) -> None:
        self.people = people
        self.url = url
        self.nets = {name: Loopback(name, Capabilities(files=True)) for name in CHAT}
        self.out = StubOut()
        self.lives = 0
        self.own: dict[int, Shown] = {}
        self._found: dict[tuple[int, str], Shown] = {}
        self._boxes: dict[str, str] = {}
        self._read = dict.fromkeys(CHAT, 0)
        self._calls: set[asyncio.Task[Any]] = set()
        self._node: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
        self._settings = MailSettings.model_validate({
            "smtp": space.settings().model_dump(),
            "trust": {"path": space.bundle, "authority": space.bundle, "state": folder / "trust"},
            "gather": {"quiet": 0.05, "longest": 0.3},
        })  # fmt: skip
        self._directory = [
            Person(h.id, h.name, "Médecin", "Lyon", (Address(h.network, h.address),)) for h in people.values()
        ]

    # -- the hub's lives -----------------------------------------------------------------------------------

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Node]:
        """The hub until the block is left: suddenly, whatever it was doing."""
        self.lives += 1
        trust = Trust()
        for domain in ("mss-a.example", "mss-b.example"):
            trust.list(domain, f"CN={domain},O=Essai,C=FR")
        begun = assembled(self.url, self._settings, trust, self._directory, self.nets, out=self.out, trusted=True)
        async with begun as (hub, store, mail):
            every = [person for person in self._directory if person.addresses[0].network != MAIL]
            await mail.show(every)
            self._boxes = {await mail.book.box(person): person.id for person in every}
            node = Node(hub, store.db, mail, self.nets, self.out, trust)
            self._node.set_result(node)
            try:
                yield node
            finally:
                self._node = asyncio.get_running_loop().create_future()
                for call in self._calls:
                    call.cancel()

    async def _call(self, work: Callable[[Node], Awaitable[T]]) -> T:
        """Do something at the hub, again in its next life if it dies meanwhile."""
        while True:
            node = await asyncio.shield(self._node)
            call = asyncio.ensure_future(work(node))
            self._calls.add(call)
            try:
                return await call
            except (Unavailable, asyncio.CancelledError):
                if not call.done() or asyncio.current_task().cancelling():  # type: ignore[union-attr]
                    raise
                await asyncio.sleep(0.02)
            finally:
                self._calls.discard(call)

    def boxes(self) -> dict[str, str]:
        """Person -> the address that mails use: their own; of the hub's people the given one, or the RPPS number."""
        given = {person: address for address, person in self._boxes.items()}
        named = {p: given[p] if n % 2 else f"{p[5:]}@{HUB}" for n, p in enumerate(given)}
        return {p: h.address if h.network == MAIL else named[p] for p, h in self.people.items()}

    def who(self, address: str) -> str | None:
        """The person behind an address of a mail."""
        own = {human.address: p for p, human in self.people.items() if human.network == MAIL}
        return own.get(address) or self._boxes.get(address)

    # -- the far ends (see truth_drive.Far) ----------------------------------------------------------------

    async def hand_in(self, raw: bytes, recipients: list[str], sender: str) -> None:
        await self._call(lambda node: node.hand_in(raw, *recipients, sender=sender))

    async def write(self, said: Said, text: str, parent: Shown | None) -> None:
        network, ident = said.by.network, f"own{said.n}"
        chat, to, thread, about = f"{network}-new{said.n}", tuple(self._handles(said)), None, None
        if parent is not None:
            chat, to = parent.chat, ()
            beside = said.main or said.loose
            thread = None if beside else (parent.thread or parent.id)
            about = parent.id if said.loose or (said.n % 2 and not said.place.startswith("main")) else None
        self.own[said.n] = Shown(said.n, said.by.id, network, chat, ident, thread, said.people, own=True)
        message = Message(
            Ref(network, ident), chat, Address(network, said.by.address), Kind.TEXT, Body(text), now_ms(), to,
            Ref(network, about) if about else None, Ref(network, thread) if thread else None,
        )  # fmt: skip
        await self._call(lambda node: node.hub.accept(message))

    def _handles(self, said: Said) -> Iterator[str]:
        for person in sorted(said.people - {said.by.id}):
            human = self.people[person]
            yield f"{human.network}:{human.address}" if human.network == said.by.network else person

    async def seen(self, n: int, person: str) -> Shown:
        own, network = self.own.get(n), self.people[person].network
        if own is not None and own.network == network:
            return own
        await until(lambda: (n, person) in self._look())
        return self._found[n, person]

    def _look(self) -> dict[tuple[int, str], Shown]:
        for name, net in self.nets.items():
            for one in self.of(net, self._read[name]):
                self._found.setdefault((one.n, one.reader), one)
            self._read[name] = len(net.delivered)
        return self._found

    def of(self, net: Loopback, start: int = 0) -> Iterator[Shown]:
        """What a network was given, for each of its people."""
        for delivery in net.delivered[start:]:
            everybody = frozenset(member.person.id for member in delivery.members)
            thread = delivery.thread.id if delivery.thread else None
            for n in numbers(delivery.body.text) if delivery.kind is not Kind.MEMBERS else ():
                for member in delivery.recipients:
                    if member.person.id != delivery.sender.id:
                        yield Shown(
                            n, member.person.id, net.network, delivery.chat or delivery.conversation,
                            net._refs[delivery.id].id, thread, everybody,
                        )  # fmt: skip

    async def received(self, n: int, person: str) -> Head:
        box = self.people[person].address

        def look() -> Mail | None:
            return next((m for _, to, m, _ in self.out.sent if box in to and n in numbers(m.text)), None)

        await until(look)
        mail = look()
        assert mail is not None
        return head_of(mail, HUB)

    # -- what there is in the end --------------------------------------------------------------------------

    def shown(self) -> list[Shown]:
        """On the chat legs."""
        return [*(one for net in self.nets.values() for one in self.of(net)), *self.own.values()]

    def letters(self) -> list[Letter]:
        """Mails that somebody has; the same one, sent again because of a crash, is the same."""
        own = {human.address: p for p, human in self.people.items() if human.network == MAIL}
        found = {
            (own[one], m.message_id): letter_of(m, own[one], self.who) for _, to, m, _ in self.out.sent for one in to
        }
        return list(found.values())

    def odd(self) -> list[str]:
        """Texts that are not of exactly one message."""
        every = [d for net in self.nets.values() for d in net.delivered if d.kind is not Kind.MEMBERS]
        return [
            f"{d.network} shows {numbers(d.body.text)} in one text" for d in every if len(numbers(d.body.text)) != 1
        ]


async def carry_out(plan: Plan, url: str, space: Space, folder: Path, crashes: int) -> tuple[Drive, World]:
    """Say everything of a plan to a hub that crashes; returns when all has come to rest."""
    world = World(plan.people, url, space, folder)
    over, again = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        while not over.is_set():
            async with world.life() as node:
                await again.wait()
                if over.is_set():
                    with suppress(TimeoutError):  # the verdict says what is missing
                        await until(lambda: node.mail.idle and _rested(plan, world))
                    await node.rest()
                again.clear()

    async def crash() -> None:
        again.set()
        await until(lambda: not again.is_set())

    async with asyncio.TaskGroup() as group:
        group.create_task(live())
        await until(lambda: world._node.done())
        drive = Drive(plan, Mails(plan, world.boxes()), world, HUB)
        await drive.run(crash, crashes)
        over.set()
        again.set()
    return drive, world


def _rested(plan: Plan, world: World) -> bool:
    """Whether everything that is wanted is there, which is looked at once more later."""
    got = {(one.n, one.reader) for one in world.shown()} | {(n, o.reader) for o in world.letters() for n in o.said}
    return all((said.n, person) in got for said in plan.said for person in plan.expected(said))


def test_a_plan_is_what_it_says() -> None:
    size = Size(1000, 200)
    plan = make(pretend(), size, 1)
    again = [step for steps in plan.steps for step in steps if step.again]
    assert (len(plan.mails), len(plan.steps), len(plan.people)) == (1000, 200, 30)
    assert len(again) == len(plan.late) == 100
    assert plan == make(pretend(), size, 1) != make(pretend(), size, 2)
    for steps in plan.steps:
        order = [step.n for step in steps if not step.again]
        for n in set(order) & plan.late:
            assert any(plan.said[other].parent == n for other in order[: order.index(n)])
        for said in (plan.said[n] for n in order):
            needed = [said.parent] if not said.mail else [one.n for one in plan.ancestors(said) if not one.mail]
            assert set(order[: order.index(said.n)]) >= set(needed) - {None}
    assert len({message_id(said) for said in plan.mails}) == 1000


async def test_every_message_is_in_its_thread(url: str, space: Space, tmp_path: Path) -> None:
    plan = make(pretend(), Size(300, 60), 7)
    drive, world = await carry_out(plan, url, space, tmp_path, 3)
    verdict = drive.judge(world.shown(), world.letters(), world.odd())
    print(verdict)
    assert world.lives == 4
    assert verdict.good, str(verdict)
