"""What was corrected or taken back, and what waits still: that leaves corrected, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bridge.db import Database, Row, Tx
from bridge.kinds import KINDS
from bridge.model import Kind, Message, Ref
from bridge.seal import Seal
from bridge.store import bodies
from bridge.store.conversation import Conversation, message_id
from bridge.store.outcomes import Outcomes


@dataclass(frozen=True, slots=True)
class Original:
    """A message that something is done to; ``own`` is its name in the network where it was written.

    ``root``: of a correction, the message (hub id) that it corrects; else the message itself.
    """

    message: str
    conversation: str
    sender: str
    kind: Kind
    own: Ref
    root: str


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
        if tried:
            await self._end_earlier(tx, about, tried, now)
        if rows and KINDS[message.kind].erases:
            await tx.run("store.end_files", about)
            await self._outcomes.changed(tx, about)
        return tried

    def _body(self, row: Row, message: Message) -> bytes:
        was = self._seal.open(bytes(row["body"]), row["id"])
        return self._seal.seal(bodies.corrected(was, message.body), row["id"])

    async def _end_earlier(self, tx: Tx, about: str, networks: Collection[str], now: int) -> None:
        """A correction that waits behind the message that leaves corrected anew would put an old text there again.

        Nobody hands it out meanwhile: it stands after that message in its lane.
        """
        for edit in [row["message"] for row in await tx.all("early.edits", about)]:
            for row in [one for one in await tx.all("store.waiting_of", edit) if one["network"] in networks]:
                await tx.run("store.end_delivery", row["id"])
                await tx.run("store.refused", edit, row["network"], now, "corrected")
                await self._outcomes.changed(tx, edit)

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

    async def target(self, reader: Tx | Database, ref: Ref) -> Original | None:
        """The message that a network calls so, or None."""
        return _target(await reader.one("early.target", ref.network, ref.id))

    async def message(self, reader: Tx | Database, ident: str) -> Original | None:
        """The same by the hub's id, of what is no correction."""
        return _target(await reader.one("early.message", ident))

    async def amended(self, tx: Tx, message: str) -> tuple[int | None, bool]:
        """When (ms) the newest correction of a message was said, None: there is none; and whether it is taken back."""
        row = await tx.one("early.amended", message)
        assert row is not None
        return row["edited"], row["removed"] is not None

    async def note(self, tx: Tx, message: Message, about: str) -> None:
        """A correction, or the taking back, of the message ``about`` has been accepted."""
        await tx.run("early.note", message_id(message.ref), about, message.kind.value, message.sent_at)

    async def nobody(self, tx: Tx, message: Message, conversation: Conversation, code: str, now: int) -> None:
        """What was recorded for nobody is refused to everybody elsewhere, for this reason (a code)."""
        ident = message_id(message.ref)
        others = [m for m in conversation.members if m.address.network != message.ref.network]
        for member in others:
            await tx.run("store.add_recipient", ident, member.person.id, member.address.network, now)
        for network in {member.address.network for member in others}:
            await tx.run("store.refused", ident, network, now, code)
        await self._outcomes.changed(tx, ident)


def _target(row: Row | None) -> Original | None:
    if row is None:
        return None
    own = Ref(row["network"], row["ref"])
    return Original(row["id"], row["conversation"], row["sender"], Kind(row["kind"]), own, row["root"] or row["id"])
