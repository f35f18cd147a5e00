"""Receipts that the homeserver took and never pushed: for a hub that is away it keeps none (Synapse, ``scheduler.py``).

What people have read stays in the homeserver. ``/sync`` says it, with the thread that a transaction keeps to itself.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from appservice.client.edge import MatrixEdge
from appservice.client.homeserver import MatrixRefused, may
from appservice.rooms.rooms import Rooms
from bridge.model import MATRIX

Json = dict[str, Any]
Take = Callable[[Sequence[Json]], None]
log = logging.getLogger(__name__)
_ROOMS = 50  # that one question names


class MissedReceipts:
    """``take`` gets them. ``anchor`` gives a position of one of ours from before whatever may be missing, if known."""

    def __init__(self, edge: MatrixEdge, rooms: Rooms, anchor: Callable[[str], str | None], take: Take) -> None:
        self.hub = edge.hub
        self._homeserver = edge.homeserver
        self._rooms = rooms
        self._anchor = anchor
        self._take = take

    async def ask(self, rooms: Iterable[str]) -> None:
        """Ask for those of these rooms in which somebody has not read everything. Raises Unavailable."""
        readers: dict[str, list[str]] = {}
        for room_id in rooms:
            if await self.hub.facts.unread(MATRIX, room_id):
                ghosts = self._rooms.doors.ghosts_in(await self._rooms.store.get(room_id))
                readers[room_id] = [ghost for ghost in ghosts if self._anchor(ghost)] or ghosts[:1]
        for reader, some in _shared(readers):
            self._take(await self._receipts(reader, some))

    async def _receipts(self, reader: str, rooms: Sequence[str]) -> list[Json]:
        query = {"timeout": "0", "set_presence": "offline", "filter": orjson.dumps(_filter(rooms)).decode()}
        since = self._anchor(reader)
        if since is not None:  # else all that was ever read there: a person's last in a thread
            query["since"] = since
        try:
            answer = await self._homeserver.call("GET", "/_matrix/client/v3/sync", user=reader, query=query)
        except MatrixRefused as refusal:
            log.info("what was read in %d rooms is not known: %s", len(rooms), refusal)
            return []
        joined = may(may(answer, "rooms", dict), "join", dict)
        found = []
        for room_id in rooms:
            events = may(may(may(joined, room_id, dict), "ephemeral", dict), "events", list)
            found += [event | {"room_id": room_id} for event in events if isinstance(event, dict)]
        return found


def _shared(readers: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
    """Rooms by somebody who is in them, as few people as can easily be had; some rooms at a time."""
    common = Counter(ghost for ghosts in readers.values() for ghost in ghosts)
    mine: dict[str, list[str]] = defaultdict(list)
    for room_id, ghosts in readers.items():
        if ghosts:
            mine[max(ghosts, key=lambda ghost: (common[ghost], ghost))].append(room_id)
    for ghost, rooms in mine.items():
        for start in range(0, len(rooms), _ROOMS):
            yield ghost, rooms[start : start + _ROOMS]


def _filter(rooms: Sequence[str]) -> Json:
    """Nothing but receipts. Synapse repeats the answer to a question that it was asked of late."""
    nothing: Json = {"types": []}
    room = {
        "rooms": [*rooms],
        "timeline": nothing | {"limit": 1},
        "state": nothing,
        "ephemeral": {"types": ["m.receipt"]},
    }
    room["account_data"] = nothing
    return {"presence": nothing, "account_data": nothing, "room": room, "fr.liaison.once": secrets.token_hex(8)}
