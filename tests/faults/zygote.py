"""Starts hubs quickly: has imported the libraries already, and forks one hub for each line that it reads.

A line is ``{"start": {"args", "env", "log", "cwd"}}`` or ``{"poll": pid}``; the answer is a pid, a status or null.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
from typing import Any

_LIBRARIES = (
    "aiohttp.web", "asyncpg", "cryptography.hazmat.primitives.asymmetric.ed25519", "argparse",
    "cryptography.hazmat.primitives.kdf.hkdf",
    "cryptography.hazmat.primitives.ciphers.aead", "nh3", "orjson", "pydantic", "sqlite3", "uvloop", "yaml",
    "vodozemac", "concurrent.futures", "csv", "fcntl", "logging", "html.parser", "importlib.metadata", "email.utils",
)  # fmt: skip


def main() -> None:
    """Serve until the input ends."""
    for name in _LIBRARIES:
        importlib.import_module(name)
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
