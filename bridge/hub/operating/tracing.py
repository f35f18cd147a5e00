"""Where a message is: by any name that any network has for it, over all legs, without a word of its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
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

        Gives ``{"message": …}``, ``{"conversation": …}``, or ``{"inside": …}`` for what has come to a network's edge
        and is no message of the hub yet. A Message-ID may stand in its brackets. Raises Refused (nothing_by_this_name).
        """
        name = name.strip().removeprefix("<").removesuffix(">")
        ident = await self._message(name)
        if ident is not None:
            return {"message": await self.message(ident)}
        conversation = await self._conversation(name)
        if conversation is not None:
            return {"conversation": await self.conversation(conversation)}
        if found := await self._inside([(network, name) for network in self._networks]):
            return {"inside": found}
        raise Refused("nothing_by_this_name")

    async def _inside(self, names: Sequence[tuple[str, str]]) -> list[Json]:
        return [
            {"network": network} | asdict(one)
            for network, name in names
            for one in await self._queue.inside(network, name)
        ]

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
        names = _all(await self._db.all("operating.names", ident, _NAMES), "network", "id")
        return {
            **_one(row, "id", "conversation", "network", "sender", "kind", "sent_at", "accepted_at"),
            "names": names,
            "inside": await self._inside([(name["network"], name["id"]) for name in names]),
            "states": _all(await self._db.all("operating.states", ident), "person", "network", "state", "at", "reason"),
            "waiting": [to_json(one) for one in await self._queue.of_message(ident)],
            "changes": _all(await self._db.all("operating.changes", ident, _NAMES), "message", "kind"),
            "untold": None if report is None else _one(report, "network", "attempt", "next_at"),
        }

    async def person(self, ident: str) -> list[Json]:
        """The newest conversations of a person, each with its newest messages, so that one is found by its time."""
        found = await self._db.all("operating.conversations", ident, _NEWEST)
        conversations = [
            _one(row, "conversation", "network", "address", "joined_at")
            | {"said": await self._newest(row["conversation"])}
            for row in found
        ]
        return sorted(conversations, key=_newest_at, reverse=True)

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
            "said": await self._newest(ident),
            "waiting": [to_json(one) for one in await self._queue.lanes(ident, _NEWEST)],
        }

    async def _newest(self, conversation: str) -> list[Json]:
        return [await self._said(one) for one in await self._db.all("operating.said", conversation, _NEWEST)]

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
        if "inside" in found:
            raise Refused("nothing_by_this_name")
        return dict(found["conversation"])


def to_json(waiting: WaitingDelivery) -> Json:
    """As the operator's door carries it."""
    return {name: getattr(waiting, name) for name in WaitingDelivery.__slots__}


def _newest_at(conversation: Json) -> int:
    return int(conversation["said"][0]["accepted_at"]) if conversation["said"] else 0


def _one(row: Row, *names: str) -> Json:
    return {name: row[name] for name in names}


def _all(rows: Sequence[Row], *names: str) -> list[Json]:
    return [_one(row, *names) for row in rows]
