"""systemd, where it has started this process: it is told what the process does, and that its loop still turns.

Whoever hangs is ended and started again (``WatchdogSec=``). With several workers another one has taken over long
before; but a worker that hangs keeps its share of the connections of its machine until it ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

_DAY = 86_400_000_000  # µs: for as long as a start needs, which may migrate big tables
_SHARE = 4  # signs of life in the time after which one is missed


class Supervisor:
    """What sd_notify(3) says to it, through its socket. Where nobody supervises nothing is said."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        patience = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._patience = int(patience) if patience.isdigit() and mine else 0

    def say(self, *lines: str) -> None:
        """Assignments like ``READY=1``. A supervisor that is not there hears nothing."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
            way.setblocking(False)
            way.sendto("\n".join(lines).encode(), self._address)

    async def live(self) -> None:
        """Say again and again that the loop turns; ends at once where nobody waits for it."""
        while self._address and self._patience:
            self.say("WATCHDOG=1")
            await asyncio.sleep(self._patience / 1e6 / _SHARE)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """The loop may stand still for long: nothing is missed."""
        if not self._patience:
            yield
            return
        self.say(f"WATCHDOG_USEC={_DAY}")
        try:
            yield
        finally:
            self.say("WATCHDOG=1", f"WATCHDOG_USEC={self._patience}")
