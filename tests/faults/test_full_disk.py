"""The disk of the primary is full: what cannot be written is not acknowledged; the hub goes on with the next one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from deploy.world.patroni.cluster import Cluster
from deploy.world.patroni.node import Machine
from deploy.world.waiting import wait_for
from tests.faults.test_failover import story

pytestmark = [pytest.mark.postgres, pytest.mark.long, pytest.mark.timeout(1200)]
_SIZE = "300m"


@pytest.fixture
def disks() -> Iterator[dict[str, Path]]:
    """A small disk for each node, in memory; only root can have them, and not everywhere."""
    folder = Path(tempfile.mkdtemp(prefix="liaison-disks-"))
    folder.chmod(0o755)
    made: dict[str, Path] = {}
    try:
        for name in ("node1", "node2", "node3"):
            (folder / name).mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=777", "liaison", str(folder / name)]
            if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
                pytest.skip("nothing can be mounted here")
            made[name] = folder / name
        yield made
    finally:
        for disk in made.values():
            subprocess.run(["umount", "--lazy", disk], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def fill(disk: Path) -> None:
    """Until nothing fits any more."""
    with (disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass


async def press(cluster: Cluster, full: Machine) -> None:
    """Somebody else writes much on the same server, until the server cannot go on and another is the primary."""

    async def another() -> bool:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await asyncpg.connect(full.url("postgres"), timeout=5)
            try:
                for _ in range(100):
                    await connection.execute("select pg_logical_emit_message(false, 'x', repeat('x', 1000000))")
            finally:
                connection.terminate()
        return await cluster.primary() is not full

    await wait_for(another, "another primary")


async def test_a_full_disk_stops_the_primary_and_not_the_hub(tmp_path: Path, disks: dict[str, Path]) -> None:
    async with Cluster(data=disks) as cluster, story(tmp_path, await cluster.create_database()) as told:
        primary = await cluster.primary()
        disk = disks[primary.node.name]

        async def full() -> None:
            fill(disk)
            assert os.statvfs(disk).f_bavail == 0
            await press(cluster, primary)

        await told.during(full)
        (disk / "ballast").unlink()
        await told.during(cluster.whole)
        assert "No space left on device" in primary.log.read_text()
