"""What the hub knows of a conversation goes; that it was there, and what became of each message, stays in the trail."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridge.connector import Forgets
from bridge.db import Tx
from bridge.hub.hub import Hub
from bridge.served import Served
from bridge.store.store import Store
from bridge.trail.entry import TrailEntry, TrailKind, note

_PAGE = 200  # messages of one transaction
_OF_A_MESSAGE = (
    "end_refs", "end_recipients", "end_report", "end_corrections", "end_files", "end_poll", "end_votes", "end_watched",
    "end_message",
)  # fmt: skip
_OF_A_CONVERSATION = (
    "end_looked", "end_taking_over", "end_seats", "end_watch", "end_members", "end_legs", "as-others", "untell",
    "end_conversation",
)  # fmt: skip


class Purging:
    """``clock`` gives milliseconds since 1970."""

    def __init__(self, hub: Hub, store: Store, served: Served, clock: Callable[[], int]) -> None:
        self._hub, self._store, self._served, self._clock = hub, store, served, clock

    async def purge(self, conversation: str, by: str, still: Callable[[], bool] = lambda: True) -> bool:
        """Everything of it goes, unless something waits for somebody there. False: it stays. Raises Unavailable.

        Nobody writes there meanwhile; what a crash interrupts is gone on with at the next look.
        """
        async with self._hub.turn(conversation):
            if not still() or await self._store.db.one("retention.waits", conversation) is not None:
                return False
            whole = await self._store.conversation(conversation)
            with self._store.changing(conversation):
                count = 0
                while page := await self._store.db.all("retention.messages", conversation, _PAGE):
                    count += len(page)
                    rows = [(row["id"],) for row in page]
                    async with self._store.db.transaction("retention.page") as tx:
                        for statement in _OF_A_MESSAGE:
                            await tx.many(f"retention.{statement}", rows)
                async with self._store.db.transaction("retention.purge") as tx:
                    legs = [(network, conversation) for network in sorted(whole.legs)]
                    await tx.many("retention.end_awaited", legs)
                    await tx.many("retention.end_late_leg", legs)
                    await self._forgotten(tx, whole.legs)
                    for statement in _OF_A_CONVERSATION:
                        await tx.run(f"retention.{statement}", conversation)
                    details = {"messages": count, "legs": len(whole.legs)}
                    gone = TrailEntry(TrailKind.RETENTION, by, conversation, None, "purged", details)
                    await note(tx, gone, self._clock())
        return True

    async def _forgotten(self, tx: Tx, legs: Mapping[str, str | None]) -> None:
        """By networks with tables of their own."""
        for network, chat in sorted(legs.items()):
            connector: object = self._served[network] if network in self._served else None  # noqa: SIM401
            if isinstance(connector, Forgets) and chat is not None:
                await connector.forget(tx, chat)
