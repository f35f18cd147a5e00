"""Our own events, shown back by the homeserver: each has its place in the room now.

Most of them nobody waits for: those are settled in the very transaction that stores what the homeserver tells.
"""

from __future__ import annotations

from typing import Any

from appservice.arriving.inbox import Inbox
from appservice.arriving.transactions import ECHO, Item, Stored
from appservice.client.edge import MatrixEdge
from appservice.leaving.outbox import Outbox, Sent
from bridge.db import Tx
from bridge.model import MATRIX


class Echoes:
    """Settles echoes: at once, or one at a time in the order of their room."""

    def __init__(self, edge: MatrixEdge, outbox: Outbox, inbox: Inbox) -> None:
        self._hub = edge.hub
        self._db = edge.db
        self._outbox = outbox
        self._inbox = inbox

    async def settle_now(self, tx: Tx, items: list[Item]) -> Stored:
        """Settle those for which no other leg waits; part of the transaction that stores them."""
        mine = {item.event_id: row for item in items if (row := self._row(item)) is not None}
        messages = {row.message for row in mine.values() if row.message}
        awaited = await self._hub.awaited(tx, messages) if messages else set()
        settled: dict[str, tuple[Sent, str]] = {}  # by row: it may have been shown twice
        for event_id, row in mine.items():
            if row.message not in awaited and row.id not in settled:
                settled[row.id] = row, event_id
        if settled:
            await self._note(tx, *settled.values())
            if said := [row.message for row, _ in settled.values() if row.message and "/" not in row.id]:
                await self._hub.shown(tx, said)
        events = {event_id for _, event_id in settled.values()}

        def noted() -> None:
            for row, event_id in settled.values():
                self._outbox.echoed(row, event_id)

        return Stored([item for item in items if item.event_id not in events], noted)

    def _row(self, item: Item) -> Sent | None:
        """What this event is the echo of; None for any other event, and if it was settled before."""
        if item.event is None or item.event["type"] != ECHO:
            return None
        row = self._outbox.by_cipher(item.event["content"]["cipher"])
        return row if row is not None and row.ghost == item.event["sender"] else None

    async def _note(self, tx: Tx, *shown: tuple[Sent, str]) -> None:
        await self._outbox.echo(tx, shown)
        # every event of a message is the message: an answer to its file finds it
        also = [(MATRIX, event_id, row.message) for row, event_id in shown if row.message]
        if also:
            await tx.many("store.also", also)

    async def settle(self, item: Item, event: dict[str, Any]) -> None:
        """Our own event has its place in the room: the hub lets the others have the message now."""
        row = self._outbox.by_cipher(event["content"]["cipher"])
        if row is None or row.ghost != event["sender"]:
            async with self._db.transaction("matrix.done") as tx:
                await self._inbox.done(tx, item)
            return

        async def within(tx: Tx) -> None:
            await self._note(tx, (row, item.event_id))
            await self._inbox.done(tx, item)

        if row.message:
            await self._hub.sequenced(row.message, within)
        else:
            async with self._db.transaction("matrix.echo") as tx:
                await within(tx)
        self._outbox.echoed(row, item.event_id)
