"""What networks tell about messages that are there: taken, delivered, read, refused; and that somebody writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress

from bridge.db import Tx
from bridge.errors import Refused
from bridge.hub.courier import Courier
from bridge.model import FUNCTION, Address, Ref, Typing
from bridge.parts.tasks import Tasks
from bridge.parts.turns import Turns
from bridge.people.people import People
from bridge.receiver import Within
from bridge.served import Served
from bridge.store.store import Store

_TYPING = 16  # typing signs on their way to one network; more are dropped
Change = Callable[[Tx, str, str, str, int], Awaitable[bool]]
"""What a sign does to (message, person, network) at a time (ms); True if that is news."""


class Signs:
    """See :class:`bridge.receiver.Signals`. ``clock`` gives milliseconds since 1970."""

    def __init__(
        self, store: Store, people: People, courier: Courier, connectors: Served, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._people = people
        self._courier = courier
        self._connectors = connectors
        self._clock = clock
        self._typing: dict[str, Tasks] = defaultdict(lambda: Tasks("typing signs"))
        self._typists = Turns()  # nobody stops typing before they have begun

    async def read(self, ref: Ref, reader: Address, at: int, *, strict: bool = False) -> bool:
        """See :class:`bridge.receiver.Signals`."""
        return await self._sign(ref, reader, at, self._store.outcomes.read_up_to, strict=strict)

    async def seen(self, ref: Ref, reader: Address, at: int) -> bool:
        """See :class:`bridge.receiver.Signals`."""
        return await self._sign(ref, reader, at, self._store.outcomes.seen)

    async def sent(self, ref: Ref, recipient: Address, at: int) -> bool:
        """See :class:`bridge.receiver.Signals`."""
        return await self._sign(ref, recipient, at, self._store.outcomes.taken)

    async def received(self, ref: Ref, recipient: Address, at: int, *, strict: bool = False) -> bool:
        """See :class:`bridge.receiver.Signals`."""
        return await self._sign(ref, recipient, at, self._store.outcomes.received, strict=strict)

    async def failed(self, ref: Ref, recipient: Address, reason: str, at: int) -> bool:
        """See :class:`bridge.receiver.Signals`."""

        async def change(tx: Tx, message: str, person: str, network: str, at: int) -> bool:
            return await self._store.outcomes.failed(tx, message, person, network, reason, at)

        return await self._sign(ref, recipient, at, change, anybody=True)

    async def arrived(self, network: str, chat: str, who: Address, never: str | None = None) -> None:
        """See :class:`bridge.receiver.Signals`."""
        ident = await self._store.conversation_of(network, chat)
        person = await self._people.who(who)
        if ident is None or person is None:
            return
        async with self._store.db.transaction("hub.arrived") as tx:
            news = await self._store.outcomes.arrived(tx, ident, network, person.id, self._clock(), never)
        if news:
            self._courier.wake_reports()

    async def came(self, network: str, chat: str, who: Address, never: str | None = None) -> None:
        """See :class:`bridge.receiver.Signals`."""
        ident = await self._store.conversation_of(network, chat)
        person = await self._people.who(who)
        if ident is None or person is None:
            return
        async with self._store.db.transaction("hub.came") as tx:
            news = await self._store.outcomes.came(tx, ident, network, person.id, self._clock(), never)
        if never is None:
            self._courier.hurry(ident, network)
        else:
            self._courier.withdrawn(ident)
        if news:
            self._courier.wake_reports()

    async def waits(self, network: str, chat: str, who: Address, why: str) -> None:
        """See :class:`bridge.receiver.Signals`."""
        ident = await self._store.conversation_of(network, chat)
        person = await self._people.who(who)
        if ident is None or person is None:
            return
        async with self._store.db.transaction("hub.waits") as tx:
            news = await self._store.outcomes.waits(tx, ident, network, person.id, self._clock(), why)
        if news:
            self._courier.wake_reports()

    async def also(self, known: Ref, ref: Ref) -> None:
        """See :class:`bridge.receiver.Signals`."""
        if (message := await self._store.known(self._store.db, known)) is not None:
            async with self._store.db.transaction("hub.also") as tx:
                await tx.run("store.also", ref.network, ref.id, message[0])

    async def taken(self, network: str, names: Mapping[str, str | None], within: Within) -> None:
        """See :class:`bridge.receiver.Signals`."""

        async def change(tx: Tx) -> None:
            await within(tx)
            for message in sorted(name for name, own in names.items() if own is not None):
                await self._store.outcomes.named(tx, network, message, names[message] or "")
            await self._store.outcomes.delivered(tx, network, names, self._clock())

        await self._fetched("hub.taken", bool(names), change)

    async def lost(self, network: str, messages: Collection[str], why: str, within: Within) -> None:
        """See :class:`bridge.receiver.Signals`."""

        async def change(tx: Tx) -> None:
            await within(tx)
            await self._store.outcomes.lost(tx, network, messages, why, self._clock())

        await self._fetched("hub.lost", bool(messages), change)

    async def late(self, network: str, messages: Collection[str], within: Within) -> None:
        """See :class:`bridge.receiver.Signals`."""

        async def change(tx: Tx) -> None:
            await within(tx)
            await self._store.outcomes.late(tx, network, {message: message for message in messages})

        await self._fetched("hub.late", bool(messages), change)

    async def _fetched(self, name: str, news: bool, change: Within) -> None:
        async with self._store.db.transaction(name) as tx:
            await change(tx)
        if news:
            self._courier.wake_reports()

    async def _sign(
        self, ref: Ref, who: Address, at: int, change: Change, *, anybody: bool = False, strict: bool = False
    ) -> bool:
        """``anybody``: of a member, too, for whom nothing vouches any more. ``strict``: raises Refused (other_account).

        A sign counts for the member at that very address; of somebody who has left, for what went to that network.
        """
        known = await self._store.known(self._store.db, ref)
        if known is None:
            return False
        person = await self._people.who(who)
        if person is None and not anybody:
            return True
        ident = str(who) if person is None else person.id
        whole = await self._store.conversation(known[1])
        member, seats = whole.member(ident), self._connectors.seats if FUNCTION in whole.networks else None
        if member is None and not await self._store.outcomes.meant(known[0], ident, who.network):
            return True
        if member is not None and member.address != who:
            if strict:
                raise Refused("other_account", "user", about=member.address.network)
            return True
        async with self._store.db.transaction("hub.sign") as tx:
            news = await change(tx, known[0], ident, who.network, at)
            if news and seats is not None:
                await seats.noted(tx, known[1], known[0])
        if news:
            self._courier.wake_reports()
            if seats is not None:
                seats.ring()
        return True

    async def typing(self, network: str, chat: str, who: Address, typing: bool) -> None:
        """See :class:`bridge.receiver.Signals`."""
        ident = await self._store.conversation_of(network, chat)
        person = await self._people.who(who)
        if ident is None or person is None:
            return
        conversation = await self._store.conversation(ident)
        member = conversation.member(person.id)
        if member is None or member.address != who:
            return
        for other in {m.address.network for m in conversation.members} - {network}:
            name = conversation.legs.get(other)
            if name is not None and self._connectors[other].capabilities.typing and len(self._typing[other]) < _TYPING:
                self._typing[other].start(self._show(Typing(other, name, ident, person, typing)))

    async def _show(self, typing: Typing) -> None:
        async with self._typists.of(f"{typing.network}|{typing.chat}|{typing.person.id}"):
            with suppress(Exception):  # best effort by contract
                await self._connectors[typing.network].typing(typing)

    async def stop(self) -> None:
        """End what nobody waits for."""
        for tasks in self._typing.values():
            await tasks.stop()
