"""Who stands in for somebody who is absent and wants it so comes into a conversation with the next message there.

They get what is said from then on, as the one who is absent does, and leave by themselves once the absence is over and
all that was for them has arrived.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from bridge.db import Row, Tx
from bridge.errors import Refused
from bridge.model import FUNCTION, Absence, Address, Member, Ref
from bridge.people.duty.kept_rota import KeptRota
from bridge.receiver import Receiver
from bridge.store.store import Store

log = logging.getLogger(__name__)
_PREFIX = "absent:"
_PAGE = 100
_LATER = 30_000  # ms until somebody is looked at again for whom something is still on its way
BROUGHT = 2
"""Of a seat: whoever has it is a member for an absence only."""
Reach = Callable[[str], Awaitable[Member | None]]


class StandingIn:
    """``reach`` says how somebody is reached, ``clock`` gives milliseconds since 1970."""

    def __init__(
        self, hub: Receiver, store: Store, rota: KeptRota, reach: Reach, clock: Callable[[], int]
    ) -> None:  # fmt: skip
        self._hub = hub
        self._store = store
        self._rota = rota
        self._reach = reach
        self._clock = clock

    async def come(self, away: Sequence[Absence], there: Collection[str], network: str) -> Mapping[str, Member]:
        """Who comes in, by whom they stand in for. ``there`` take part already; ``network`` is the writer's.

        Whom the writer's own product has is named to the writer, and not brought: the hub carries nothing from a
        network to itself.
        """
        coming = dict[str, Member]()
        for absence in away:
            who = self._rota.now.stands_in(absence.who, self._clock()) if absence.both else None
            if who is None or who in there or who in {member.person.id for member in coming.values()}:
                continue
            member = await self._reach(who)
            if member is not None and member.address.network != network:
                coming[absence.who] = member
        return coming

    async def sit(self, tx: Tx, conversation: str, coming: Mapping[str, Member]) -> None:
        """They have come, with a message of this transaction."""
        now = self._clock()
        for absent, member in coming.items():
            until = max(
                (one.end for one in self._rota.now.absences_of(absent) if one.begin <= now < one.end), default=now
            )
            await tx.run("duty.sit", conversation, _PREFIX + absent, member.person.id, BROUGHT, now, until)
        if coming:  # what takes them out again is no word of a network that has somebody here
            await tx.run("store.add_leg", conversation, FUNCTION, conversation)
            await self._store.set_audience(tx, conversation)

    async def changed(self, absent: str) -> None:
        """Somebody (a person id) is absent for longer, or is back."""
        now, absence = self._clock(), self._rota.now.absence(absent, self._clock())
        until = absence.end if absence is not None and absence.both else now
        async with self._store.db.transaction("duty.absence") as tx:
            await tx.run("duty.stands_in_until", _PREFIX + absent, until)

    async def look(self) -> None:
        """Those whose time is over leave. Raises Unavailable."""
        for row in await self._store.db.all("duty.stood_in", self._clock(), _PAGE):
            await self._leave(row)

    async def next(self) -> int | None:
        """When the next time is over (ms)."""
        row = await self._store.db.one("duty.next_stood_in")
        return None if row is None else int(row["until"])

    async def _leave(self, row: Row) -> None:
        conversation, seat, person = row["conversation"], row["function"], row["person"]
        whole = await self._store.conversation(conversation)
        member, absent = whole.member(person), whole.member(seat.removeprefix(_PREFIX))

        async def within(tx: Tx) -> None:
            await tx.run("duty.rise", conversation, seat, person)

        if member is None or absent is None:  # one of them has left; the other one is for the rest to decide
            async with self._store.db.transaction("duty.rise") as tx:
                await within(tx)
            return
        where = (conversation, member.address.network, person)
        if await self._store.db.one("duty.undelivered", *where) is not None:
            async with self._store.db.transaction("duty.later") as tx:
                await tx.run("duty.stands_on", conversation, seat, person, self._clock() + _LATER)
            return
        await self._go(row, member.address, absent.address, within)

    async def _go(
        self, row: Row, address: Address, by: Address, within: Callable[[Tx], Awaitable[None]]
    ) -> None:  # fmt: skip
        conversation, person = row["conversation"], row["person"]
        ref = Ref(FUNCTION, f"stood-in:{conversation}:{row['function']}:{person}:{row['since']}")
        try:
            await self._hub.change_members(ref, conversation, FUNCTION, by, (), [address], within)
        except Refused as refusal:
            log.warning("%s stays in %s: %s", person, conversation, refusal.code)
            async with self._store.db.transaction("duty.rise") as tx:
                await within(tx)
