"""The ports of a hub, by name: bound once for each process, whichever of its workers answers behind them.

Where several workers run on one machine all of them bind the same ports (SO_REUSEPORT), and the system gives each new
connection to one of them. A worker that waits hands its connections on to the one that works (:mod:`forwarding`); once
it works itself the same sockets are its own, and nothing that was on its way is lost.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bridge.parts.tasks import Tasks

BACKLOG = 256

Take = Callable[[socket.socket, str], Awaitable[None]]
"""Takes a connection that another worker hands on, and the address of who has made it."""


@dataclass(slots=True)
class Entrances:
    """Of one process. ``shared``: other processes of this machine bind the same ports."""

    shared: bool = False
    takes: dict[str, Take] = field(default_factory=dict)
    places: dict[str, tuple[str, int]] = field(default_factory=dict)
    _lent: dict[str, tuple[list[socket.socket], Tasks]] = field(default_factory=dict)

    async def bind(self, name: str, host: str, port: int) -> list[socket.socket]:
        """The listening sockets of an entrance, which are the caller's from now on. Raises OSError."""
        if name in self._lent:
            sockets, tasks = self._lent.pop(name)
            await tasks.stop()
            return sockets
        return await _bound(host, port, shared=self.shared)

    def lend(self, name: str, sockets: list[socket.socket], tasks: Tasks) -> None:
        """These tasks accept there, until somebody binds this entrance."""
        self._lent[name] = (sockets, tasks)

    def opened(self, name: str, sockets: list[socket.socket], take: Take) -> None:
        """This worker answers here, also what others hand on."""
        self.takes[name] = take
        self.places[name] = sockets[0].getsockname()[:2]

    def closed(self, name: str) -> None:
        """It does not any more."""
        self.takes.pop(name, None)
        self.places.pop(name, None)

    def is_lent(self, name: str) -> bool:
        """Whether somebody accepts there until it is bound."""
        return name in self._lent

    async def close(self) -> None:
        """Let go of what nobody has bound."""
        for sockets, tasks in self._lent.values():
            await tasks.stop()
            for one in sockets:
                one.close()
        self._lent.clear()


async def _bound(host: str, port: int, *, shared: bool) -> list[socket.socket]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets = list[socket.socket]()
    try:
        for family, *_, address in dict.fromkeys(found):
            sockets.append(_listening(family, address, shared=shared))
    except BaseException:
        for one in sockets:
            one.close()
        raise
    return sockets


def _listening(family: int, address: Any, *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle's delay on
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(BACKLOG)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made
