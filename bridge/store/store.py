"""Every read and write of the hub's own tables, as named operations inside a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from bridge.db import Component, Database, Row, Tx
from bridge.files import Files
from bridge.model import (
    Address,
    GroupName,
    Member,
    Message,
    Person,
    Ref,
)
from bridge.parts.lru import Lru
from bridge.people.gone import keep
from bridge.people.people import People
from bridge.people.sealed_names import sealed
from bridge.seal import Seal
from bridge.store import bodies, kept_files
from bridge.store.conversation import Conversation, Reach, audience, conversation_from, delivery_id, message_id
from bridge.store.corrections import Corrections
from bridge.store.deliveries import Deliveries
from bridge.store.group_names import opened
from bridge.store.group_names import sealed as sealed_group_name
from bridge.store.outcomes import Outcomes
from bridge.store.polls import Polls

COMPONENT = Component("bridge", Path(__file__).parent / "sql")
_CACHED_CONVERSATIONS = 10_000
_FEW = 8  # recipients, each of whom is written by a statement of its own
_PAGE = 100  # rows that one look or one transaction takes of something that may have piled up


class Store:
    """Named operations; each takes the open transaction, or reads what is committed."""

    def __init__(self, db: Database, seal: Seal, people: People, shelf: Files | None = None) -> None:
        """``shelf``: where the files of messages lie."""
        self.db = db
        self.shelf = shelf or Files()
        self.outcomes = Outcomes(db, people)
        self.corrections = Corrections(seal, self.outcomes)
        self.polls = Polls(seal)
        self._people = people
        self.seal = seal
        self.deliveries = Deliveries(db, seal, people, self.outcomes, self.conversation)
        self._cache: Lru[str, Conversation] = Lru(_CACHED_CONVERSATIONS)
        self._chats: Lru[tuple[str, str], str] = Lru(_CACHED_CONVERSATIONS)
        self._changing: Counter[str] = Counter()
        self._changes = 0

    async def start(self) -> None:
        """Complete what an earlier version has left."""
        while rows := await self.db.all("store.without_audience", _PAGE):  # conversations of an earlier version
            async with self.db.transaction("store.audience") as tx:
                for row in rows:
                    await self.set_audience(tx, row["id"])

    async def call(self, tx: Tx, person: str, name: str) -> None:
        """Keep how somebody who is in no directory calls themselves."""
        await tx.run("store.call", person, sealed(self.seal, person, name))

    # ---- conversations

    async def conversation_of(self, network: str, chat: str) -> str | None:
        """The conversation that a network knows under this name: what was asked last is believed while it is cached."""
        known = self._chats.get((network, chat))
        cached = self._cache.get(known) if known is not None else None
        if cached is not None and cached.legs.get(network) == chat:
            return known
        row = await self.db.one("store.leg_by_chat", network, chat)
        return None if row is None else self._chats.put((network, chat), str(row["conversation"]))

    async def among(self, people: Collection[str], by: Address) -> str | None:
        """The newest conversation of exactly these people with a member at this address."""
        row = await self.db.one("store.among", audience(people), by.network, by.id) if people else None
        return None if row is None else str(row["id"])

    async def conversation(self, conversation: str) -> Conversation:
        """A conversation with members and legs; cached until :meth:`forget`. Never inside of a transaction: the
        directory, which knows its people, may be far away.
        """
        if (cached := self._cache.get(conversation)) is not None:
            return cached
        changes = self._changes
        legs, rows = await self._rows(self.db, conversation)
        return self._keep(
            conversation, legs, rows, {r["person"]: await self._people.get(r["person"]) for r in rows}, changes
        )

    async def placed(self, tx: Tx, conversation: str, everybody: Callable[[], Mapping[str, Person]]) -> Conversation:
        """The same inside of a transaction, with the people who were looked up before it began.

        Somebody who became a member after that has no name here, and what has no names is not kept.
        """
        if (cached := self._cache.get(conversation)) is not None:
            return cached
        changes = self._changes
        legs, rows = await self._rows(tx, conversation)
        people = everybody()
        if all(row["person"] in people for row in rows):
            return self._keep(conversation, legs, rows, people, changes)
        nameless = {row["person"]: Person(row["person"], row["person"], listed=False) for row in rows}
        name = opened(self.seal, conversation, legs)
        return conversation_from(conversation, legs, rows, nameless | dict(people), name)

    async def _rows(self, reader: Tx | Database, conversation: str) -> tuple[list[Row], list[Row]]:
        return await reader.all("store.legs", conversation), await reader.all("store.members", conversation)

    def _keep(
        self, conversation: str, legs: list[Row], rows: list[Row], people: Mapping[str, Person], changes: int
    ) -> Conversation:
        found = conversation_from(conversation, legs, rows, people, opened(self.seal, conversation, legs))
        if conversation not in self._changing and changes == self._changes:
            self._cache.put(conversation, found)
        return found

    @contextmanager
    def changing(self, conversation: str | None) -> Iterator[None]:
        """While its members or legs change, and until that is on disk or undone, it is not kept in memory."""
        if conversation is None:
            yield
            return
        self._changing[conversation] += 1
        self.forget(conversation)
        try:
            yield
        finally:
            self._changes += 1
            self._changing[conversation] -= 1
            if not self._changing[conversation]:
                del self._changing[conversation]

    def forget_people(self, people: Collection[str]) -> None:
        """What is known of these people (ids) has changed: no cached conversation of theirs is believed any more."""
        self._changes += 1
        for ident, conversation in self._cache.items():
            if any(member.person.id in people for member in conversation.members):
                self._cache.drop(ident)

    def forget(self, conversation: str) -> None:
        """The cached conversation is out of date."""
        self._cache.drop(conversation)

    async def create_conversation(self, tx: Tx, conversation: str, network: str, chat: str, now: int) -> None:
        """A conversation that began on ``network``."""
        await tx.run("store.add_conversation", conversation, now)
        await tx.run("store.add_leg", conversation, network, chat)

    async def add_members(
        self, tx: Tx, conversation: str, members: Iterable[Member], named: Sequence[str], now: int
    ) -> None:
        """Add people, and a leg for each network that has none; ``named`` networks give their chats their own names."""
        for member in members:
            address = member.address
            await tx.run("store.add_member", conversation, member.person.id, address.network, address.id, now)
            chat = None if address.network in named else conversation
            await tx.run("store.add_leg", conversation, address.network, chat)
            await tx.run("store.begin_reading", conversation, member.person.id, address.network)
            if member.person.rpps is not None:
                await tx.run("following.meet", member.person.id, keep(self.seal, member.person))
        await self.set_audience(tx, conversation)
        self.forget(conversation)

    async def remove_members(self, tx: Tx, conversation: str, people: Iterable[str]) -> None:
        """Remove people; their legs stay, so that old messages keep their refs."""
        for person in people:
            await tx.run("store.remove_member", conversation, person)
        await self.set_audience(tx, conversation)
        self.forget(conversation)

    async def set_audience(self, tx: Tx, conversation: str) -> None:
        """Note which people are its members now; :meth:`among` looks for it. Who only takes a place in turn is none."""
        rows = await tx.all("store.standing", conversation)
        await tx.run("store.set_audience", conversation, audience(row["person"] for row in rows))

    async def name(self, tx: Tx, conversation: str, name: GroupName, message: str) -> None:
        """People call it like this from now on."""
        await tx.run("store.name_conversation", conversation, sealed_group_name(self.seal, conversation, name), message)
        self.forget(conversation)

    async def bind(self, tx: Tx, conversation: str, network: str, chat: str) -> None:
        """The network's own name of the chat."""
        await tx.run("store.add_leg", conversation, network, chat)
        await tx.run("store.bind", conversation, network, chat)
        self.forget(conversation)

    # ---- messages

    async def known(self, reader: Tx | Database, ref: Ref) -> tuple[str, str] | None:
        """(message, conversation) of a ref that the hub has seen."""
        row = await reader.one("store.by_ref", ref.network, ref.id)
        return None if row is None else (str(row["id"]), str(row["conversation"]))

    async def record(
        self, tx: Tx, message: Message, conversation: Conversation, sender: Person, reach: Reach, now: int,
        *, sign: bool = False,
    ) -> set[str]:  # fmt: skip
        """Write a message and a sealed delivery for every able leg that has members; gives those networks.

        Ends in a Conflict if the hub has it already, or has something else by that name.
        A ``sign`` is said to nobody (members, reactions, what takes one back): nobody is its recipient.
        """
        ident = message_id(message.ref)
        row = (ident, conversation.id, message.ref.network, message.ref.id, message.chat)
        await tx.run("store.add_message", *row, sender.id, message.sender.id, message.kind.value, message.sent_at, now)
        await tx.run("store.add_own_ref", message.ref.network, message.ref.id, ident)
        meant = [m for m in conversation.members if reach.reaches(m)]
        others = [m for m in meant if m.person.active]
        networks = {m.address.network for m in others}
        if not sign:
            await self._recipients(tx, ident, [*others, *reach.there], now)
            await self._locked(tx, ident, [m for m in meant if not m.person.active], now)
        cites = [await self._cited(tx, message.reply_to), await self._cited(tx, message.thread)]
        said = bodies.compose(message)
        for network in networks:
            name = delivery_id(ident, network)
            held = int(network in reach.held)
            values = (name, ident, conversation.id, network, held, self.seal.seal(said, name), *cites, now)
            await tx.run("store.add_delivery", *values)
        if networks:
            for n, file in enumerate(message.body.files):
                await tx.run("store.add_file", ident, n, *kept_files.sealed(self.seal, ident, n, file))
        return networks

    async def _recipients(self, tx: Tx, message: str, members: Sequence[Member], now: int) -> None:
        """A row for each: of a large room in one statement."""
        pairs = [(member.person.id, member.address.network) for member in members]
        if len(pairs) > _FEW:
            await tx.run("store.add_recipients", message, orjson.dumps(pairs).decode(), now)
            return
        for person, network in pairs:
            await tx.run("store.add_recipient", message, person, network, now)

    async def _locked(self, tx: Tx, message: str, members: Sequence[Member], now: int) -> None:
        """Whoever was struck off gets nothing, and the writer is told at once."""
        for member in members:
            who = (message, member.person.id, member.address.network)
            await tx.run("store.add_recipient", *who, now)
            await self.outcomes.failed(tx, *who, "recipient_inactive", now)

    async def on_its_way(self, network: str, chat: str) -> bool:
        """Whether a network may have been given something in a chat without its name for it being noted."""
        return await self.db.one("store.on_its_way", network, chat) is not None

    async def _cited(self, tx: Tx, ref: Ref | None) -> str | None:
        known = await self.known(tx, ref) if ref else None
        return known[0] if known else None

    async def held(self, tx: Tx, messages: Collection[str]) -> set[str]:
        """Those of these messages that some network does not get before they have their place."""
        rows = await tx.all("store.held_among", orjson.dumps(sorted(messages)).decode())
        return {str(row["message"]) for row in rows}

    async def shown(self, tx: Tx, messages: Collection[str]) -> None:
        """The ordering network has these messages now: after whatever was accepted of it meanwhile."""
        await tx.many("store.place_after", [(message,) for message in messages])

    async def release(self, tx: Tx, message: str) -> dict[str, list[tuple[str, str]]]:
        """Give a held message its place now, and before it whatever it is about, which has one by then.

        Gives what was held (hub ids) and the lanes (conversation, network) that may have it.
        """
        chain, wanted = dict[str, list[tuple[str, str]]](), message
        while wanted and wanted not in chain and (rows := await tx.all("store.held_networks", wanted)):
            chain[wanted] = [(row["conversation"], row["network"]) for row in rows]
            wanted = rows[0]["reply_to"]
        for one in reversed(chain):
            await tx.run("store.place", one)
            await tx.run("store.release", one)
        return chain
