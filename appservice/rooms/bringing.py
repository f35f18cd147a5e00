"""The right people in a room: who is missing is brought in, who is no member any more is taken out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from appservice.client.edge import MatrixEdge
from appservice.rooms.doors import Doors
from appservice.rooms.ghosts import Ghosts
from appservice.rooms.roomstate import Room
from bridge.errors import Refused
from bridge.model import MATRIX, Address, Delivery, Kind, Member, Ref
from bridge.words import sentence

log = logging.getLogger(__name__)
_AT_ONCE = 8  # ghosts on their way into one room

Tell = Callable[[Room, str, str, str], Awaitable[bool]]
"""Say in a room why something about a user (a key, a code, who) was not done; False if nobody may speak there."""
Forget = Callable[[str, str], Awaitable[None]]
"""Drop what is kept in a room for a user."""


class Bringing:
    """``settle`` does it for a delivery."""

    def __init__(self, edge: MatrixEdge, ghosts: Ghosts, doors: Doors, tell: Tell, forget: Forget) -> None:
        self.hub = edge.hub
        self._names = edge.names
        self._ghosts = ghosts
        self.doors = doors
        self.tell = tell
        self._forget = forget

    def settled(self, room: Room, delivery: Delivery) -> bool:
        """Whether nothing has to be done."""
        if delivery.kind is Kind.MEMBERS:
            return False  # the same people may have been asked for again
        return room.settled is delivery.members or (room.settled is not None and room.settled == delivery.members)

    def wanted(self, delivery: Delivery) -> tuple[list[str], list[str]]:
        """The ghosts and the people who belong into a delivery's room."""
        users = [user for member in delivery.members if (user := self._names.member(member)) is not None]
        sender = self._names.of(delivery.sender.id)
        left = not any(m.person.id == delivery.sender.id for m in delivery.members)
        if sender is not None and left and delivery.kind is not Kind.MEMBERS:
            users.append(sender)  # they said it before they left
        ghosts = sorted({user for user in users if self._names.is_ghost(user)})
        return ghosts, sorted({user for user in users if not self._names.is_ghost(user)})

    async def ensure_all(self, members: Iterable[Member]) -> None:
        """Make the ghosts of these members ready."""
        people = [m.person for m in members if m.address.network != MATRIX and self._names.of(m.person.id)]
        await asyncio.gather(*(self._ghosts.ensure(person) for person in people))

    async def settle(self, room: Room, delivery: Delivery) -> None:
        """Bring in who is missing; on a change of members also take out who is no member any more."""
        if self.settled(room, delivery):
            return
        ghosts, humans = self.wanted(delivery)
        speaker = self._names.of(delivery.sender.id) if delivery.kind is not Kind.MEMBERS else None
        gone = {ghost for ghost in ghosts if not await self.may_return(room, ghost)}
        if speaker in gone:
            raise Refused("not_a_member", about=room.room_id)
        await self.ensure_all(delivery.members)
        by = self._names.of(delivery.sender.id)
        outside = await self._bring_ghosts(room, [ghost for ghost in ghosts if ghost not in gone], by)
        await self._bring_people(room, humans, by)
        stay = room.staying
        if delivery.kind is Kind.MEMBERS:
            stay = await self._take_out(room, {*ghosts, *humans}, delivery)
        strangers, untrusted = await self._strangers(room)
        if (strangers, untrusted) != (room.strangers, room.untrusted):
            room.strangers, room.untrusted = strangers, untrusted
            room.changed()
        for ghost in outside:  # strangers are known by now: they do not hear of it
            await self._shut_out(room, delivery, ghost)
        for user in sorted(stay - room.staying):
            person = await self.hub.facts.who(Address(MATRIX, user))
            await self.tell(room, f"{delivery.id}/{user}", "not_taken_out", person.name if person else user)
        room.staying = stay
        room.settled = None if outside or gone else delivery.members
        if speaker in outside:
            raise Refused("not_in_room", about=room.room_id)

    async def may_return(self, room: Room, ghost: str) -> bool:
        """Whether a ghost that is not in a room may come in: a removal is final until somebody asks for them again.

        A delivery may be older than the removal, so what the hub has now counts. As long as a removal that we have seen
        has not been worked on, the hub has the ghost's person as a member still.
        """
        if room.membership(ghost) not in ("leave", "ban"):
            return True
        return ghost not in room.removed and ghost in await self._members(room)

    async def _strangers(self, room: Room) -> tuple[frozenset[str], frozenset[str]]:
        """Who is in the room and no member of its conversation: not trusted, or removed and not to be taken out.

        Apart from them: members of it whose server has left the trust space.
        """
        chat = await self.hub.facts.chat(MATRIX, room.room_id)
        if chat is None:
            return frozenset(), frozenset()
        members, addresses = {m.person.id for m in chat.members}, {m.address.id for m in chat.members}
        found = set[str]()
        for user in self.doors.people_in(room, "join", "invite"):
            person = await self.hub.facts.who(Address(MATRIX, user))
            joined = room.membership(user) == "join"  # whoever is only invited becomes a member by joining
            if person is None or (joined and person.id not in members):
                found.add(user)
        return frozenset(found - addresses), frozenset(found & addresses)

    async def _members(self, room: Room) -> set[str]:
        """The Matrix users of who is in the room's conversation now; a delivery may be older."""
        chat = await self.hub.facts.chat(MATRIX, room.room_id)
        return {user for m in chat.members if (user := self._names.member(m)) is not None} if chat else set()

    async def _bring_people(self, room: Room, humans: Sequence[str], by: str | None) -> None:
        """Invite who was never there, and who has left: whom the hub has as a member all the same was added since."""
        refusal: Refused | None = None
        left = {human for human in humans if room.membership(human) == "leave" and human not in room.leaving}
        back = left and left & await self._members(room)  # asked after `leaving`: as the hub has it now
        for human in humans:
            if room.membership(human) == "none" or human in back:
                if not await self._exists(room, human, by):
                    room.unknown.add(human)
                    continue
                room.unknown.discard(human)
                if human in back:  # a message that was on its way when they left may have kept its key since
                    await self._forget(room.room_id, human)
                room.declined.pop(human, None)
                try:
                    await self.doors.invite(room, human, by)
                except Refused as no:
                    log.warning("an invitation to %s was refused: %s", room.room_id, no)
                    room.declined[human], refusal = no.code, no
        if humans and not any(room.membership(human) in ("join", "invite") for human in humans):
            raise refusal or Refused("not_in_room", about=room.room_id)

    async def _exists(self, room: Room, user: str, by: str | None) -> bool:
        asks = next((g for g in (by, *self.doors.ghosts_in(room)) if g is not None), None)
        return asks is None or await self.doors.exists(user, asks)

    async def _bring_ghosts(self, room: Room, ghosts: Sequence[str], by: str | None) -> list[str]:
        """Gives the ghosts that the room does not let in. Raises Refused if no ghost of ours is there to say so."""
        if not (outside := await self._not_brought(room, ghosts, by)):
            return []
        if not await self.doors.reload_as(room, self.doors.ghosts_in(room)):
            raise Refused("not_in_room", about=room.room_id)
        return await self._not_brought(room, outside, by)  # what we knew of the room may have been old

    async def _not_brought(self, room: Room, ghosts: Sequence[str], by: str | None) -> list[str]:
        """Several come at once, as each join keeps the homeserver busy; one that fails holds up no other."""
        turns, missing = asyncio.Semaphore(_AT_ONCE), [g for g in ghosts if room.membership(g) != "join"]

        async def bring(ghost: str) -> None:
            async with turns:
                await self._bring_ghost(room, ghost, by)

        ended = await asyncio.gather(*map(bring, missing), return_exceptions=True)
        outside = []
        for ghost, error in zip(missing, ended, strict=True):
            if isinstance(error, Refused):
                log.warning("%s does not come into %s: %s", ghost, room.room_id, error)
                outside.append(ghost)
            elif error is not None:
                raise error
        return outside

    async def _shut_out(self, room: Room, delivery: Delivery, ghost: str) -> None:
        """Whoever the room does not let in is no member: nothing that is said there may go to them."""
        chat = await self.hub.facts.chat(MATRIX, room.room_id)
        member = next((m for m in chat.members if self._names.member(m) == ghost), None) if chat else None
        if member is None:
            return
        key, who = f"{delivery.id}/{ghost}", member.address
        await self.tell(room, key, "not_let_in", member.person.name)
        try:
            await self.hub.change_members(Ref(MATRIX, f"outside:{key}"), room.room_id, MATRIX, who, [], [who])
        except Refused as refusal:
            log.info("%s is no member of the conversation of %s: %s", ghost, room.room_id, refusal)

    async def _bring_ghost(self, room: Room, ghost: str, by: str | None) -> None:
        if room.membership(ghost) != "invite":
            await self.doors.invite(room, ghost, by)
        await self.doors.join(room, ghost)

    def _own_account(self, delivery: Delivery) -> bool:
        """Whether its sender takes part by a Matrix account of their own."""
        who = delivery.sender.id
        return any(m.person.id == who and m.address.network == MATRIX for m in delivery.members)

    async def _take_out(self, room: Room, wanted: set[str], delivery: Delivery) -> frozenset[str]:
        """Gives the people who stay because nobody may remove them."""
        stay = set()
        wanted = wanted | await self._members(room)
        if self.doors.people_in(room, "join", "invite") and not wanted & set(self.doors.ghosts_in(room)):
            code = "own_account" if self._own_account(delivery) else "last_has_left"
            await self.tell(room, f"{delivery.id}/last", code, delivery.sender.name)
        over_much = [user for user in room.present() if user not in wanted and user != self._names.voice]
        asked = await self.doors.asked_of(room, over_much)
        for user in over_much:
            if user in asked:
                continue
            if self._names.is_ghost(user):
                over = user == self._names.of(delivery.sender.id) and self._own_account(delivery)
                await self.doors.leave(room, user, sentence("own_account", " / ") if over else "")
            elif not await self.doors.kick(room, user):
                stay.add(user)
        return frozenset(stay)
