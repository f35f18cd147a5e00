"""What is written at the moment in which an older copy is noticed: what it bounds, and what may happen a second time.

Every call of the hub carries a key that is made of the message's own name, so whoever remembers the first call knows
the second one: a product by ``webhook-id``, the homeserver for a day by its transaction id, a mailbox by Message-ID.
What they may not remember is listed here, for the operator.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum

from bridge.db import Database, Tx
from bridge.db.pages import pages
from bridge.model import MATRIX
from bridge.served import Served
from bridge.trail.entry import TrailEntry, TrailKind, note

log = logging.getLogger(__name__)
_LISTED = 10_000  # what waits is listed one by one up to here


class CopyKind(StrEnum):
    """Why a database is taken for a copy."""

    OLDER = "older"  # the homeserver knows a later one
    MOVED = "moved"  # it lies in another place than before: perhaps a copy that is as new as can be
    HOMESERVER = "homeserver"  # the homeserver knows less than it has confirmed: it was restored


class ItemKind(StrEnum):
    """What is listed."""

    WAITING = "waiting"  # a delivery, webhook or mail that the copy holds as not sent: it may go out a second time
    AGAIN = "again"  # an event that was read again in its room: other networks may have it already
    OURS = "ours"  # an event that the hub has sent and knows nothing of any more
    ROOM = "room"  # a room that the copy did not know
    UNREACHED = "unreached"  # a room that could not be compared


class Noticing:
    """Writes it, with what every network has to say. ``clock`` gives milliseconds since 1970."""

    def __init__(self, db: Database, served: Served, clock: Callable[[], int]) -> None:
        self._db, self._served, self._clock = db, served, clock

    async def waiting(self) -> list[tuple[str, str]]:
        """(network, delivery) of what the copy holds as not sent."""
        found: list[tuple[str, str]] = []
        async for page in pages(self._db, "process.waiting-in-copy", ("",), ("id",)):
            found += [(row["network"], row["id"]) for row in page]
            if len(found) >= _LISTED:
                break
        return found

    async def write(self, tx: Tx, kind: CopyKind, since: int, until: int, waiting: list[tuple[str, str]]) -> None:
        """Part of the transaction that retires the sessions. ``since`` and ``until``: when it was copied, and when the
        later life was last counted (ms).
        """
        at = self._clock()
        await tx.run("process.restored", at, kind.value, since, until)
        again = [*waiting, *(await self._served.went_back(tx) if kind is not CopyKind.HOMESERVER else [])]
        await tx.many("process.restored-item", [(at, ItemKind.WAITING.value, name, network) for network, name in again])
        details = {"since": since, "until": until, "waiting": len(again)}
        await note(tx, TrailEntry(TrailKind.TRAIL, "hub", MATRIX, None, f"copy_{kind.value}", details), at)
