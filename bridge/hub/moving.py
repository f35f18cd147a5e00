"""Somebody takes part in a conversation by another address from now on; what waits for them goes there as well."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from bridge.db import Row, Tx
from bridge.hub.courier import Courier
from bridge.hub.handover import withdraw
from bridge.model import MATRIX, Address, Body, Kind, Message, Person, Ref
from bridge.parts.turns import Turns
from bridge.people.people import People
from bridge.served import Served
from bridge.store.conversation import Reach, delivery_id
from bridge.store.store import Store

_BY_HUB = "liaison"  # the network of what no network has said


class Moving:
    """``turns`` are the hub's. ``clock`` gives milliseconds since 1970."""

    def __init__(
        self, store: Store, people: People, connectors: Served, courier: Courier, turns: Turns, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._people = people
        self._served = connectors
        self._courier = courier
        self._turns = turns
        self._clock = clock

    @contextmanager
    def looking_for(self, person: str) -> Iterator[None]:
        """While the block runs nothing is refused because their address is theirs no more: another may be."""
        self._courier.moving[person] += 1
        try:
            yield
        finally:
            self._courier.moving[person] -= 1
            if not self._courier.moving[person]:
                del self._courier.moving[person]

    async def away(self, conversation: str, person: str, old: Address) -> None:
        """An address is no way to somebody any more: the next one is, else what waits is refused in words."""
        whole = await self._store.conversation(conversation)
        others = {m.address.network for m in whole.members if m.person.id != person}
        new = await self._people.next_way(person, others.pop() if len(others) == 1 else "")
        if new is not None:
            await self.to(conversation, person, old, new)
            return
        async with self._store.db.transaction("hub.no-way") as tx:
            await withdraw(tx, conversation, person, old, self._clock())
            await self._store.outcomes.arrived(tx, conversation, old.network, person, self._clock(), "not_reachable")
        self._courier.wake(conversation, old.network)
        self._courier.withdrawn(conversation)
        self._courier.wake_reports()

    async def to(self, conversation: str, person: str, old: Address, new: Address) -> None:
        """From now on they take part by ``new``: everybody who stays hears of it, and what waits goes with them.

        What is being handed out just now is not taken back: it arrives there, or is refused.
        """
        who = await self._people.get(person)
        whole = await self._store.conversation(conversation)
        everybody = {m.person.id: m.person for m in whole.members} | {who.id: who}
        waiting = [r["id"] for r in await self._store.db.all("following.waiting_ids", conversation, old.network)]
        async with self._courier.overtaking.of(waiting) as free, self._turns.of(conversation):
            with self._store.changing(conversation):
                async with self._store.db.transaction("hub.moved") as tx:
                    member = next(
                        (m for m in await tx.all("store.members", conversation) if m["person"] == person), None
                    )
                    if member is None or (member["network"], member["address"]) != (old.network, old.id):
                        return  # somebody was faster
                    networks = await self._moved(tx, conversation, who, old, new, free, everybody)
        for network in {old.network, *networks}:
            self._courier.wake(conversation, network)
        self._courier.wake_reports()

    async def _moved(
        self, tx: Tx, conversation: str, who: Person, old: Address, new: Address, free: frozenset[str],
        everybody: Mapping[str, Person],
    ) -> frozenset[str]:  # fmt: skip
        """Gives the networks of the conversation."""
        now, named = self._clock(), self._served[new.network].capabilities.names_chats
        await tx.run("following.move_member", conversation, who.id, new.network, new.id)
        await tx.run("store.add_leg", conversation, new.network, None if named else conversation)
        await tx.run("store.begin_reading", conversation, who.id, new.network)
        for row in await tx.all("following.waits_there", conversation, old.network, who.id, new.network):
            if row["id"] in free:
                await self._carry(tx, conversation, who.id, row, old.network, new.network)
        await self._store.outcomes.arrived(tx, conversation, old.network, who.id, now, "other_way")
        self._store.forget(conversation)
        after = await self._store.placed(tx, conversation, lambda: everybody)
        ref = Ref(_BY_HUB, "moved-" + secrets.token_hex(12))
        message = Message(ref, conversation, new, Kind.MEMBERS, Body(), now)
        await self._store.record(tx, message, after, who, Reach(after.networks), now, sign=True)
        return after.networks

    async def _carry(self, tx: Tx, conversation: str, person: str, row: Row, old: str, new: str) -> None:
        """One message that waits: to the new way, unless that network has it already without them."""
        name = delivery_id(row["message"], new)
        if row["origin"] == new or (row["there"] and not row["also"]):
            await self._store.outcomes.failed(tx, row["message"], person, old, "other_way", self._clock())
        else:
            await tx.run("following.goes_there", row["message"], person, old, new)
            if not row["also"]:
                body = self._store.seal.seal(self._store.seal.open(bytes(row["body"]), row["id"]), name)
                held = 0 if new == MATRIX else row["held"]
                cites = (row["reply_to"], row["thread"], row["created_at"])
                await tx.run("store.add_delivery", name, row["message"], conversation, new, held, body, *cites)
        await tx.run("following.end_unmeant", row["id"], row["message"], old)
        await tx.run("store.end_files", row["message"])
