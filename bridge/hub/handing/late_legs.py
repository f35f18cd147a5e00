"""Legs on which something waits for too long: an operator hears of each once, and again when it is over.

They are rows of the database: neither a restart nor another worker says the same again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from bridge.db import Database, Tx

log = logging.getLogger(__name__)
_NAMED = 10  # legs of a network that are named in the log; of more it is said that they are many
_PAGE = 100


@dataclass(frozen=True, slots=True)
class NewlyLate:
    """Conversations whose leg has just become late; ``before``: how many of that network already were."""

    conversations: tuple[str, ...]
    before: int


class LateLegs:
    """``late``: seconds that a message waits at most; ``clock`` gives milliseconds since 1970."""

    def __init__(
        self, db: Database, late: float, keeps: Callable[[str, str], bool], clock: Callable[[], int]
    ) -> None:  # fmt: skip
        self._db, self._late, self._keeps, self._clock = db, late, keeps, clock
        self._after: dict[str, str] = {}  # where the look at each network's legs goes on

    async def found(self, tx: Tx, network: str, conversations: Collection[str]) -> NewlyLate:
        """Something waits for long there: note it, in the transaction that notes the waiting."""
        row = await tx.one("operating.late_legs", network, _NAMED + 1)
        legs = [one for one in sorted(conversations) if not self._keeps(one, network)]
        new = [one for one in legs if await tx.one("operating.leg_is_late", network, one, self._clock())]
        return NewlyLate(tuple(new), 0 if row is None else int(row["n"]))

    def say(self, network: str, found: NewlyLate) -> None:
        """After the commit."""
        room = max(0, _NAMED - found.before)
        for conversation in found.conversations[:room]:
            words = "ALARM the leg %s of %s is late: something waits for longer than %g s"
            log.error(words, network, conversation, self._late)
        if found.before <= _NAMED and len(found.conversations) > room:
            words = "ALARM more than %d legs of %s are late: `liaison queue list --network %s`"
            log.error(words, _NAMED, network, network)

    async def over(self, network: str) -> None:
        """Look at a page of them, and at more while they go on. Raises Unavailable."""
        while True:
            rows = await self._db.all("operating.late_legs_after", network, self._after.get(network, ""), _PAGE)
            self._after[network] = rows[-1]["conversation"] if len(rows) == _PAGE else ""
            gone = [row for row in rows if not row["waits"] or self._keeps(row["conversation"], network)]
            ended = {row["conversation"]: row["since"] for row in gone}
            if ended:
                await self._end(network, ended)
            if not ended or len(rows) < _PAGE:
                return

    async def _end(self, network: str, ended: dict[str, int]) -> None:
        async with self._db.transaction("operating.legs-go-on") as tx:
            mine = [one for one in ended if await tx.one("operating.leg_goes_on", network, one)]
            row = await tx.one("operating.late_legs", network, 1)
        for conversation in mine[:_NAMED]:
            lasted = (self._clock() - ended[conversation]) / 1000
            log.warning("the leg %s of %s is late no more, after %.0f s", network, conversation, lasted)
        if mine and (row is None or not row["n"]):
            log.warning("no leg of %s is late any more", network)
