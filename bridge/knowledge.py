"""What the hub knows and tells every edge: who is who, what became of a message, which conversation this is."""

from __future__ import annotations

from collections.abc import Collection

from bridge.connector import Chat, Status
from bridge.model import Address, Person, Ref
from bridge.people import People
from bridge.store import Store


class Knowledge:
    """The questions of :class:`bridge.connector.Receiver`."""

    def __init__(self, store: Store, people: People) -> None:
        self._store = store
        self._people = people

    async def who(self, address: Address) -> Person | None:
        """See :class:`bridge.connector.Receiver`."""
        return await self._people.who(address)

    async def find(self, query: str, limit: int) -> list[Person]:
        """See :class:`bridge.connector.Receiver`."""
        return await self._people.search(query, limit)

    async def status(self, ref: Ref) -> Status | None:
        """See :class:`bridge.connector.Receiver`."""
        known = await self._store.known(self._store.db, ref)
        row = await self._store.db.one("store.status", known[0]) if known else None
        if row is None or row["network"] != ref.network or row["ref"] != ref.id:
            return None
        return Status(
            message=row["id"], ref=ref, conversation=row["conversation"], chat=row["chat"],
            sender=Address(row["network"], row["address"]), accepted_at=row["accepted_at"],
            states=await self._store.states(self._store.db, row["id"]),
        )  # fmt: skip

    async def cited(self, ref: Ref) -> Chat | None:
        """See :class:`bridge.connector.Receiver`."""
        known = await self._store.known(self._store.db, ref)
        if known is None:
            return None
        found = await self._store.conversation(self._store.db, known[1])
        return Chat(known[1], found.legs.get(ref.network), found.members)

    async def among(self, network: str, people: Collection[str]) -> Chat | None:
        """See :class:`bridge.connector.Receiver`."""
        ident = await self._store.among(network, people)
        if ident is None:
            return None
        found = await self._store.conversation(self._store.db, ident)
        return Chat(ident, found.legs.get(network), found.members)

    async def leg(self, conversation: str, network: str) -> Chat | None:
        """See :class:`bridge.connector.Receiver`."""
        found = await self._store.conversation(self._store.db, conversation)
        return Chat(conversation, found.legs.get(network), found.members) if found.members else None

    async def chat(self, network: str, chat: str) -> Chat | None:
        """See :class:`bridge.connector.Receiver`."""
        ident = await self._store.conversation_of(self._store.db, network, chat)
        if ident is None:
            return None
        found = await self._store.conversation(self._store.db, ident)
        return Chat(ident, found.legs.get(network), found.members)
