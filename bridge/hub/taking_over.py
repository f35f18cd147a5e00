"""Somebody gets a Matrix account of their own: it is invited to their ghost's rooms, and takes over by joining.

Whoever does not accept goes on by the product or mailbox: the invitation is a question. One room after the other, from
disk, however many there are.
"""

from __future__ import annotations

import logging

from bridge.errors import Refused
from bridge.hub.moving import Moving
from bridge.model import MATRIX, Address
from bridge.parts.lanes import Lanes
from bridge.parts.patience import Patience
from bridge.people.people import People
from bridge.served import Served
from bridge.store.store import Store

log = logging.getLogger(__name__)


class TakingOver:
    """One lane for all rooms."""

    def __init__(self, store: Store, people: People, connectors: Served, moving: Moving, patience: Patience) -> None:
        self._store = store
        self._people = people
        self._served = connectors
        self._moving = moving
        self._lane: Lanes[str] = Lanes("rooms of new Matrix accounts", self._next, patience)

    def start(self) -> None:
        """Go on with what an earlier life has left."""
        self._lane.wake(MATRIX)

    async def stop(self) -> None:
        """What was not asked is on disk."""
        await self._lane.stop()

    async def begin(self, person: str, account: Address) -> None:
        """The directory gives somebody this Matrix account now."""
        async with self._store.db.transaction("hub.taking-over") as tx:
            await tx.run("following.take_over", person, account.id)
        self._lane.wake(MATRIX)

    async def _next(self, _: str) -> float | None:
        row = await self._store.db.one("following.next_takeover", "")
        if row is None:
            return None
        conversation, person, account = row["conversation"], row["person"], Address(MATRIX, row["account"])
        whole = await self._store.conversation(conversation)
        member, room = whole.member(person), whole.legs.get(MATRIX)
        owner = await self._people.who(account)
        there = member is not None and member.address.network != MATRIX
        if there and room is not None and owner is not None and owner.id == person:
            try:
                await self._served.admit(MATRIX, room, owner, account)
            except Refused as refusal:
                log.warning("%s is not invited to %s: %s", account, room, refusal.code)
        async with self._store.db.transaction("hub.asked-over") as tx:
            await tx.run("following.end_takeover", conversation, person)
        return 0.0

    async def joined(self, conversation: str, account: Address) -> bool:
        """Somebody has come into the room of a conversation of theirs by their own account: True if they took over."""
        person = await self._people.who(account)
        member = (await self._store.conversation(conversation)).member(person.id) if person is not None else None
        if person is None or member is None or account.network == member.address.network:
            return False
        await self._moving.to(conversation, person.id, member.address, account)
        return True
