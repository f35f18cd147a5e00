"""Where a message is: by any name that any network has for it, over all legs, without a word of its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.db import Database, Row
from bridge.errors import Refused
from bridge.hub.operating.waiting import WaitingDelivery, WaitingQueue

Json = dict[str, Any]
_NAMES = 100  # of one message that are shown
_NEWEST = 10  # messages of a conversation that are shown
_MEMBERS = 1000
_SAID = ("id", "sender", "network", "kind", "accepted_at")


class Tracing:
    """Reads only; ids and codes only."""

    def __init__(self, db: Database, networks: Sequence[str], queue: WaitingQueue) -> None:
        self._db, self._networks, self._queue = db, networks, queue

    async def find(self, name: str) -> Json:
        """A message by its id, by a delivery's, or by what a network calls it; or a conversation.

        Gives ``{"message": …}`` or ``{"conversation": …}``. Raises Refused (nothing_by_this_name).
        """
        ident = await self._message(name)
        if ident is not None:
            return {"message": await self.message(ident)}
        conversation = await self._conversation(name)
        if conversation is None:
            raise Refused("nothing_by_this_name")
        return {"conversation": await self.conversation(conversation)}

    async def _message(self, name: str) -> str | None:
        if await self._db.one("operating.message", name) is not None:
            return name
        if (row := await self._db.one("operating.delivery", name)) is not None:
            return str(row["message"])
        for network in self._networks:
            for one in (name, f"<{name}>"):
                if (row := await self._db.one("store.by_ref", network, one)) is not None:
                    return str(row["id"])
        return None

    async def _conversation(self, name: str) -> str | None:
        if await self._db.one("operating.conversation", name) is not None:
            return name
        for network in self._networks:
            if (row := await self._db.one("store.leg_by_chat", network, name)) is not None:
                return str(row["conversation"])
        return None

    async def message(self, ident: str) -> Json:
        """One message: its names, what became of it for each recipient, what of it still waits."""
        row = await self._db.one("operating.message", ident)
        if row is None:
            raise Refused("nothing_by_this_name")
        report = await self._db.one("operating.report", ident)
        return {
            **_one(row, "id", "conversation", "network", "sender", "kind", "sent_at", "accepted_at"),
            "names": _all(await self._db.all("operating.names", ident, _NAMES), "network", "id"),
            "states": _all(await self._db.all("operating.states", ident), "person", "network", "state", "at", "reason"),
            "waiting": [to_json(one) for one in await self._queue.of_message(ident)],
            "changes": _all(await self._db.all("operating.changes", ident, _NAMES), "message", "kind"),
            "untold": None if report is None else _one(report, "network", "attempt", "next_at"),
        }

    async def person(self, ident: str) -> list[Json]:
        """The newest conversations of a person, each with its newest messages, so that one is found by its time."""
        found = await self._db.all("operating.conversations", ident, _NEWEST)
        return [
            _one(row, "conversation", "network", "address", "joined_at")
            | {"said": _all(await self._db.all("operating.said", row["conversation"], _NEWEST), *_SAID)}
            for row in found
        ]

    async def conversation(self, ident: str) -> Json:
        """One conversation: its legs, its members, its newest messages with how many are in which state, what waits.

        ``late`` of a leg: since when (ms) it is late, or None. Raises Refused (nothing_by_this_name).
        """
        row = await self._db.one("operating.conversation", ident)
        if row is None:
            raise Refused("nothing_by_this_name")
        return {
            **_one(row, "id", "created_at"),
            "legs": _all(await self._db.all("operating.legs", ident), "network", "chat", "late"),
            "members": _all(await self._db.all("operating.members", ident, _MEMBERS), "person", "network", "address"),
            "newest": [one["id"] for one in await self._db.all("operating.newest", ident, _NEWEST)],
            "said": [await self._said(one) for one in await self._db.all("operating.said", ident, _NEWEST)],
            "waiting": [to_json(one) for one in await self._queue.lanes(ident, _NEWEST)],
        }

    async def _said(self, row: Row) -> Json:
        states = await self._db.all("operating.states_counted", row["id"])
        return _one(row, *_SAID) | {"states": _all(states, "network", "state", "n")}

    async def whole(self, name: str) -> Json:
        """A conversation by its id, or by what a network calls its chat; of a message: the one it is in.

        Raises Refused (nothing_by_this_name).
        """
        found = await self.find(name)
        if "message" in found:
            return await self.conversation(found["message"]["conversation"])
        return dict(found["conversation"])


def to_json(waiting: WaitingDelivery) -> Json:
    """As the operator's door carries it."""
    return {name: getattr(waiting, name) for name in WaitingDelivery.__slots__}


def _one(row: Row, *names: str) -> Json:
    return {name: row[name] for name in names}


def _all(rows: Sequence[Row], *names: str) -> list[Json]:
    return [_one(row, *names) for row in rows]
