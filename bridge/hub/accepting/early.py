"""What is about a message that has not come yet waits for it on disk, and no longer than its writer can bear."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from bridge.db import Conflict, Row, Tx
from bridge.errors import Refused, Unavailable, where
from bridge.hub.courier import Courier
from bridge.hub.facts import Facts
from bridge.kinds import KINDS, not_carried
from bridge.model import Accepted, Address, Kind, Message, Person, Ref
from bridge.parts.tasks import Tasks
from bridge.parts.turns import Turns
from bridge.receiver import Within
from bridge.store import bodies
from bridge.store.conversation import Reach, delivery_id, message_id, partakes
from bridge.store.store import Store

log = logging.getLogger(__name__)
_LOOK = 0.5  # s between two looks for targets that have come by another way, and for what has waited long enough
_PAGE = 100  # rows in one look
_MOST = 100  # that wait in one conversation; what comes beyond them is refused at once
NEVER_CAME = "target_never_came"
Write = Callable[[Message, Person, Within], Awaitable[Accepted]]


class Early:
    """``write`` accepts a message whose target has come. ``wait`` is in seconds, ``clock`` in milliseconds since 1970.

    In memory are only the names of what is waited for: whoever accepts a message asks nobody else.
    """

    def __init__(
        self, store: Store, courier: Courier, facts: Facts, write: Write, clock: Callable[[], int], wait: float
    ) -> None:
        self._store = store
        self._courier = courier
        self._facts = facts
        self._write = write
        self._clock = clock
        self._wait = int(wait * 1000)
        self._targets: Counter[Ref] = Counter()
        self._waiting: Counter[str] = Counter()  # by conversation
        self._turns = Turns()
        self._tasks = Tasks("what came early")
        self._looking = False

    async def start(self) -> None:
        """Take up what waited when the hub last ended."""
        after = ("", "")
        while rows := await self._store.db.all("early.all", *after, _PAGE):
            for row in rows:
                self._count(Ref(row["network"], row["about"]), row["conversation"])
            after = (rows[-1]["network"], rows[-1]["id"])

    async def stop(self) -> None:
        """End the looks; what waits is on disk."""
        await self._tasks.stop()

    def _count(self, target: Ref, conversation: str) -> None:
        self._targets[target] += 1
        self._waiting[conversation] += 1
        if not self._looking:
            self._looking = True
            self._tasks.start(self._look())

    def _uncount(self, target: Ref, conversation: str) -> None:
        self._targets.subtract((target,))
        self._waiting.subtract((conversation,))
        self._targets, self._waiting = +self._targets, +self._waiting

    # ---- what waits

    async def keep(self, message: Message, sender: Person, within: Within | None, again: Within | None) -> str | None:
        """Keep what is about a message that is not there; gives its conversation, None if it need not wait.

        Raises Refused: at once where more waits already than anybody would send.
        """
        about = message.reply_to
        if not KINDS[message.kind].about or about is None or await self._store.known(self._store.db, about):
            return None
        ident = await self._store.conversation_of(message.ref.network, message.chat)
        if ident is None:
            return None  # refused as anything else is that belongs nowhere
        partakes(await self._store.conversation(ident), sender.id, message.sender, "sender")
        if self._waiting[ident] >= _MOST:
            raise Refused(not_carried(message.kind))
        self._count(about, ident)  # before the commit: whoever accepts the target from now on asks for this one
        try:
            kept = await self._kept(message, ident, within, again)
        except BaseException:
            self._uncount(about, ident)
            raise
        if not kept:
            self._uncount(about, ident)
        return ident

    async def _kept(self, message: Message, conversation: str, within: Within | None, again: Within | None) -> bool:
        """Write it; False: it waits already, as it did before."""
        about, now = message.reply_to, self._clock()
        assert about is not None
        key = (message.ref.network, message.ref.id)
        async with self._turns.of("|".join(key)), self._store.db.transaction("hub.early") as tx:
            if await self._store.known(tx, message.ref) is not None:
                raise Conflict  # it has been accepted meanwhile
            new = await tx.one("early.one", *key) is None
            if new:
                body = self._store.seal.seal(bodies.compose(message), _context(*key))
                where = (about.id, conversation, message.chat, message.sender.id, message.kind.value)
                await tx.run("early.add", *key, *where, body, message.sent_at, now, now + self._wait)
            extra = within if new else again
            if extra is not None:
                await extra(tx)
        return new

    async def forget(self, writer: Address) -> None:
        """What an account has said that waits comes to nothing: there is nobody left to tell of it."""
        while rows := await self._store.db.all("early.by", writer.network, writer.id):
            for row in rows:
                await self._forget(row)

    async def _forget(self, row: Row) -> None:
        key = (row["network"], row["id"])
        async with self._turns.of("|".join(key)):
            if await self._store.db.one("early.one", *key) is None:
                return  # it was settled meanwhile
            async with self._store.db.transaction("hub.early.forgotten") as tx:
                await tx.run("early.end", *key)
        self._uncount(Ref(row["network"], row["about"]), row["conversation"])

    # ---- what it waits for

    async def first(self, ref: Ref, networks: list[str], accept: Callable[[], Awaitable[Accepted]]) -> Accepted:
        """Accept a message; what waits for it comes before anybody is given the message."""
        if not self._targets[ref]:
            return await accept()
        ident = message_id(ref)
        async with self._courier.overtaking.of([delivery_id(ident, network) for network in networks]):
            accepted = await accept()
            await self._come(ref)
        return accepted

    async def _come(self, target: Ref) -> None:
        try:
            for row in await self._store.db.all("early.about", target.network, target.id):
                await self._settle(row["network"], row["id"])
        except Unavailable as reason:
            log.info("what waits for %s waits for the database: %s", message_id(target), reason.code)

    async def _settle(self, network: str, ident: str, over: bool = False) -> None:
        """Accept one for which the wait is at an end, or refuse it; ``over``: its target has not come."""
        async with self._turns.of(f"{network}|{ident}"):
            row = await self._store.db.one("early.one", network, ident)
            if row is None:
                return
            message = self._opened(row)
            assert message.reply_to is not None
            if await self._store.known(self._store.db, message.reply_to) is not None:
                await self._accepted(row, message)
            elif over and not await self._patient(row):
                await self._never(row, message, NEVER_CAME)
            else:
                return  # what came waits for something itself
        self._uncount(message.reply_to, row["conversation"])
        if self._targets[message.ref]:
            await self._come(message.ref)

    async def _patient(self, row: Row) -> bool:
        """Whether what it is about waits itself, and has not had its time: nothing is about something in a circle."""
        if row["until"] + self._wait <= self._clock():
            return False
        return await self._store.db.one("early.one", row["network"], row["about"]) is not None

    async def _accepted(self, row: Row, message: Message) -> None:
        async def within(tx: Tx) -> None:
            await tx.run("early.end", row["network"], row["id"])

        try:
            sender = await self._facts.identify(message.sender, "sender")
            await self._write(message, sender, within)
        except Refused as refusal:
            await self._never(row, message, refusal.code)
        except Conflict:  # it was accepted by another way
            async with self._store.db.transaction("hub.early.known") as tx:
                await within(tx)

    async def _never(self, row: Row, message: Message, code: str) -> None:
        """Its writer hears that it came to nothing."""
        log.info("%s (%s) came before its target, and is refused: %s", message_id(message.ref), message.kind, code)
        whole, person = await self._store.conversation(row["conversation"]), await self._facts.who(message.sender)
        async with self._store.db.transaction("hub.early.never") as tx:
            if person is not None and await self._store.known(tx, message.ref) is None:
                now = self._clock()
                await self._store.record(tx, message, whole, person, Reach(frozenset()), now, sign=True)
                await self._store.corrections.nobody(tx, message, whole, code, now)
            await tx.run("early.end", row["network"], row["id"])
        self._courier.wake_reports()

    def _opened(self, row: Row) -> Message:
        network, ident = row["network"], row["id"]
        said = bodies.parse(self._store.seal.open(bytes(row["body"]), _context(network, ident)))
        return Message(
            Ref(network, ident), row["chat"], Address(network, row["address"]), Kind(row["kind"]), said.body,
            row["sent_at"], reply_to=Ref(network, row["about"]), moderated=said.moderated,
        )  # fmt: skip

    # ---- looking

    async def _look(self) -> None:
        """Look as long as anything waits."""
        while self._targets:
            await asyncio.sleep(_LOOK)
            try:
                await self._there()
                for row in await self._store.db.all("early.over", self._clock(), _PAGE):
                    await self._settle(row["network"], row["id"], over=True)
            except Unavailable:
                continue
            except Exception as bug:
                log.error("what came early cannot be looked at: %s", where(bug))
        self._looking = False

    async def _there(self) -> None:
        after = ("", "")
        while rows := await self._store.db.all("early.there", *after, _PAGE):
            for row in rows:
                if row["target"] is not None:
                    await self._settle(row["network"], row["id"])
            after = (rows[-1]["network"], rows[-1]["id"])


def _context(network: str, ident: str) -> str:
    return f"early {network}|{ident}"
