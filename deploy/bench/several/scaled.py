"""The same messages beside a Synapse of one process and beside one of many, both on PostgreSQL, in the same run.

With fewer cores than processes the many are not faster. So the work of each process is counted as well: the busiest one
is the limit where cores are free.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.bench.real import World, throughput, world
from deploy.world.certificates import Authority
from deploy.world.postgres import Postgres
from deploy.world.scaled.server import ScaledSynapse
from deploy.world.synapse import Options, Synapse

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """The figures."""
    postgres = Postgres()
    await postgres.start()
    try:
        async with _one(folder / "one", postgres, quick) as w:
            one, one_cpu = await _measured(w, quick)
        async with _many(folder / "many", postgres, quick) as w:
            many, many_cpu = await _measured(w, quick)
    finally:
        await postgres.stop()
    whole = sum(one_cpu.values())
    return {
        "scaled_one_hub_messages_per_s": one["throughput_hub_messages_per_s"],
        "scaled_hub_messages_per_s": many["throughput_hub_messages_per_s"],
        "scaled_hub_share_of_one": many["throughput_hub_messages_per_s"] / one["throughput_hub_messages_per_s"],
        "scaled_bare_share_of_one": many["throughput_bare_messages_per_s"] / one["throughput_bare_messages_per_s"],
        "scaled_one_cpu_ms_per_message": whole,
        "scaled_cpu_share_of_one": sum(many_cpu.values()) / whole,
        "scaled_busiest_cpu_share_of_one": max(many_cpu.values()) / whole,
        **{f"scaled_cpu_ms_{name.replace('-', '_')}": spent for name, spent in sorted(many_cpu.items()) if spent > 0.5},
    }


def _size(quick: bool) -> tuple[int, int, int]:
    """Rooms, messages in each, rounds of it."""
    return (3, 3, 1) if quick else (8, 16, 3)


async def _measured(w: World, quick: bool) -> tuple[dict[str, float], dict[str, float]]:
    """The rates, and the milliseconds that each process of the homeserver works for a message, bare or the hub's."""
    chats, each, rounds = _size(quick)
    before = _worked(w.server)
    found = await throughput(w, chats, each, rounds)
    count = 2 * chats * each * rounds
    return found, {name: (ticks - before.get(name, 0)) * _TICK_MS / count for name, ticks in _worked(w.server).items()}


def _worked(server: Synapse) -> dict[str, int]:
    """Clock ticks of each process (proc(5): utime and stime)."""
    found = {}
    for name, pid in server.pids.items():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[name] = int(fields[11]) + int(fields[12])
    return found


@asynccontextmanager
async def _one(folder: Path, postgres: Postgres, quick: bool) -> AsyncIterator[World]:
    url = await postgres.create_database()
    own = {"user": "postgres", "host": "127.0.0.1", "port": str(postgres.port), "dbname": url.rpartition("/")[2]}
    settings = {"database": {"name": "psycopg2", "args": own | {"cp_min": 1, "cp_max": 10}}}
    server = Synapse(folder / "synapse", Authority(folder / "ca"), options=Options(settings=settings))
    async with world(folder, _size(quick)[0], 0, server=server) as made:
        yield made


@asynccontextmanager
async def _many(folder: Path, postgres: Postgres, quick: bool) -> AsyncIterator[World]:
    server = ScaledSynapse(folder / "synapse", Authority(folder / "ca"), postgres, workers=2)
    try:
        async with world(folder, _size(quick)[0], 0, server=server) as made:
            yield made
    finally:
        await server.close()
