"""What a message costs every part of a site: the hub, PostgreSQL, Synapse. Measured, for the nation on paper.

Messages come at the pace of a large site, not as fast as they can. Processor time of every process is counted by the
kernel, so that it matters little what else the machine does; it is given beside a bare PUT of the same run. All parts
are on one machine here, and none waits for a network.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

from deploy.bench import child, cost, real
from deploy.bench.put import putting
from deploy.world.postgres import Postgres

_CHATS, _COUNT, _ROUNDS = 16, 320, 3
_PACE = 50.0  # messages a second, as the largest site of a nation has in its peak hour
Way = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one message, the mean of both ways; ms of processor time. ``put``: of a bare PUT in the same minutes.

    ``hub_full``, ``postgres_full``: when messages come as fast as they can, and many share a commit.
    """

    put: float
    hub: float
    postgres: float
    synapse: float
    wal_bytes: float
    commits: float
    kept_bytes: float
    hub_full: float
    postgres_full: float


async def measured(folder: Path) -> Costs:
    """Everything, one after the other."""
    put, paced, full = await _database(folder / "postgres")
    synapse = await _homeserver(folder / "synapse")
    hub, postgres, wal, commits, kept = paced
    return Costs(put, hub, postgres, synapse, wal, commits, kept, full[0], full[1])


async def _database(folder: Path) -> tuple[float, list[float], list[float]]:
    """ms of a PUT; then at the pace and as fast as they can: ms of the hub and of PostgreSQL, bytes of its log,
    commits, bytes that stay."""
    async with AsyncExitStack() as stack:
        server = Postgres(durable=True)
        stack.push_async_callback(server.stop)
        await server.start()
        url = await server.create_database()
        bench = await stack.enter_async_context(cost.world(folder, _CHATS, database=url))
        setup = bench.hub.setup
        put = await stack.enter_async_context(putting(setup.homeserver, setup.as_token, setup.ghost(0)))
        found = await cost.rooms(bench, _CHATS)
        content = next(
            event["content"] for _, event in reversed(bench.ben.events) if event["type"] == "m.room.encrypted"
        )
        own = await asyncpg.connect(url)
        stack.push_async_callback(own.close)

        async def spent(way: Callable[[cost.Bench, list[str]], Awaitable[None]]) -> list[float]:
            before = [bench.hub.cpu_ms(), *await _state(server, own)]
            await way(bench, found)
            await bench.hub.quiet()
            after = [bench.hub.cpu_ms(), *await _state(server, own)]
            return [(b - a) / (2 * _COUNT) for a, b in zip(before, after, strict=True)]

        puts, paced, full = list[float](), list[list[float]](), list[list[float]]()
        for _ in range(_ROUNDS):
            puts.append(await put.cpu_ms(content, _COUNT, _CHATS))
            paced.append(await spent(_paced))
            full.append(await spent(_at_once))
        return statistics.median(puts), _medians(paced), _medians(full)


def _medians(rounds: list[list[float]]) -> list[float]:
    return [statistics.median(one) for one in zip(*rounds, strict=True)]


async def _at_once(bench: cost.Bench, found: list[str]) -> None:
    """Messages one way, then the other, as fast as they can."""
    await cost.to_matrix(bench, _COUNT, _CHATS)
    await cost.to_product(bench, _COUNT, found)


async def _paced(bench: cost.Bench, found: list[str]) -> None:
    """Messages each way at a pace: what comes at once shares commits and connections, and costs less."""
    known, sent = len(bench.product.arrived), list[asyncio.Task[str]]()
    said = set[asyncio.Task[str]]()
    for n in range(_COUNT):
        chat = n % _CHATS
        sent.append(asyncio.create_task(bench.product.write(f"u{chat}", f"chat{chat}", f"{cost.TEXT}{n}")))
        said.add(asyncio.create_task(bench.ben.say(found[chat], f"{cost.TEXT}{n}/{known}")))
        await asyncio.sleep(2 / _PACE)
    await asyncio.gather(*said)
    await bench.product.delivered([await one for one in sent])
    await bench.product.until(lambda: len(bench.product.arrived) >= known + _COUNT)


async def _state(server: Postgres, own: asyncpg.Connection) -> list[float]:
    """So far: ms of all its processes, bytes of the log, commits, bytes of the database."""
    first = int((server.directory / "data" / "postmaster.pid").read_text().split()[0])
    row = await own.fetchrow(
        "SELECT pg_current_wal_lsn() - '0/0' AS wal, pg_database_size(current_database()) AS size,"
        " (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS commits"
    )
    assert row is not None
    return [family_ms(first), float(row["wal"]), float(row["commits"]), float(row["size"])]


def family_ms(first: int) -> float:
    """Processor time of a process and its children, also of those who have ended."""
    ended = Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()
    done = (int(ended[13]) + int(ended[14])) * 10.0  # cutime and cstime, in ticks of 10 ms
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return done + child.cpu_ms(first) + sum(child.cpu_ms(int(pid)) for pid in children)


async def _homeserver(folder: Path) -> float:
    """ms of Synapse for a message through the hub: it takes it, pushes it, and shows it to a person who syncs."""
    async with real.world(folder, _CHATS, 0) as w:
        assert w.server.pid is not None
        found, took = await cost.rooms(w.bench, _CHATS), list[float]()
        for _ in range(_ROUNDS):
            before = child.cpu_ms(w.server.pid)
            await cost.to_matrix(w.bench, _COUNT // 4, _CHATS)
            await cost.to_product(w.bench, _COUNT // 4, found)
            took.append((child.cpu_ms(w.server.pid) - before) / (_COUNT // 2))
        return statistics.median(took)


def as_json(costs: Costs) -> dict[str, float]:
    """As it is written down."""
    return {name: round(value, 3) for name, value in asdict(costs).items()}
