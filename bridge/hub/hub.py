"""The hub: takes messages from every edge, says where they go, and tells the edges what it knows."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

from bridge.capabilities import check, check_text, together
from bridge.db import Conflict, Tx
from bridge.errors import Refused
from bridge.hub.claims import Claims
from bridge.hub.courier import Courier
from bridge.hub.facts import Facts
from bridge.hub.following import Following
from bridge.hub.links import PRODUCT, Links
from bridge.hub.moving import Moving
from bridge.hub.news import News
from bridge.hub.order import Order
from bridge.hub.reach import able_networks, reaches_somebody
from bridge.hub.signs import Signs, partakes
from bridge.hub.taking_over import TakingOver
from bridge.kinds import KINDS, not_carried
from bridge.model import (
    Accepted,
    Account,
    Address,
    Body,
    Claim,
    GroupName,
    Kind,
    Member,
    Message,
    Person,
    Ref,
    Standing,
)
from bridge.parts.lines import one_name
from bridge.parts.moments import credible
from bridge.parts.turns import Turns
from bridge.people.people import People
from bridge.receiver import InCommon, Within
from bridge.served import Served
from bridge.store.conversation import Conversation, Reach, delivery_id, message_id
from bridge.store.outcomes import INVITED
from bridge.store.store import Store

log = logging.getLogger(__name__)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Hub:
    """``accept`` is the way in for every edge; the courier is the way out.

    Where a conversation has a leg that shows our messages back in an order of its own (Matrix), that order is the
    conversation's: other legs get a message once it has its place there, or after ``order_wait`` seconds without it.
    """

    def __init__(
        self, store: Store, people: People, courier: Courier, connectors: Served,
        *, max_members: int = 200, order_wait: float = 10.0, clock: Callable[[], int] = now_ms,
    ) -> None:  # fmt: skip
        self._store = store
        self._people = people
        self._courier = courier
        self._connectors = connectors
        self._clock = clock
        self._begun = clock()
        self._max_members = max_members
        self._turns = Turns()  # places in a conversation are committed in the order in which they were given
        self._order = Order(store, courier, self._turns, order_wait)
        self._news = News(store.db, connectors, courier.patience)
        self.claims = Claims(store, people, self._turns, self._news, self._write, clock)
        self.facts = Facts(store, people, self.claims, connectors)
        self.moving = Moving(store, people, connectors, courier, self._turns, clock)
        self.links = Links(store, people, connectors, self.claims, self.moving, self._news, clock)
        self._taking_over = TakingOver(store, people, connectors, self.moving, courier.patience)
        self.following = Following(store, people, connectors, courier, self.links, self._taking_over, clock)
        self.signs = Signs(store, people, courier, connectors, clock)

    async def start(self) -> None:
        """Take up what was held when the hub last ended."""
        self._begun = self._clock()
        await self._order.start()
        await self.claims.start()
        self._news.start()
        self.following.start()
        self._taking_over.start()

    async def stop(self) -> None:
        """Forget the timers; what they guard is on disk."""
        await self.following.stop()
        await self._taking_over.stop()
        await self._order.stop()
        await self.signs.stop()
        await self._news.stop()

    # ---- in

    async def accept(self, message: Message, within: Within | None = None, again: Within | None = None) -> Accepted:
        """See :class:`bridge.receiver.Receiver`."""
        return await self._once(message.ref, partial(self._accept, message, within), again or within)

    async def _accept(self, message: Message, within: Within | None) -> Accepted:
        check(message.body, self._connectors[message.ref.network].capabilities)
        message = replace(message, sent_at=credible(message.sent_at, self._clock()))
        sender = await self.facts.identify(message.sender, "sender")
        add = [await self._people.find(h, message.ref.network, f"to.{i}") for i, h in enumerate(message.to)]
        if not self._connectors[message.ref.network].capabilities.echoes:  # such a network has shown what it cites
            await self.facts.noted(message)
        return await self._write(message, sender, add, (), within)

    async def change_members(
        self, ref: Ref, chat: str, network: str, by: Address, add: Sequence[str], remove: Sequence[Address],
        within: Within | None = None,
    ) -> str:  # fmt: skip
        """See :class:`bridge.receiver.Receiver`."""
        change = partial(self._change, ref, chat, by, add, remove, within)
        return (await self._once(ref, change, within)).conversation

    async def _change(
        self, ref: Ref, chat: str, by: Address, add: Sequence[str], remove: Sequence[Address], within: Within | None
    ) -> Accepted:
        sender, network = await self.facts.identify(by, "by"), ref.network
        ident = await self._store.conversation_of(network, chat) if add else None
        legs = (await self._store.conversation(ident)).legs if ident else {}
        names = [name for name in legs.values() if name is not None]
        members = [await self._people.find(h, network, f"add.{i}", names) for i, h in enumerate(add)]
        gone = [p.id for a in remove if (p := await self._people.who(self._as_person(a)))]
        message = Message(ref, chat, by, Kind.MEMBERS, Body(), self._clock())
        return await self._write(message, sender, members, gone, within)

    async def rename(self, ref: Ref, chat: str, by: Address, name: GroupName, within: Within | None = None) -> str:
        """See :class:`bridge.receiver.Receiver`."""
        return (await self._once(ref, partial(self._rename, ref, chat, by, name, within), within)).conversation

    async def _rename(self, ref: Ref, chat: str, by: Address, name: GroupName, within: Within | None) -> Accepted:
        message = Message(ref, chat, by, Kind.NAME, Body(), self._clock(), name=name)
        return await self._write(message, await self.facts.identify(by, "by"), (), (), within)

    async def _once(self, ref: Ref, write: Callable[[], Awaitable[Accepted]], again: Within | None) -> Accepted:
        """Write something new; what the hub has already gets the answer that it got.

        Nearly all is new, so nobody looks before something speaks against it.
        """
        try:
            return await write()
        except (Conflict, Refused):
            known = await self._store.known(self._store.db, ref)
            if known is None:
                raise
            return await self._again(ref, known, again)

    def _as_person(self, address: Address) -> Address:
        person = self._people.ghost_of(address)
        return Address(*person.split(":", 1)) if person else address

    async def _again(self, ref: Ref, known: tuple[str, str], within: Within | None) -> Accepted:
        if known[0] != message_id(ref):  # the network itself gave this id to a message of somebody else
            raise Refused("id_in_use", "id")
        if within is not None:
            async with self._store.db.transaction("hub.again") as tx:
                await within(tx)
        return Accepted(known[0], known[1], duplicate=True)

    async def _write(
        self, message: Message, sender: Person, add: Sequence[Member], remove: Sequence[str], within: Within | None
    ) -> Accepted:
        """Accept something new, in the turn of its conversation."""
        network, chat = message.ref.network, message.chat
        entry = partial(self._enter, message, sender, add, remove, within)
        known = await self._store.conversation_of(network, chat)
        if known is None:
            async with self._turns.of(f"{network}|{chat}"):
                known = await self._store.conversation_of(network, chat)
                if known is None:
                    return await entry(None)
        original, waiting = await self._original(message, known)
        over = self._courier.overtaking.of(waiting) if waiting else nullcontext(frozenset[str]())
        async with over as free, self._turns.of(known):  # an attempt that is awaited may itself need the turn
            return await entry(known, (original, free))

    async def _enter(
        self, message: Message, sender: Person, add: Sequence[Member], remove: Sequence[str], within: Within | None,
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
                held = self._must_wait(conversation, message.ref.network)
                about = await self._corrected(tx, message, sender)
                overtaken = await self._overtake(tx, message, original, free)
                able = able_networks(self._connectors, message, conversation, about, overtaken)
                sign = not KINDS[about].recipients
                if message.only is not None or message.whom:  # the hub's word for some, which no room orders
                    able, held = able & ({message.only} if message.only else able), frozenset()
                for network in able:  # nobody is told that something was accepted which a leg cannot carry
                    check_text(message.body, self._connectors[network].capabilities.max_text)
                reach = Reach(able, held, frozenset(overtaken), relief.aside, message.whom, relief.there)
                networks = await self._store.record(tx, message, conversation, sender, reach, self._clock(), sign=sign)
                if overtaken:
                    await self._store.corrections.told(tx, message, conversation, overtaken, self._clock())
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
        if kept:
            self._courier.wake_reports()
        if overtaken:
            self._overtook(message, original, conversation, overtaken)
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

    async def _original(self, message: Message, conversation: str) -> tuple[str, list[str]]:
        """What a correction is about, and the deliveries of that, of which some may wait; nothing for all others."""
        if not KINDS[message.kind].corrects or message.reply_to is None:
            return "", []
        known = await self._store.known(self._store.db, message.reply_to)
        whole = await self._store.conversation(conversation)
        if known is None or known[1] != conversation or whole is None:
            return "", []
        return known[0], [delivery_id(known[0], network) for network in whole.networks]

    async def _overtake(self, tx: Tx, message: Message, original: str, free: Collection[str]) -> dict[str, bool]:
        """What waits leaves corrected, or not at all; see :meth:`bridge.store.corrections.Corrections.overtake`."""
        if not original:
            return {}
        now = self._clock()
        return await self._store.corrections.overtake(tx, message, original, free, self._begun, now)

    def _overtook(
        self, message: Message, original: str, conversation: Conversation, overtaken: Collection[str]
    ) -> None:
        for network in overtaken:
            if KINDS[message.kind].erases:
                self.refused(original, network)
            self._courier.wake(conversation.id, network)
        self._courier.wake_reports()

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

    async def _corrected(self, tx: Tx, message: Message, sender: Person) -> Kind:
        """What a correction is about, any other message itself. Raises Refused for a correction of somebody else's."""
        if not KINDS[message.kind].corrects:
            return message.kind
        about = await self._store.wrote(tx, message.reply_to, sender)
        if about is None or (about is Kind.REACTION and message.kind is Kind.EDIT):
            raise Refused(not_carried(message.kind))
        return about

    def carried(self, networks: Collection[str]) -> InCommon:
        """See :class:`bridge.receiver.Receiver`."""
        return together([self._connectors[name].capabilities for name in networks if name in self._connectors])

    def _must_wait(self, conversation: Conversation, origin: str) -> frozenset[str]:
        """The networks that wait until the ordering network has shown the message."""
        networks = conversation.networks - {origin}
        ordering = {n for n in networks if self._connectors[n].capabilities.echoes}
        if not self._order.holds(conversation.id) and any(self._courier.keeps(conversation.id, n) for n in ordering):
            return frozenset()  # it is shown once somebody comes
        return frozenset(networks - ordering) if ordering else frozenset()

    # ---- order

    async def sequenced(self, message: str, within: Within | None = None) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        await self._order.sequenced(message, within)

    async def awaited(self, tx: Tx, messages: Collection[str]) -> set[str]:
        """See :class:`bridge.receiver.Receiver`."""
        return await self._store.held(tx, messages)

    def refused(self, message: str, network: str) -> None:
        """A leg will never show this message: where it is the ordering one, nobody need wait for it."""
        if self._connectors[network].capabilities.echoes:
            self._order.in_vain(message)

    # ---- conversations and people

    async def bind(self, conversation: str, network: str, chat: str, within: Within | None = None) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        with self._store.changing(conversation):
            async with self._store.db.transaction("hub.bind") as tx:
                await self._store.bind(tx, conversation, network, chat)
                if within is not None:
                    await within(tx)

    async def declare(self, address: Address, rpps: str) -> Account:
        """See :class:`bridge.receiver.Receiver`."""
        person = await self._people.rpps(rpps)
        await self.links.proven(address, person.id, PRODUCT)
        former = await self.claims.declare(address, person)
        if former is not None:
            self._courier.wake_all(address.network)  # what was first in a lane may be gone
            self._courier.wake_reports()
        account = await self.claims.account(address)
        assert account is not None
        if account.standing is Standing.ACTIVE:
            await self.links.declared(person.id)
        return account

    async def confirm(self, by: Address, network: str, accept: bool) -> Claim:
        """See :class:`bridge.receiver.Receiver`."""
        claim = await self.claims.confirm(by, network, accept)
        self._courier.wake_all(network)
        self._courier.wake_reports()
        return claim

    async def decide(self, network: str, person: str, standing: Standing, by: str) -> Claim:
        """The operator's word; see :meth:`bridge.hub.claims.Claims.decide`."""
        claim = await self.claims.decide(network, person, standing, by)
        self._courier.wake_all(network)
        self._courier.wake_reports()
        return claim

    def answered(self, network: str) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        self._courier.answered(network)

    async def joined(self, conversation: str, account: Address) -> bool:
        """See :class:`bridge.receiver.Receiver`."""
        return await self._taking_over.joined(conversation, account)

    async def introduce(self, address: Address, name: str) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        person = await self._people.who(address)
        name = one_name(name, 100)
        if person is None or person.listed or not name or name in (person.name, self._people.called(person.id)):
            return
        async with self._store.db.transaction("hub.introduce") as tx:
            await self._store.call(tx, person.id, name)
        self._people.call(person.id, name)
