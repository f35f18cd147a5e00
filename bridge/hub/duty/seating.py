"""Who takes the places of a conversation from a message on: who is on duty comes in, whose duty is over goes aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.connector import Relief
from bridge.db import Row, Tx
from bridge.errors import Refused
from bridge.hub.duty.away import Away, Told
from bridge.hub.duty.standing_in import StandingIn
from bridge.model import FUNCTION, Member, Message, Person
from bridge.people.duty.kept_rota import KeptRota
from bridge.people.people import People
from bridge.receiver import Receiver
from bridge.store.store import Store

FOR_EVER = 253_402_300_799_999  # ms: the end of the year 9999


@dataclass(frozen=True, slots=True)
class Seat:
    """Somebody takes a function's place until ``until`` (ms). ``brought``: is a member for that reason only."""

    function: str
    person: str
    since: int
    until: int
    brought: bool


class Seating:
    """Reads and writes seats. ``clock`` gives milliseconds since 1970."""

    def __init__(
        self, hub: Receiver, store: Store, people: People, rota: KeptRota, away: Away, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._away = away
        self.standing_in = StandingIn(hub, store, rota, self.reach, clock)
        self._people = people
        self._rota = rota
        self._clock = clock

    async def relief(
        self, message: Message, sender: Person, members: Sequence[Member], conversation: str | None
    ) -> Relief:
        """See :class:`bridge.connector.Seats`."""
        slugs = [m.address.id for m in members if m.address.network == FUNCTION]
        now = self._clock()
        away = [a for m in members if m.person.id != sender.id and (a := self._rota.now.absence(m.person.id, now))]
        if not slugs and not away:
            return Relief()
        before = await self.of(conversation) if conversation is not None and slugs else []
        there, seats = {m.person.id: m for m in members}, list[Seat]()
        new: dict[str, Member] = {}
        for slug in slugs:
            if (one := await self._taker(slug, now, there | new)) is None:
                continue
            member, until = one
            brought = member.person.id not in there and member.person.id != sender.id
            seats.append(Seat(slug, member.person.id, now, until, brought))
            if brought:
                new[member.person.id] = member
        there_now = {*there, *new, sender.id}
        coming = await self.standing_in.come(away, there_now, message.ref.network)
        on_duty = {seat.person for seat in seats} | {seat.person for seat in before if seat.until > now} | {sender.id}
        aside = {seat.person for seat in before if seat.brought and seat.person not in on_duty}

        async def within(tx: Tx, ident: str) -> None:
            if seats:
                await self.sit(tx, ident, seats)
            await self.standing_in.sit(tx, ident, coming)
            for absence in away:
                self._away.note(Told(ident, sender.id, absence, now))

        native = {seat.person for seat in seats} & there.keys() - {sender.id}
        shown = tuple(there[one] for one in sorted(native) if there[one].address.network == message.ref.network)
        add = (*new.values(), *coming.values())
        return Relief(add, frozenset(aside), shown, within if seats or away else None)

    async def _taker(self, slug: str, now: int, members: Mapping[str, Member]) -> tuple[Member, int] | None:
        """Who is on duty and can be reached, and until when."""
        if slug not in self._rota.now.functions:
            return None
        duty = self._rota.now.duty(slug, now)
        for person in duty.people:
            if (member := members.get(person) or await self.reach(person)) is not None:
                return member, FOR_EVER if duty.until is None else duty.until
        return None

    async def reach(self, person: str) -> Member | None:
        """How somebody on duty is reached: by a Matrix account or product, else by mail. None: in no way."""
        try:
            return await self._people.find(person, FUNCTION, "to")
        except Refused:
            return None

    async def of(self, conversation: str) -> list[Seat]:
        """The seats of a conversation, former ones too."""
        return [_seat(row) for row in await self._store.db.all("duty.seats", conversation)]

    async def live(self, conversation: str, function: str) -> list[Seat]:
        """Who takes a place now, whoever came first before the others."""
        now = self._clock()
        found = [one for one in await self.of(conversation) if one.function == function and one.until > now]
        return sorted(found, key=lambda one: (one.since, one.person))

    async def sit(self, tx: Tx, conversation: str, seats: Iterable[Seat]) -> None:
        """Somebody takes a place, or keeps it for longer."""
        for seat in seats:
            values = (conversation, seat.function, seat.person, int(seat.brought), seat.since, seat.until)
            await tx.run("duty.sit", *values)
        await self._store.set_audience(tx, conversation)


def _seat(row: Row) -> Seat:
    return Seat(row["function"], row["person"], row["since"], row["until"], bool(row["brought"]))
