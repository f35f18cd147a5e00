"""The hub is killed around every commit and every outgoing call: nothing is lost, comes twice, or out of order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.rig import Rig, rig
from tests.faults.traffic import Traffic

_REACHED = 20.0  # seconds in which a failpoint must be reached after a burst; only those never reached cost them


async def discover(world: Rig, traffic: Traffic) -> list[str]:
    """Every failpoint that the traffic of both directions passes."""
    seen = world.folder / "seen"
    world.start(seen=seen)
    await traffic.begin()
    for n in range(6):
        await traffic.burst(n)
    await traffic.settle()
    traffic.check()
    world.kill()
    names = sorted(set(seen.read_text().split()))
    print(f"\n{len(names)} failpoints")
    return names


async def kill_at(world: Rig, traffic: Traffic, name: str, n: int, burst: int) -> bool:
    """Start a hub that dies when it passes ``name`` for the n-th time, and give it a reason to."""
    world.start_quickly(f"{name}:{n}")
    for again in range(n):
        await traffic.burst(burst + again)
    if await world.died(_REACHED):
        return True
    world.kill()
    return False


async def verify(world: Rig, traffic: Traffic) -> None:
    """A hub that lives brings everything to its end."""
    world.start()
    await traffic.settle(30)
    traffic.check()
    world.kill()
    errors = [line for line in world.log.read_text().splitlines() if " ERROR " in line]
    assert errors == []


async def run(world: Rig, rounds: int, wanted: int = 0) -> None:
    """``rounds`` kills at each failpoint, and more until there are ``wanted``; looks at everything after each round."""
    traffic = Traffic(world)
    names = await discover(world, traffic)
    reached: set[str] = set()
    turn = 0
    while turn < rounds or world.kills < wanted:
        for number, name in enumerate(names):
            if await kill_at(world, traffic, name, turn % 3 + 1, number + turn):
                reached.add(name)
        await verify(world, traffic)
        turn += 1
        missed = sorted(set(names) - reached)
        print(f"round {turn}: {world.kills} kills, {len(traffic.said)} messages, never reached: {missed}", flush=True)
        assert len(missed) < len(names) / 20, missed


async def test_a_kill_at_every_failpoint(tmp_path: Path) -> None:
    async with rig(tmp_path) as world:
        await run(world, 1)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_three_hundred_kills(tmp_path: Path) -> None:
    async with rig(tmp_path) as world:
        await run(world, 5, wanted=300)
    assert world.kills >= 300


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.timeout(1800)
async def test_a_kill_at_every_failpoint_on_postgresql(tmp_path: Path) -> None:
    from deploy.demo.postgres import Postgres

    server = Postgres(durable=True)
    await server.start()
    try:
        async with rig(tmp_path, await server.create_database()) as world:
            await run(world, 1)
    finally:
        await server.stop()
