"""What waits on disk for one network, as the courier reads it: a page at a time, however much it is."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.db import Database


@dataclass(frozen=True, slots=True)
class Queued:
    """A delivery that waits at its place in the order. ``next_at`` (ms): its next try, 0: there was none yet."""

    conversation: str
    place: int
    next_at: int


@dataclass(frozen=True, slots=True)
class Old:
    """A delivery that waits for long."""

    id: str
    message: str
    conversation: str


class Backlog:
    """Reads only; each look costs at most ``limit`` rows."""

    def __init__(self, db: Database, network: str) -> None:
        self.network = network
        self._db = db

    async def after(self, place: int, limit: int) -> list[Queued]:
        """The next deliveries after a place, whichever has waited longest comes first. A lane comes once for each."""
        rows = await self._db.all("store.lanes_of", self.network, place, limit)
        return [Queued(row["conversation"], row["pos"], row["next_at"]) for row in rows]

    async def another(self, place: int, than: str) -> Queued | None:
        """A delivery after a place, in another conversation ``than`` this one if that is near; from the start again."""
        for begin in (place, 0):
            if rows := await self.after(begin, 50):
                return next((row for row in rows if row.conversation != than), rows[-1])
        return None

    async def again(self, now: int, limit: int) -> list[str]:
        """The conversations whose first delivery is to be tried again by now (ms)."""
        rows = await self._db.all("store.again", self.network, now, limit)
        return [row["conversation"] for row in rows]

    async def next_again(self, now: int) -> int | None:
        """When (ms) the next delivery is to be tried again, after ``now``; None: none waits for a time."""
        row = await self._db.one("store.next_again", self.network, now)
        return None if row is None else row["next_at"]

    async def late(self, before: int, limit: int) -> list[Old]:
        """What was accepted before (ms) and is not yet known to be late, held deliveries too."""
        return await self._older(False, before, True, limit)

    async def expired(self, before: int, limit: int) -> list[Old]:
        """What was accepted before (ms); none that is held."""
        return await self._older(True, before, False, limit) or await self._older(False, before, False, limit)

    async def not_in(self, before: int, limit: int) -> list[tuple[str, str]]:
        """Who has been invited since before (ms), has not come yet, and nobody was told: conversation and person."""
        rows = await self._db.all("store.not_in", self.network, before, limit)
        return [(row["conversation"], row["person"]) for row in rows]

    async def _older(self, late: bool, before: int, held: bool, limit: int) -> list[Old]:
        rows = await self._db.all("store.older", self.network, int(late), before, int(held), limit)
        return [Old(row["id"], row["message"], row["conversation"]) for row in rows]
