"""What a hub has many of: how to give it more of each, and how many at least and at most."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.bench.grow.copies import Template
from deploy.bench.grow.measure import AFTER
from deploy.bench.grow.members import members
from deploy.bench.grow.world import Chat, Grown, Outset, grown, human, in_pieces, newcomer, of, refs
from deploy.bench.hub import OTHERS, rpps
from deploy.bench.product import Product, product

_PEOPLE = 2_000  # among whom conversations, messages and what waits is shared out
_YEAR = 365 * 86_400_000  # ms
_CHAINED = 2.5  # s after which the rows of a large room are in the audit trail: it takes them every two seconds

Fill = Callable[[int, int], Awaitable[None]]
"""Bring the hub, which does not run, from one size to another."""


@dataclass(frozen=True, slots=True)
class Axis:
    """``sizes`` to measure; ``open`` gives a world with 16 conversations in use, and how it grows."""

    name: str
    about: str
    sizes: Sequence[int]
    quick: Sequence[int]
    open: Callable[[Path, str | None, Sequence[int]], AbstractAsyncContextManager[tuple[Grown, Fill]]]
    messages: int = 320  # of a round
    after: float = AFTER  # s that are measured with them


@dataclass(frozen=True, slots=True)
class Newcomer:
    """The first template: a professional who has written to gil, and gil to her."""

    n: int
    chat: Chat
    template: Template

    async def copy(self, one: Grown, begin: int, end: int, step: int = 1000) -> None:
        """More people like her, each with a human and a room of their own."""
        one.setup.people = max(one.setup.people, self.n + 1 + end)
        one.setup.write_people()
        await one.fill(self.template, range(begin, end), step)
        mine, say = one.setup.ghost(self.n), self.template.say

        async def tell(some: range) -> None:
            users = {say(mine, i): mine for i in some} | {human(i): one.gil.mxid for i in some}
            rooms = [
                (say(self.chat.room, i), self.chat.room, {mine: say(mine, i), one.gil.mxid: human(i)}) for i in some
            ]
            await one.tell(users, rooms)

        await in_pieces(range(begin, end), tell)


async def first(one: Grown) -> Newcomer:
    """Let somebody come; the hub does not run afterwards."""
    before, n = await one.snapshot(), one.setup.people
    one.setup.people += 1
    one.setup.write_people()
    await one.start()
    begun = one.product.written
    chat = await one.begin(one.product, f"u{n}", f"grown{n}", one.gil)
    template = await one.template(before, newcomer(one, n) | refs(one.product, begun, 0))
    return Newcomer(n, chat, template)


@asynccontextmanager
async def ghosts(folder: Path, database: str | None, sizes: Sequence[int]) -> AsyncIterator[tuple[Grown, Fill]]:
    """People with a device, keys, a room and two messages."""
    async with grown(folder, Outset(database=database)) as one:
        came = await first(one)
        yield one, lambda begin, end: came.copy(one, begin, end)


@asynccontextmanager
async def conversations(folder: Path, database: str | None, sizes: Sequence[int]) -> AsyncIterator[tuple[Grown, Fill]]:
    """Rooms of two, each with two messages; their people are in many of them."""
    people = min(_PEOPLE, sizes[0])
    async with grown(folder, Outset(database=database)) as one:
        came, before = await first(one), await one.snapshot()
        await one.start()
        begun = one.product.written
        chat = await one.begin(one.product, f"u{came.n}", "another", one.gil)
        words = of(came.template, people) | refs(one.product, begun, 1) | {"another": lambda i: f"another{i}"}
        template = await one.template(before, words)
        await came.copy(one, 0, people)
        mine, say = one.setup.ghost(came.n), template.say

        async def tell(some: range) -> None:
            rooms = [(say(chat.room, i), chat.room, {m: say(m, i) for m in (mine, one.gil.mxid)}) for i in some]
            await one.tell({}, rooms)

        async def fill(begin: int, end: int) -> None:
            await one.fill(template, range(begin, end), 60_000)
            await in_pieces(range(begin, end), tell)

        yield one, fill


@asynccontextmanager
async def messages(folder: Path, database: str | None, sizes: Sequence[int]) -> AsyncIterator[tuple[Grown, Fill]]:
    """Messages of a year that have arrived, in two thousand conversations."""
    people = min(_PEOPLE, sizes[0])
    async with grown(folder, Outset(database=database)) as one:
        came, before = await first(one), await one.snapshot()
        await one.start()
        begun = one.product.written
        await one.exchange(came.chat, one.gil, "more")
        template = await one.template(before, of(came.template, people) | refs(one.product, begun, 1))
        await came.copy(one, 0, people)
        step = 2 * _YEAR // sizes[-1]
        yield one, lambda begin, end: _nothing(one.fill(template, range(begin // 2, end // 2), step))


@asynccontextmanager
async def waiting(folder: Path, database: str | None, sizes: Sequence[int]) -> AsyncIterator[tuple[Grown, Fill]]:
    """Messages for a product that does not answer, each in a conversation of its own."""
    people = min(_PEOPLE, sizes[0])
    async with grown(folder, Outset(database=database)) as one:
        await one.product.write(
            "u0", "waited", "A first message that waits.", f"rpps:{rpps(OTHERS)}"
        )  # he is known now
        came, before = await first(one), await one.snapshot()
        await one.start()
        begun = one.product.written
        await one.product.write(f"u{came.n}", "waits", "A message that waits.", f"rpps:{rpps(OTHERS)}")
        words = of(came.template, people) | refs(one.product, begun, 1) | {"waits": lambda i: f"waits{i}"}
        template = await one.template(before, words)
        await came.copy(one, 0, people)
        yield one, lambda begin, end: _nothing(one.fill(template, range(begin, end), 1))


@asynccontextmanager
async def products(folder: Path, database: str | None, sizes: Sequence[int]) -> AsyncIterator[tuple[Grown, Fill]]:
    """Products that take part, among which the conversations in use are shared out."""
    async with AsyncExitStack() as stack:
        others = {f"product{n}": await stack.enter_async_context(product()) for n in range(1, sizes[-1])}
        one = await stack.enter_async_context(grown(folder, Outset(database=database)))
        known: dict[str, Product] = dict(one.setup.products)

        async def fill(begin: int, end: int) -> None:
            await one.stop()
            one.setup.products = known | dict(list(others.items())[: end - 1])
            one.config.write_text(one.setup.configured(one.product))
            one.setup.write_people()
            await one.start()
            some = [*one.setup.products.items()][len(known) :]
            for n, (name, other) in enumerate(some[:15]):
                if one.chats[n].product is not other:
                    one.chats[n] = await one.begin(other, "u", f"{name}-{end}", one.ben)
            await one.stop()

        yield one, fill


async def _nothing(work: Awaitable[object]) -> None:
    await work


AXES = {
    a.name: a
    for a in (
        Axis("ghosts", "people with a ghost", (50, 500, 5_000, 50_000), (5, 50), ghosts),
        Axis("members", "members of the room", (2, 10, 100, 1_000), (2, 5), members, 48, _CHAINED),
        Axis("conversations", "conversations", (200, 2_000, 20_000, 200_000), (5, 50), conversations),
        Axis("messages", "messages kept", (5_000, 50_000, 500_000, 5_000_000), (20, 200), messages),
        Axis(
            "waiting", "messages that wait for a product that is away", (200, 2_000, 20_000, 200_000), (5, 50), waiting
        ),
        Axis("products", "products", (1, 5, 15, 50), (1, 3), products),
    )
}
