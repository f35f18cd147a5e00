"""The hub is killed around every commit and every outgoing call: nothing is lost, comes twice, or out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.rig import Rig, Zygote, rig
from tests.faults.traffic import Traffic

_GROUPS = 8  # each is a test with a hub of its own
_TRIES = 4  # bursts that differ; some failpoints are passed in one of them only


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """The process that all hubs of this file are forked from."""
    with Zygote() as made:
        yield made


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every failpoint that the traffic of both directions passes."""
    return asyncio.run(_discovered(tmp_path_factory.mktemp("discovery")))


async def _discovered(folder: Path) -> list[str]:
    seen = folder / "seen"
    async with rig(folder) as world:
        traffic = Traffic(world)
        world.start(seen=seen)
        await traffic.begin()
        for n in range(6):
            await traffic.burst(n)
        await traffic.settle()
        traffic.check()
    return sorted(set(seen.read_text().split()))


@dataclass
class Killing:
    """Kills at the failpoints of one list, on one world, and the looks at what came of them."""

    world: Rig
    zygote: Zygote
    names: Sequence[str]
    turn: int = 0
    reached: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.world)

    async def begin(self) -> None:
        """Make the conversations with a hub that lives."""
        self.world.start_quickly(self.zygote)
        await self.traffic.begin()
        await self.traffic.settle()
        self.world.kill()

    async def round(self) -> None:
        """One kill at each failpoint; then a hub that lives brings everything to its end."""
        for number, name in enumerate(self.names):
            if await self._kill_at(name, self.turn % 3 + 1, number + self.turn):
                self.reached.add(name)
        await self._verify()
        self.turn += 1
        missed = sorted(set(self.names) - self.reached)
        print(f"round {self.turn}: {self.world.kills} kills, {len(self.traffic.said)} messages, not reached: {missed}")
        assert missed == []

    async def _kill_at(self, name: str, n: int, burst: int) -> bool:
        """Start a hub that dies when it passes ``name`` for the n-th time, and give it reasons to."""
        self.world.start_quickly(self.zygote, f"{name}:{n}")
        for again in range(n + _TRIES):
            await self.traffic.burst(burst + again)
            if again >= n - 1 and await self.world.died(lambda: not self.traffic.left()):
                return True
        self.world.kill()
        return False

    async def _verify(self) -> None:
        self.world.start_quickly(self.zygote)
        await self.traffic.settle()
        self.traffic.check()
        self.world.kill()
        errors = [line for line in self.world.log.read_text().splitlines() if " ERROR " in line]
        assert errors == []


@pytest.mark.parametrize("group", range(_GROUPS))
async def test_a_kill_at_every_failpoint(tmp_path: Path, zygote: Zygote, names: list[str], group: int) -> None:
    async with rig(tmp_path) as world:
        killing = Killing(world, zygote, names[group::_GROUPS])
        await killing.begin()
        await killing.round()


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_three_hundred_kills(tmp_path: Path, zygote: Zygote, names: list[str]) -> None:
    async with rig(tmp_path) as world:
        killing = Killing(world, zygote, names)
        await killing.begin()
        while killing.turn < 5 or world.kills < 300:
            await killing.round()


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.timeout(1800)
async def test_a_kill_at_every_failpoint_on_postgresql(tmp_path: Path, zygote: Zygote, names: list[str]) -> None:
    from deploy.world.postgres import Postgres

    server = Postgres(durable=True)
    await server.start()
    try:
        async with rig(tmp_path, await server.create_database()) as world:
            killing = Killing(world, zygote, names)
            await killing.begin()
            await killing.round()
    finally:
        await server.stop()
