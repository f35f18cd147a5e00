"""What waits within the Matrix edge, for an operator: events, events without their key, people without their keys."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.connector import OwnQueue
from bridge.db import Database

EVENTS, UNREADABLE, KEYLESS = "events", "unreadable", "keyless"
_TRUSTED = 1 << 59  # ms; people of servers that are not trusted any more are noted beyond it


_LOOKED_AT = 10_000  # events, the oldest, among which one is looked for


async def waiting(db: Database, most: int, failing: Mapping[str, str]) -> list[OwnQueue]:
    """Of the whole hub, each counted up to ``most``. ``failing``: rooms, and why they do not go on. Raises Unavailable.

    ``events``: came from the homeserver and are still to be worked on. ``unreadable``: came, and their key did not.
    ``keyless``: people in rooms for whom keys are kept, as no device of theirs can take them yet.
    """
    inbox, keyless = await db.one("matrix.inbox_waits", most), await db.one("e2ee.late-count", _TRUSTED, most)
    found = [OwnQueue(KEYLESS, "", 0 if keyless is None else int(keyless["n"]), None)]
    if inbox is None:
        return found
    parked = int(inbox["parked"] or 0)
    room, why = next(iter(failing.items()), ("", ""))
    events = OwnQueue(EVENTS, "", int(inbox["n"]) - parked, inbox["oldest"], f"{why} in {room}" if room else "")
    return [events, OwnQueue(UNREADABLE, "", parked, inbox["oldest_parked"]), *found]


async def inside(db: Database, event_id: str, failing: Mapping[str, str]) -> list[OwnQueue]:
    """An event that came and is not done; ``part``: its room. Raises Unavailable."""
    row = await db.one("matrix.inbox_by_event", _LOOKED_AT, event_id)
    if row is None:
        return []
    room = str(row["room_id"])
    name = EVENTS if row["parked_at"] is None else UNREADABLE
    return [OwnQueue(name, room, 1, int(row["received_at"]), failing.get(room, ""))]
