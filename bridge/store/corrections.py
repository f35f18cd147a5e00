"""What waits still leaves corrected, or not at all: the statements of a correction that comes in time."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bridge.db import Row, Tx
from bridge.kinds import KINDS
from bridge.model import Message
from bridge.seal import Seal
from bridge.store import bodies
from bridge.store.conversation import Conversation, message_id
from bridge.store.outcomes import Outcomes


class Corrections:
    """Each takes the open transaction in which the hub accepts the correction."""

    def __init__(self, seal: Seal, outcomes: Outcomes) -> None:
        self._seal = seal
        self._outcomes = outcomes

    async def overtake(
        self, tx: Tx, message: Message, about: str, free: Collection[str], begun: int, now: int
    ) -> dict[str, bool]:
        """Correct or take back what waits of the message ``about``, if it is one of the deliveries ``free``.

        Gives the networks at which it waited, and whether it was tried there already: a network whose answer was lost
        may have it. ``begun``: when the hub started (ms); an earlier life of it may have tried whatever is older.
        """
        rows = [row for row in await tx.all("store.waiting_of", about) if row["id"] in free]
        tried = {row["network"]: row["attempt"] > 0 or row["created_at"] < begun for row in rows}
        for row in rows:
            if KINDS[message.kind].erases:
                await tx.run("store.end_delivery", row["id"])
                reason = "taken_back_late" if tried[row["network"]] else "taken_back"
                await tx.run("store.refused", about, row["network"], now, reason)
            else:
                await tx.run("store.rewrite", row["id"], self._body(row, message))
        if rows and KINDS[message.kind].erases:
            await tx.run("store.end_files", about)
            await self._outcomes.changed(tx, about)
        return tried

    def _body(self, row: Row, message: Message) -> bytes:
        was = self._seal.open(bytes(row["body"]), row["id"])
        return self._seal.seal(bodies.corrected(was, message.body), row["id"])

    async def told(
        self, tx: Tx, message: Message, conversation: Conversation, overtaken: Mapping[str, bool], now: int
    ) -> None:
        """Nobody gets a correction that was in time: its writer hears so. Of a removal the original's report tells."""
        if KINDS[message.kind].erases:
            return
        ident = message_id(message.ref)
        for member in conversation.members:
            if member.address.network in overtaken:
                await tx.run("store.add_recipient", ident, member.person.id, member.address.network, now)
        for network, tried in overtaken.items():
            await tx.run("store.refused", ident, network, now, "corrected_late" if tried else "corrected")
        await self._outcomes.changed(tx, ident)
