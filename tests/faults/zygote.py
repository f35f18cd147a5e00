"""Starts hubs quickly: has imported the whole program already, and forks one hub for each line that it reads.

A line is ``{"start": {"args", "env", "log", "cwd"}}`` or ``{"poll": pid}``; the answer is a pid, a status or null.
Its own environment must name a failpoint, as the modules that only call failpoints in such a process read it once.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import signal
import sys
import threading
from typing import Any

import appservice
import bridge
from bridge.parts import failpoint


def main() -> None:
    """Serve until the input ends."""
    assert failpoint.ACTIVE
    for package in (bridge, appservice):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
    assert threading.active_count() == 1  # a fork copies one thread only
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        answer = _start(order["start"]) if "start" in order else _poll(order["poll"])
        print(json.dumps(answer), flush=True)


def _start(order: dict[str, Any]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for new, old in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(new, old)
    os.environ.update(order["env"])
    importlib.reload(failpoint)  # reads the environment again; who has imported its function sees that
    os.chdir(order["cwd"])
    status = 1
    try:
        from appservice.process.command import main as hub

        status = hub(order["args"])
    finally:
        sys.stderr.flush()
        os._exit(status)


def _poll(pid: int) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


if __name__ == "__main__":
    main()
