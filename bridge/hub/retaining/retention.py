"""Conversations in which nobody writes any more end: their people are told there before, and one message keeps them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from bridge.db import Row, Tx
from bridge.db.pages import pages
from bridge.errors import Refused, Unavailable
from bridge.hub.hub import Hub
from bridge.hub.retaining.purging import Purging
from bridge.model import Body, Kind, Message, Ref
from bridge.store.store import Store
from bridge.trail.entry import TrailEntry, TrailKind, note
from bridge.words import sentence

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """Seconds: ``conversations`` are kept so long after their last message (0: ever), and told ``notice`` before."""

    conversations: float = 0.0
    notice: float = 7 * 86_400.0
    look: float = 3600.0


class Retention:
    """``clock`` gives milliseconds since 1970."""

    def __init__(
        self, hub: Hub, store: Store, purging: Purging, rules: RetentionRules, clock: Callable[[], int]
    ) -> None:
        self._hub, self._store, self._purging = hub, store, purging
        self._rules, self._clock = rules, clock

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except Unavailable as reason:
                log.info("retention: the next look goes on with it: %s", reason)
            await asyncio.sleep(self._rules.look)

    async def look(self) -> None:
        """Look at every conversation once, a page at a time. Raises Unavailable."""
        async for page in pages(self._store.db, "retention.page", ("",), ("id",)):
            for row in page:
                await self._judge(row)

    async def _judge(self, row: Row) -> None:
        now, notice = self._clock(), int(1000 * self._rules.notice)
        seconds = row["seconds"] if row["own"] else self._rules.conversations or None
        last = row["created_at"] if row["last"] is None else row["last"]
        until = row["until"]
        if seconds is None or (until is not None and last > until - notice):  # kept, or somebody has written since
            if until is not None:
                await self._untell(row["id"])
            return
        ends = last + 1000 * int(seconds)
        if until is None and now >= ends - notice:
            await self._tell(row["id"], max(ends, now + notice))
        elif until is not None and now >= until and await self._purging.purge(row["id"], "hub"):
            log.info("%s: nobody has written since %d days: purged", row["id"], (now - last) // 86_400_000)

    async def _untell(self, conversation: str) -> None:
        async with self._store.db.transaction("retention.untell") as tx:
            await tx.run("retention.untell", conversation)

    async def _tell(self, conversation: str, until: int) -> None:
        """Say on every leg when it ends. What is said is no message that keeps it."""

        async def told(tx: Tx) -> None:
            await tx.run("retention.tell", conversation, until)
            about = TrailEntry(TrailKind.RETENTION, "hub", conversation, None, "told", {"until": until})
            await note(tx, about, self._clock())

        async with self._store.db.transaction("retention.told") as tx:
            await told(tx)
        whole = await self._store.conversation(conversation)
        days = max(1, round((until - self._clock()) / 86_400_000))
        for network in sorted(whole.networks):
            speaker = next((m for m in whole.members if m.address.network != network), None)
            chat = whole.legs.get(speaker.address.network) if speaker is not None else None
            if speaker is None or chat is None:
                continue
            ref = Ref(speaker.address.network, f"retention:{conversation}:{network}:{until}")
            body = Body(sentence("retention_ends").format(days=days), system=True)
            message = Message(ref, chat, speaker.address, Kind.NOTICE, body, self._clock(), only=network)
            try:
                await self._hub.accept(message)
            except Refused as refusal:
                log.info("%s: nobody of %s is told that it ends: %s", conversation, network, refusal.code)

    # ---- an operator decides

    async def keep(self, conversation: str, seconds: int | None, by: str, *, as_others: bool = False) -> None:
        """Keep one for ever (None), or for another time than the others. Raises Refused (unknown_conversation)."""
        if not (await self._store.conversation(conversation)).legs:
            raise Refused("unknown_conversation", about=conversation)
        async with self._store.db.transaction("retention.keep") as tx:
            if as_others:
                await tx.run("retention.as-others", conversation)
            else:
                await tx.run("retention.keep", conversation, seconds)
            result = "as_others" if as_others else "kept"
            details = {} if seconds is None else {"seconds": seconds}
            await note(tx, TrailEntry(TrailKind.RETENTION, by, conversation, None, result, details), self._clock())
