"""The key of a message that has not come: waited for, asked for, and asked for once more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from appservice.arriving.inbox import Inbox, Parked
from appservice.arriving.transactions import Item, Json
from appservice.e2ee import Decrypted, Engine, KeyMissing
from appservice.rooms.rooms import Rooms
from bridge.errors import Unavailable

log = logging.getLogger(__name__)
_RING_FIRST, _RING_MORE = 3, 20  # ghosts whose inboxes are read for one missing key
_ASKED_MS = 7 * 86_400_000  # how long a message that waits is a reason to ask again


class Waiting:
    """How long a room waits for the key of a message (seconds), and who waits for which session."""

    def __init__(self, patience: float, request_after: float) -> None:
        self.patience = patience
        self.request_after = min(request_after, patience)
        self._bells: dict[tuple[str, str], asyncio.Event] = {}

    def bell(self, room: str, session: str) -> asyncio.Event:
        """What rings when the session comes."""
        return self._bells.setdefault((room, session), asyncio.Event())

    def ring(self, room: str, session: str) -> None:
        """The session has come."""
        if (bell := self._bells.pop((room, session), None)) is not None:
            bell.set()

    def forget(self, room: str, session: str) -> None:
        """Nobody waits any more."""
        self._bells.pop((room, session), None)


class MissingKeys:
    """Asks as the ghosts of the room. ``clock`` gives milliseconds since 1970."""

    def __init__(
        self, engine: Engine, rooms: Rooms, voice: str, waiting: Waiting, inbox: Inbox, clock: Callable[[], int]
    ) -> None:
        self._engine, self._rooms, self._voice = engine, rooms, voice
        self._waiting, self._inbox, self._clock = waiting, inbox, clock

    async def wait(self, item: Item, sender: str, content: Json, session: str) -> Decrypted:
        """Ring for the key, ask for it, wait; the lane stands still meanwhile, so that the order is kept.

        While an earlier message of the same person waits nobody stands still any more: the key of a further session is
        asked for at once. A client gives the key of its newest session only, so that may be all that can be had.
        """
        behind = self._inbox.has_parked(item.room, sender)
        if item.parked_at is not None or (behind and self._inbox.waits_for(item.room, session)):
            raise Parked(session, sender)
        first = 0.0 if behind else self._waiting.request_after
        try:
            for step, seconds in enumerate((first, 0.0 if behind else self._waiting.patience - first)):
                if (read := await self._try(item, sender, content, session, step, seconds)) is not None:
                    return read
        finally:
            self._waiting.forget(item.room, session)
        raise Parked(session, sender)

    async def _try(
        self, item: Item, sender: str, content: Json, session: str, step: int, seconds: float
    ) -> Decrypted | None:  # fmt: skip
        ghosts = await self._ghosts(item.room)
        bell = self._waiting.bell(item.room, session)
        await self._ring(ghosts[: (_RING_FIRST, _RING_MORE)[step]])
        try:
            return await self._engine.decrypt(item.room, sender, item.event_id, content)
        except KeyMissing:
            if step == 1:
                await self._engine.request_key(item.room, sender, content, ghosts)
        try:
            async with asyncio.timeout(seconds):
                await bell.wait()
            return await self._engine.decrypt(item.room, sender, item.event_id, content)
        except (TimeoutError, KeyMissing):
            return None

    async def again(self, item: Item) -> bool:
        """A message waits for long: its key is asked for once more when its time has come.

        Gives whether that had to be looked up. Raises Unavailable.
        """
        now = self._clock()
        if now < item.ask_at or now - (item.parked_at or now) > _ASKED_MS or not item.session or not item.sender:
            return False
        ghosts = await self._ghosts(item.room)
        item.ask_at = await self._engine.request_key(item.room, item.sender, {"session_id": item.session}, ghosts)
        return True

    async def _ghosts(self, room: str) -> list[str]:
        known = await self._rooms.store.get(room)
        return self._rooms.doors.ghosts_in(known) or [user for user in known.present("join") if user == self._voice]

    async def _ring(self, ghosts: list[str]) -> None:
        try:
            await self._engine.ring(ghosts)
        except Unavailable as reason:
            log.info("the inboxes of %d ghosts could not be read: %s", len(ghosts), reason.code)
