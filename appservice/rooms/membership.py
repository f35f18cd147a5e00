"""Who comes and goes: invitations of ghosts, people who join or leave, rooms that are replaced by others."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.names import server_of
from appservice.e2ee import Engine
from appservice.rooms import ranks
from appservice.rooms.bringing import Tell
from appservice.rooms.entering import Entering
from appservice.rooms.ghosts import Ghosts
from appservice.rooms.inviters import Inviters
from appservice.rooms.rooms import Rooms
from appservice.rooms.roomstate import Room, apply, save
from appservice.rooms.upgrades import Upgrades
from appservice.rooms.voice import Voice
from bridge.db import Tx
from bridge.errors import Refused, Unavailable
from bridge.model import MAIL, MATRIX, Address, Body, GroupName, Kind, Message, Person, Ref
from bridge.receiver import Chat, Receiver, Within

Json = dict[str, Any]
log = logging.getLogger(__name__)
_FRESH = 30.0  # s for which a room's state that was read is not read again for each ghost who is invited
Newcomer = Callable[[Room, Json], None]
"""Somebody has joined, by this event."""
Called = Callable[[Room, Json], Awaitable[None]]
"""Somebody invites the hub's voice, by this event. Raises Unavailable."""


class Membership:
    """Works on one state event at a time; ``done`` is written in the transaction that settles it."""

    def __init__(
        self,
        edge: MatrixEdge,
        ghosts: Ghosts,
        rooms: Rooms,
        engine: Engine,
        voice: Voice,
        tell: Tell,
        newcomer: Newcomer,
    ) -> None:
        self._db = edge.db
        self.hub = edge.hub
        self.newcomer = newcomer
        self._tell = tell
        self._voice = voice
        self._inviters: dict[tuple[str, str], str] = {}
        self._names = edge.names
        self._ghosts = ghosts
        self._rooms = rooms
        rooms.doors.gives_history(engine.hand_over)
        self._engine = engine
        self._trusted = edge.trusted
        self._clock = edge.clock
        self._unreachable = edge.unreachable
        self._entering = Entering(self.let_in, rooms.doors.asked)
        self._opening = Inviters(time.monotonic)
        self._called: Called | None = None
        self._upgrades = Upgrades(edge, rooms, engine, voice)

    def calls(self, called: Called) -> None:
        """Who answers when people invite the hub's voice."""
        self._called = called

    def expect(self, events: Iterable[Json]) -> None:
        """What has just come in: ghosts who are invited begin to join before the lane comes to their invitations."""
        self._entering.begin(event for event in events if self.invites(event))

    async def stop(self) -> None:
        """Begin nothing more."""
        await self._entering.stop()

    async def meanwhile(self) -> None:
        """Tell of those who came or went before an earlier life of the hub had noted that a message waits for them."""
        try:
            for room_id in await self.hub.facts.waiting(MATRIX):
                room = await self._rooms.store.get(room_id)
                for user, membership in list(room.members.items()):
                    if membership != "invite" and not self._names.is_ours(user):
                        await self.arrived(room, user)
        except Unavailable as reason:  # the next start tells
            log.warning("who came or went is not told: %s", reason.code)

    async def arrived(self, room: Room, user: str) -> None:
        """Somebody came or went: what waited for them is delivered, once a device of theirs can read it, or refused."""
        await arrived(self.hub, self._engine, room, user)

    async def state(self, event: Json, done: Within) -> None:
        """Any state event. Raises Unavailable (the lane tries again)."""
        room = await self._rooms.store.get(event["room_id"])
        if event["type"] == "m.room.member":
            await self._member(room, event, done)
            return
        if event["type"] in self._rooms.heard:
            await self._named(room, event, done)
            return
        visible, closes = room.facts.history, event["type"] == "m.room.tombstone"
        before, power = ranks.everybody(room) if event["type"] == ranks.LEVELS else None, room.facts.power
        news = apply(room, event)
        if room.facts.history != visible:
            await self._rotate(room, visible)
        if closes:
            await self._upgrades.closed(room)
        people = not self._names.is_ours(event["sender"])
        if (
            people
            and before not in (None, ranks.everybody(room))
            and await ranks.tell(self.hub, room, event, power, done)
        ):
            return
        await self._write(room if news or room.unsaved else None, [], done)

    async def _rotate(self, room: Room, visible: str) -> None:
        """Who may read has changed. If no session ended, the next try of the event sees it again."""
        try:
            await self._engine.rotate(room.room_id)
        except BaseException:
            room.facts.history = visible
            room.changed()
            raise

    async def _named(self, room: Room, event: Json, done: Within) -> None:
        try:
            if await self._rooms.heard[event["type"]](room, event, done):
                return
        except Refused as refusal:  # the room has that name, and nobody else has
            log.info("the name of %s is not its conversation's: %s", room.room_id, refusal)
            await self._tell(room, event["event_id"], refusal.code, "")
        await self._write(None, [], done)

    async def _write(self, room: Room | None, members: list[str], done: Within) -> None:
        if room is not None:
            await self._rooms.store.write(room, members, done)
            return
        async with self._db.transaction("matrix.state") as tx:
            await done(tx)

    async def _member(self, room: Room, event: Json, done: Within) -> None:
        user, membership = event["state_key"], event["content"].get("membership")
        before = room.members.get(user)
        if membership == "leave":
            room.leaving.add(user)
        try:
            await self._sort(room, event, user, membership, done)
        except BaseException:  # not on disk: as if it had not been read
            if before is None:
                room.members.pop(user, None)
            else:
                room.members[user] = before
            room.changed()
            raise
        self._rooms.doors.asked.discard((room.room_id, user))
        if user in room.leaving:
            room.leaving.discard(user)
            room.removed.discard(user)
            room.settled = None  # whoever is added again is invited again

    async def _sort(self, room: Room, event: Json, user: str, membership: object, done: Within) -> None:
        if not isinstance(membership, str):
            await self._write(None, [], done)
        elif self.invites(event):
            await self._invited(room, event, done)
        elif membership == "invite" and self._names.is_ours(user) and room.membership(user) == "join":
            await self._write(None, [], done)  # the answer to our own join was faster than this event
        elif user == self._names.voice:
            await self._voiced(room, event, membership, done)
        elif membership == "join" and not self._names.is_ghost(user):
            await self._joined(room, event, done)
        elif membership in ("leave", "ban") and await self._belongs(room, user):
            await self._left(room, event, membership, done)
        else:
            left, hub = room.membership(user) == "leave", self._names.is_ghost(event["sender"])
            if membership == "invite" and left and not hub:
                await self._engine.forget_invited(room.room_id, user)  # what was still on its way when they left
            room.set_member(user, membership)
            if membership in ("leave", "ban") and not self._names.is_ghost(user):
                await self._engine.forget_member(room.room_id, user)  # removed by the hub, or seen gone before
                await self.arrived(room, user)
            if membership == "invite" and not self._names.is_ghost(event["sender"]):
                self._inviters[(room.room_id, user)] = event["sender"]
            await self._write(room, [user], done)

    async def _voiced(self, room: Room, event: Json, membership: str, done: Within) -> None:
        """The voice comes, goes or is invited; a person who invites it wants to ask it something."""
        room.set_member(event["state_key"], membership)
        if membership == "invite" and self._called is not None and not self._names.is_ours(event["sender"]):
            await self._called(room, event)
        await self._write(room, [event["state_key"]], done)

    async def admit(self, chat: str, person: Person, account: Address) -> None:
        """Somebody's own account is invited by their ghost, unless it was there before. Raises Refused, Unavailable."""
        room, ghost = await self._rooms.store.get(chat), self._names.mxid(person)
        if room.membership(account.id) == "join":
            if room.conversation is not None:
                await self.hub.joined(room.conversation, account)
        elif room.membership(account.id) == "none" and await self._rooms.doors.exists(account.id, ghost):
            await self._rooms.doors.invite(room, account.id, ghost)

    # -- people --------------------------------------------------------------------------------------------

    async def _belongs(self, room: Room, user: str) -> bool:
        """In the room, or still in the conversation: a reading of the state may have been faster than this event."""
        if room.membership(user) in ("join", "invite"):
            return True
        chat, ghost = await self.hub.facts.chat(MATRIX, room.room_id), self._names.person(user)
        return chat is not None and any(
            m.person.id == ghost if ghost else m.address == Address(MATRIX, user) for m in chat.members
        )

    async def _joined(self, room: Room, event: Json, done: Within) -> None:
        user = event["state_key"]
        if isinstance(name := event["content"].get("displayname"), str):
            await self.hub.introduce(Address(MATRIX, user), name)
        news = room.membership(user) != "join"
        room.set_member(user, "join")
        if news:
            self._rooms.newcomers.came(room, user)
            self.newcomer(room, event)
        await self.arrived(room, user)
        await self.hub.signs.came(MATRIX, room.room_id, Address(MATRIX, user))
        known = self._inviters.pop((room.room_id, user), None)
        chat = await self.hub.facts.chat(MATRIX, room.room_id)
        if chat is None or any(m.address == Address(MATRIX, user) for m in chat.members):
            await self._write(room, [user], done)
            return
        if await self.hub.joined(chat.conversation, Address(MATRIX, user)):  # in place of their ghost
            await self._write(room, [user], done)
            return
        inviter = known or self._somebody(room, chat, user)
        await self._change(room, event, user, done, by=Address(MATRIX, inviter), add=[f"{MATRIX}:{user}"])

    def _somebody(self, room: Room, chat: Chat, user: str) -> str:
        """A member of the conversation in this room: somebody must have brought the newcomer."""
        people = {m.address.id for m in chat.members if m.address.network == MATRIX}
        return next((p for p in self._rooms.doors.people_in(room) if p in people), user)

    async def _left(self, room: Room, event: Json, membership: str, done: Within) -> None:
        user, sender = event["state_key"], event["sender"]
        self._inviters.pop((room.room_id, user), None)
        was = room.membership(user)
        room.set_member(user, membership)
        if not self._names.is_ghost(user):
            await self.arrived(room, user)
            if was != "join":
                await self.hub.signs.came(MATRIX, room.room_id, Address(MATRIX, user), room.never(user))
            if was == "join":
                await self._engine.forget_member(room.room_id, user)
            else:
                await self._engine.forget_invited(room.room_id, user)
        if self._names.is_ghost(sender):  # by the hub itself, which knows
            await self._write(room, [user], done)
            return
        by = await self._remover(room, user, sender)
        await self._change(room, event, user, done, by=by, remove=[Address(MATRIX, user)])

    async def _remover(self, room: Room, user: str, sender: str) -> Address:
        """Who has removed somebody; if that is nobody of the conversation, they are said to have left."""
        chat = await self.hub.facts.chat(MATRIX, room.room_id)
        members = {self._names.member(m): m.address for m in chat.members} if chat else {}
        return members.get(sender) or members.get(user) or Address(MATRIX, sender)

    async def _change(
        self, room: Room, event: Json, user: str, done: Within, *, by: Address,
        add: list[str] | None = None, remove: list[Address] | None = None,
    ) -> None:  # fmt: skip
        async def within(tx: Tx) -> None:
            await save(tx, room, [user])
            await done(tx)

        ref = Ref(MATRIX, event["event_id"])
        try:
            await self.hub.change_members(ref, room.room_id, MATRIX, by, add or [], remove or [], within)
        except Refused as refusal:
            log.info("a change of members in %s is not the hub's: %s", room.room_id, refusal)
            if add:
                await self._tell(room, event["event_id"], refusal.code, user)
            await self._write(room, [user], done)

    # -- invitations of ghosts -----------------------------------------------------------------------------

    async def _invited(self, room: Room, event: Json, done: Within) -> None:
        """A person invites one of our ghosts. Whoever may not, is told why in the refusal."""
        ghost, inviter = event["state_key"], event["sender"]
        try:
            if room.membership(ghost) == "join":
                self._entering.forget(event)
            else:
                room.set_member(ghost, "invite")
                await self._enter(room, ghost, event)
            await self._upgrades.adopted(room)  # a delivery may be moving its conversation here just now
            await self._voice.needed(room, ghost)  # a hub that ended after the join has not brought it
            await self._settle(room, event, ghost, inviter, done)
        except Refused as refusal:
            log.info("an invitation of %s to %s is refused: %s", ghost, room.room_id, refusal)
            await self._ghosts.register(ghost)  # only a user that exists can decline
            await self._rooms.doors.decline(room, event, refusal)
            await self._voice.alone(room)
            await self._write(room, [ghost], done)

    def invites(self, event: Json) -> bool:
        """Whether a person invites one of our ghosts, or an id that could be one's: whoever mistypes is told."""
        if event["type"] != "m.room.member" or event["content"].get("membership") != "invite":
            return False
        invited = event.get("state_key")
        if not isinstance(invited, str) or self._names.is_ghost(event["sender"]):
            return False
        return self._names.is_ghost(invited) or self._names.alike(invited) is not None

    async def let_in(self, event: Json) -> None:
        """Judge an invitation and have the ghost join. Raises Refused, Unavailable."""
        ghost, inviter = event["state_key"], event["sender"]
        await self._check(ghost, inviter, event)
        await self._rooms.doors.enter(event["room_id"], ghost, [server_of(inviter)])  # a v12 room id names no server
        await self._voice.brought(await self._rooms.store.get(event["room_id"]), ghost)  # before anybody writes

    async def _check(self, ghost: str, inviter: str, event: Json) -> None:
        ident = self._names.person(ghost)
        if not self._trusted(server_of(inviter)):
            raise Refused("untrusted_server", about=server_of(inviter))
        if ident is None:
            raise Refused(self._names.alike(ghost) or "unknown_recipient", about=ghost)
        if (code := await self._unreachable(ident)) is not None:
            raise Refused(code, about=ghost)
        shown = _stripped(event)
        if "m.room.create" in shown and "m.room.encryption" not in shown:
            raise Refused("room_not_encrypted", about=event["room_id"])
        if (await self._rooms.store.get(event["room_id"])).conversation is None:
            self._opening.opens(inviter, event["room_id"])
        person = await self.hub.facts.who(Address(*ident.split(":", 1)))
        if person is None or person.id != ident:  # a mailbox of somebody who has another ghost
            raise Refused("mail_own_box" if ident.startswith(f"{MAIL}:") else "unknown_recipient", about=ghost)
        await self._ghosts.ensure(person)

    async def _enter(self, room: Room, ghost: str, event: Json) -> None:
        """The ghost reads the room's state, unless one who is there has just done so: changes are pushed."""
        followed = self._rooms.doors.ghosts_in(room) and time.monotonic() - room.read_at < _FRESH
        await self._entering.end(event)
        await self._rooms.doors.entered(room, ghost)
        if not followed:
            await self._rooms.doors.reload(room, ghost)
        if not room.facts.encrypted:
            raise Refused("room_not_encrypted", about=room.room_id)

    async def _settle(self, room: Room, event: Json, ghost: str, inviter: str, done: Within) -> None:
        """Tell the hub: a new conversation, one more member, or an old conversation in its new room."""
        old = await self._upgrades.replaced(room, ghost)
        chat = await self.hub.facts.chat(MATRIX, room.room_id)
        if chat is None and old is not None and old.conversation is not None:
            await self._upgrades.follow(room, old)
            chat = await self.hub.facts.chat(MATRIX, room.room_id)
        person, handle = self._names.person(ghost), self._names.handle
        news = list(room.members) if room.unsaved else [ghost]
        add = [handle(ghost)]
        if chat is None:
            add += [f"{MATRIX}:{p}" for p in self._rooms.doors.people_in(room) if p != inviter]
            ghosts = [g for g in self._rooms.doors.ghosts_in(room) if g != ghost]
            add += [handle(g) for g in ghosts]
        elif any(m.person.id == person for m in chat.members):
            room.conversation = chat.conversation
            await self._write(room, news, done)
            room.unsaved = False
            return

        async def within(tx: Tx) -> None:
            await save(tx, room, news)
            await done(tx)

        ref, by, to = Ref(MATRIX, event["event_id"]), Address(MATRIX, inviter), tuple(h for h in add if h)
        if chat is None:  # the room may have been named before we were in it
            name = GroupName(room.name) if room.name else None
            opens = Message(ref, room.room_id, by, Kind.MEMBERS, Body(), self._clock(), to, name=name)
            room.conversation = (await self.hub.accept(opens, within)).conversation
        else:
            room.conversation = await self.hub.change_members(ref, room.room_id, MATRIX, by, to, [], within)
        room.unsaved = False
        await self._rooms.store.write(room)


async def arrived(hub: Receiver, engine: Engine, room: Room, user: str) -> None:
    """See :meth:`Membership.arrived`."""
    if room.membership(user) != "join" or not await engine.lacks(room.room_id, user):
        await hub.signs.arrived(MATRIX, room.room_id, Address(MATRIX, user), room.never(user))
        room.arrived()


def _stripped(event: Json) -> set[str]:
    """Types of the state that the invitation shows."""
    unsigned = event.get("unsigned")
    shown = event.get("invite_room_state") or (
        unsigned.get("invite_room_state") if isinstance(unsigned, dict) else None
    )
    return {s["type"] for s in shown or [] if isinstance(s, dict) and isinstance(s.get("type"), str)}
