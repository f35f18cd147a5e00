"""A hub that is stopped, filled and started again, beside a stub homeserver and products that stay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appservice.rooms.ghosts import digest, profile
from bridge.config import read_config
from bridge.model import Person
from deploy.bench.cost import SERVER, homeserver, join_everything, joined
from deploy.bench.grow.copies import Snapshot, Template, plant
from deploy.bench.grow.rows import opened
from deploy.bench.grow.sheet import Say
from deploy.bench.hub import Hub, Setup, hub, hub_in_here, rpps
from deploy.bench.product import Product, product
from deploy.world.ports import free_port
from deploy.world.stub.human import Human

Json = dict[str, Any]
MAIN, AWAY = "pandalab", "siilo"
_CHAINED = 2.5  # s after which everything is in the audit trail
_SOME = 2_000  # copies that the stub is told of at once
_REFS = 1_000_000_000  # numbers of copied messages, far from the product's own


@dataclass(slots=True)
class Chat:
    """A conversation in use: its product, user and name there, its room."""

    product: Product
    user: str
    name: str
    room: str


@dataclass
class Grown:
    """The far ends, and the hub while it runs. ``gil`` is a human whom the hub meets by the first template only."""

    setup: Setup
    config: Path
    ben: Human
    gil: Human
    product: Product
    chats: list[Chat] = field(default_factory=list)
    start_hub: Callable[[Setup, Product, Path], AbstractAsyncContextManager[Hub]] = hub
    hub: Hub | None = None
    ready_s: float = 0.0
    start_cpu_s: float = 0.0  # until then
    _running: AsyncExitStack | None = None

    @property
    def url(self) -> str:
        """The database."""
        return self.setup.database or f"sqlite:///{self.setup.folder}/hub.db"

    @property
    def running(self) -> Hub:
        """The hub, which runs."""
        assert self.hub is not None
        return self.hub

    async def start(self) -> None:
        """Start the hub, and note how long it took until ``/ready`` said yes."""
        self._running, begun = AsyncExitStack(), time.monotonic()
        self.hub = await self._running.enter_async_context(self.start_hub(self.setup, self.product, self.config))
        self.ready_s, self.start_cpu_s = time.monotonic() - begun, self.hub.cpu_ms() / 1000
        for one in self.setup.products.values():
            one.hub = self.product.hub

    async def stop(self) -> None:
        """Stop it, if it runs."""
        if self._running is not None:
            await self._running.aclose()
            self._running, self.hub = None, None

    async def begin(self, one: Product, user: str, name: str, human: Human) -> Chat:
        """A conversation of a product's user with a human; both have said something that the other has."""
        before = joined(human)
        await one.delivered([await one.write(user, name, f"start {name}", f"matrix:{human.mxid}")])
        async with asyncio.timeout(60):
            while not (new := joined(human) - before):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        chat = Chat(one, user, name, new.pop())
        await self.exchange(chat, human, "first")
        return chat

    async def exchange(self, chat: Chat, human: Human, text: str) -> None:
        """One message each way, both told as arrived."""
        there, back = f"{text} there {chat.name}", f"{text} back {chat.name}"
        await human.say(chat.room, there)
        await chat.product.until(lambda: there in chat.product.arrived)
        await chat.product.delivered([await chat.product.write(chat.user, chat.name, back)])

    # -- templates ---------------------------------------------------------------------------------------

    async def snapshot(self) -> Snapshot:
        """What is in the database of the hub, which stops for it."""
        if self.hub is not None:
            await self.running.quiet()
            await asyncio.sleep(_CHAINED)
        await self.stop()
        rows = await opened(self.url)
        try:
            return await Snapshot.of(rows)
        finally:
            await rows.close()

    async def template(self, before: Snapshot, words: Mapping[str, Say]) -> Template:
        """What came into the database since then, and is to be copied with these words; the hub stops for it."""
        after = await self.snapshot()
        names = after.names() - before.names()
        return Template(after.since(before), names, words, read_config(self.config).seal.open())

    async def fill(self, template: Template, which: range, step: int) -> int:
        """Write copies, each ``step`` ms older than the one before; the hub does not run. Gives the rows."""
        template.step = step
        rows = await opened(self.url)
        try:
            return await plant(rows, template, which, int(time.time() * 1000))
        finally:
            await rows.close()

    async def tell(self, users: Mapping[str, str], rooms: Sequence[tuple[str, str, Mapping[str, str]]]) -> None:
        """Let the stub have copies, too: see :mod:`deploy.world.stub.copies`."""
        await self.ben.call("POST", "/_stub/copies", {"users": users, "rooms": rooms})

    async def size(self) -> int:
        """Bytes of the database; the hub does not run."""
        rows = await opened(self.url)
        try:
            return await rows.size()
        finally:
            await rows.close()


@dataclass(frozen=True, slots=True)
class Outset:
    """A world before it grows: conversations in use, the database (None: SQLite), products beside the main one."""

    chats: int = 16
    database: str | None = None
    more: Mapping[str, Product] = field(default_factory=dict)
    members: int = 500
    in_here: bool = False  # the hub runs in this process


@asynccontextmanager
async def grown(folder: Path, outset: Outset) -> AsyncIterator[Grown]:
    """The world, with a hub that runs."""
    async with AsyncExitStack() as stack:
        port, away = free_port(), Product()
        away.url = f"http://127.0.0.1:{free_port()}/webhook"
        setup = Setup(
            folder, f"http://127.0.0.1:{port}", SERVER, outset.chats, database=outset.database,
            members=outset.members, products={AWAY: away, **outset.more},
        )  # fmt: skip
        ben, gil = await stack.enter_async_context(homeserver(setup, port, "ben", "gil"))
        made = await stack.enter_async_context(product())
        one = Grown(setup, setup.write(made), ben, gil, made)
        if outset.in_here:
            one.start_hub = hub_in_here
        stack.push_async_callback(one.stop)
        for human in (ben, gil):
            stack.callback(asyncio.create_task(join_everything(human)).cancel)
        await one.start()
        one.chats = [await one.begin(made, f"u{n}", f"chat{n}", ben) for n in range(outset.chats)]
        yield one


# ---- the names of one newcomer and of the copies of what she did


def newcomer(one: Grown, n: int) -> dict[str, Say]:
    """The words of the n-th professional and of gil; their i-th copies are the professionals and humans after them."""

    def person(i: int) -> int:
        return n + 1 + i

    def written(k: int) -> str:
        return digest(profile(Person(f"rpps:{rpps(k)}", f"Professional {k}")))

    return {
        rpps(n): lambda i: rpps(person(i)),
        f"u{n}": lambda i: f"u{person(i)}",
        f"Professional {n}": lambda i: f"Professional {person(i)}",
        written(n): lambda i: written(person(i)),
        f"grown{n}": lambda i: f"grown{person(i)}",
        one.gil.mxid: human,
    }


def human(i: int) -> str:
    """The Matrix id of the i-th copy of gil."""
    return f"@gil_{i}:{SERVER}"


def refs(made: Product, first: int, times: int) -> dict[str, Say]:
    """The product's own ids of what it wrote since its ``first``; ``times``: of this template among others."""
    return {f"b{k}": _ref(k, times) for k in range(first, made.written)}


def _ref(k: int, times: int) -> Say:
    return lambda i: f"b{_REFS * (times + 1) + 64 * i + k % 64}"


def of(template: Template, people: int) -> dict[str, Say]:
    """The names of a template as words of another, whose i-th copy belongs to its copy ``i % people``."""

    def word(name: str) -> Say:
        return lambda i: template.say(name, i % people)

    return {name: word(name) for name in {*template.names, *template.words}}


async def in_pieces(which: range, tell: Callable[[range], Any]) -> None:
    """Some thousand at a time."""
    for at in range(which.start, which.stop, _SOME):
        await tell(range(at, min(at + _SOME, which.stop)))
