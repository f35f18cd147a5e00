"""Our own events, shown back by the homeserver: each has its place in the room now."""

from __future__ import annotations

from typing import Any

from appservice.arriving.inbox import Inbox
from appservice.arriving.transactions import Item
from appservice.client.edge import MatrixEdge
from appservice.leaving.outbox import Outbox
from bridge.db import Tx
from bridge.model import MATRIX


class Echoes:
    """Settles one echo at a time."""

    def __init__(self, edge: MatrixEdge, outbox: Outbox, inbox: Inbox) -> None:
        self._hub = edge.hub
        self._db = edge.db
        self._outbox = outbox
        self._inbox = inbox

    async def settle(self, item: Item, event: dict[str, Any]) -> None:
        """Our own event has its place in the room: the hub lets the others have the message now."""
        row = self._outbox.by_cipher(event["content"]["cipher"])
        if row is None or row.ghost != event["sender"]:
            async with self._db.transaction("matrix.done") as tx:
                await self._inbox.done(tx, item)
            return

        async def within(tx: Tx) -> None:
            await self._outbox.echo(tx, row, item.event_id)
            if row.message:  # every event of a message is the message: an answer to its file finds it
                await tx.run("store.also", MATRIX, item.event_id, row.message)
            await self._inbox.done(tx, item)

        if row.message:
            await self._hub.sequenced(row.message, within)
        else:
            async with self._db.transaction("matrix.echo") as tx:
                await within(tx)
        self._outbox.echoed(row, item.event_id)
