"""A process that is started again whenever it dies."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.world import process
from deploy.world.forking.forked import Forked, Program, Start, template

_SHORT_LIFE = 5.0  # seconds; who ends by itself sooner is in a crash loop
_LONGEST_WAIT = 5.0


class Supervised:
    """Keeps one command running. Killed from outside it is back at once; only a crash loop is slowed down."""

    def __init__(
        self, name: str, command: Sequence[str | Path], launch: process.Launch, program: Program | None = None
    ) -> None:
        """With ``program`` it is forked each time, and ``command`` holds its arguments."""
        self.name = name
        self.starts = 0
        self.on_start: Callable[[], None] = lambda: None
        self._command = command
        self._launch = launch
        self._program = program
        self._process: process.Child | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs now, or that ran last."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The end of what it said."""
        path = self._launch.log
        return path.read_text("utf-8", "replace")[-2000:] if path and path.exists() else ""

    def start(self) -> None:
        """Start it and keep it running."""
        if self._task is None:
            self._spawn()
            self._task = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def stop(self, by: signal.Signals = signal.SIGTERM, patience: float = 5.0) -> None:
        """End it, and leave it ended until `start`."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._process is not None:
            await process.end(self._process, by, patience=patience)

    async def kill(self) -> None:
        """End it as a power cut would, and leave it ended until `start`."""
        await self.stop(signal.SIGKILL)

    def _spawn(self) -> None:
        launch = self._launch
        if self._program is None:
            self._process = process.spawn(self._command, launch)
        else:
            start = Start(self._command, launch.log, launch.cwd or Path.cwd(), launch.env)
            self._process = Forked(template(self._program), start)
        self.starts += 1
        self.on_start()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        wait = 0.0
        while True:
            began = loop.time()
            while self.running:
                await process.pause()
            by_itself = self._process is not None and (self._process.returncode or 0) >= 0
            crashed = by_itself and loop.time() - began < _SHORT_LIFE
            wait = min(max(0.1, wait * 2), _LONGEST_WAIT) if crashed else 0.0
            await asyncio.sleep(wait)
            self._spawn()
