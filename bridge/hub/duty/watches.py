"""What waits to be read for a function: one watch for a conversation and function, with its messages sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from bridge.db import Row, Tx
from bridge.model import Delivery, File
from bridge.seal import Seal
from bridge.store.store import Store

_PAGE = 50  # watches in one look


@dataclass(frozen=True, slots=True)
class Unread:
    """A message that waits; ``writer`` and ``text`` are as they were said at ``at`` (ms)."""

    message: str
    writer: str = field(repr=False)
    text: str = field(repr=False)
    urgent: bool
    at: int
    files: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """``asked`` are person ids in the order in which they were asked, ``mail:`` before one who was asked by mail, too.

    ``step`` counts how often it was passed on, ``told`` up to which this was said. ``due_at`` is in ms.
    ``noted`` changes when something was read meanwhile: then it is looked at again.
    """

    conversation: str
    function: str
    urgent: bool
    step: int
    told: int
    asked: tuple[str, ...]
    due_at: int
    noted: int

    @property
    def people(self) -> list[str]:
        """Who was asked, once each."""
        return list(dict.fromkeys(one.removeprefix(PAGED) for one in self.asked))


PAGED = "mail>"


class Watches:
    """Each operation takes the open transaction, or reads what is committed."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self.store = store
        self._seal = seal

    async def add(
        self, tx: Tx, delivery: Delivery, function: str, asked: Sequence[str], due_at: int, *, urgent: bool
    ) -> None:
        """Watch a message; what is watched there already is asked for with it. It is looked at soon: it may be read."""
        body = delivery.body
        said = [delivery.sender.name, body.text, urgent, len(body.files)]
        sealed = self._seal.seal(orjson.dumps(said), f"watched:{delivery.message}:{function}")
        values = (delivery.message, function, delivery.conversation, delivery.created_at, sealed, None)
        known = await tx.one("duty.one", delivery.conversation, function)
        everybody = (orjson.loads(known["asked"]) if known is not None else []) or asked  # who has it all
        await tx.run("duty.add_watched", *values)
        await tx.run(
            "duty.watch", delivery.conversation, function, int(urgent),
            orjson.dumps(list(dict.fromkeys(everybody))).decode(), due_at,
        )  # fmt: skip

    async def due(self, now: int) -> list[tuple[str, str]]:
        """Conversation and function of the next watches to look at."""
        return [(row["conversation"], row["function"]) for row in await self.store.db.all("duty.due", now, _PAGE)]

    async def next_look(self) -> int | None:
        """When (ms) one is looked at next."""
        row = await self.store.db.one("duty.next_look")
        return None if row is None else row["look_at"]

    async def one(self, conversation: str, function: str) -> Watch | None:
        """A watch by conversation and function."""
        row = await self.store.db.one("duty.one", conversation, function)
        return None if row is None else _watch(row)

    async def said(self, watch: Watch) -> list[Unread]:
        """Its messages, the oldest first. Raises SealBroken."""
        rows = await self.store.db.all("duty.watched", watch.conversation, watch.function)
        return [self._said(row, watch.function) for row in rows]

    def _said(self, row: Row, function: str) -> Unread:
        opened = orjson.loads(self._seal.open(bytes(row["body"]), f"watched:{row['message']}:{function}"))
        writer, text, urgent, files = opened
        return Unread(row["message"], writer, text, urgent, row["at"], files)

    async def files(self, message: str) -> list[File]:
        """The documents of a message that waits. Raises SealBroken."""
        return await self.store.deliveries.files(message)

    async def read(self, watch: Watch) -> dict[str, str]:
        """Its messages that somebody on duty has answered, or somebody who was asked has read: message -> person."""
        rows = await self.store.db.all("duty.taken_by", watch.conversation, watch.function)
        found = {str(row["message"]): str(row["person"]) for row in rows}
        seats = await self.store.db.all("duty.seats", watch.conversation)
        people = {row["person"] for row in seats if row["function"] == watch.function} | {*watch.people}
        for name in ("duty.read_by", "duty.copy_read_by"):
            for row in await self.store.db.all(name, watch.conversation, watch.function):
                if row["person"] in people:
                    found.setdefault(row["message"], row["person"])
        return found

    async def taken(self, tx: Tx, conversation: str, function: str, person: str) -> None:
        """Somebody on duty has answered: what waits there was read by her."""
        await tx.run("duty.taken", conversation, function, person)
        await tx.run("duty.look_now", conversation, function)

    async def passed(self, tx: Tx, watch: Watch, asked: str, due_at: int, copy: str, said: Sequence[Unread]) -> None:
        """It was passed on to somebody, in the message ``copy``."""
        everybody = orjson.dumps([*watch.asked, asked]).decode()
        await tx.run("duty.passed", watch.conversation, watch.function, everybody, due_at)
        for one in said:
            await tx.run("duty.copied", one.message, copy, watch.function)

    async def over(self, tx: Tx, watch: Watch, messages: Sequence[str]) -> None:
        """These wait no longer: what was kept of them is erased, and the watch ends if nothing else waits."""
        for message in sorted(messages):
            await tx.run("duty.end_watched", message, watch.function)
            await tx.run("store.end_files", message)
        await tx.run("duty.end_watch", watch.conversation, watch.function)


def _watch(row: Row) -> Watch:
    return Watch(
        conversation=row["conversation"], function=row["function"], urgent=bool(row["urgent"]), step=row["step"],
        told=row["told"], asked=tuple(orjson.loads(row["asked"])), due_at=row["due_at"],
        noted=row["noted"],
    )  # fmt: skip
