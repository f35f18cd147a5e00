"""Record the newest version: a real hub is killed with work waiting in both directions, and its rows are kept."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from deploy.world.simulator import Faults
from deploy.world.waiting import until
from tests.core.db.versions import record
from tests.faults.rig import rig
from tests.faults.traffic import TWO, Traffic


async def main() -> None:
    """Run the hub, stop its far ends, write, kill."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with rig(folder) as world:
            traffic = Traffic(world)
            world.start()
            await traffic.begin()
            await traffic.burst(0)
            await traffic.settle()
            for sim in world.sims.values():
                sim.set_faults(Faults(down=True))
            await world.ben.say(world.rooms[TWO], "En attente, de Ben")
            await until(lambda: _waiting(folder, "pandalab"))
            world.stub.fault("PUT .*/send/", 1_000_000, status=503)
            kept = _waiting(folder, "matrix")  # for people who have not come in
            world.sims["pandalab"].write("cleo", {"text": "En attente, de Cléo", "conversation": TWO})
            await until(lambda: _waiting(folder, "matrix") > kept)
            world.kill()
            record(folder / "hub.db")


def _waiting(folder: Path, network: str) -> int:
    import sqlite3

    with sqlite3.connect(f"file:{folder}/hub.db?mode=ro", uri=True) as db:
        return int(db.execute("SELECT COUNT(*) FROM delivery WHERE network = ?", (network,)).fetchone()[0])


if __name__ == "__main__":
    asyncio.run(main())
