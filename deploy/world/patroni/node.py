"""One node of the cluster as a machine: it can be switched off, frozen, and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import yaml

from deploy.world import process
from deploy.world.patroni.configuration import Node, Site, patroni

PATRONI = shutil.which("patroni", path="/usr/bin:/usr/local/bin")


class Machine:
    """Patroni and the PostgreSQL that it starts. Everything runs as ``owner``, the user postgres, if root starts it."""

    def __init__(self, node: Node, site: Site, folder: Path, owner: tuple[int, int] | None) -> None:
        self.node = node
        self._folder = folder
        self._owner = owner
        self._file = folder / f"{node.name}.yml"
        made = patroni(node, site)
        made["postgresql"]["pgpass"] = str(folder / f"{node.name}.pgpass")
        self._file.write_text(yaml.safe_dump(made, sort_keys=False))
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []

    @property
    def log(self) -> Path:
        """What Patroni and PostgreSQL said."""
        return self._folder / f"{self.node.name}.log"

    def url(self, dbname: str) -> str:
        """A database on this very node."""
        return f"postgresql://postgres@{self.node.host}:{self.node.postgres}/{dbname}"

    @property
    def running(self) -> bool:
        """Whether its Patroni runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Switch it on. Raises RuntimeError when Patroni is not installed."""
        if PATRONI is None:
            raise RuntimeError("Patroni is missing: run `make setup`")
        # Its PostgreSQL is no child of Patroni's: that it ends with this process is Patroni's to do.
        launch = process.Launch(log=self.log, cwd=self._folder, user=self._owner, at_parents_death=signal.SIGTERM)
        self._process = process.spawn([PATRONI, self._file], launch)

    async def stop(self) -> None:
        """Switch it off by force: its data will be gone anyway."""
        self.thaw()
        await self.die()

    async def die(self) -> None:
        """Power is cut: nothing of it says goodbye."""
        pids = self._pids()
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None
        while any(_lives(pid) for pid in pids):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)

    def kill_postgres(self) -> None:
        """Only the server's first process dies, as of an out-of-memory killer; Patroni lives."""
        if (pid := self.postmaster) is not None:
            _signal(pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Nothing of it moves until :meth:`thaw`, and nothing is closed."""
        self._frozen = self._pids()
        for pid in self._frozen:
            _signal(pid, signal.SIGSTOP)

    def freeze_replication(self) -> int:
        """Only what receives and replays the log stands still; says how many processes that is."""
        self._frozen = [pid for pid in self._pids() if b"walreceiver" in _command(pid)]
        for pid in self._frozen:
            _signal(pid, signal.SIGSTOP)
        return len(self._frozen)

    def thaw(self) -> None:
        """Go on."""
        frozen, self._frozen = self._frozen, []
        for pid in frozen:
            _signal(pid, signal.SIGCONT)

    @property
    def postmaster(self) -> int | None:
        """The first process of its PostgreSQL, if one runs."""
        with suppress(OSError, ValueError, IndexError):
            pid = int((Path(self.node.data) / "postmaster.pid").read_text().split()[0])
            return pid if _lives(pid) else None
        return None

    def _pids(self) -> list[int]:
        roots = [self._process.pid] if self._process is not None else []
        if (postmaster := self.postmaster) is not None:
            roots.append(postmaster)
        return _families(roots)


def _families(roots: list[int]) -> list[int]:
    """These processes and all that came from them, parents first."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
                children[int(after_name[1])].append(int(entry.name))
    found = list(dict.fromkeys(roots))
    for pid in found:
        found += [child for child in children[pid] if child not in found]
    return found


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _signal(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, what)
