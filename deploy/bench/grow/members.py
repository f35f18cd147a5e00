"""One room with ever more members: ghosts of a product's users, and the human who made the room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.bench.grow.world import Chat, Grown, Outset, grown
from deploy.bench.hub import rpps

_AT_ONCE = 16


@asynccontextmanager
async def members(
    folder: Path, database: str | None, sizes: Sequence[int]
) -> AsyncIterator[tuple[Grown, Callable[[int, int], Awaitable[None]]]]:
    """All messages go into one room; each size has a room of its own, whose ghosts join as they do."""
    async with grown(folder, Outset(2, database, members=sizes[-1] + 10)) as one:
        n = 0

        async def fill(begin: int, end: int) -> None:
            nonlocal n
            one.setup.people = max(one.setup.people, end)
            one.setup.write_people()
            await one.start()
            slots = asyncio.Semaphore(_AT_ONCE)

            async def declare(k: int) -> None:
                async with slots:
                    await one.product.declare(f"u{k}", rpps(k))

            await asyncio.gather(*(declare(k) for k in range(begin, end)))
            ghosts = [one.setup.ghost(k) for k in range(end - 1)]  # and ben
            room, text, n = await one.ben.create_room(*ghosts), f"opened {n}", n + 1
            await one.ben.say(room, text)
            async with asyncio.timeout(600):
                while len(await one.ben.joined(room)) < end:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            await one.product.until(lambda: text in one.product.chats, 600)
            one.chats = [Chat(one.product, "u0", one.product.chats[text], room)]
            await one.running.quiet(1.0)
            await one.stop()

        yield one, fill
