"""Runs the demo in a session of its own and looks at what it leaves."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.world.postgres import memory
from deploy.world.waiting import PATIENCE, STARTING

ROOT = Path(__file__).resolve().parents[2]


class Demo:
    """One run; its output goes to a file."""

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        self.output = folder / "output.txt"
        self.temporary = temporary = Path(tempfile.mkdtemp(prefix="liaison-run-", dir=memory()))
        temporary.chmod(0o711)  # the mail servers run as several users, who may not enter pytest's folders
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.demo", *map(str, arguments)],
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(temporary)},
            )

    @property
    def said(self) -> str:
        """Everything on its terminal."""
        return self.output.read_text("utf-8", "replace")

    async def end(self, patience: float = PATIENCE) -> int:
        """Wait for its end; gives the exit status. Raises TimeoutError with what it said."""
        try:
            return await asyncio.to_thread(self.process.wait, patience)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"still there after {patience} s:\n{self.said[-3000:]}") from None

    async def stop(self) -> int:
        """SIGTERM, and wait."""
        self.process.send_signal(signal.SIGTERM)
        return await self.end()

    def left(self) -> list[str]:
        """The processes of its session that are still there."""
        return [f"{pid} {command}" for pid, command in _session(self.process.pid)]

    async def endpoints(self, state: Path, patience: float = STARTING) -> dict[str, Any]:
        """Wait for endpoints.json."""
        deadline = asyncio.get_running_loop().time() + patience
        while not (state / "endpoints.json").exists():
            if self.process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"no endpoints.json:\n{self.said[-3000:]}")
            await asyncio.sleep(0.1)
        return read_endpoints(state)


@contextlib.contextmanager
def demo(folder: Path, *arguments: str | Path) -> Iterator[Demo]:
    """A run that is gone when the test is."""
    run = Demo(folder, *arguments)
    try:
        yield run
    finally:
        for pid, _ in _session(run.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        run.process.wait(PATIENCE)
        shutil.rmtree(run.temporary, ignore_errors=True)


def read_endpoints(state: Path) -> dict[str, Any]:
    """The file that tells where everything is."""
    found: dict[str, Any] = json.loads((state / "endpoints.json").read_text())
    return found


def _session(leader: int) -> list[tuple[int, str]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                found.append((int(folder.name), command))
    return found
