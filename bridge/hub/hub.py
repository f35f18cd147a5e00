"""The hub: takes messages from every edge, says where they go, and tells the edges what it knows."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from operator import is_

from bridge.capabilities import check, together
from bridge.connector import Capabilities
from bridge.content.group_picture import picture as to_picture
from bridge.db import Conflict, Tx
from bridge.errors import Refused, Unavailable
from bridge.forms import wording
from bridge.hub.accepting.early import Early
from bridge.hub.accepting.refusals import Refusals
from bridge.hub.accepting.writing import Writing
from bridge.hub.claims import Claims
from bridge.hub.courier import Courier
from bridge.hub.facts import Facts
from bridge.hub.following import Following
from bridge.hub.giving_up import GivingUp
from bridge.hub.handing.spans import Spans
from bridge.hub.links import PRODUCT, Links
from bridge.hub.lists import Lists
from bridge.hub.moving import Moving
from bridge.hub.news import News
from bridge.hub.order import Order
from bridge.hub.signs import Signs
from bridge.hub.taking_over import TakingOver
from bridge.model import (
    Absence,
    Accepted,
    Account,
    Address,
    Body,
    Claim,
    File,
    GroupName,
    Kind,
    Message,
    Person,
    Ref,
    Standing,
)
from bridge.parts.lines import one_name
from bridge.parts.lru import Lru
from bridge.parts.moments import credible
from bridge.parts.turns import Turns
from bridge.people.people import People
from bridge.receiver import InCommon, Within
from bridge.served import Served
from bridge.store.conversation import message_id
from bridge.store.store import Store
from bridge.vouching import Proof

log = logging.getLogger(__name__)
_REMEMBERED = 1000


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Hub:
    """``accept`` is the way in for every edge; the courier is the way out.

    Where a conversation has a leg that shows our messages back in an order of its own (Matrix), that order is the
    conversation's: other legs get a message once it has its place there, or after the first of ``waits`` (seconds)
    without it. For the second one a correction waits for what it is about.
    """

    def __init__(
        self, store: Store, people: People, courier: Courier, connectors: Served,
        *, max_members: int = 200, waits: tuple[float, float] = (10.0, 600.0), clock: Callable[[], int] = now_ms,
    ) -> None:  # fmt: skip
        self._store = store
        self._people = people
        self._courier = courier
        self._connectors = connectors
        self._clock = clock
        self._turns = Turns()
        self._order = Order(store, courier, self._turns, waits[0])
        self.writing = Writing(store, courier, connectors, self._turns, self._order, clock, max_members)
        courier.withdrawn = self._order.withdrawn
        self._news = News(store.db, connectors, courier.patience)
        self.claims = Claims(store, people, self._turns, self._news, self.writing.write, clock)
        self.facts = Facts(store, people, self.claims, connectors, self.writing.answering.says)
        self._early = Early(store, courier, self.facts, self._late, clock, waits[1])
        self.lists = Lists(store, people, self.claims, connectors, clock)
        self._refusals = Refusals(store.db, clock)
        self.moving = Moving(store, people, connectors, courier, self._turns, clock)
        self.links = Links(store, people, connectors, self.claims, self.moving, self._news, clock)
        self._taking_over = TakingOver(store, people, connectors, self.moving, courier.patience)
        self.following = Following(store, people, connectors, courier, self.links, self._taking_over, clock)
        self._carried: Lru[tuple[str, ...], tuple[Sequence[Capabilities], InCommon]] = Lru(_REMEMBERED)
        self.signs = Signs(store, people, courier, connectors, clock)

    async def start(self) -> None:
        """Take up what was held when the hub last ended."""
        self.writing.start()
        await self._order.start()
        await self._early.start()
        await self.claims.start()
        self._news.start()
        self.following.start()
        self._taking_over.start()

    async def stop(self) -> None:
        """Forget the timers; what they guard is on disk."""
        await self.following.stop()
        await self._taking_over.stop()
        await self._early.stop()
        await self._order.stop()
        await self.signs.stop()
        await self._news.stop()

    def turn(self, conversation: str) -> AbstractAsyncContextManager[None]:
        """Nobody writes in a conversation until the block is left."""
        return self._turns.of(conversation)

    # ---- in

    async def accept(self, message: Message, within: Within | None = None, again: Within | None = None) -> Accepted:
        """See :class:`bridge.receiver.Receiver`."""
        if (spans := self._courier.spans) is not None:
            return await self._followed(message, within, again, spans)
        return await self._taken(message, within, again)

    async def _followed(self, message: Message, within: Within | None, again: Within | None, spans: Spans) -> Accepted:
        """The same for somebody who follows the way of messages."""
        ident, result = message_id(message.ref), "accepted"
        spans.begin(f"accept {ident}")
        try:
            return await self._taken(message, within, again)
        except (Refused, Unavailable) as reason:
            result = reason.code
            raise
        finally:
            about = {"network": message.ref.network, "kind": message.kind.value, "result": result}
            spans.end(f"accept {ident}", "accept", ident, about)

    async def _taken(self, message: Message, within: Within | None, again: Within | None) -> Accepted:
        accept = partial(self._accept, message, within, again or within)
        once = partial(self._once, message.ref, accept, again or within)
        try:
            return await self._early.first(message.ref, list(self._connectors), once)
        except Refused as refused:
            await self._refusals.seen(message.sender, refused)
            raise

    async def _accept(self, message: Message, within: Within | None, again: Within | None) -> Accepted:
        check(message.body, self._connectors[message.ref.network].capabilities)
        if (sent_at := credible(message.sent_at, self._clock())) != message.sent_at:
            message = replace(message, sent_at=sent_at)
        sender = await self.facts.identify(message.sender, "sender")
        add = [await self._people.find(h, message.ref.network, f"to.{i}") for i, h in enumerate(message.to)]
        if not self._connectors[message.ref.network].capabilities.echoes:  # such a network has shown what it cites
            await self.facts.noted(message)
        waits = await self._early.keep(message, sender, within, again)
        if waits is not None:
            return Accepted(message_id(message.ref), waits)
        return await self.writing.write(await self._store.shelf.shelved(message), sender, add, (), within)

    async def _late(self, message: Message, sender: Person, within: Within) -> Accepted:
        """What the message is about has come."""
        return await self.writing.write(message, sender, (), (), within)

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
        return await self.writing.write(message, sender, members, gone, within)

    async def rename(self, ref: Ref, chat: str, by: Address, name: GroupName, within: Within | None = None) -> str:
        """See :class:`bridge.receiver.Receiver`."""
        return (await self._once(ref, partial(self._rename, ref, chat, by, name, within), within)).conversation

    async def _rename(self, ref: Ref, chat: str, by: Address, name: GroupName, within: Within | None) -> Accepted:
        message = Message(ref, chat, by, Kind.NAME, Body(), self._clock(), name=name)
        return await self.writing.write(message, await self.facts.identify(by, "by"), (), (), within)

    async def topic(self, ref: Ref, chat: str, by: Address, topic: str, within: Within | None = None) -> str:
        """See :class:`bridge.receiver.Receiver`."""
        body = Body(wording.topic(topic))
        return (await self.accept(Message(ref, chat, by, Kind.EMOTE, body, self._clock()), within)).conversation

    async def portray(self, user: Address, picture: File | None) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        person = await self.facts.identify(user, "id")
        if picture is not None:
            body = Body(files=(to_picture(picture),))
            cared = await self._store.shelf.shelved(Message(Ref(user.network, ""), "", user, Kind.PICTURE, body, 0))
            picture = await self._store.shelf.whole(cared.body.files[0])
        await self._connectors.portray(person, picture)

    async def picture(
        self, ref: Ref, chat: str, by: Address, picture: File | None, within: Within | None = None
    ) -> str:
        """See :class:`bridge.receiver.Receiver`."""
        return (await self._once(ref, partial(self._picture, ref, chat, by, picture, within), within)).conversation

    async def _picture(
        self, ref: Ref, chat: str, by: Address, picture: File | None, within: Within | None
    ) -> Accepted:  # fmt: skip
        sender, ident = await self.facts.identify(by, "by"), await self._store.conversation_of(ref.network, chat)
        if ident is None:
            raise Refused("unknown_conversation", "conversation")
        name = (await self._store.conversation(ident)).name
        if picture is not None and name is not None and name.about_patient:
            raise Refused("picture_of_patient", "picture")
        files = () if picture is None else (to_picture(picture),)
        message = Message(ref, chat, by, Kind.PICTURE, Body(files=files), self._clock())

        async def also(tx: Tx) -> None:
            await tx.run("store.set_pictured", ident, message_id(ref))
            if within is not None:
                await within(tx)

        return await self.writing.write(await self._store.shelf.shelved(message), sender, (), (), also)

    async def _once(self, ref: Ref, write: Callable[[], Awaitable[Accepted]], again: Within | None) -> Accepted:
        """Write something new; what the hub has already gets the answer that it got.

        Nearly all is new, so nobody looks before something speaks against it.
        """
        try:
            written = await write()
        except (Conflict, Refused) as problem:
            known = await self._store.known(self._store.db, ref)
            if known is None:
                if isinstance(problem, Refused):
                    self._courier.counts.refused[ref.network, problem.code] += 1
                raise
            return await self._again(ref, known, again)
        self._courier.counts.accepted[ref.network] += 1
        return written

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

    def carried(self, networks: Collection[str]) -> InCommon:
        """See :class:`bridge.receiver.Receiver`."""
        able = [self._connectors[name].capabilities for name in networks if name in self._connectors]
        known = self._carried.get(tuple(networks))
        if known is not None and len(known[0]) == len(able) and all(map(is_, known[0], able)):
            return known[1]
        return self._carried.put(tuple(networks), (able, together(able)))[1]

    # ---- order

    async def sequenced(self, message: str, within: Within | None = None) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        await self._order.sequenced(message, within)

    async def awaited(self, tx: Tx, messages: Collection[str]) -> set[str]:
        """See :class:`bridge.receiver.Receiver`."""
        return await self._store.held(tx, messages)

    async def shown(self, tx: Tx, messages: Collection[str]) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        await self._store.shown(tx, messages)

    # ---- conversations and people

    async def bind(self, conversation: str, network: str, chat: str, within: Within | None = None) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        with self._store.changing(conversation):
            async with self._store.db.transaction("hub.bind") as tx:
                await self._store.bind(tx, conversation, network, chat)
                if within is not None:
                    await within(tx)

    async def declare(self, address: Address, rpps: str, proof: Proof = Proof.WORD) -> Account:
        """See :class:`bridge.receiver.Receiver`."""
        person = await self._people.rpps(rpps)
        await self.links.proven(address, person.id, PRODUCT)
        former = await self.claims.declare(address, person, proof)
        if former is not None:
            await self._early.forget(address)
            self._courier.wake_all(address.network)  # what was first in a lane may be gone
            self._courier.wake_reports()
        account = await self.claims.account(address)
        assert account is not None
        if account.standing is Standing.ACTIVE:
            await self.links.declared(person.id)
        return account

    def block(self, account: Address, person: str, on: bool) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        self._people.accounts.block(account, person, on)

    async def absent(self, account: Address, absence: Absence | None) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        if self._connectors.seats is not None:
            await self._connectors.seats.absent(account, absence)

    async def give_up(self, account: Address, at: int) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        person = await self._people.had(account)
        if person is not None and all(one == account for one in self._people.accounts.of(person.id)):
            await self._connectors.portray(person, None)
        parts = (self._store, self._people, self.lists, self.links, self._early.forget)
        await GivingUp(*parts, self.change_members).end(account, at)

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

    async def choose_language(self, address: Address, language: str) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        person = await self._people.who(address)
        if person is None:
            raise Refused("unknown_user", "id")
        await self._people.languages.choose(person.id, language)

    async def introduce(self, address: Address, name: str) -> None:
        """See :class:`bridge.receiver.Receiver`."""
        person = await self._people.who(address)
        name = one_name(name, 100)
        if person is None or person.listed or not name or name in (person.name, self._people.called(person.id)):
            return
        async with self._store.db.transaction("hub.introduce") as tx:
            await self._store.call(tx, person.id, name)
        self._people.call(person.id, name)
