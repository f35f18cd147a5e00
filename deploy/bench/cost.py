"""The hub's own processor time per message, each way, beside a stub of a homeserver that runs in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.bench.hub import Hub, Setup, hub
from deploy.bench.product import Product, product
from deploy.demo import process
from deploy.demo.ports import free_port
from deploy.demo.synapse import ROOT
from tests.far.stub_human import Human

SERVER = "stub.example"
TEXT = "Bonjour, le compte rendu de la consultation de ce matin est disponible ; merci de me rappeler. "


@dataclass
class Bench:
    """A hub, the stub, one human and one product."""

    hub: Hub
    ben: Human
    product: Product


@asynccontextmanager
async def world(folder: Path, people: int, unlisted: int = 0) -> AsyncIterator[Bench]:
    """Everything but traffic."""
    port = free_port()
    setup = Setup(folder, f"http://127.0.0.1:{port}", SERVER, people, unlisted)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.far.stub_homeserver",
        "--port",
        str(port),
        "--human",
        "ben",
    ]
    command += ["--server-name", SERVER, "--appservice", f"http://127.0.0.1:{setup.port}"]
    command += ["--as-token", setup.as_token, "--hs-token", setup.hs_token]
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "stub.log"
    async with AsyncExitStack() as stack:
        stub = process.spawn([*command], process.Launch(log=log, cwd=ROOT))
        stack.push_async_callback(process.end, stub)
        async with asyncio.timeout(30):
            while not log.exists() or log.read_text().count("\n") < 2:
                await asyncio.sleep(0.05)
        mxid, device, token = log.read_text().splitlines()[1].split()
        ben = await stack.enter_async_context(Human(setup.homeserver, mxid, device, token))
        made = await stack.enter_async_context(product())
        running = await stack.enter_async_context(hub(setup, made))
        joiner = asyncio.create_task(join_everything(ben))
        stack.callback(joiner.cancel)
        yield Bench(running, ben, made)


async def join_everything(human: Human) -> None:
    """Accept every invitation."""
    while True:
        await human.member(await human.invited(1e9), "join")


async def rooms(bench: Bench, count: int) -> list[str]:
    """Let the n-th professional begin a chat with ben, for each of ``count``; gives the rooms, and all know all keys."""
    found = []
    for n in range(count):
        before = set(bench.ben._members) | {room for room, _ in bench.ben.events}
        ident = await bench.product.write(f"u{n}", f"chat{n}", "start", f"matrix:{bench.ben.mxid}")
        await bench.product.delivered([ident])
        joined = await bench.ben.event(lambda e, old=before: _joined(e, bench.ben.mxid, old))  # type: ignore[misc]
        found.append(str(joined["room_id"]))
        bench.ben.events.clear()
    for n, room in enumerate(found):
        await bench.ben.say(room, f"warm {n}")
        ident = await bench.product.write(f"u{n}", f"chat{n}", "warm")
        await bench.product.delivered([ident])
    await bench.product.until(lambda: all(f"warm {n}" in bench.product.arrived for n in range(count)))
    await bench.hub.quiet()
    return found


def _joined(event: dict[str, object], mxid: str, old: set[str]) -> bool:
    return event.get("type") == "m.room.member" and event.get("state_key") == mxid and event.get("room_id") not in old


async def to_matrix(bench: Bench, count: int, chats: int) -> float:
    """Milliseconds of the hub's processor per message from the product to an encrypted room, the news of it included."""
    before = bench.hub.cpu_ms()

    async def writer(n: int) -> list[str]:
        return [await bench.product.write(f"u{n}", f"chat{n}", f"{TEXT}{k}") for k in range(count // chats)]

    idents = await asyncio.gather(*(writer(n) for n in range(chats)))
    sent = [ident for some in idents for ident in some]
    await bench.product.delivered(sent)
    await bench.hub.quiet()
    return (bench.hub.cpu_ms() - before) / len(sent)


async def to_product(bench: Bench, count: int, found: list[str]) -> float:
    """Milliseconds of the hub's processor per message from an encrypted room to the product."""
    before, known = bench.hub.cpu_ms(), len(bench.product.arrived)

    async def talker(n: int, room: str) -> None:
        for k in range(count // len(found)):
            await bench.ben.say(room, f"{TEXT}{n}/{k}/{before}")

    await asyncio.gather(*(talker(n, room) for n, room in enumerate(found)))
    sent = count // len(found) * len(found)
    await bench.product.until(lambda: len(bench.product.arrived) >= known + sent)
    await bench.hub.quiet()
    return (bench.hub.cpu_ms() - before) / sent


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """The figures."""
    chats, count = (4, 80) if quick else (16, 3200)
    async with world(folder, chats) as bench:
        found = await rooms(bench, chats)
        return {
            "hub_cpu_ms_per_message_to_matrix": await to_matrix(bench, count, chats),
            "hub_cpu_ms_per_message_to_product": await to_product(bench, count, found),
        }
