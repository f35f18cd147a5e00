"""What the trust space refuses stands in the audit trail: of many alike one row a minute, which counts the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.db import Database
from bridge.errors import Refused, Unavailable
from bridge.model import Address
from bridge.parts.lru import Lru
from bridge.trail.aliases import domain
from bridge.trail.entry import TrailEntry, TrailKind, note

_EVERY = 60_000  # ms between two rows of one domain and code
_DOMAINS = 1_000
_RULES = {
    "unknown_sender", "untrusted_server", "mail_domain_not_trusted", "mail_unknown_box", "account_held",
    "account_refused", "account_revoked", "sender_inactive", "recipient_inactive", "blocked",
}  # fmt: skip


@dataclass(slots=True)
class _Seen:
    at: int
    more: int = 0


class Refusals:
    """``clock`` gives milliseconds since 1970."""

    def __init__(self, db: Database, clock: Callable[[], int]) -> None:
        self._db, self._clock = db, clock
        self._seen: Lru[tuple[str, str], _Seen] = Lru(_DOMAINS)

    async def seen(self, sender: Address, refused: Refused) -> None:
        """``sender`` was refused; what is no rule of the trust space is left out."""
        if refused.code not in _RULES:
            return
        now, key = self._clock(), (domain(sender.network, sender.id), refused.code)
        last = self._seen.get(key)
        if last is not None and now - last.at < _EVERY:
            last.more += 1
            return
        details: dict[str, str | int] = {"from": key[0]}
        if last is not None and last.more:
            details["more"] = last.more
        self._seen.put(key, _Seen(now))
        try:
            async with self._db.transaction("hub.refused") as tx:
                entry = TrailEntry(TrailKind.POLICY_REFUSED, str(sender), None, None, refused.code, details)
                await note(tx, entry, now)
        except Unavailable:  # the refusal is told all the same
            self._seen.put(key, _Seen(0))
