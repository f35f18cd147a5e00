"""The hub's own processor time per message, each way; the stub of a homeserver runs in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
async def world(
    folder: Path, people: int, unlisted: int = 0, mail: Mapping[str, Any] | None = None
) -> AsyncIterator[Bench]:
    """Everything but traffic."""
    port = free_port()
    setup = Setup(folder, f"http://127.0.0.1:{port}", SERVER, people, unlisted, mail)
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
        async with asyncio.timeout(120):
            while not (told := _told(log)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        mxid, device, token = told
        ben = await stack.enter_async_context(Human(setup.homeserver, mxid, device, token))
        made = await stack.enter_async_context(product())
        running = await stack.enter_async_context(hub(setup, made))
        joiner = asyncio.create_task(join_everything(ben))
        stack.callback(joiner.cancel)
        yield Bench(running, ben, made)


def _told(log: Path) -> list[str]:
    """User, device and token of the human, once the homeserver has said them; it may say other things before."""
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return next((line.split() for line in lines if line.startswith("@ben:") and line.endswith("\n")), [])


async def join_everything(human: Human) -> None:
    """Accept every invitation."""
    while True:
        await human.member(await human.invited(1e9), "join")


async def rooms(bench: Bench, count: int, name: str = "chat") -> list[str]:
    """Let the n-th professional begin a chat with the human, for each of ``count``; in the end all know all keys."""
    ben, found, old = bench.ben, list[str](), joined(bench.ben)
    for n in range(count):
        ident = await bench.product.write(f"u{n}", f"{name}{n}", "start", f"matrix:{ben.mxid}")
        await bench.product.delivered([ident])
        async with asyncio.timeout(30):
            while not (new := joined(ben) - old):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        found += new
        old |= new
    for n, room in enumerate(found):
        await ben.say(room, f"warm {name} {n}")
        await bench.product.delivered([await bench.product.write(f"u{n}", f"{name}{n}", "warm")])
    await bench.product.until(lambda: all(f"warm {name} {n}" in bench.product.arrived for n in range(count)))
    await bench.hub.quiet()
    return found


def joined(human: Human) -> set[str]:
    """The rooms in which this human has seen herself join."""
    return {room for room, event in human.events if event["type"] == "m.room.member" and _joins(event, human.mxid)}


def _joins(event: dict[str, Any], mxid: str) -> bool:
    return event.get("state_key") == mxid and event["content"].get("membership") == "join"


async def to_matrix(bench: Bench, count: int, chats: int) -> float:
    """Milliseconds of the hub's processor per message from the product to an encrypted room, news of it included."""
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
