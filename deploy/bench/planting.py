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
        row = await db.one("store.last_pos")
        pos = int(row["pos"] if row else 0) + 1
        for begin in range(0, self.conversations, _AT_ONCE):
            await self._some(db, seal, range(begin, min(begin + _AT_ONCE, self.conversations)), pos)

    async def _some(self, db: Database, seal: Seal, which: range, pos: int) -> None:
        people = (self.writer, self.reader)
        async with db.transaction("bench.planting") as tx:
            await tx.many("store.add_conversation", [(self.chat(n), self.since) for n in which])
            everybody = audience(person for person, _ in people)
            await tx.many("store.set_audience", [(self.chat(n), everybody) for n in which])
            legs = [(self.chat(n), address.network, self.chat(n)) for n in which for _, address in people]
            await tx.many("store.add_leg", legs)
            members = [(self.chat(n), p, a.network, a.id, self.since) for n in which for p, a in people]
            await tx.many("store.add_member", members)
            await tx.many("store.add_message", [self._message(n, k, pos) for n in which for k in range(self.each)])
            named = [(self.ref(n, k), message_id(self.ref(n, k))) for n in which for k in range(self.each)]
            await tx.many("store.add_ref", [(ref.network, ref.id, ident) for ref, ident in named])
            reader, at = self.reader[0], self.reader[1].network
            await tx.many("store.add_recipient", [(ident, reader, at, self.since) for _, ident in named])
            rows = [self._delivery(seal, n, k, pos) for n in which for k in range(self.each)]
            await tx.many("store.add_delivery", rows)

    def _place(self, n: int, k: int, pos: int) -> tuple[int, int]:
        place = k * self.conversations + n
        return pos + place, self.since + place

    def _message(self, n: int, k: int, pos: int) -> tuple[str | int, ...]:
        ref, (person, address), (place, at) = self.ref(n, k), self.writer, self._place(n, k, pos)
        ident, chat = message_id(ref), self.chat(n)
        return (ident, chat, place, ref.network, ref.id, chat, person, address.id, "text", at, at)

    def _delivery(self, seal: Seal, n: int, k: int, pos: int) -> tuple[str | int | bytes | None, ...]:
        message, network, (place, at) = message_id(self.ref(n, k)), self.reader[1].network, self._place(n, k, pos)
        name = delivery_id(message, network)
        body = seal.seal(orjson.dumps([f"{n}/{k}", None, 0]), name)
        return (name, message, self.chat(n), network, place, 0, body, None, None, at)
