"""The primary dies in the middle of traffic, and another takes over: the hub goes on by itself, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from bridge.db.looking import look
from bridge.db.postgres import durability, session
from deploy.world.patroni.cluster import Cluster
from deploy.world.waiting import until, wait_for
from tests.faults.cluster import Delays, Ratchets
from tests.faults.rig import Rig, rig
from tests.faults.traffic import Traffic
from tests.faults.wire import wire

pytestmark = [pytest.mark.postgres, pytest.mark.real_time]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three nodes for the whole file; every test leaves all of them alive."""
    made = Cluster()
    asyncio.run(made.start())
    yield made
    asyncio.run(made.stop())


class Story:
    """A hub before a cluster, and its traffic."""

    def __init__(self, url: str, world: Rig) -> None:
        self.world = world
        self.traffic = Traffic(world)
        self.ratchets = Ratchets(url, world)
        self._bursts = 0

    async def begin(self) -> None:
        """The hub starts, and everybody has begun to talk."""
        self.world.start()
        await self.world.ready()
        await self.traffic.begin()
        await self.burst()
        await self.ratchets.look()

    async def burst(self) -> None:
        """Something of everything, without waiting for its end."""
        await self.traffic.burst(self._bursts)
        self._bursts += 1

    async def during(self, trouble: Callable[[], Awaitable[object]]) -> None:
        """It happens in the middle of traffic; everything comes to its end by the same process, nothing goes back."""
        before = asyncio.create_task(self.burst())
        await asyncio.sleep(0.05)
        await trouble()
        await before
        await self.burst()
        await self.verify()

    async def verify(self) -> None:
        """Nothing is lost, comes twice or out of order, or with an old key."""
        await self.traffic.settle()
        self.traffic.check()
        assert not self.world.dead
        await self.ratchets.look()
        assert self.ratchets.check() > 0
        errors = [line for line in self.world.log.read_text().splitlines() if " ERROR " in line]
        assert [line for line in errors if "ALARM the database fails" not in line] == []


@asynccontextmanager
async def story(folder: Path, url: str) -> AsyncIterator[Story]:
    """One hub whose database is at ``url``."""
    async with rig(folder, url) as world:
        made = Story(url, world)
        await made.begin()
        yield made


async def test_the_primary_dies_in_the_middle_of_traffic(tmp_path: Path, cluster: Cluster) -> None:
    async with story(tmp_path, await cluster.create_database()) as told:
        primary = await cluster.primary()
        await told.during(primary.die)
        assert await cluster.primary() is not primary
        replica = (await cluster.synchronous()).url("postgres")
        with pytest.raises(asyncpg.ConnectionDoesNotExistError, match="cannot write"):
            await session.connect(replica)
        assert [what for what, _ in (await look(replica, ())).troubles] == [durability.REPLICA[0]]
        assert (await look(cluster.url("postgres"), ())).remarks[1:] == []  # the first: it is empty
        primary.start()
        await until(lambda: "another server has taken the database over; it has all" in told.world.log.read_text())


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_a_replica_that_nobody_waited_for_takes_over(tmp_path: Path, cluster: Cluster) -> None:
    """What it lacks is lost, and `liaison check` says so before. No key that it holds is used a second time."""
    async with story(tmp_path, await cluster.create_database()) as told:
        await cluster.configure({"synchronous_mode": False, "synchronous_mode_strict": False})
        try:
            await wait_for(lambda: _alone(cluster), "asynchronous replicas")
            assert "asynchronous" in (await look(cluster.url("postgres"), ())).remarks[-1][0]
            await told.burst()
            await asyncio.sleep(4)  # the hub looks at the settings
            primary = await cluster.primary()
            await primary.die()
            await until(lambda: "may lack what was acknowledged last" in told.world.log.read_text())
            primary.start()
            for _ in range(3):
                await told.burst()
            await told.traffic.settle()
            told.ratchets.check()
        finally:
            await cluster.configure({"synchronous_mode": True, "synchronous_mode_strict": True})
            await cluster.whole()


async def _alone(cluster: Cluster) -> bool:
    connection = await asyncpg.connect(cluster.url("postgres"))
    try:
        return not await connection.fetchval("show synchronous_standby_names")
    finally:
        await connection.close()


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_primaries_die_and_change_again_and_again(tmp_path: Path, cluster: Cluster) -> None:
    async with story(tmp_path, await cluster.create_database()) as told:
        deaths, plans = Delays(told.traffic), Delays(told.traffic)
        for n in range(4):
            await cluster.whole()
            primary = await cluster.primary()
            if n % 2:
                await plans.during(cluster.switch_over)
            else:
                await deaths.during(primary.die)
                primary.start()
            await told.during(cluster.whole)
        told.world.kill()
        told.world.start()  # whoever starts later finds nothing to wonder at
        await told.world.ready()
        await told.burst()
        await told.verify()
        assert "lies in another place" not in told.world.log.read_text()
        print(f"\na message waits, p99: {deaths.p99:.1f} s by a death, {plans.p99:.1f} s by a planned change")


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_only_the_server_dies_or_everything_of_it_stands_still(tmp_path: Path, cluster: Cluster) -> None:
    """A primary that wakes up again finds another one, and writes nothing any more."""
    async with story(tmp_path, await cluster.create_database()) as told:
        await cluster.whole()
        primary = await cluster.primary()
        primary.kill_postgres()
        await told.during(cluster.primary)
        await cluster.whole()
        frozen = await cluster.primary()
        frozen.freeze()
        await told.during(cluster.whole_but_one)
        frozen.thaw()
        await told.during(cluster.whole)
        assert await cluster.primary() is not frozen


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_the_synchronous_replica_stands_still(tmp_path: Path, cluster: Cluster) -> None:
    """What is not on two nodes is not acknowledged: it waits, until Patroni has taken the other replica."""
    async with story(tmp_path, await cluster.create_database()) as told:
        await cluster.whole()
        for whole in (False, True):
            replica = await cluster.synchronous()
            if whole:
                replica.freeze()
            else:
                assert replica.freeze_replication() == 1

            async def another(old: object = replica) -> None:
                while await cluster.synchronous() is old:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.1)

            await told.during(another)
            replica.thaw()
            await told.during(cluster.whole)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_the_network_to_the_database_is_cut(tmp_path: Path, cluster: Cluster) -> None:
    async with wire("127.0.0.1", cluster.port) as net:
        url = (await cluster.create_database()).replace(str(cluster.port), str(net.port))
        async with story(tmp_path, url) as told:

            async def cut() -> None:
                net.cut()
                await until(lambda: "ALARM the database fails" in told.world.log.read_text())
                await asyncio.sleep(1)
                net.mend()

            async def hush() -> None:
                net.hush()
                await asyncio.sleep(5)
                net.mend()

            async def hush_and_cut() -> None:
                net.hush()
                await asyncio.sleep(2)
                net.cut()
                net.mend()

            for trouble in (cut, hush, hush_and_cut):
                await told.during(trouble)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_the_driver_looks_for_the_primary_itself(tmp_path: Path, cluster: Cluster) -> None:
    async with story(tmp_path, cluster.several_hosts(await cluster.create_database())) as told:
        await cluster.whole()
        primary = await cluster.primary()
        await told.during(primary.die)
        primary.start()
        await told.during(cluster.switch_over)
        await told.during(cluster.whole)
