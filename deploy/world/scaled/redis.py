"""A Redis of its own on a socket, nothing on disk: what Synapse's processes speak to one another by."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from deploy.world import process
from deploy.world.waiting import wait_for

PROGRAM = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")


class Redis:
    """One server; killed, it forgets what it held, as a power cut would have it."""

    def __init__(self, socket: Path) -> None:
        """``socket``: a short path (of at most 107 bytes) in a folder that is there."""
        self.socket = socket
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it; return when it answers. Raises RuntimeError when it is not installed or has ended."""
        if PROGRAM is None:
            raise RuntimeError("redis-server is missing: run `make setup`")
        command: list[str | Path] = [PROGRAM, "--port", "0", "--save", "", "--appendonly", "no"]
        command += ["--dir", self.socket.parent, "--unixsocket", self.socket, "--unixsocketperm", "700"]
        self._process = process.spawn(command, process.Launch(log=self.socket.with_suffix(".log")))
        await wait_for(self._answers, "redis")

    async def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self._process is not None:
            await process.end(self._process, by)
            self._process = None

    async def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(self.socket.with_suffix(".log").read_text())
        with suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(self.socket)
            writer.write(b"PING\r\n")
            answer = await reader.readline()
            writer.close()
            return answer.startswith(b"+PONG")
        return False
