"""Processes that are forked from a template, which has imported their program (see :mod:`.template`)."""

from __future__ import annotations

import atexit
import json
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.world import process

_TEMPLATE = Path(__file__).parent / "template.py"
_templates: dict[Program, Template] = {}


@dataclass(frozen=True, slots=True)
class Program:
    """``main()`` of a module, under an interpreter; ``more`` are modules that it will import anyway."""

    python: str
    module: str
    more: tuple[str, ...] = ()
    cwd: Path = Path("/")
    env: tuple[tuple[str, str], ...] = ()  # that the imports need


class Template:
    """A process that has imported a program. Its own start takes as long as one of the program."""

    def __init__(self, program: Program) -> None:
        launch = process.Launch(pipes=True, cwd=program.cwd, env=dict(program.env))
        self._process = process.spawn([program.python, _TEMPLATE, program.module, *program.more], launch)
        self._lock = threading.Lock()

    def ask(self, order: dict[str, Any]) -> int | None:
        """Give one line, read one line. Raises RuntimeError when it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the template of forked processes has ended")
        answer: int | None = json.loads(line)
        return answer

    def close(self) -> None:
        """End it, and with it whatever it has forked."""
        with self._process:  # closes its input, which ends it, and waits
            pass


@dataclass(frozen=True, slots=True)
class Start:
    """How one process begins; ``module``: another one of the program's, beside its first."""

    args: Sequence[str | Path]
    log: Path | None = None
    cwd: Path = Path("/")
    env: Mapping[str, str] = field(default_factory=dict)
    module: str = ""

    def order(self) -> dict[str, Any]:
        """For the template."""
        log = str(self.log) if self.log else None
        own: dict[str, Any] = {"args": [*map(str, self.args)], "log": log, "cwd": str(self.cwd), "env": dict(self.env)}
        return {"start": own | {"module": self.module}}


class Forked:
    """One such process, with what :mod:`deploy.world.process` needs of a process."""

    stdin = stdout = stderr = None

    def __init__(self, template: Template, start: Start) -> None:
        self._template = template
        self.returncode: int | None = None
        self.pid = int(template.ask(start.order()) or 0)

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        if self.returncode is None:
            self.returncode = self._template.ask({"poll": self.pid})
        return self.returncode

    def send_signal(self, by: signal.Signals) -> None:
        """Give it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, by)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def template(program: Program) -> Template:
    """The one template of a program in this process; the first call starts it. Call it from the main thread."""
    if program not in _templates:
        _templates[program] = Template(program)
        atexit.register(_templates[program].close)
    return _templates[program]
