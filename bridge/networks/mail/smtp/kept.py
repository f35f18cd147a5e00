"""Connections to other operators that are kept for the next mail: not for long, and given up where others need one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from bridge.networks.mail.smtp.peer import Peer
from bridge.parts.tasks import Tasks

_IDLE = 30.0  # s without a mail; servers wait for several minutes (RFC 5321, 4.5.3.2.7)
_LONGEST = 600.0  # s in all: then certificates, lists and addresses are looked at again


@dataclass(slots=True, eq=False)
class _Kept:
    """A connection that nobody uses, with the places that it takes."""

    peer: Peer
    slots: AsyncExitStack
    timer: asyncio.TimerHandle


class KeptPeers:
    """Keeps nothing before :meth:`open` and after :meth:`close`."""

    def __init__(self) -> None:
        self._kept: dict[str, list[_Kept]] = {}  # by domain, the oldest first
        self._open = False
        self._wanted = 0  # how many look for a place: while anybody does, nothing is kept
        self._leaving = Tasks("mail connections")

    def open(self) -> None:
        """From now on connections are kept."""
        self._open = True

    async def close(self) -> None:
        """Leave them all, politely."""
        self._open = False
        while await self.make_room():
            pass
        await self._leaving.ended()

    def put(self, domain: str, peer: Peer, slots: AsyncExitStack) -> bool:
        """Keep a connection, and its places with it; False: it is to be left now."""
        loop = asyncio.get_running_loop()
        left = min(_IDLE, peer.since + _LONGEST - loop.time())
        if not self._open or self._wanted or left <= 0:
            return False
        kept = _Kept(peer, slots, loop.call_later(left, self._over, domain, peer))
        self._kept.setdefault(domain, []).append(kept)
        return True

    def take(self, domain: str) -> tuple[Peer, AsyncExitStack] | None:
        """The connection to a domain that was used last, with its places. Whoever takes it looks whether it is good."""
        there = self._kept.get(domain)
        if not there:
            return None
        kept = there.pop()
        self._forget(domain, kept)
        return kept.peer, kept.slots

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Somebody looks for a place in the block."""
        self._wanted += 1
        try:
            yield
        finally:
            self._wanted -= 1

    async def make_room(self, domain: str | None = None) -> bool:
        """Leave the connection that nobody has used for longest (to a domain); False: there is none."""
        for name in [domain] if domain is not None else list(self._kept):
            if there := self._kept.get(name):
                kept = there.pop(0)
                self._forget(name, kept)
                await _left(kept)
                return True
        return False

    def _forget(self, domain: str, kept: _Kept) -> None:
        kept.timer.cancel()
        if not self._kept[domain]:
            del self._kept[domain]

    def _over(self, domain: str, peer: Peer) -> None:
        """Its time is over."""
        for kept in [one for one in self._kept.get(domain, ()) if one.peer is peer]:
            self._kept[domain].remove(kept)
            self._forget(domain, kept)
            self._leaving.start(_left(kept))


async def _left(kept: _Kept) -> None:
    try:
        await kept.peer.leave()
    finally:
        await kept.slots.aclose()
