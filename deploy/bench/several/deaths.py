"""How long a message takes while the worker that works dies and another one takes over, both ways.

Once its process dies, beside another one of the same machine; once its whole machine falls silent, beside another.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import asyncpg

from deploy.bench.cost import Bench, rooms, world
from deploy.bench.hub import Hub, Setup, hub, ready
from deploy.bench.product import Product
from deploy.bench.several.machines import Machine, can, machines
from deploy.world.postgres import Postgres

_CHATS = 8
_EVERY = 0.2  # s between two messages of one chat, each way
_BEFORE, _AFTER = 0.5, 4.0  # s around a death whose messages are counted
_AGAIN = 0.1  # s until a product or a client tries again what was not taken


@dataclass
class Clockwork:
    """Messages at a steady pace, and when each was written and came."""

    bench: Bench
    rooms: list[str]
    written: dict[str, float] = field(default_factory=dict)
    came: dict[str, float] = field(default_factory=dict)

    async def product_writes(self, chat: int) -> None:
        """A user of the product, who tries again under the same id whatever was not taken."""
        number = 0
        while True:
            ident, number = f"w{chat}.{number}", number + 1
            self.written[ident] = time.perf_counter()
            body = {"id": ident, "conversation": f"chat{chat}", "sender": f"u{chat}", "text": ident}
            body["sent_at"] = datetime.now(UTC).isoformat()
            while True:
                with suppress(aiohttp.ClientError):
                    await self.bench.product.call("POST", "/messages", body)
                    break
                await asyncio.sleep(_AGAIN)
            await asyncio.sleep(_EVERY)

    async def human_writes(self, chat: int) -> None:
        """The human of the homeserver, which keeps what it cannot hand over."""
        number = 0
        while True:
            text, number = f"h{chat}.{number}", number + 1
            self.written[text] = time.perf_counter()
            await self.bench.ben.say(self.rooms[chat], text)
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Note when the product is told that its messages have arrived; webhooks are noted by the product."""
        product = self.bench.product
        while True:
            now = time.perf_counter()
            for ident, state in product.told.items():
                if state in ("delivered", "read"):
                    self.came.setdefault(ident, now)
            self.came.update(product.arrived)
            await asyncio.sleep(0.02)

    def delays(self, around: list[float]) -> list[float]:
        """Seconds that each message took which was written around one of these times, in order."""
        near = [text for text, at in self.written.items() if any(-_BEFORE <= at - when <= _AFTER for when in around)]
        if lost := [text for text in near if text not in self.came]:
            raise RuntimeError(f"{len(lost)} messages have not come")
        return sorted(self.came[text] - self.written[text] for text in near)


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """See the names; ``quick``: one death only. Where no machine can be made none falls silent."""
    server, count = Postgres(durable=True), 1 if quick else 12
    await server.start()
    try:
        found = await _of_processes(folder / "processes", await server.create_database(), count)
        if can():
            found |= await _of_machines(folder / "machines", await server.create_database(), count)
        return found
    finally:
        await server.stop()


async def _of_processes(folder: Path, url: str, deaths: int) -> dict[str, float]:
    async with world(folder, _CHATS, database=url) as bench, AsyncExitStack() as stack:
        setup, product = bench.hub.setup, bench.product
        config = setup.folder / "hub.yaml"
        for _ in range(2):
            await stack.enter_async_context(hub(setup, product, config))

        async def die() -> None:
            os.kill(int((await _holder(url)).split(":")[1]), signal.SIGKILL)

        async def replace() -> None:
            await stack.enter_async_context(hub(setup, product, config))

        clockwork = Clockwork(bench, await rooms(bench, _CHATS))
        return await _deaths(clockwork, deaths, Death("worker", die, replace))


async def _of_machines(folder: Path, url: str, deaths: int) -> dict[str, float]:
    some = list[Machine]()
    silent = list[Machine]()

    @asynccontextmanager
    async def start(setup: Setup, product: Product) -> AsyncIterator[Hub]:
        setup.write(product)
        async with machines(setup, product, 2, sys.executable) as made:
            for one in made:
                one.run()
            some.extend(made)
            await ready(setup.port, made[0].log)
            product.hub = f"http://127.0.0.1:{setup.connect}/connect/v1"
            await _reached(product.hub)
            yield Hub(setup, os.getpid())

    async def die() -> None:
        pid = int((await _holder(url)).split(":")[1])
        silent[:] = [one for one in some if one.worker is not None and one.worker.pid == pid]
        silent[0].silent()

    async def replace() -> None:
        await silent[0].anew()

    async with world(folder, _CHATS, database=url, start=start) as bench:
        clockwork = Clockwork(bench, await rooms(bench, _CHATS))
        return await _deaths(clockwork, deaths, Death("machine", die, replace, after=10.0))


async def _reached(url: str) -> None:
    """Wait until HAProxy has seen that this port is served, too: it looks at each twice a second, one by one."""
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(url):  # whatever the answer
                    return
            await asyncio.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Death:
    """How somebody dies, and is replaced once messages flow again."""

    name: str
    die: Callable[[], Awaitable[None]]
    replace: Callable[[], Awaitable[None]]
    after: float = _AFTER  # s in which messages are counted


async def _deaths(clockwork: Clockwork, deaths: int, kind: Death) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        tasks = [asyncio.create_task(clockwork.look())]
        for chat in range(_CHATS):
            tasks += [asyncio.create_task(clockwork.product_writes(chat))]
            tasks += [asyncio.create_task(clockwork.human_writes(chat))]
        stack.callback(lambda: [task.cancel() for task in tasks])
        await asyncio.sleep(_AFTER)
        calm, died = time.perf_counter(), list[float]()
        await asyncio.sleep(2 * _AFTER)
        for _ in range(deaths):
            died.append(time.perf_counter())
            await kind.die()
            await asyncio.sleep(kind.after + 1)
            await kind.replace()  # takes a core for seconds: not meanwhile
            await asyncio.sleep(_AFTER)
        for task in tasks[1:]:
            task.cancel()
        async with asyncio.timeout(60):
            while len(clockwork.came) < len(clockwork.written):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        around, before = clockwork.delays(died), clockwork.delays([calm])
    found = {"p50_s": _at(around, 0.5), "p99_s": _at(around, 0.99), "max_s": around[-1], "deaths": float(deaths)}
    return {f"failover_{kind.name}_{what}": value for what, value in found.items()} | {
        f"failover_{kind.name}_none_p99_s": _at(before, 0.99)
    }


def _at(some: list[float], share: float) -> float:
    return some[min(len(some) - 1, int(len(some) * share))]


async def _holder(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SELECT holder FROM lease"))
    finally:
        await connection.close()
