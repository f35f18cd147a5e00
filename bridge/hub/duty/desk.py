"""The network of functions: its members are places, and a message to one is watched until somebody on duty has read it.

It is served beside the others as ``function``. A delivery to it is the durable work: the watch is written before the
delivery ends. Who on duty gets the message itself is settled when it is accepted (:mod:`bridge.hub.duty.seating`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from bridge.connector import Capabilities, Relief
from bridge.db import Tx
from bridge.errors import Refused, Unavailable, where
from bridge.hub.duty.away import Away
from bridge.hub.duty.passing import Passing
from bridge.hub.duty.phrases import is_urgent, told
from bridge.hub.duty.saying import Saying
from bridge.hub.duty.seating import Seat, Seating
from bridge.hub.duty.watches import Watches
from bridge.kinds import KINDS
from bridge.model import (
    FUNCTION,
    Absence,
    Address,
    Delivery,
    Handed,
    Kind,
    Member,
    Message,
    Person,
    Ref,
    Report,
    Typing,
)
from bridge.parts.endless import endless
from bridge.parts.tasks import Tasks
from bridge.people.duty.kept_rota import KeptRota
from bridge.people.duty.rota import Function
from bridge.people.people import People
from bridge.receiver import Receiver
from bridge.seal import Seal
from bridge.store.store import Store

log = logging.getLogger(__name__)
_DAY = 86_400_000  # ms
_ASIDE = 60_000  # ms until what failed unexpectedly is tried again
_PAUSE = 5.0  # s between two looks, at the clock and at the rota's files


class DutyDesk:
    """The connector. ``clock`` gives milliseconds since 1970; ``pause``: s until the clock is looked at again."""

    network = FUNCTION
    capabilities = Capabilities(
        typing=False, receipts=False, max_text=100_000, files=True, max_files=60_000_000, kinds=frozenset(Kind)
    )

    def __init__(
        self, hub: Receiver, store: Store, people: People, seal: Seal, rota: KeptRota, clock: Callable[[], int],
        pause: float = _PAUSE,
    ) -> None:  # fmt: skip
        self._hub = hub
        self._store = store
        self._rota = rota
        self._clock = clock
        self._pause = pause
        self._watches = Watches(store, seal)
        self._away = Away(hub, store, people, rota, clock)
        self._seating = Seating(hub, store, people, rota, self._away, clock)
        self._passing = Passing(hub, people, rota, self._watches, self._seating, clock)
        self._say = Saying(hub, clock)
        self._bell = asyncio.Event()
        self._tasks = Tasks("functions")

    async def start(self) -> None:
        """Look at what waits, and at the rota's files, until stopped."""
        self._tasks.start(endless("functions", self._run))

    async def stop(self) -> None:
        """What waits is on disk."""
        await self._tasks.stop()

    async def report(self, reports: Sequence[Report]) -> None:
        """Functions are told nothing: the watches say what was read."""

    async def typing(self, typing: Typing) -> None:
        """Functions see nobody write."""

    def vouched(self, address: Address) -> bool:
        """See :class:`bridge.connector.Vouches`."""
        return address.network == FUNCTION and address.id in self._rota.now.functions

    # ---- who takes part

    async def relief(
        self, message: Message, sender: Person, members: Sequence[Member], conversation: str | None
    ) -> Relief:
        """See :class:`bridge.connector.Seats`."""
        return await self._seating.relief(message, sender, members, conversation)

    async def noted(self, tx: Tx, conversation: str, message: str) -> None:
        """See :class:`bridge.connector.Seats`."""
        await tx.run("duty.noted", conversation)
        for row in await tx.all("duty.in_copy", message):
            await tx.run("duty.look_now", row["conversation"], row["function"])

    def ring(self) -> None:
        """See :class:`bridge.connector.Seats`."""
        self._bell.set()

    async def absent(self, account: Address, absence: Absence | None) -> None:
        """See :meth:`bridge.receiver.Receiver.absent`."""
        self._rota.declared.over(self._clock())
        before = self._rota.declared.declare(account, absence)
        for person in {one.who for one in (before, absence) if one is not None}:
            await self._seating.standing_in.changed(person)
        self.ring()

    # ---- what is written to a function

    async def deliver(self, delivery: Delivery) -> Ref | Handed:
        """See :class:`bridge.connector.Connector`."""
        ref, without = Ref(FUNCTION, delivery.id), dict[str, str]()
        relayed = await self._relay(delivery)
        for member in delivery.recipients:
            function = self._rota.now.functions.get(member.address.id)
            if function is None:
                without[member.person.id] = "unknown_function"
            elif not relayed and not delivery.body.system and (why := await self._take(function, delivery)):
                without[member.person.id] = why
        self.ring()
        return Handed(ref, without) if without else ref

    async def _take(self, function: Function, delivery: Delivery) -> str | None:
        """Gives why nobody gets it (a code)."""
        seats = await self._seating.live(delivery.conversation, function.slug)
        if delivery.sender.id in {seat.person for seat in seats}:
            await self._answered(function, delivery)
            return None
        if not KINDS[delivery.kind].said:
            return None
        why = await self._watch(function, delivery)
        await self._relieve(function, delivery)
        return why

    async def _answered(self, function: Function, delivery: Delivery) -> None:
        """Whoever is on duty has said something, be it a sign: she has taken what was waiting."""
        if delivery.kind is Kind.MEMBERS:
            return
        async with self._store.db.transaction("duty.answered") as tx:
            await self._watches.taken(tx, delivery.conversation, function.slug, delivery.sender.id)
        others = [m for m in delivery.members if m.person.id != delivery.sender.id and m.address.network != FUNCTION]
        if not others and KINDS[delivery.kind].said:
            ident = f"yourself:{delivery.conversation}:{function.slug}:{delivery.sender.id}"
            await self._say.notice(ident, delivery.conversation, function, told("duty_yourself", function))

    async def _watch(self, function: Function, delivery: Delivery) -> str | None:
        """It may be late: whoever was on duty when the message was accepted is the one who was asked."""
        now, seats = self._clock(), await self._seating.of(delivery.conversation)
        rows = await self._store.db.all("store.recipients", delivery.message)
        meant = {row["person"] for row in rows}
        asked = [seat for seat in seats if seat.function == function.slug and seat.person in meant]
        urgent = delivery.body.urgent or is_urgent(delivery.body.text)
        then = None
        if asked:
            until = min(seat.until for seat in asked)
            due_at = delivery.created_at + function.after if urgent else min(now + _DAY, until)
        elif self._rota.now.duty(function.slug, now).people:
            due_at = now  # somebody in the writer's own network who is new here, or who has just come on duty
        elif (then := self._rota.now.following(function.slug, now)) is not None:
            due_at = then.since
        else:
            await self._passing.nobody(delivery.conversation, function, delivery.message, None)
            return "nobody_on_duty"
        async with self._store.db.transaction("duty.watch") as tx:
            await self._watches.add(tx, delivery, function.slug, [seat.person for seat in asked], due_at, urgent=urgent)
        if then is not None:
            await self._passing.nobody(delivery.conversation, function, delivery.message, then)
        return None

    async def _relieve(self, function: Function, delivery: Delivery) -> None:
        """Whose duty has ended leaves, if she came for it only, once all that was for her has arrived."""
        staying = {one.person for one in await self._seating.of(delivery.conversation) if one.until > self._clock()}
        for seat in await self._seating.of(delivery.conversation):
            member = next((m for m in delivery.members if m.person.id == seat.person), None)
            if seat.function != function.slug or seat.person in staying or seat.person == delivery.sender.id:
                continue
            where = (delivery.conversation, "" if member is None else member.address.network, seat.person)
            if await self._store.db.one("duty.undelivered", *where) is not None:
                continue
            await self._rise(function, delivery.conversation, seat, member)

    async def _rise(self, function: Function, conversation: str, seat: Seat, member: Member | None) -> None:
        async def within(tx: Tx) -> None:
            await tx.run("duty.rise", conversation, seat.function, seat.person)

        if member is None or not seat.brought:
            async with self._store.db.transaction("duty.rise") as tx:
                await within(tx)
            return
        ref = Ref(FUNCTION, f"relieved:{conversation}:{seat.function}:{seat.person}:{seat.since}")
        by = Address(FUNCTION, function.slug)
        try:
            await self._hub.change_members(ref, conversation, FUNCTION, by, (), [member.address], within)
        except Refused as refusal:
            log.warning("%s stays in %s: %s", seat.person, conversation, refusal.code)

    async def _relay(self, delivery: Delivery) -> bool:
        """An answer by mail to what was passed on by mail is said where it was asked; False: it is none."""
        for cited in delivery.cites:
            row = await self._store.db.one("store.status", cited) if cited is not None else None
            if row is None or row["network"] != FUNCTION or not row["ref"].startswith("page:"):
                continue
            _, message, slug, _ = row["ref"].split(":")
            asked = await self._store.db.one("store.status", message)
            function = self._rota.now.functions.get(slug)
            if asked is None or function is None or not KINDS[delivery.kind].said:
                continue
            async with self._store.db.transaction("duty.answered") as tx:
                await self._watches.taken(tx, asked["conversation"], slug, delivery.sender.id)
            text = f"{told('duty_answered', function, name=delivery.sender.name)}\n{delivery.body.text}"
            ident = f"relay:{delivery.message}"
            await self._say.relay(ident, asked["conversation"], function, text, delivery.body.files)
            return True
        return False

    # ---- what waits

    async def _run(self) -> None:
        while True:
            self._bell.clear()
            self._rota.look()
            wait = self._pause
            try:
                while await self._look():
                    pass
                await self._away.look()
                await self._seating.standing_in.look()
                wait = await self._until_next()
            except Unavailable as reason:
                log.info("functions: what waits is looked at later: %s", reason)
            try:
                async with asyncio.timeout(wait):
                    await self._bell.wait()
            except TimeoutError:
                continue

    async def _until_next(self) -> float:
        """Seconds until something is due, or the files are looked at."""
        times = (await self._watches.next_look(), await self._seating.standing_in.next())
        due = [max(0.0, (at - self._clock()) / 1000) for at in times if at is not None]
        return min([self._pause, *due])

    async def _look(self) -> bool:
        """Look at what is due; True: there may be more."""
        due = await self._watches.due(self._clock())
        for conversation, slug in due:
            try:
                await self._passing.look(conversation, slug)
            except Unavailable:
                raise
            except Exception as bug:
                log.error("ALARM what waits for %s in %s cannot be passed on: %s", slug, conversation, where(bug))
                async with self._store.db.transaction("duty.aside") as tx:
                    await tx.run("duty.aside", conversation, slug, self._clock() + _ASIDE)
        return bool(due)
