"""What was refused, counted by reason and server until the hub has it: its audit trail holds these, and no person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from liaison_policy.hub import HubAway, HubLine
from liaison_policy.identities import Threaded
from liaison_policy.reasons import Refusal

_MOST = 1_000  # servers and reasons between two deliveries; whoever is refused after that counts for no server


class Refusals:
    """Each process of a homeserver counts its own; what is not told at its end is lost."""

    def __init__(self, hub: HubLine | None, thread: Threaded) -> None:
        self._hub = hub
        self._thread = thread
        self._counted: Counter[tuple[str, str]] = Counter()

    def count(self, refusal: Refusal) -> None:
        """One more."""
        if self._hub is not None:
            known = (refusal.reason.code, refusal.server.lower())
            self._counted[known if known in self._counted or len(self._counted) < _MOST else (known[0], "")] += 1

    async def deliver(self) -> None:
        """Tell the hub; what it does not take stays."""
        if self._hub is None or not self._counted or self._hub.resting:
            return
        counted, self._counted = self._counted, Counter()
        rows = [{"code": code, "server": server, "count": n} for (code, server), n in sorted(counted.items())]
        if not await self._thread(_told, self._hub.refused, rows):
            self._counted.update(counted)


def _told(tell: Callable[[list[dict[str, str | int]]], None], rows: list[dict[str, str | int]]) -> bool:
    try:
        tell(rows)
    except HubAway:
        return False
    return True
