"""Each trust list that is accepted stands in the audit trail: which one, by whose key, how many domains it changes."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.hashes import SHA256

from bridge.db import Database
from bridge.networks.mail.trust.trustfeed import Trust
from bridge.networks.mail.trust.trustlist import Difference
from bridge.parts.tasks import Tasks
from bridge.trail.entry import TrailEntry, TrailKind, note


class NotedLists:
    """``clock`` gives milliseconds since 1970. The list lies in a file: a row that a crash prevents is not made up."""

    def __init__(self, trust: Trust, db: Database, clock: Callable[[], int]) -> None:
        self._trust, self._db, self._clock = trust, db, clock
        self._tasks = Tasks("mail list")
        trust.changed.append(self._changed)

    def _changed(self, found: Difference) -> None:
        self._tasks.start(self._note(found))

    async def _note(self, found: Difference) -> None:
        listed = self._trust.list
        assert listed is not None
        signer = None if listed.signer is None else listed.signer.fingerprint(SHA256()).hex()[:32]
        details: dict[str, str | int] = {
            "domains": len(listed.domains), "new": len(found.domains_added), "gone": len(found.domains_removed),
        }  # fmt: skip
        entry = TrailEntry(TrailKind.LIST_CHANGED, signer, "mail", listed.digest[:32], "taken", details)
        async with self._db.transaction("mail.list") as tx:
            await note(tx, entry, self._clock())
