"""Who has just come into a room: nobody is written to before they can know who writes.

A client that refuses unsigned devices judges a message once, when it first has both event and key. If it does not yet
know that the ghost's device is signed by its owner, the message stays unreadable until the client is started again
(observed with matrix-js-sdk 43). So keys are given to people once they have joined and had time to ask for the ghosts'
keys; what is said before is kept for them. A new room waits a little for those who were invited, so that the first
message is readable at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from appservice.rooms.roomstate import Room

_MOMENT = 0.5  # s; the settling of a newcomer is about to be noted, which is told


@dataclass(slots=True)
class _Coming:
    """Times are of the monotonic clock: when each newcomer has settled, until when a new room waits."""

    settled: dict[str, float] = field(default_factory=dict)
    patience: float = 0.0
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Newcomers:
    """``settle`` is the time a newcomer's client gets, ``patience`` how long a new room waits for people (seconds)."""

    def __init__(self, settle: float, patience: float, is_ghost: Callable[[str], bool]) -> None:
        self._settle = settle
        self._patience = patience
        self._is_ghost = is_ghost
        self._coming: dict[str, _Coming] = {}

    def made(self, room: Room) -> None:
        """The room is new: people were invited just now."""
        self._of(room).patience = time.monotonic() + self._patience
        asyncio.get_running_loop().call_later(self._patience, self._forget, room)

    def came(self, room: Room, user: str) -> None:
        """Somebody has joined."""
        coming = self._of(room)
        coming.settled[user] = time.monotonic() + self._settle
        if not self._is_ghost(user):
            room.await_keys(user, True)
        else:
            asyncio.get_running_loop().call_later(self._settle + 0.1, self._forget, room)
        coming.news.set()

    async def settled(self, room: Room, user: str, known: Awaitable[object]) -> None:
        """Wait until a newcomer's client had its time and their devices are ``known``; from then on they get keys."""
        await asyncio.gather(asyncio.sleep(self._settle), known)
        room.await_keys(user, False)
        self._of(room).settled.pop(user, None)
        self._forget(room)

    async def before(self, room: Room, ghost: str) -> None:
        """Wait until those who are coming can read what the ghost says; never long."""
        while (coming := self._coming.get(room.room_id)) is not None:
            wait = self._wait(room, coming, ghost)
            if wait <= 0:
                return
            coming.news.clear()
            try:
                async with asyncio.timeout(wait):
                    await coming.news.wait()
            except TimeoutError:
                pass

    def _wait(self, room: Room, coming: _Coming, ghost: str) -> float:
        now = time.monotonic()
        times = [at - now for user, at in coming.settled.items() if user == ghost]
        times += [max(at - now, _MOMENT) for user, at in coming.settled.items() if room.waits(user)]
        if any(not self._is_ghost(user) for user in room.present("invite")):
            times.append(coming.patience - now)
        return max(times, default=0.0)

    def _of(self, room: Room) -> _Coming:
        return self._coming.setdefault(room.room_id, _Coming())

    def _forget(self, room: Room) -> None:
        now, coming = time.monotonic(), self._coming.get(room.room_id)
        if coming is None:
            return
        coming.settled = {user: at for user, at in coming.settled.items() if at > now or room.waits(user)}
        coming.news.set()
        if not coming.settled and coming.patience <= now:
            del self._coming[room.room_id]
