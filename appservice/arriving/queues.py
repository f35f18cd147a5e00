"""What waits within the Matrix edge, for an operator: events, events without their key, people without their keys."""

from __future__ import annotations

from bridge.connector import OwnQueue
from bridge.db import Database

EVENTS, UNREADABLE, KEYLESS = "events", "unreadable", "keyless"
_TRUSTED = 1 << 59  # ms; people of servers that are not trusted any more are noted beyond it


async def waiting(db: Database, most: int) -> list[OwnQueue]:
    """Of the whole hub, each counted up to ``most``. Raises Unavailable.

    ``events``: came from the homeserver and are still to be worked on. ``unreadable``: came, and their key did not.
    ``keyless``: people in rooms for whom keys are kept, as no device of theirs can take them yet.
    """
    inbox, keyless = await db.one("matrix.inbox_waits", most), await db.one("e2ee.late-count", _TRUSTED, most)
    found = [OwnQueue(KEYLESS, "", 0 if keyless is None else int(keyless["n"]), None)]
    if inbox is None:
        return found
    parked = int(inbox["parked"] or 0)
    events = OwnQueue(EVENTS, "", int(inbox["n"]) - parked, inbox["oldest"])
    return [events, OwnQueue(UNREADABLE, "", parked, inbox["oldest_parked"]), *found]
