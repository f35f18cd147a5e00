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
_RARE = 0
_WORLDS = 7  # of the long run: about 1,500 kills
_TRIES = 4  # bursts that differ; some failpoints are passed in one of them only


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """The process that all hubs of this file are forked from."""
    with Zygote() as made:
        yield made


@dataclass(frozen=True)
class Passed:
    """The failpoints that a hub passes: with the traffic of both directions, and only in its very first start."""

    names: list[str]
    first: list[str]


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Passed:
    """What there is to be killed at."""
    return asyncio.run(_discovered(tmp_path_factory.mktemp("discovery")))


@pytest.fixture
def names(passed: Passed) -> list[str]:
    """Every failpoint that the traffic of both directions passes."""
    return passed.names


async def _discovered(folder: Path) -> Passed:
    seen, again = folder / "seen", folder / "again"
    async with rig(folder) as world:
        traffic = Traffic(world)
        world.start(seen=seen)
        await world.ready()
        start = set(seen.read_text().split())
        await traffic.begin()
        for n in range(12):
            await traffic.burst(n)
            if n == 5:
                await traffic.settle()
                world.kill()
                world.start(seen=again)
        await traffic.settle()
        traffic.check()
    later = set(again.read_text().split())
    return Passed(sorted(later | set(seen.read_text().split()) - start), sorted(start - later))


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
        print(f"round {self.turn}: {self.world.kills} kills, {len(self.traffic.said)} messages, missed: {self.missed}")

    @property
    def missed(self) -> list[str]:
        """The failpoints that no hub has passed yet when it was to die there."""
        return sorted(set(self.names) - self.reached)

    async def _kill_at(self, name: str, n: int, burst: int) -> bool:
        """Start a hub that dies when it passes ``name`` for the n-th time, and give it reasons to.

        A second one is started if the first has no reason left: some places are passed at a start that finds something.
        """
        for tries in (n + _TRIES, n):
            self.world.start_quickly(self.zygote, f"{name}:{n}")
            for again in range(tries):
                await self.traffic.burst(burst + again)
                if again >= n - 1 and await self.world.died(self.traffic.left):
                    return True
            self.world.kill()
        return False

    async def _verify(self) -> None:
        self.world.start_quickly(self.zygote)
        await self.traffic.settle()
        self.traffic.check()
        self.world.kill()
        lines = self.world.log.read_text().splitlines()
        assert [line for line in lines if " ERROR " in line] == []
        late = [line for line in lines if "without its place" in line]
        assert late == [], "a message was held until the longest wait was over"


@pytest.mark.parametrize("group", range(_GROUPS))
async def test_a_kill_at_every_failpoint(tmp_path: Path, zygote: Zygote, names: list[str], group: int) -> None:
    async with rig(tmp_path) as world:
        killing = Killing(world, zygote, names[group::_GROUPS])
        await killing.begin()
        await killing.round()
    assert killing.missed == []


async def test_a_kill_in_the_very_first_start(tmp_path: Path, zygote: Zygote, passed: Passed) -> None:
    """What a new database is given once: a hub that dies over it starts as if nothing had been."""
    for name in passed.first:
        (folder := tmp_path / name).mkdir()
        async with rig(folder) as world:
            world.start_quickly(zygote, f"{name}:1")
            assert await world.died(lambda: 1), name
            traffic = Traffic(world)
            world.start_quickly(zygote)
            await traffic.begin()
            await traffic.burst(0)
            await traffic.settle()
            traffic.check()
    assert passed.first


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_twenty_one_rounds_of_kills(tmp_path: Path, zygote: Zygote, names: list[str]) -> None:
    """Three rounds in a world, the first, second and third passing of each place; then a new world."""
    for n in range(_WORLDS):
        (folder := tmp_path / str(n)).mkdir()
        async with rig(folder) as world:
            killing = Killing(world, zygote, names)
            await killing.begin()
            while killing.turn < 3:
                await killing.round()
        assert killing.missed == []


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
            while killing.missed and killing.turn < 5:
                await killing.round()
        assert killing.missed == []
    finally:
        await server.stop()
