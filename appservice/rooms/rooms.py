"""The room of a conversation: made once, with the right people in it, followed through upgrades."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.events import to_name
from appservice.client.homeserver import MatrixRefused, need
from appservice.rooms.doors import Doors
from appservice.rooms.ghosts import Ghosts
from appservice.rooms.naming import Naming
from appservice.rooms.newcomers import Newcomers
from appservice.rooms.newroom import create_body, marker
from appservice.rooms.roomstate import Room, RoomStore, save
from bridge.db import Tx
from bridge.errors import Refused, Unavailable
from bridge.model import MATRIX, Address, Delivery, Kind, Member, Ref
from bridge.parts.failpoint import failpoint
from bridge.parts.turns import Turns
from bridge.words import sentence

Json = dict[str, Any]
log = logging.getLogger(__name__)
_CLIENT = "/_matrix/client/v3"
_AT_ONCE = 8  # ghosts on their way into one room

Tell = Callable[[Room, str, str, str], Awaitable[bool]]
"""Say in a room why something about a user (a key, a code, who) was not done; False if nobody may speak there."""
Forget = Callable[[str, str], Awaitable[None]]
"""Drop what is kept in a room for a user."""
Follow = Callable[[Room], Awaitable[None]]
"""Have the ghosts of a closed room join the one that replaces it. Raises Unavailable."""


class Rooms:
    """Makes rooms and keeps the right people in them."""

    def __init__(
        self,
        edge: MatrixEdge,
        ghosts: Ghosts,
        store: RoomStore,
        newcomers: Newcomers,
        tell: Tell,
        forget: Forget,
        version: str | None = None,
    ) -> None:
        self.hub = edge.hub
        self.tell = tell
        self._forget = forget
        self.newcomers = newcomers
        self._db = edge.db
        self._homeserver = edge.homeserver
        self._names = edge.names
        self._ghosts = ghosts
        self.store = store
        self.doors = Doors(edge, store, newcomers)
        self.naming = Naming(edge, self.doors)
        self._clock = edge.clock
        self._version = version
        self._default: str | None = version
        self._turns = Turns()
        self._making = Turns()  # by a conversation's marker, until it is noted which room it has
        self._follow: Follow | None = None
        self._adopt: Follow | None = None

    def follows(self, follow: Follow, adopt: Follow) -> None:
        """How a room that was replaced is followed, and how a room takes over the conversation of another."""
        self._follow, self._adopt = follow, adopt

    async def adopt(self, room: Room) -> None:
        """Give a room its conversation: that it is made for, or that of the room which it replaces. Raises Unavailable.

        People may come in and write before the hub has noted for what it made a room.
        """
        if room.conversation is None and room.facts.marker is not None:
            await self._made_for(room, room.facts.marker)
        if room.conversation is None and self._adopt is not None:
            await self._adopt(room)

    async def _made_for(self, room: Room, marked: str) -> None:
        """Anybody can write a marker into a room; only the ghost that was to make one can have made it."""
        async with self._making.of(marked):
            if room.conversation is not None:
                return
            intent = await self._db.one("matrix.made_for", marked)
            if intent is not None and room.facts.creators[:1] == [intent["ghost"]]:
                await self._bind(room, intent["conversation"])

    # -- the room of a delivery ----------------------------------------------------------------------------

    async def of(self, delivery: Delivery) -> Room:
        """The room of a delivery with its members in it. With nothing changed: one comparison, no call."""
        if delivery.chat is not None:
            room = await self.store.get(delivery.chat)
            if room.facts.successor is None and self._settled(room, delivery):
                return room
        async with self._turns.of(delivery.conversation):
            room = await self._existing(delivery) or await self._made(delivery)
            await self.settle(room, delivery)
        return room

    async def _made(self, delivery: Delivery) -> Room:
        async with self._making.of(marker(delivery.conversation)):
            return await self._existing(delivery) or await self._create(delivery)

    def _settled(self, room: Room, delivery: Delivery) -> bool:
        if delivery.kind is Kind.MEMBERS:
            return False  # the same people may have been asked for again
        return room.settled is delivery.members or (room.settled is not None and room.settled == delivery.members)

    async def _existing(self, delivery: Delivery) -> Room | None:
        if delivery.chat is None:
            rooms = await self.store.of(delivery.conversation)  # made, but the crash came before the hub knew
            return next((room for room in rooms if room.facts.successor is None), None)
        room = await self.store.get(delivery.chat)
        while room.facts.successor is not None:
            successor = await self.store.get(room.facts.successor)
            if not self._goes_on(delivery, successor) and self._follow is not None:
                await self._follow(room)
            if not self._goes_on(delivery, successor):
                raise Unavailable("room_upgraded", alone=True, told=True)
            room = successor
        if not room.members:
            await self.doors.reload_as(room, [self._names.mxid(delivery.sender)])
        return room

    def _goes_on(self, delivery: Delivery, room: Room) -> bool:
        """Whether a room carries on the conversation: whoever closed the old one may have named any other."""
        return room.conversation == delivery.conversation and bool(self.doors.ghosts_in(room))

    # -- making --------------------------------------------------------------------------------------------

    async def _create(self, delivery: Delivery) -> Room:
        """Make the room. createRoom is not idempotent: an intent is saved before, and a second try looks first."""
        ghosts, wanted = self._wanted(delivery)
        creator = await self._ghosts.ensure(delivery.sender)
        humans = [user for user in wanted if await self.doors.exists(user, creator)]
        if wanted and not humans:
            raise Refused("unknown_recipient", about="invitation")
        await self._ensure_all(delivery.members)
        name, order = delivery.conversation, [creator, *(g for g in ghosts if g != creator)]
        called = to_name(delivery.name.in_clear, delivery.named) if delivery.name else None
        room = await self.made(name, order, humans, marker(name), called)
        await self._bind(room, name)
        return room

    async def made(
        self, name: str, ghosts: Sequence[str], humans: Sequence[str], noted: str | None = None,
        called: Json | None = None,
    ) -> Room:  # fmt: skip
        """The room that was made under this name, or is now, by the first of these ghosts.

        The intent stays on disk until ``matrix.intended``. ``noted``: the marker by which a message that comes before
        finds the conversation of this name; None: it is no conversation yet, the first message opens one. ``called`` is
        the content of the room's own name.
        """
        creator, intent = ghosts[0], await self._db.one("matrix.intent", name)
        room = await self._find(intent["ghost"], name) if intent else None
        if intent is None:
            async with self._db.transaction("matrix.room-intended") as tx:
                await tx.run("matrix.intend", name, creator, self._clock(), noted)
        if room is None:
            version, voice = await self._default_version(), await self._ghosts.voice()
            body = create_body(name, ghosts, humans, version, voice, called)
            try:
                answer = await self._homeserver.call("POST", f"{_CLIENT}/createRoom", body, user=creator)
            except MatrixRefused as refusal:
                raise _not_created(refusal) from refusal
            failpoint("matrix.room-created")
            room = await self.store.get(need(answer, "room_id", str))
            await self.doors.reload(room, creator)
            self.newcomers.made(room)
        return room

    async def _default_version(self) -> str | None:
        if self._default is None:
            try:
                answer = await self._homeserver.call(
                    "GET", f"{_CLIENT}/capabilities", user=next(iter(self._ghosts.all()), None)
                )
                self._default = str(answer["capabilities"]["m.room_versions"]["default"])
            except (MatrixRefused, KeyError, TypeError):  # an older homeserver
                self._default = "12"
        return self._default

    async def _find(self, ghost: str, conversation: str) -> Room | None:
        """A room that was made for this conversation before a crash, among those of its creator that we do not know."""
        answer = await self._homeserver.call("GET", f"{_CLIENT}/joined_rooms", user=ghost)
        for room_id in need(answer, "joined_rooms", list):
            room = await self.store.get(room_id)
            if room.conversation not in (None, conversation):
                continue
            if room.facts.marker is None:
                await self.doors.reload(room, ghost)
            if room.facts.marker == marker(conversation):
                return room
        return None

    async def _bind(self, room: Room, conversation: str) -> None:
        async def within(tx: Tx) -> None:
            await save(tx, room, list(room.members), conversation)
            await tx.run("matrix.intended", conversation)

        await self.hub.bind(conversation, MATRIX, room.room_id, within)
        room.conversation = conversation

    # -- members -------------------------------------------------------------------------------------------

    def without(self, room: Room, delivery: Delivery) -> dict[str, str]:
        """Who of a delivery's people is not in its room, not even invited (person id), and the code that says so."""
        return {
            m.person.id: "unknown_recipient" if m.address.id in room.unknown else "not_invited"
            for m in delivery.recipients
            if room.membership(m.address.id) not in ("join", "invite")
        }

    def invited(self, room: Room, delivery: Delivery) -> dict[str, str]:
        """Who of a delivery's people has not come into its room yet: person id -> Matrix user."""
        people = [(m.person.id, m.address.id) for m in delivery.recipients]
        return {person: user for person, user in people if room.membership(user) == "invite"}

    def _wanted(self, delivery: Delivery) -> tuple[list[str], list[str]]:
        users = [user for member in delivery.members if (user := self._names.member(member)) is not None]
        sender = self._names.of(delivery.sender.id)
        left = not any(m.person.id == delivery.sender.id for m in delivery.members)
        if sender is not None and left and delivery.kind is not Kind.MEMBERS:
            users.append(sender)  # they said it before they left
        ghosts = sorted({user for user in users if self._names.is_ghost(user)})
        return ghosts, sorted({user for user in users if not self._names.is_ghost(user)})

    async def _ensure_all(self, members: Iterable[Member]) -> None:
        people = [m.person for m in members if m.address.network != MATRIX and self._names.of(m.person.id)]
        await asyncio.gather(*(self._ghosts.ensure(person) for person in people))

    async def settle(self, room: Room, delivery: Delivery) -> None:
        """Bring in who is missing; on a change of members also take out who is no member any more."""
        if self._settled(room, delivery):
            return
        ghosts, humans = self._wanted(delivery)
        speaker = self._names.of(delivery.sender.id) if delivery.kind is not Kind.MEMBERS else None
        gone = {ghost for ghost in ghosts if not await self.may_return(room, ghost)}
        if speaker in gone:
            raise Refused("not_a_member", about=room.room_id)
        await self._ensure_all(delivery.members)
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
                try:
                    await self.doors.invite(room, human, by)
                except Refused as no:
                    log.warning("an invitation to %s was refused: %s", room.room_id, no)
                    refusal = no
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
        for user in room.present():
            if user in wanted or user == self._names.voice:
                continue
            if self._names.is_ghost(user):
                over = user == self._names.of(delivery.sender.id) and self._own_account(delivery)
                await self.doors.leave(room, user, sentence("own_account", " / ") if over else "")
            elif not await self.doors.kick(room, user):
                stay.add(user)
        return frozenset(stay)


def _not_created(refusal: MatrixRefused) -> Exception:
    if refusal.status == 403:
        return Refused("not_invited", about="invitation")
    return refusal
