"""Accepting something new: in the turn of its conversation, in one transaction, for every leg that can have it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from functools import partial

from bridge.db import Tx
from bridge.errors import Refused
from bridge.hub.accepting.amending import Amending
from bridge.hub.accepting.answering import Answering
from bridge.hub.courier import Courier
from bridge.hub.order import Order
from bridge.hub.reach import able_networks, reaches_somebody
from bridge.kinds import KINDS
from bridge.model import Accepted, Kind, Member, Message, Person
from bridge.parts.turns import Turns
from bridge.receiver import Within
from bridge.served import Served
from bridge.store.conversation import Conversation, Reach, message_id, partakes
from bridge.store.outcomes import INVITED
from bridge.store.store import Store


class Writing:
    """Writes what is new: where it belongs, who gets it, what waits for its place."""

    def __init__(
        self, store: Store, courier: Courier, connectors: Served, turns: Turns, order: Order,
        clock: Callable[[], int], max_members: int,
    ) -> None:  # fmt: skip
        self._store = store
        self._courier = courier
        self._connectors = connectors
        self._turns = turns  # places in a conversation are committed in the order in which they were given
        self._order = order
        self._amending = Amending(store, courier, clock)
        self.answering = Answering(store)
        self._clock = clock
        self._begun = clock()
        self._max_members = max_members

    def start(self) -> None:
        """What was under way before this moment may have been handed out."""
        self._begun = self._clock()

    async def write(
        self, message: Message, sender: Person, add: Sequence[Member], remove: Sequence[str], within: Within | None
    ) -> Accepted:
        """Accept something new, in the turn of its conversation."""
        network, chat = message.ref.network, message.chat
        entry = partial(self._enter, sender, add, remove, within)
        known = await self._store.conversation_of(network, chat)
        if known is None:
            async with self._turns.of(f"{network}|{chat}"):
                known = await self._store.conversation_of(network, chat)
                if known is None:
                    return await entry(message, None)
        message, original, waiting = await self._amending.rooted(message, await self._store.conversation(known))
        over = self._courier.overtaking.of(waiting) if waiting else nullcontext(frozenset[str]())
        async with over as free, self._turns.of(known):  # an attempt that is awaited may itself need the turn
            return await entry(message, known, (original, free))

    async def _enter(
        self, sender: Person, add: Sequence[Member], remove: Sequence[str], within: Within | None, message: Message,
        known: str | None, change: tuple[str, Collection[str]] = ("", ()),
    ) -> Accepted:  # fmt: skip
        """``change``: the message that is corrected, and those of its deliveries that nobody hands out meanwhile."""
        original, free = change
        whole = await self._store.conversation(known) if known is not None else None
        members = (*(whole.members if whole is not None else ()), *add)
        relief = await self._connectors.relief(message, sender, members, known)
        add = (*add, *relief.add)
        with self._store.changing(known) if add or remove or message.kind is Kind.NAME else nullcontext():
            async with self._store.db.transaction("hub.accept") as tx:
                conversation = await self._place(tx, message, sender, add, whole)
                about = await self._amending.about(tx, message, sender)
                overtaken = await self._amending.overtake(tx, message, about, original, free, self._begun)
                answered = await self.answering.network(tx, message, sender)
                can = (self._connectors, message, conversation, about.kind, overtaken, answered)
                able = frozenset[str]() if about.moot else able_networks(*can)
                held = self._must_wait(conversation, message.ref.network, overtaken)
                sign = about.moot or not KINDS[about.kind].recipients
                if message.only is not None or message.whom:  # the hub's word for some, which no room orders
                    able, held = able & ({message.only} if message.only else able), frozenset()
                message = await self._store.polls.noted(tx, message, sender.id, about.message, self._clock())
                reach = Reach(able, held, frozenset(overtaken), relief.aside, message.whom, relief.there)
                networks = await self._store.record(tx, message, conversation, sender, reach, self._clock(), sign=sign)
                if overtaken:
                    await self._store.corrections.told(tx, message, conversation, overtaken, self._clock())
                await self._amending.noted(tx, message, about, conversation)
                await self._leave(tx, conversation, remove)
                if relief.within is not None:
                    await relief.within(tx, conversation.id)
                kept = await self._kept(tx, message_id(message.ref), conversation, networks, bool(add or remove))
                if within is not None:
                    await within(tx)
        ident = message_id(message.ref)
        if held & networks:
            self._order.hold(ident, conversation.id)
        for out in networks - held:
            (self._courier.hurry if out in kept and (add or remove) else self._courier.wake)(conversation.id, out)
        if kept or about.old:
            self._courier.wake_reports()
        if overtaken:
            self._amending.overtook(message, original, conversation, overtaken, self.refused)
        return Accepted(ident, conversation.id)

    async def _kept(
        self, tx: Tx, ident: str, conversation: Conversation, networks: Collection[str], moves: bool
    ) -> frozenset[str]:
        """Where messages wait until somebody comes, this one does; unless somebody else is to come or go."""
        keep = frozenset(out for out in networks if self._courier.keeps(conversation.id, out))
        for out in keep:
            await self._store.outcomes.stuck(tx, ident, out, INVITED)
            if moves:
                await tx.run("store.hurry", conversation.id, out)
        return keep

    async def _place(
        self, tx: Tx, message: Message, sender: Person, add: Sequence[Member], whole: Conversation | None
    ) -> Conversation:
        """Where the message belongs: its chat's conversation, or a new one of exactly the people named."""
        network, now = message.ref.network, self._clock()

        def everybody() -> dict[str, Person]:
            """Looked up while no transaction was open."""
            members = whole.members if whole is not None else ()
            return {sender.id: sender} | {m.person.id: m.person for m in (*add, *members)}

        if whole is None:
            if not add:
                raise Refused("unknown_conversation", "to" if KINDS[message.kind].said else "conversation")
            ident = "c_" + secrets.token_hex(12)
            await self._store.create_conversation(tx, ident, network, message.chat, now)
            await self._store.add_members(tx, ident, [Member(sender, message.sender)], self._connectors.named, now)
            conversation = await self._store.placed(tx, ident, everybody)
        else:
            ident = whole.id
            conversation = await self._store.placed(tx, ident, everybody)
            partakes(conversation, sender.id, message.sender, "sender")
        new = [m for m in add if conversation.member(m.person.id) is None]
        if len(conversation.members) + len(new) > self._max_members:
            raise Refused("too_many_members", "to")
        if new:
            await self._store.add_members(tx, ident, new, self._connectors.named, now)
            conversation = await self._store.placed(tx, ident, everybody)
        if message.name is not None and (whole is None or message.kind is Kind.NAME):
            await self._store.name(tx, ident, message.name, message_id(message.ref))
        if KINDS[message.kind].said:
            reaches_somebody(self._connectors, conversation, sender, network)
        return conversation

    async def _leave(self, tx: Tx, conversation: Conversation, remove: Sequence[str]) -> None:
        """Who is removed still hears of it on their leg; then they are no member any more."""
        if remove:
            await self._store.remove_members(tx, conversation.id, remove)

    def _must_wait(self, conversation: Conversation, origin: str, overtaken: Collection[str]) -> frozenset[str]:
        """The networks that wait until the ordering network has shown the message.

        What is in its message there already (``overtaken``) is never shown by itself.
        """
        networks = conversation.networks - {origin}
        ordering = {n for n in networks if self._connectors[n].capabilities.echoes}
        if not ordering.isdisjoint(overtaken):
            return frozenset()
        if not self._order.holds(conversation.id) and any(self._courier.keeps(conversation.id, n) for n in ordering):
            return frozenset()  # it is shown once somebody comes
        return frozenset(networks - ordering) if ordering else frozenset()

    def refused(self, message: str, network: str) -> None:
        """A leg will never show this message: where it is the ordering one, nobody need wait for it."""
        if self._connectors[network].capabilities.echoes:
            self._order.in_vain(message)
