"""Has imported a program, and forks one process of it for each line that it reads: a start in a tenth of the time.

``python template.py MODULE [MORE…]`` runs under the program's own interpreter, so it needs the standard library only.
``main()`` of MODULE is the program, MORE is imported beside it. A line is ``{"start": {"module", "args", "log", "cwd",
"env"}}``, whose module is MODULE if it is empty, or ``{"poll": pid}``; the answer is a pid, a status or null. Whatever
it has forked ends with it. With LEAN in the environment a Synapse does less beside its work (see `_lean`).
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

LEAN = "LIAISON_LEAN_SYNAPSE"


def main() -> None:
    """Serve until the input ends; in what is forked, run the program."""
    module, *more = sys.argv[1:]
    sys.path[0] = os.getcwd()  # as with -m; this file's neighbours are no modules of the program
    ready = _twisted() if module.startswith("synapse.") else _nothing
    for name in (module, *more):
        import_module(name)
    assert threading.active_count() == 1  # a fork copies one thread only
    gc.freeze()
    interrupted = signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a terminal gives it to everybody: whoever began ends us
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            asked = order["start"].pop("module", "") or module
            if not (pid := _forked(**order["start"])):
                signal.signal(signal.SIGINT, interrupted)
                ready()
                sys.argv[0] = asked
                sys.exit(sys.modules[asked].main())
        print(json.dumps(pid if "start" in order else _poll(order["poll"])), flush=True)


def _forked(args: list[str], log: str | None, cwd: str, env: dict[str, str]) -> int:
    """As `os.fork`; the child has its place, its output and its arguments."""
    parent = os.getpid()
    if pid := os.fork():
        return pid
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    said = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if log else nothing
    for new, old in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(new, old)
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv[1:] = args
    return 0


def _poll(pid: int) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def _nothing() -> None:
    """Most programs take being forked."""


def _twisted() -> Callable[[], None]:
    """A reactor belongs to one process: each fork gets its own, by what Synapse has for its own tests (Complement)."""
    reactor: Any = import_module("synapse.app.complement_fork_proxied_reactor").ProxiedReactor()
    import_module("twisted.internet.main").installReactor(reactor)
    if LEAN in os.environ:
        _lean()

    def ready() -> None:
        reactor._install_real_reactor(import_module("twisted.internet.epollreactor").EPollReactor())

    return ready


def _lean() -> None:
    """A fifth less to compute for the same answers: for tests, which start many, not for figures or people.

    Transactions of SQLite, of which Synapse has one at a time, run in the event loop and not in a thread beside it, as
    in Synapse's own tests; and nobody counts and times what nobody asks for.
    """
    pool: Any = import_module("twisted.enterprise.adbapi").ConnectionPool
    deferred: Any = import_module("twisted.internet.defer").Deferred
    in_thread = pool.runWithConnection

    def run(self: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.dbapiName != "sqlite3":
            return in_thread(self, func, *args, **kwargs)
        result = deferred()

        def now() -> None:
            try:
                done = self._runWithConnection(func, *args, **kwargs)
            except BaseException:  # as a thread of the pool does
                result.errback()
            else:
                result.callback(done)

        self._reactor.callLater(0, now)
        return result

    pool.runWithConnection = run
    metrics: Any = import_module("prometheus_client.metrics")
    for kind, count in ((metrics.Counter, "inc"), (metrics.Histogram, "observe"), (metrics.Summary, "observe")):
        kind.labels = lambda self, *_, **__: self
        setattr(kind, count, lambda *_, **__: None)


if __name__ == "__main__":
    main()
