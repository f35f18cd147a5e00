"""The whole cluster on free ports of 127.0.0.1, with its data in a folder of its own that goes with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import asyncpg
import yaml

from deploy.world import process
from deploy.world.patroni.configuration import QUICK, Node, Site, Timings, etcd, haproxy, promoted
from deploy.world.patroni.node import Machine
from deploy.world.ports import free_port, free_ports
from deploy.world.postgres import memory, program, unprivileged
from deploy.world.waiting import STARTING, wait_for

_HOST = "127.0.0.1"
_SMALL = {"shared_buffers": "16MB", "max_wal_size": "128MB", "min_wal_size": "32MB", "wal_keep_size": "64MB"}
_RUNS = ("running", "streaming")
_ANSWER = aiohttp.ClientTimeout(total=5)


class Cluster:
    """`async with Cluster()`: three nodes under Patroni, one etcd, HAProxy before them. Many may run side by side."""

    def __init__(
        self, timings: Timings = QUICK, data: Mapping[str, Path] | None = None, in_memory: bool = True
    ) -> None:
        """``data``: folders for nodes that are not to lie in the cluster's own. ``in_memory``: where there is room."""
        self.folder = Path(tempfile.mkdtemp(prefix="liaison-pt-", dir=memory() if in_memory else None))
        self.folder.chmod(0o755)
        owner = unprivileged()
        self._owner = owner
        self.port, self._etcd_port = free_ports(2)
        names = ("node1", "node2", "node3")
        where = {name: (data or {}).get(name, self.folder) / name for name in names}
        nodes = [Node(name, _HOST, free_port(), free_port(), str(where[name])) for name in names]
        self._site = Site(
            nodes, [f"{_HOST}:{self._etcd_port}"], str(program("postgres").parent), timings, f"{_HOST}/32", "trust",
            settings=_SMALL, sockets=str(self.folder), local="trust", promoted=str(self.folder / "promoted"),
        )  # fmt: skip
        (self.folder / "promoted").write_text(promoted(self._site))
        (self.folder / "promoted").chmod(0o755)
        self.machines = {node.name: Machine(node, self._site, self.folder, owner) for node in nodes}
        self._beside: list[subprocess.Popen[bytes]] = []
        self._databases = 0

    def url(self, dbname: str) -> str:
        """A database by HAProxy: whoever is the primary."""
        return f"postgresql://postgres@{_HOST}:{self.port}/{dbname}"

    def several_hosts(self, url: str) -> str:
        """The same database without HAProxy: the driver looks for the primary among all of them."""
        dbname = url.rpartition("/")[2]
        hosts = ",".join(f"{node.host}:{node.postgres}" for node in self._site.nodes)
        return f"postgresql://postgres@{hosts}/{dbname}?target_session_attrs=read-write"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything, and wait until every node takes part. Raises TimeoutError, RuntimeError."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        if self._owner:
            os.chown(self.folder, *self._owner)
        self._start_beside()
        await wait_for(self._etcd_answers, "etcd", STARTING)
        first, *others = self.machines.values()
        first.start()
        await self._until(lambda members: _primary(members) is not None, "a first primary")
        for machine in others:
            machine.start()
        await self.whole()

    async def create_database(self) -> str:
        """A new one, empty; gives its URL."""
        self._databases += 1
        name = f"hub{self._databases}"
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(f"create database {name} encoding 'UTF8' locale 'C' template template0")
        finally:
            await connection.close()
        return self.url(name)

    def _start_beside(self) -> None:
        peers = free_port()
        made = etcd(
            "etcd1", _HOST, (self._etcd_port, peers), {"etcd1": f"http://{_HOST}:{peers}"}, str(self.folder / "etcd")
        )
        (self.folder / "etcd.yml").write_text(yaml.safe_dump(made))
        (self.folder / "haproxy.cfg").write_text(haproxy(self._site.nodes, _HOST, self.port, self._site.timings))
        for program_name, *options in (
            ("etcd", "--config-file", str(self.folder / "etcd.yml")),
            ("haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")),
        ):
            launch = process.Launch(log=self.folder / f"{program_name}.log", cwd=self.folder, user=self._owner)
            self._beside.append(process.spawn([found(program_name), *options], launch))

    async def _etcd_answers(self) -> bool:
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with (
                aiohttp.ClientSession(timeout=_ANSWER) as session,
                session.get(f"http://{_HOST}:{self._etcd_port}/health") as answer,
            ):
                return answer.status == 200
        return False

    async def stop(self) -> None:
        """End everything, by process id, and remove the data."""
        await asyncio.gather(*(machine.stop() for machine in self.machines.values()))
        await asyncio.gather(*(process.end(one, signal.SIGKILL) for one in self._beside))
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- what it looks like

    async def members(self) -> dict[str, dict[str, Any]]:
        """What Patroni says of each node; empty while no Patroni answers."""
        async with aiohttp.ClientSession(timeout=_ANSWER) as session:
            for machine in self.machines.values():
                if machine.running:
                    with suppress(aiohttp.ClientError, OSError, TimeoutError):
                        async with session.get(f"{_rest(machine.node)}/cluster") as answer:
                            said = await answer.json(content_type=None)
                            return {member["name"]: member for member in said.get("members", [])}
        return {}

    async def primary(self) -> Machine:
        """Who is the primary; waits for one that serves."""
        async with aiohttp.ClientSession(timeout=_ANSWER) as session:

            async def look() -> Machine | None:
                for machine in self.machines.values():
                    with suppress(aiohttp.ClientError, OSError, TimeoutError):
                        async with session.get(f"{_rest(machine.node)}/primary") as answer:
                            if answer.status == 200:
                                return machine
                return None

            return await wait_for(look, "a primary", STARTING)

    async def synchronous(self) -> Machine:
        """Which replica every commit waits for."""

        async def look() -> Machine | None:
            members = await self.members()
            names = [name for name, member in members.items() if member["role"] == "sync_standby"]
            return self.machines[names[0]] if names else None

        return await wait_for(look, "a synchronous replica", STARTING)

    async def whole(self) -> None:
        """Wait until every node takes part: one primary, one synchronous replica, and the others follow."""
        await self._until(
            lambda members: (
                len(members) == len(self.machines)
                and sorted(member["role"] for member in members.values()) == ["leader", "replica", "sync_standby"]
                and all(member["state"] in _RUNS for member in members.values())
            ),
            "a whole cluster",
        )

    async def whole_but_one(self) -> None:
        """Wait until there is a primary with a synchronous replica, whoever else is away."""
        await self._until(
            lambda members: {"leader", "sync_standby"} <= {m["role"] for m in members.values() if m["state"] in _RUNS},
            "a primary and its replica",
        )

    async def _until(self, true: Any, what: str) -> None:
        async def look() -> bool:
            return bool(true(await self.members()))

        try:
            await wait_for(look, what, STARTING)
        except TimeoutError as error:
            logs = [f"{m.node.name}:\n{m.log.read_text()[-1500:]}" for m in self.machines.values() if m.log.exists()]
            raise TimeoutError("\n".join([str(error), str(await self.members()), *logs])) from None

    # ---- what is done to it

    async def switch_over(self) -> str:
        """Planned: the synchronous replica becomes the primary. Says who that is."""
        old, new = await self.primary(), await self.synchronous()
        body = {"leader": old.node.name, "candidate": new.node.name}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=STARTING)) as session,
            session.post(f"{_rest(old.node)}/switchover", json=body) as answer,
        ):
            if answer.status != 200:
                raise RuntimeError(f"no switchover: {await answer.text()}")
        return new.node.name

    async def configure(self, change: Mapping[str, Any]) -> None:
        """Change what all nodes have in common, as `patronictl edit-config` does."""
        async with (
            aiohttp.ClientSession(timeout=_ANSWER) as session,
            session.patch(f"{_rest((await self.primary()).node)}/config", json=change) as answer,
        ):
            if answer.status != 200:
                raise RuntimeError(f"no change: {await answer.text()}")


def found(program_name: str) -> str:
    """Where a server's program lies. Raises RuntimeError when it is not installed."""
    path = shutil.which(program_name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if path is None:
        raise RuntimeError(f"{program_name} is missing: run `make setup`")
    return path


def _primary(members: Mapping[str, Mapping[str, Any]]) -> str | None:
    for name, member in members.items():
        if member["role"] == "leader" and member["state"] == "running":
            return name
    return None


def _rest(node: Node) -> str:
    return f"http://{node.host}:{node.rest}"
