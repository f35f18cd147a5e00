"""Beside a real Synapse: throughput and latency as shares of what the same server does without a hub."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from aiohttp import web

from appservice.client.homeserver import Homeserver
from deploy.bench.cost import TEXT, Bench, join_everything, joined, rooms
from deploy.bench.hub import Setup, hub, rpps
from deploy.bench.product import Product, product
from deploy.world.certificates import Authority
from deploy.world.stub.human import Human
from deploy.world.synapse import Synapse

Json = dict[str, Any]
_CLIENT = "/_matrix/client/v3"


class Bare:
    """An application service of ten lines: ghosts, rooms, sends; it answers every transaction at once."""

    def __init__(self, server: Synapse, port: int, token: str) -> None:
        self.server, self.token = server, token
        self.registration = {
            "id": "bare", "url": f"http://127.0.0.1:{port}", "as_token": token, "hs_token": secrets.token_urlsafe(24),
            "sender_localpart": "bare-unused", "rate_limited": False, "receive_ephemeral": True,
            "org.matrix.msc3202": True, "io.element.msc4190": True,
            "namespaces": {"users": [{"exclusive": True, "regex": "@bare_.*"}], "aliases": [], "rooms": []},
        }  # fmt: skip
        self._calls: Homeserver | None = None

    async def call(self, method: str, path: str, body: Json, user: str, device: str | None = None) -> Json:
        """One call as a ghost."""
        assert self._calls is not None
        return await self._calls.call(method, _CLIENT + path, body, user=user, device=device)

    def ghost(self, n: int) -> str:
        """The n-th."""
        return f"@bare_{n}:{self.server.name}"

    async def make(self, n: int) -> None:
        """Register the n-th ghost and give it a device, without any keys."""
        assert self._calls is not None
        body = {"type": "m.login.application_service", "username": f"bare_{n}", "inhibit_login": True}
        await self._calls.call("POST", f"{_CLIENT}/register", body)
        await self.call("PUT", "/devices/BARE", {}, self.ghost(n))

    async def room(self, n: int, human: Human) -> str:
        """A room of the n-th ghost with the human in it."""
        old = joined(human)
        state = [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
        body = {"preset": "private_chat", "invite": [human.mxid], "initial_state": state}
        answer = await self.call("POST", "/createRoom", body, self.ghost(n))
        async with asyncio.timeout(30):
            while not joined(human) - old:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return str(answer["room_id"])

    async def send(self, n: int, room: str, content: Json) -> str:
        """PUT /send; gives the event."""
        path = f"/rooms/{quote(room, safe='')}/send/m.room.encrypted/{secrets.token_hex(8)}"
        return str((await self.call("PUT", path, content, self.ghost(n), "BARE"))["event_id"])


@asynccontextmanager
async def bare_service(server: Synapse) -> AsyncIterator[Bare]:
    """The bare application service, answering."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"{}", content_type="application/json")

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    token = secrets.token_urlsafe(24)
    made = Bare(server, runner.addresses[0][1], token)
    async with Homeserver(server.hub_url, token) as made._calls:
        yield made
    await runner.cleanup()


@dataclass
class World:
    """A Synapse with a hub, a bare application service and people."""

    server: Synapse
    setup: Setup
    bare: Bare
    bench: Bench
    humans: Callable[[str], Awaitable[Human]]


@asynccontextmanager
async def world(
    folder: Path, people: int, unlisted: int, mail: Mapping[str, Any] | None = None, server: Synapse | None = None
) -> AsyncIterator[World]:
    """Everything, started; ``server``: beside this one."""
    async with AsyncExitStack() as stack:
        server = server or Synapse(folder / "synapse", Authority(folder / "ca"))
        setup = Setup(folder / "hub", server.hub_url, server.name, people, unlisted, mail)
        bare = await stack.enter_async_context(bare_service(server))
        for name, registration in (("liaison", setup.registration()), ("bare", bare.registration)):
            path = folder / f"{name}.yaml"
            path.write_text(yaml.safe_dump(registration))
            server.registrations.append(path)
        made = await stack.enter_async_context(product())
        stack.push_async_callback(server.stop)
        await server.start()
        running = await stack.enter_async_context(hub(setup, made))

        async def human(name: str) -> Human:
            user = await server.register_user(name, secrets.token_hex(8))
            one = Human(server.url, user["user_id"], user["device_id"], user["access_token"])
            await stack.enter_async_context(one)
            joiner = asyncio.create_task(join_everything(one))
            stack.callback(joiner.cancel)
            return one

        bench = Bench(running, await human("ben"), made)
        yield World(server, setup, bare, bench, human)


# ---- throughput


async def throughput(w: World, chats: int, each: int, rounds: int) -> dict[str, float]:
    """Messages a second, the hub's and bare sends in turns: as many rooms, one message under way in each."""
    await rooms(w.bench, chats, "fast")
    content = next(e["content"] for _, e in reversed(w.bench.ben.events) if _from_ghost(e))
    await gathered(w.bare.make(n) for n in range(chats))
    found = [await w.bare.room(n, w.bench.ben) for n in range(chats)]
    ours, theirs = list[float](), list[float]()
    for _ in range(rounds):
        theirs.append(await timed(bare_round(w.bare, found, each, content)) / (chats * each))
        await w.bench.hub.quiet()
        ours.append(await timed(_hub_round(w.bench.product, chats, each)) / (chats * each))
        await w.bench.hub.quiet()
    shares = [bare / own for bare, own in zip(theirs, ours, strict=True)]
    return {
        "throughput_hub_messages_per_s": 1 / statistics.median(ours),
        "throughput_bare_messages_per_s": 1 / statistics.median(theirs),
        "throughput_share_of_bare": statistics.median(shares),
    }


def _from_ghost(event: Json) -> bool:
    return event["type"] == "m.room.encrypted" and str(event["sender"]).startswith("@rpps_")


async def bare_round(bare: Bare, found: Sequence[str], each: int, content: Json) -> None:
    """Bare sends to every room, one at a time in each."""

    async def sender(n: int, room: str) -> None:
        for _ in range(each):
            await bare.send(n, room, content | {"ciphertext": secrets.token_hex(len(content["ciphertext"]) // 2)})

    await asyncio.gather(*(sender(n, room) for n, room in enumerate(found)))


async def _hub_round(made: Product, chats: int, each: int) -> None:
    async def writer(n: int) -> list[str]:
        return [await made.write(f"u{n}", f"fast{n}", f"{TEXT}{k}") for k in range(each)]

    idents = await asyncio.gather(*(writer(n) for n in range(chats)))
    await made.delivered([ident for some in idents for ident in some])


async def timed(work: Awaitable[None]) -> float:
    """The seconds that this takes."""
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


# ---- latency


async def latency(w: World, count: int) -> dict[str, float]:
    """From the start of the sender's call to the moment the receiver can read it; one message under way at a time."""
    ben, made = w.bench.ben, w.bench.product
    [room] = await rooms(w.bench, 1, "slow")
    anna = await w.humans("anna")
    private = await anna.create_room(ben.mxid)
    async with asyncio.timeout(30):
        while private not in joined(ben):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await anna.say(private, "warm native")
    await ben.heard("warm native")
    native, to_matrix, to_product = list[float](), list[float](), list[float]()
    for n in range(count):
        native.append(await timed(native_message(anna, ben, private, f"native {n}.")))
        to_matrix.append(await timed(_out(made, ben, f"out {n}.")))
        start = time.perf_counter()
        await ben.say(room, f"in {n}.")
        await made.until(lambda text=f"in {n}.": text in made.arrived)
        to_product.append(made.arrived[f"in {n}."] - start)
        ben.seen.clear()
    return _times(native=native, to_matrix=to_matrix, to_product=to_product)


async def native_message(anna: Human, ben: Human, room: str, text: str) -> None:
    """From one person to another, without any hub."""
    await asyncio.gather(anna.say(room, text), ben.heard(text))


async def _out(made: Product, ben: Human, text: str) -> None:
    await asyncio.gather(made.write("u0", "slow0", text), ben.heard(text))


def _times(**series: Sequence[float]) -> dict[str, float]:
    found = {}
    for name, seconds in series.items():
        found[f"latency_{name}_median_ms"] = statistics.median(seconds) * 1000
        found[f"latency_{name}_p99_ms"] = sorted(seconds)[max(0, int(len(seconds) * 0.99) - 1)] * 1000
    for way in ("to_matrix", "to_product"):
        for kind in ("median", "p99"):
            added = found[f"latency_{way}_{kind}_ms"] - found[f"latency_native_{kind}_ms"]
            found[f"latency_added_{way}_{kind}_ms"] = added
    return found


# ---- ghosts


async def ghosts(w: World, first: int, count: int) -> dict[str, float]:
    """Wall time to make ghosts with device and cross-signed keys, beside register and device alone; 4 at once each."""
    bare = await timed(_all(gathered((w.bare.make(1000 + n) for n in range(count)), 4)))
    numbers = range(first, first + count)
    start = time.perf_counter()
    for n in numbers:
        await w.bench.product.declare(f"u{n}", rpps(n))
    await _with_keys(w, [w.setup.ghost(n) for n in numbers])
    own = time.perf_counter() - start
    return {
        "ghost_wall_ms": own * 1000 / count,
        "ghost_bare_wall_ms": bare * 1000 / count,
        "ghost_wall_ratio": own / bare,
    }


async def _with_keys(w: World, users: Sequence[str]) -> None:
    body: Json = {"device_keys": {user: [] for user in users}}
    async with asyncio.timeout(120), Homeserver(w.server.url, w.setup.as_token) as calls:
        while True:
            answer = await calls.call("POST", f"{_CLIENT}/keys/query", body, user=users[0])
            keys, masters = answer["device_keys"], answer["master_keys"]
            if all(keys.get(user) and user in masters for user in users):
                return
            await asyncio.sleep(0.1)


async def _all(work: Awaitable[Any]) -> None:
    await work


async def gathered(work: Any, at_once: int = 8) -> None:
    """Do all of it, some ``at_once``."""
    slots = asyncio.Semaphore(at_once)

    async def one(job: Awaitable[Any]) -> None:
        async with slots:
            await job

    await asyncio.gather(*(one(job) for job in work))


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """The figures."""
    chats, each, rounds, times, new = (3, 3, 1, 5, 4) if quick else (16, 24, 7, 120, 40)
    async with world(folder, chats, new) as w:
        found = await latency(w, times)
        found |= await throughput(w, chats, each, rounds)
        return found | await ghosts(w, chats, new)
