"""The grand trial: workers killed at random, primaries changed, a homeserver restarted, and people never notice.

So many things are done as LIAISON_THINGS says: `LIAISON_THINGS=5000 make faults ARGS=tests/trials/test_grand.py`.
People come and go meanwhile.
LIAISON_PREVIOUS names the folder of an earlier release with its own ``.venv``: the workers begin with that one, and are
replaced one after the other meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from bridge.model import MATRIX
from deploy.world.hub import Workers
from deploy.world.patroni.cluster import Cluster
from deploy.world.postgres import memory
from deploy.world.state_directory import StateDirectory
from deploy.world.synapse import ROOT
from deploy.world.world import World
from tests.scenarios.mixed import Life
from tests.trials.test_mixed import carry_out, evenly

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"), pytest.mark.peers, pytest.mark.postgres, pytest.mark.long,
    pytest.mark.timeout(4 * 3600),
]  # fmt: skip
THINGS = int(os.environ.get("LIAISON_THINGS", "400"))
SEED = int(os.environ.get("LIAISON_SEED", "11"))
WORKERS = 4
PREVIOUS = Path(os.environ.get("LIAISON_PREVIOUS", ROOT))
_WHOLE = 5000  # things of the whole trial, and what happens meanwhile
_KILLS, _CHANGES, _RESTARTS = 60, 5, 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """Three PostgreSQL nodes."""
    async with Cluster() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowded(cluster: Cluster) -> AsyncIterator[World]:
    """Two homeservers, two products, mail, and a hub of four workers on the cluster."""
    folder = Path(tempfile.mkdtemp(prefix="liaison-grand-", dir=memory()))
    state = StateDirectory(folder)
    kept, _ = state.open()
    workers = Workers(WORKERS, await cluster.create_database(), PREVIOUS)
    try:
        world = World(state, kept, lambda _: None, forked=True, workers=workers)
        config = yaml.safe_load(world.hub.config.read_text())
        config["delivery"] = config.get("delivery", {}) | {"order_wait": 300}  # however busy this machine is
        world.hub.config.write_text(yaml.safe_dump(config, sort_keys=False))
        async with world:
            yield world
    finally:
        state.release()
        if "LIAISON_KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)


class Troubles:
    """What happens to the servers meanwhile, each at even distances of what people do."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._chance = random.Random(seed)
        self.counts: Counter[str] = Counter()

    async def __call__(self, world: World, life: Life, acts: int) -> None:
        """While so many things are done."""
        share = acts / _WHOLE
        await asyncio.gather(
            evenly(life, acts, max(4, round(_KILLS * share)), lambda: self._kill(world)),
            evenly(life, acts, max(2, round(_CHANGES * share)), self._change),
            evenly(life, acts, max(1, round(_RESTARTS * share)), lambda: self._restart(world, life)),
            evenly(life, acts, 0 if PREVIOUS == ROOT else WORKERS, lambda: self._upgrade(world)),
        )

    async def _upgrade(self, world: World) -> None:
        """The next worker, whichever it is: one that works, waits, or was killed a moment ago."""
        await world.hub.upgrade(self.counts["workers upgraded"])
        self.counts["workers upgraded"] += 1

    async def _kill(self, world: World) -> None:
        """One of the workers, whichever has the work or waits; it is started again like by systemd."""
        worker = self._chance.choice([one for one in world.hub.workers if one.running])
        if worker.pid is not None:
            os.kill(worker.pid, signal.SIGKILL)
            self.counts["workers killed"] += 1

    async def _change(self) -> None:
        """A planned change and a death in turn."""
        await self._cluster.whole()
        if self.counts["primaries changed"] % 2:
            await self._cluster.switch_over()
        else:
            primary = await self._cluster.primary()
            await primary.die()
            await self._cluster.primary()
            primary.start()
        self.counts["primaries changed"] += 1

    async def _restart(self, world: World, life: Life) -> None:
        """The hub's own homeserver; its people have no server meanwhile, everybody else goes on."""
        async with life.without(MATRIX):
            await world.home.restart()
        self.counts["homeservers restarted"] += 1


async def test_people_notice_nothing(crowded: World, cluster: Cluster) -> None:
    troubles = Troubles(cluster, seed=SEED)
    try:
        await carry_out(crowded, THINGS, troubles, seed=SEED)
    finally:
        print(f"\n{dict(troubles.counts)}; starts of workers: {[one.starts for one in crowded.hub.workers]}")
    lines = [line for log in crowded.state.path.glob("hub*.log") for line in log.read_text().splitlines()]
    assert [line for line in lines if "failed unexpectedly" in line or "Traceback" in line] == []
