"""Child processes that never outlive the process that started them."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

# Asks the kernel for a signal at the parent's death, then becomes the command. The order matters: a change of user
# would clear the wish, and a parent that died before it was said is noticed by its number.
_LAUNCHER = """
import ctypes, json, os, sys
o = json.loads(sys.argv[1])
if o["uid"] is not None:
    os.setgroups([]); os.setgid(o["gid"]); os.setuid(o["uid"])
ctypes.CDLL(None).prctl(1, o["signal"], 0, 0, 0)
if os.getppid() != o["parent"]:
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class Launch:
    """How a command is started: where its output goes, what it sees, who it runs as.

    With ``group`` it and what it starts are a process group of their own, which `end_group` ends.
    """

    log: Path | None = None
    pipes: bool = False
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    user: tuple[int, int] | None = None
    at_parents_death: signal.Signals = signal.SIGKILL
    group: bool = False


class Child(Protocol):
    """A process of ours: of :mod:`subprocess`, or forked (see :mod:`deploy.world.forking`)."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def returncode(self) -> int | None:
        """The exit status, once `poll` has seen it."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """The pipe to it."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """The pipe from it."""

    @property
    def stderr(self) -> IO[bytes] | None:
        """The pipe from it, for complaints."""

    def poll(self) -> int | None:
        """The exit status, None while it runs."""

    def send_signal(self, sig: signal.Signals, /) -> None:
        """Give it a signal, unless it has ended."""

    def kill(self) -> None:
        """SIGKILL."""


def spawn(command: Sequence[str | Path], launch: Launch = Launch()) -> "subprocess.Popen[bytes]":
    """Start a command; call it from a thread that lives as long as the command shall."""
    uid, gid = launch.user or (None, None)
    options = {"parent": os.getpid(), "signal": int(launch.at_parents_death), "uid": uid, "gid": gid}
    pipe = subprocess.PIPE if launch.pipes else None
    with contextlib.ExitStack() as stack:
        log: IO[Any] | int = subprocess.DEVNULL
        if launch.log:
            log = stack.enter_context(launch.log.open("ab"))
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, json.dumps(options), *map(str, command)],
            stdin=pipe or subprocess.DEVNULL,
            stdout=pipe or log,
            stderr=log,
            cwd=launch.cwd,
            env={**os.environ, **launch.env},
            process_group=0 if launch.group else None,
        )


async def end(process: Child, by: signal.Signals = signal.SIGTERM, *, patience: float = 10.0) -> None:
    """End a process by a signal, and after `patience` seconds by SIGKILL; wait until it is gone."""
    if process.poll() is None:
        process.send_signal(by)
        if not await gone(process, patience):
            process.kill()
            await gone(process, patience)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            with contextlib.suppress(OSError):  # what was still to be written has no reader any more
                pipe.close()


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of a process group that began with this process (see `Launch`)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


async def gone(process: Child, patience: float) -> bool:
    """Wait for the end of a process for at most `patience` seconds; say whether it has ended."""
    deadline = asyncio.get_running_loop().time() + patience
    while process.poll() is None:
        if asyncio.get_running_loop().time() > deadline:
            return False
        await pause()
    return True


async def pause() -> None:
    """The moment between two looks at something that is about to happen."""
    await asyncio.sleep(0.02)
