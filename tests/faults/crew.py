"""Several workers of one hub on one PostgreSQL database: to be killed, to be stood still, to take over."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from deploy.world.postgres import Postgres
from deploy.world.waiting import PATIENCE, wait_for
from tests.faults.rig import Forked, Rig, Zygote, rig


@dataclass
class Crew:
    """Workers beside one another, all with the rig's configuration."""

    world: Rig
    zygote: Zygote
    url: str
    workers: list[Forked] = field(default_factory=list)

    def start(self, failpoint: str = "") -> Forked:
        """One more."""
        self.world.start_quickly(self.zygote, failpoint)
        assert isinstance(self.world.hub, Forked)
        self.workers.append(self.world.hub)
        return self.world.hub

    async def working(self) -> Forked:
        """The one that has the lease; it is the rig's hub from now on."""
        found = await wait_for(self._with_lease, "a worker has the lease", patience=PATIENCE)
        self.world.hub = found
        return found

    async def _with_lease(self) -> Forked | None:
        pid = await self.holder()
        return next((worker for worker in self.workers if worker.pid == pid and worker.poll() is None), None)

    async def holder(self) -> int | None:
        """The process id in the lease, None: nobody has it."""
        connection = await asyncpg.connect(self.url)
        try:
            holder = await connection.fetchval("SELECT max(holder) FROM lease WHERE until > clock_timestamp()")
        except asyncpg.UndefinedTableError:  # the first one has just begun
            return None
        finally:
            await connection.close()
        return None if holder is None else int(holder.split(":")[1])

    def kill(self, worker: Forked) -> None:
        """SIGKILL, unless it is dead already."""
        worker.kill()
        worker.wait()
        self.workers.remove(worker)

    def end(self) -> None:
        """All, those too that stand still."""
        for worker in list(self.workers):
            if worker.poll() is None:
                os.kill(worker.pid, signal.SIGCONT)
            self.kill(worker)
        self.world.hub = None


@asynccontextmanager
async def crew(folder: Path, zygote: Zygote, server: Postgres) -> AsyncIterator[Crew]:
    """A world around workers, which have to be started."""
    url = await server.create_database()
    async with rig(folder, url) as world:
        made = Crew(world, zygote, url)
        try:
            yield made
        finally:
            made.end()
