"""Runs the commands of a page as a person would, in one shell, on a machine that is a folder.

What stands in a block marked ``sh`` is executed word for word. Only places are others: paths lie below the folder, and
ports are free ones. What changes the machine itself (users, owners) is noted instead of done; the one service is run.
"""

# ruff: noqa: E501
from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
_NOTED = ("useradd", "chown", "python3")  # on this machine they would change too much
_PATHS = ("/etc/liaison", "/opt/liaison", "/etc/matrix-synapse", "/var/lib/liaison", "/var/backups", "/etc/systemd")

# The program with this machine's default places.
_LIAISON = """
case "$1" in
  check) set -- check -c {here}/etc/liaison/hub.yaml --synapse {here}/synapse/homeserver.yaml {here}/etc/matrix-synapse/conf.d ;;
  run) echo $$ > {here}/pid; set -- run -c {here}/etc/liaison/hub.yaml ;;
  registration|adopt) set -- "$1" -c {here}/etc/liaison/hub.yaml ;;
esac
exec {real} "$@"
"""

_SYSTEMCTL = """
echo systemctl "$@" >> {here}/done
case "$*" in
  "start liaison") liaison run & ;;
  "stop liaison") kill $(cat {here}/pid); while kill -0 $(cat {here}/pid) 2>/dev/null; do sleep 0.05; done ;;
esac
"""


def blocks(page: Path, heading: str) -> list[str]:
    """The blocks of commands below one heading."""
    text = page.read_text("utf-8")
    part = re.split(r"^## ", text.partition(f"## {heading}\n")[2], maxsplit=1, flags=re.M)[0]
    return re.findall(r"^```sh\n(.*?)^```$", part, flags=re.M | re.S)


class Machine:
    """A folder with what a page names, and a shell. ``places``: word of a page → word of this machine."""

    def __init__(self, folder: Path, places: dict[str, str], environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self._places = places | {path: f"{folder}{path}" for path in _PATHS}
        programs = folder / "usr/bin"
        for path in (programs, folder / "opt/liaison/bin", folder / "var/lib", folder / "var/backups", folder / "etc"):
            path.mkdir(parents=True)
        for name in _NOTED:
            self._program(programs / name, f'echo {name} "$@" >> {folder}/done')
        self._program(programs / "systemctl", _SYSTEMCTL.format(here=folder))
        self._program(folder / "opt/liaison/bin/pip", f'echo pip "$@" >> {folder}/done')
        self._program(programs / "runuser", 'shift 3; exec "$@"')  # as somebody else
        self._program(folder / "opt/liaison/bin/python", f'exec {ROOT}/.venv/bin/python "$@"')
        self._program(folder / "opt/liaison/bin/liaison", _LIAISON.format(here=folder, real=ROOT / ".venv/bin/liaison"))
        self._environment = {"HOME": str(folder), "LANG": "C.UTF-8"} | (environment or {})
        self._environment["PATH"] = f"{programs}:{os.environ['PATH']}"
        self._said = folder / "said"

    def __enter__(self) -> Self:
        command = ["bash", "-eu", "-o", "pipefail"]
        with self._said.open("wb") as said:
            self._shell = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT, cwd=ROOT,
                env=self._environment, process_group=0,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGTERM)  # with what it has begun in the background
        self._shell.wait()

    def path(self, place: str) -> Path:
        """Where a path of the page lies."""
        return Path(f"{self.folder}{place}")

    def done(self) -> str:
        """What would have changed the machine, a line each."""
        path = self.folder / "done"
        return path.read_text() if path.exists() else ""

    def type(self, block: str) -> str:
        """Give a block to the shell, and read what it says until it has done all of it. Raises AssertionError."""
        begin = self._said.stat().st_size
        end = f"__end_{begin}__"
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{self.here(block)}\necho {end}\n".encode())
        self._shell.stdin.flush()
        while end not in (said := self._said.read_bytes()[begin:].decode()):
            try:
                self._shell.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"the shell ended with {self._shell.returncode}:\n{said}")
        return said.partition(end)[0]

    def here(self, text: str) -> str:
        """A text of the page with this machine's places."""
        pattern = "|".join(map(re.escape, sorted(self._places, key=len, reverse=True)))
        return re.sub(pattern, lambda found: self._places[found[0]], text)

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
