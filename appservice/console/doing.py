"""What the console shows and does: the very acts of the operator's commands, each of which is in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appservice.console.login.sessions import Operator
from appservice.operating.door import Act
from bridge.db import Database
from bridge.errors import Refused
from bridge.trail.entry import TrailEntry, TrailKind, note

Json = dict[str, Any]


class Doing:
    """``acts``: what operators may ask of a hub, by name. ``clock`` gives milliseconds since 1970."""

    def __init__(self, acts: Mapping[str, Act], db: Database, clock: Callable[[], int]) -> None:
        self._acts, self._db, self._clock = acts, db, clock

    async def see(self, name: str, /, **asked: Any) -> Json:
        """Look. Raises Refused, Unavailable."""
        return await self._acts[name](asked)

    async def do(self, who: Operator, name: str, about: str, /, **asked: Any) -> Json:
        """Act: that somebody wants it is in the trail before it is done. Raises Refused, Unavailable.

        ``about``: the id or address of what it is done to.
        """
        await self._note(who, name, about, "asked")
        try:
            return await self._acts[name](asked | {"by": who.by})
        except Refused as refused:
            await self._note(who, name, about, refused.code)
            raise

    async def _note(self, who: Operator, name: str, about: str, result: str) -> None:
        async with self._db.transaction("console.act") as tx:
            entry = TrailEntry(TrailKind.OPERATOR, who.by, about[:255], name, result, {"at": "console"})
            await note(tx, entry, self._clock())
