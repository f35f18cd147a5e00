"""Which ghosts' inboxes have to be looked at although nobody rang, and when: one after the other, at a steady pace.

A doorbell can be lost: while the hub was down, in an outage, with a transaction that failed. After such a doubt every
ghost is looked at once; whoever is about to speak or to read is looked at first. Without a doubt a slow round goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from appservice.e2ee.ghost_devices import Ghost, GhostDevices
from bridge.errors import Refused, Unavailable

log = logging.getLogger(__name__)

_DOUBTED = 0.05  # s between two ghosts after a doubt
_CALM = 1.0  # s between two ghosts else …
_ROUND = 600.0  # … but a round of few takes so long
_AWAY = 5.0  # s after a look that failed


class Rounds:
    """``look`` reads one ghost's inbox and notes the round in ``Ghost.looked``. Raises Unavailable."""

    def __init__(self, ghosts: GhostDevices, look: Callable[[Iterable[str]], Awaitable[None]]) -> None:
        self._ghosts = ghosts
        self._look = look
        self._doubt = asyncio.Event()
        self._due: deque[str] = deque()

    def doubt(self) -> None:
        """A doorbell may have been lost: everybody is to be looked at once."""
        self._ghosts.round += 1
        self._due.clear()
        self._doubt.set()

    def unsure(self, users: Iterable[str]) -> list[str]:
        """Those of these ghosts who were not looked at since the last doubt."""
        found = (self._ghosts.get(user) for user in users)
        return [ghost.user for ghost in found if ghost is not None and self._unsure(ghost)]

    def _unsure(self, ghost: Ghost) -> bool:
        return ghost.ready and ghost.looked != self._ghosts.round

    async def run(self) -> None:
        """Look for ever: no second costs more because there are many ghosts."""
        while True:
            user = self._next()
            pause = await self._one(user) if user is not None else _CALM
            try:
                async with asyncio.timeout(pause):
                    await self._doubt.wait()
            except TimeoutError:
                pass

    def _next(self) -> str | None:
        if not self._due:
            self._due.extend(ghost.user for ghost in self._ghosts.all() if self._unsure(ghost))
        if not self._due:
            self._doubt.clear()
            self._due.extend(ghost.user for ghost in self._ghosts.all())
        return self._due.popleft() if self._due else None

    async def _one(self, user: str) -> float:
        doubted = self._doubt.is_set()
        if doubted and not self.unsure([user]):
            return 0.0
        try:
            await self._look([user])
        except (Unavailable, Refused) as reason:
            log.info("the inbox of %s is looked at later: %s", user, reason)
            self._due.append(user)
            await asyncio.sleep(_AWAY)
        if doubted:
            await asyncio.sleep(_DOUBTED)
            return 0.0
        return max(_CALM, _ROUND / (len(self._due) + 1))
