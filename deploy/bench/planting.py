"""Conversations with messages that wait for a network, written straight into a hub's database."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from bridge.db import Database
from bridge.model import Address, Ref
from bridge.seal import Seal
from bridge.store.conversation import audience, delivery_id, message_id

_AT_ONCE = 2000  # conversations in one transaction


@dataclass(frozen=True, slots=True)
class Planting:
    """Who writes to whom in each of ``conversations``, and how often; the first at ``since`` (ms), one a ms."""

    conversations: int
    writer: tuple[str, Address]  # person id, address
    reader: tuple[str, Address]
    since: int
    each: int = 1

    def chat(self, n: int) -> str:
        """The name of the n-th conversation, for all networks."""
        return f"waiting-{n}"

    def ref(self, n: int, k: int) -> Ref:
        """The k-th message of the n-th conversation on its writer's network."""
        return Ref(self.writer[1].network, f"waiting-{n}-{k}")

    async def plant(self, db: Database, seal: Seal) -> None:
        """Write it all."""
        for begin in range(0, self.conversations, _AT_ONCE):
            await self._some(db, seal, range(begin, min(begin + _AT_ONCE, self.conversations)))

    async def _some(self, db: Database, seal: Seal, which: range) -> None:
        people = (self.writer, self.reader)
        async with db.transaction("bench.planting") as tx:
            await tx.many("store.add_conversation", [(self.chat(n), self.since) for n in which])
            everybody = audience(person for person, _ in people)
            await tx.many("store.set_audience", [(self.chat(n), everybody) for n in which])
            legs = [(self.chat(n), address.network, self.chat(n)) for n in which for _, address in people]
            await tx.many("store.add_leg", legs)
            members = [(self.chat(n), p, a.network, a.id, self.since) for n in which for p, a in people]
            await tx.many("store.add_member", members)
            await tx.many("store.add_message", [self._message(n, k) for n in which for k in range(self.each)])
            named = [(self.ref(n, k), message_id(self.ref(n, k))) for n in which for k in range(self.each)]
            await tx.many("store.add_ref", [(ref.network, ref.id, ident) for ref, ident in named])
            reader, at = self.reader[0], self.reader[1].network
            await tx.many("store.add_recipient", [(ident, reader, at, self.since) for _, ident in named])
            rows = [self._delivery(seal, n, k) for n in which for k in range(self.each)]
            await tx.many("store.add_delivery", rows)

    def _at(self, n: int, k: int) -> int:
        return self.since + k * self.conversations + n

    def _message(self, n: int, k: int) -> tuple[str | int, ...]:
        ref, (person, address), at = self.ref(n, k), self.writer, self._at(n, k)
        ident, chat = message_id(ref), self.chat(n)
        return (ident, chat, ref.network, ref.id, chat, person, address.id, "text", at, at)

    def _delivery(self, seal: Seal, n: int, k: int) -> tuple[str | int | bytes | None, ...]:
        message, network, at = message_id(self.ref(n, k)), self.reader[1].network, self._at(n, k)
        name = delivery_id(message, network)
        body = seal.seal(orjson.dumps([f"{n}/{k}", None, 0]), name)
        return (name, message, self.chat(n), network, 0, body, None, None, at)
