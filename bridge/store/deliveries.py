"""The deliveries of the lanes: what is due, as it is handed out, and what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

import orjson

from bridge.db import Database, Row, Tx
from bridge.model import Cited, Delivery, File, Kind, Ref
from bridge.people.people import People
from bridge.seal import Seal
from bridge.store import bodies, kept_files
from bridge.store.conversation import Conversation, delivery_id
from bridge.store.due import DueDelivery, addressed
from bridge.store.outcomes import Outcomes

LANE = 20  # deliveries of a lane that are read at once
_NOTHING_CITED = (None, None)


class Deliveries:
    """Named operations; each takes the open transaction, or reads what is committed."""

    def __init__(
        self, db: Database, seal: Seal, people: People, outcomes: Outcomes,
        conversation: Callable[[str], Awaitable[Conversation]],
    ) -> None:  # fmt: skip
        self.db = db
        self.seal = seal
        self._people = people
        self.outcomes = outcomes
        self.conversation = conversation

    async def due(self, conversation: str, network: str) -> list[DueDelivery]:
        """The next deliveries of a lane in order."""
        rows = await self.db.all("store.lane", conversation, network, LANE)
        if not rows:
            return []
        whole = await self.conversation(conversation)
        return [
            DueDelivery(
                await self._delivery(row, network, whole),
                row["next_at"],
                tuple(map(tuple, orjson.loads(row["meant"]))),
            )
            for row in rows
        ]

    async def _delivery(self, row: Row, network: str, whole: Conversation) -> Delivery:
        said = bodies.parse(self.seal.open(bytes(row["body"]), row["id"]))
        return Delivery(
            id=row["id"], network=network, message=row["message"], conversation=whole.id, chat=row["chat"],
            sender=await self._people.get(row["sender"]), kind=Kind(row["kind"]),
            body=said.body, members=whole.members, name=whole.name, named=whole.named, moderated=said.moderated,
            sent_at=row["sent_at"], order=row["pos"], attempt=row["attempt"],
            created_at=row["created_at"], cites=(row["reply_to"], row["thread"]), files=said.files,
        )  # fmt: skip

    async def ready(self, due: DueDelivery) -> Delivery:
        """The delivery as it is handed out: with its files, and with the names that its network has for what it cites.

        It goes to those of today's members for whom it was accepted. Not before: what it cites may have been delivered,
        and people may have left, a moment ago. Raises SealBroken.
        """
        delivery = addressed(due, await self.conversation(due.delivery.conversation))
        if delivery.cites != _NOTHING_CITED:
            about, thread = [await self._ref_on(message, delivery) for message in delivery.cites]
            reply_to, continues, cited = about
            delivery = replace(delivery, reply_to=reply_to, thread=thread[0], continues=continues, cited=cited)
        files = await self.files(delivery.message) if delivery.files else []
        return replace(delivery, body=replace(delivery.body, files=tuple(files))) if files else delivery

    async def files(self, message: str) -> list[File]:
        """The documents of a message that waits. Raises SealBroken."""
        return kept_files.opened(self.seal, message, await self.db.all("store.files", message))

    async def _ref_on(self, message: str | None, delivery: Delivery) -> tuple[Ref | None, Ref | None, Cited | None]:
        """The name of a message on the delivery's network, in its own conversation or in another one; what it is."""
        row = await self.db.one("store.ref_on", message, delivery.network) if message else None
        if row is None:
            return None, None, None
        ref = Ref(delivery.network, row["id"]) if row["id"] is not None else None
        here = row["conversation"] == delivery.conversation
        cited = Cited(Kind(row["kind"]), await self._people.get(row["sender"]), row["sent_at"])
        return (ref, None, cited) if here else (None, ref, None)

    async def texts(self, ref: Ref) -> list[Ref]:
        """The names of a message's text in its network, in order: several where it was longer than that takes."""
        return [Ref(ref.network, row["id"]) for row in await self.db.all("store.texts", ref.network, ref.id)] or [ref]

    async def part(self, message: str, ref: Ref, n: int) -> None:
        """The n-th part of a message's text (from 2) is called so by its network."""
        async with self.db.transaction("courier.part") as tx:
            await tx.run("store.add_part", ref.network, ref.id, message, n)

    async def part_of(self, about: Ref, ref: Ref, n: int) -> None:
        """The same, of the message that the network calls ``about``."""
        row = await self.db.one("store.by_ref", about.network, about.id)
        if row is not None:
            await self.part(row["id"], ref, n)

    async def sent(
        self, tx: Tx, delivery: Delivery, ref: Ref, now: int, *, known: bool = True,
        waiting: Mapping[str, str | None] | None = None,
    ) -> None:  # fmt: skip
        """The network has it: keep its ref, erase the body, let the sender know (if it is ``known`` to be there).

        ``waiting``: for whom it is kept there (person ids), and why.
        """
        await tx.run("store.add_ref", ref.network, ref.id, delivery.message)
        await self._end(tx, delivery)
        for person in sorted(delivery.gone):
            await tx.one("store.failed", delivery.message, person, delivery.network, now, "left_before")
        if known:
            for person, why in sorted((waiting or {}).items()):
                if await tx.one("store.taken", delivery.message, person, delivery.network, now, why) is not None:
                    await tx.run("store.await", delivery.message, delivery.network, person, now, int(why is not None))
            await tx.run("store.delivered", delivery.message, delivery.network, now)
        if known or delivery.gone:
            await self.outcomes.changed(tx, delivery.message)

    async def all_sent(self, tx: Tx, sent: Sequence[tuple[Delivery, Ref]], known: Collection[str], now: int) -> None:
        """The same of several for which nothing is kept elsewhere and from which nobody has left.

        ``known``: the messages that are known to be there. Noting it again does no harm.
        """
        sent = sorted(sent, key=lambda one: one[0].message)  # in one order everywhere: no deadlock
        await tx.many("store.add_ref", [(ref.network, ref.id, delivery.message) for delivery, ref in sent])
        await tx.many("store.end_delivery", [(delivery.id,) for delivery, _ in sent])
        if files := [(delivery.message,) for delivery, _ in sent if delivery.files]:
            await tx.many("store.end_files", files)
        there = [delivery for delivery, _ in sent if delivery.message in known]
        if there:
            await tx.many("store.delivered", [(delivery.message, delivery.network, now) for delivery in there])
            await self.outcomes.changed(tx, *(delivery.message for delivery in there))

    async def _end(self, tx: Tx, delivery: Delivery) -> None:
        await tx.run("store.end_delivery", delivery.id)
        if delivery.files:
            await tx.run("store.end_files", delivery.message)

    async def refused(self, tx: Tx, delivery: Delivery, reason: str, now: int) -> None:
        """The network will never have it: erase the body, let the sender know."""
        await self._end(tx, delivery)
        await tx.run("store.refused", delivery.message, delivery.network, now, reason)
        await self.outcomes.changed(tx, delivery.message)

    async def gave_up(
        self, tx: Tx, network: str, delivery: str, message: str, now: int, why: str = "gave_up"
    ) -> None:  # fmt: skip
        """Nobody tries any more to bring this delivery: erase it, let the sender know ``why`` (a code)."""
        await tx.run("store.end_delivery", delivery)
        await tx.run("store.end_files", message)
        await tx.run("store.refused", message, network, now, why)
        await self.outcomes.changed(tx, message)

    async def target_waits(self, delivery: Delivery) -> bool:
        """Whether a network has yet to get what a delivery is about; where that is in the lane, this goes behind it."""
        about = delivery.cites[0]
        row = await self.db.one("store.waits", delivery_id(about, delivery.network)) if about else None
        if row is not None and not row["held"]:
            async with self.db.transaction("courier.behind") as tx:
                await tx.run("store.place", delivery.message)
                await tx.run("store.behind", delivery.id, delivery.message)
        return row is not None

    async def later(self, tx: Tx, delivery: Delivery, next_at: int, *, tried: int = 1) -> None:
        """Try again at ``next_at`` (ms)."""
        await tx.run("store.later", delivery.id, delivery.attempt + tried, next_at)
