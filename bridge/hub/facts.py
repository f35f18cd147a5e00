"""What the hub knows and tells every edge: who is who, what became of a message, which conversation this is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from bridge.errors import Refused
from bridge.hub.claims import Claims
from bridge.kinds import KINDS, Unable
from bridge.model import Account, Address, Kind, Message, Person, Ref
from bridge.people.people import People
from bridge.ranks import Rank
from bridge.receiver import ALL, Chat, Narrowing, Status
from bridge.served import Served
from bridge.store.conversation import delivery_id, message_id
from bridge.store.store import Store

_PATIENCE, _LOOK = 5.0, 0.02  # seconds
_NEWEST = 30  # conversations of somebody, by which those with whom they have written are known


class Facts:
    """See :class:`bridge.receiver.Questions`."""

    def __init__(
        self,
        store: Store,
        people: People,
        claims: Claims,
        connectors: Served,
        says: Callable[[str, str], bool],
    ) -> None:
        """``says``: whether a person's (id) sign about a message (hub id) is said where signs are not shown."""
        self._connectors = connectors
        self._said = says
        self._claims = claims
        self._store = store
        self._people = people

    async def person(self, handle: str) -> Person:
        """See :class:`bridge.receiver.Questions`."""
        network, _, ident = handle.partition(":")
        if network == "rpps":
            return await self._people.rpps(ident)
        person = await self._people.who(Address(network, ident)) if ident else None
        if person is None:
            raise Refused("unknown_recipient", "person")
        return person

    async def who(self, address: Address) -> Person | None:
        """See :class:`bridge.receiver.Questions`."""
        return await self._people.who(address)

    async def language(self, address: Address) -> str | None:
        """See :class:`bridge.receiver.Questions`."""
        person = await self._people.who(address)
        return None if person is None else self._people.languages.of(person.id)

    async def lost(self, address: Address) -> str | None:
        """See :class:`bridge.receiver.Questions`."""
        person = await self._people.behind(address)
        if person is None:
            return "not_reachable" if self._people.accounts.revoked.anybody(address) else None
        return None if person.active else "recipient_inactive"

    async def identify(self, address: Address, field: str) -> Person:
        """See :class:`bridge.receiver.Questions`."""
        return await self._people.identify(address, field)

    async def account(self, address: Address) -> Account | None:
        """See :class:`bridge.receiver.Questions`."""
        return await self._claims.account(address)

    async def waiting(self, network: str) -> list[str]:
        """See :class:`bridge.receiver.Questions`."""
        return [row["chat"] for row in await self._store.db.all("store.chats_waiting", network)]

    async def find(self, query: str, limit: int, by: Address, narrowing: Narrowing = ALL) -> list[Person]:
        """See :class:`bridge.receiver.Questions`."""
        return await self._people.search(query, limit, by, narrowing, self._written_with)

    async def contacts(self, person: str, limit: int) -> list[Person]:
        """See :class:`bridge.receiver.Questions`."""
        return [await self._people.get(ident) for ident in (await self._written_with(person, limit))[:limit]]

    async def _written_with(self, person: str, conversations: int = _NEWEST) -> list[str]:
        """Who is in the newest conversations of a person (ids), the latest first."""
        latest = dict[str, int]()
        for row in await self._store.db.all("store.written_with", person, conversations):
            latest[row["person"]] = max(latest.get(row["person"], 0), row["joined_at"])
        return sorted(latest, key=lambda other: (-latest[other], other))

    async def status(self, ref: Ref) -> Status | None:
        """See :class:`bridge.receiver.Questions`."""
        known = await self._store.known(self._store.db, ref)
        row = await self._store.db.one("store.status", known[0]) if known else None
        if known is None:
            return await self._early(ref)
        if row is None or row["network"] != ref.network or row["ref"] != ref.id:
            return None
        return Status(
            message=row["id"], ref=ref, conversation=row["conversation"], chat=row["chat"],
            sender=Address(row["network"], row["address"]), kind=Kind(row["kind"]), accepted_at=row["accepted_at"],
            states=await self._store.outcomes.states(row["id"]),
        )  # fmt: skip

    async def _early(self, ref: Ref) -> Status | None:
        """Accepted, and as yet about nothing."""
        row = await self._store.db.one("early.one", ref.network, ref.id)
        if row is None:
            return None
        return Status(
            message=message_id(ref), ref=ref, conversation=row["conversation"], chat=row["chat"],
            sender=Address(ref.network, row["address"]), kind=Kind(row["kind"]), accepted_at=row["accepted_at"],
            states=(),
        )  # fmt: skip

    async def cited(self, ref: Ref) -> Chat | None:
        """See :class:`bridge.receiver.Questions`."""
        known = await self._store.known(self._store.db, ref)
        if known is None:
            return None
        found = await self._store.conversation(known[1])
        return Chat(known[1], found.legs.get(ref.network), *found.shown)

    async def parts(self, ref: Ref) -> tuple[str, list[Ref]]:
        """See :class:`bridge.receiver.Questions`."""
        known = await self._store.known(self._store.db, ref)
        rows = await self._store.db.all("store.parts", known[0], ref.network) if known else []
        return delivery_id(known[0], ref.network) if known else "", [Ref(ref.network, row["id"]) for row in rows]

    async def kind(self, ref: Ref) -> Kind | None:
        """See :class:`bridge.receiver.Questions`."""
        row = await self._store.db.one("store.writer", ref.network, ref.id)
        return None if row is None else Kind(row["kind"])

    async def unable(self, message: Message) -> list[str]:
        """See :class:`bridge.receiver.Questions`."""
        network, served = message.ref.network, self._connectors
        ident = await self._store.conversation_of(network, message.chat)
        if ident is None:
            return []
        found = await self._store.conversation(ident)
        text, legs, about = message.body.text, found.legs, message.reply_to
        row = await self._store.db.one("store.writer", about.network, about.id) if about is not None else None
        answered = row["network"] if row is not None and await self._says(message, row["id"]) else None
        others = sorted(found.networks - {network})
        forms = {n: served.form(n, message.kind, text, legs.get(n), n == answered) for n in others}
        return [served.label(n) for n, form in forms.items() if form is None]

    async def _says(self, message: Message, about: str) -> bool:
        """Whether it would be said where a message (hub id) was written, which cannot show it."""
        if KINDS[message.kind].unable is not Unable.ANSWER:
            return True
        sender = await self._people.who(message.sender)
        return sender is not None and self._said(about, sender.id)

    def label(self, network: str) -> str:
        """See :class:`bridge.receiver.Questions`."""
        return self._connectors.label(network)

    async def unnamed(self, network: str, chat: str) -> bool:
        """See :class:`bridge.receiver.Questions`."""
        return await self._store.on_its_way(network, chat)

    async def unread(self, network: str, chat: str) -> bool:
        """See :class:`bridge.receiver.Questions`."""
        return await self._store.db.one("store.unread_of", network, chat) is not None

    async def among(self, people: Collection[str], by: Address) -> Chat | None:
        """See :class:`bridge.receiver.Questions`."""
        ident = await self._store.among(people, by)
        if ident is None:
            return None
        found = await self._store.conversation(ident)
        return Chat(ident, found.legs.get(by.network), *found.shown)

    async def leg(self, conversation: str, network: str) -> Chat | None:
        """See :class:`bridge.receiver.Questions`."""
        found = await self._store.conversation(conversation)
        return Chat(conversation, found.legs.get(network), *found.shown) if found.members else None

    async def chat(self, network: str, chat: str) -> Chat | None:
        """See :class:`bridge.receiver.Questions`."""
        ident = await self._store.conversation_of(network, chat)
        if ident is None:
            return None
        found = await self._store.conversation(ident)
        return Chat(ident, found.legs.get(network), *found.shown)

    async def pictured(self, conversation: str) -> str | None:
        """See :class:`bridge.receiver.Questions`."""
        row = await self._store.db.one("store.pictured", conversation)
        return None if row is None else row["pictured"]

    async def ranks(self, conversation: str) -> Mapping[str, Rank]:
        """See :class:`bridge.receiver.Questions`."""
        found = await self._store.conversation(conversation)
        return await self._connectors.ranks(found.legs, found.members)

    async def noted(self, message: Message) -> None:
        """Wait a little for what a message cites: people may answer before it is noted what their network calls it.

        Only while something is on its way to that chat, and never longer than ``_PATIENCE``.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        for ref in (message.thread, message.reply_to):
            while ref is not None and loop.time() < deadline and not await self._store.known(self._store.db, ref):
                if not await self._store.on_its_way(ref.network, message.chat):
                    break
                await asyncio.sleep(_LOOK)
