"""The hub's own processor time per message, each way; the stub of a homeserver runs in a process of its own."""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.db import Counts
from deploy.bench.hub import Hub, Setup, hub, hub_in_here
from deploy.bench.peers.peer import peer
from deploy.bench.product import Product, product
from deploy.bench.put import Put, putting
from deploy.world import process
from deploy.world.ports import free_port
from deploy.world.postgres import Postgres
from deploy.world.stub.human import Human
from deploy.world.synapse import ROOT

SERVER = "stub.example"
TEXT = "Bonjour, le compte rendu de la consultation de ce matin est disponible ; merci de me rappeler. "


_CLEAR = {"msgtype": "m.text", "body": TEXT}
TO_MATRIX, TO_PRODUCT = "to_matrix", "to_product"
Start = Callable[[Setup, Product], AbstractAsyncContextManager[Hub]]


@dataclass(frozen=True, slots=True)
class PerMessage:
    """:class:`bridge.db.Counts`, for one message of many."""

    statements: dict[str, float]
    transactions: float
    commits: float
    trips: float

    @classmethod
    def of(cls, done: Counts, messages: int) -> PerMessage:
        """The share of one."""
        statements = {name: n / messages for name, n in done.statements.most_common()}
        return cls(statements, done.transactions / messages, done.commits / messages, done.trips / messages)


@dataclass
class Bench:
    """A hub, the stub, one human and one product."""

    hub: Hub
    ben: Human
    product: Product


@asynccontextmanager
async def world(
    folder: Path,
    people: int,
    unlisted: int = 0,
    mail: Mapping[str, Any] | None = None,
    *,
    database: str | None = None,
    start: Start = hub,
) -> AsyncIterator[Bench]:
    """Everything but traffic."""
    port = free_port()
    setup = Setup(folder, f"http://127.0.0.1:{port}", SERVER, people, unlisted, mail, database)
    async with AsyncExitStack() as stack:
        [ben] = await stack.enter_async_context(homeserver(setup, port, "ben"))
        made = await stack.enter_async_context(product())
        running = await stack.enter_async_context(start(setup, made))
        joiner = asyncio.create_task(join_everything(ben))
        stack.callback(joiner.cancel)
        yield Bench(running, ben, made)


@asynccontextmanager
async def homeserver(setup: Setup, port: int, *humans: str) -> AsyncIterator[list[Human]]:
    """The stub in a process of its own, and its humans (localparts)."""
    command: list[str | Path] = [sys.executable, "-m", "deploy.world.stub.homeserver", "--port", str(port)]
    command += [word for human in humans for word in ("--human", human)]
    command += ["--server-name", setup.server_name, "--appservice", f"http://127.0.0.1:{setup.port}"]
    command += [f"--as-token={setup.as_token}", f"--hs-token={setup.hs_token}"]  # one may begin with a dash
    setup.folder.mkdir(parents=True, exist_ok=True)
    log = setup.folder / "stub.log"
    async with AsyncExitStack() as stack:
        stub = process.spawn([*command], process.Launch(log=log, cwd=ROOT))
        stack.push_async_callback(process.end, stub)
        async with asyncio.timeout(120):
            while len(told := _told(log)) < len(humans):
                if stub.poll() is not None:
                    raise RuntimeError(f"the homeserver did not start:\n{log.read_text()[-2000:]}")
                await asyncio.sleep(0.05)
        yield [await stack.enter_async_context(Human(setup.homeserver, *one)) for one in told]


def _told(log: Path) -> list[list[str]]:
    """User, device and token of each human, once the homeserver has said them; it may say other things before."""
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return [line.split() for line in lines if line.startswith("@") and line.endswith("\n")]


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


@dataclass
class Round:
    """Milliseconds of processor time in one round.

    Of a bare PUT; of mautrix-python's encrypted send on libolm, by whether it stores the session; of a message each way
    in each of the worlds.
    """

    put: float
    libolm: dict[bool, float]
    ways: dict[str, dict[str, float]]


Worlds = Mapping[str, tuple[Bench, list[str]]]
HUB, PEER = ("sqlite", "postgres"), ("peer_sqlite", "peer_postgres")


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """The figures: hubs, whole bridges of another library, and a process that only puts, in turns.

    So the machine's moods cancel out. The other bridges are made at the first use, and not for a quick look.
    """
    chats, count, rounds = (4, 40, 1) if quick else (16, 480, 5)
    async with AsyncExitStack() as stack:
        server = Postgres(durable=True)
        stack.push_async_callback(server.stop)
        await server.start()
        worlds: dict[str, tuple[Bench, list[str]]] = {}
        for name in HUB if quick else (*HUB, PEER[0]):  # on PostgreSQL the peer did not come to an end of making rooms
            database = await server.create_database() if name.endswith("postgres") else None
            start = peer if name in PEER else hub
            bench = await stack.enter_async_context(world(folder / name, chats, database=database, start=start))
            worlds[name] = bench, await rooms(bench, chats)
        sqlite = worlds["sqlite"][0]
        setup = sqlite.hub.setup
        whose = (setup.homeserver, setup.as_token, setup.ghost(0))
        put = await stack.enter_async_context(putting(*whose))
        libolm = await stack.enter_async_context(putting(*whose, module="deploy.bench.libolm"))
        content = next(event["content"] for _, event in reversed(sqlite.ben.events) if _encrypted(event))
        for each in (put, libolm):
            await each.cpu_ms(content, count, chats)  # warm
        found = [await _round(put, libolm, content, worlds, count) for _ in range(rounds)]
    return _figures(found) | await counts(folder / "counts", quick)


async def _round(put: Put, libolm: Put, content: dict[str, Any], worlds: Worlds, count: int) -> Round:
    puts, ways, chats = list[float](), dict[str, dict[str, float]](), 0
    for name, (bench, found) in worlds.items():
        chats = len(found)
        puts.append(await put.cpu_ms(content, count, chats))
        out = await to_matrix(bench, count, chats)
        puts.append(await put.cpu_ms(content, count, chats))
        ways[name] = {TO_MATRIX: out, TO_PRODUCT: await to_product(bench, count, found)}
    libolms = {stored: await libolm.cpu_ms(_CLEAR, count, chats, stored=stored) for stored in (False, True)}
    return Round(statistics.mean(puts), libolms, ways)


def _encrypted(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "m.room.encrypted")


def _figures(rounds: list[Round]) -> dict[str, float]:
    """Medians over the rounds; a share or a multiple is taken within each round. A peer's figure stands beside ours."""
    found = {
        "put_cpu_ms": statistics.median(r.put for r in rounds),
        "libolm_send_puts": statistics.median(r.libolm[False] / r.put for r in rounds),
        "libolm_stored_send_puts": statistics.median(r.libolm[True] / r.put for r in rounds),
    }
    shares, names = list[float](), rounds[0].ways

    def puts(name: str, way: str) -> float:
        return statistics.median(r.ways[name][way] / r.put for r in rounds)

    for way in (TO_MATRIX, TO_PRODUCT):
        found[f"hub_cpu_ms_per_message_{way}"] = statistics.median(r.ways["sqlite"][way] for r in rounds)
        for engine, whose in zip(("", "postgres_"), zip(HUB, PEER, strict=True), strict=True):
            for prefix, name in zip(("", "peer_"), whose, strict=True):
                if name in names:
                    found[f"{prefix}cpu_puts_{engine}{way}"] = puts(name, way)
        shares.append(statistics.median(r.ways["postgres"][way] / r.ways["sqlite"][way] for r in rounds))
    return found | {"cpu_postgres_share_of_sqlite": max(shares)}


async def counts(folder: Path, quick: bool) -> dict[str, float]:
    """What a message each way asks of the databases. Nothing of it depends on how fast the machine is."""
    found = dict[str, float]()
    server = Postgres()
    await server.start()
    try:
        for engine, url in (("sqlite", None), ("postgres", await server.create_database())):
            for way, done in (await counted(folder / engine, 4, 40 if quick else 400, url)).items():
                if engine == "postgres":
                    found[f"postgres_trips_per_message_{way}"] = done.trips
                    continue
                found[f"statements_per_message_{way}"] = sum(done.statements.values())
                found[f"transactions_per_message_{way}"] = done.transactions
                found[f"commits_per_message_{way}"] = done.commits
    finally:
        await server.stop()
    return found


async def counted(
    folder: Path, chats: int, count: int, database: str | None = None, *, each: int | None = None
) -> dict[str, PerMessage]:
    """What the database did for one message each way; the hub runs in this process.

    ``each``: so many (a multiple of ``chats``) are on their way at a time, and the hub comes to rest between them.
    """
    each, times = (each, count // each) if each else (count, 1)
    async with world(folder, chats, database=database, start=hub_in_here) as bench:
        now = bench.hub.counts
        assert now is not None
        found = await rooms(bench, chats)
        before = now.copy()
        for _ in range(times):
            await to_matrix(bench, each, chats)
        between = now.copy()
        for _ in range(times):
            await to_product(bench, each, found)
        ways = {TO_MATRIX: between.since(before), TO_PRODUCT: now.since(between)}
    return {way: PerMessage.of(done, count) for way, done in ways.items()}
