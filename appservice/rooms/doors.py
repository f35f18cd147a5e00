"""How users come into a room and leave it: by which ghost, and noted once the homeserver has said so."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.events import name_in, sound
from appservice.client.homeserver import MatrixRefused, may, need, part
from appservice.client.names import server_of, txn_id
from appservice.rooms.newcomers import Newcomers
from appservice.rooms.roomstate import Room, RoomStore, apply
from appservice.rooms.stewards import Stewards
from bridge.errors import Refused, Unavailable
from bridge.model import MATRIX, Address
from bridge.parts.lru import Lru
from bridge.words import sentence

Json = dict[str, Any]
log = logging.getLogger(__name__)
_CLIENT = "/_matrix/client/v3"
_ASKED = 10.0  # s for somebody's server to say whether they exist
_REMEMBERED = 20_000
_OPEN = ("shared", "world_readable")  # rules by which whoever comes may read what was said before
HandOver = Callable[[str, str, str], Awaitable[bool]]
"""Give the history of a room, as a ghost that invites there, to a user."""
_JOIN_AGAIN = (0.25, 0.5, 1.0, 2.0)  # s; an invitation can be here before the inviter's own server knows of it


class Doors:
    """Invites, joins, leaves and removals in the name of our ghosts, and the look at a room's whole state."""

    def __init__(self, edge: MatrixEdge, store: RoomStore, newcomers: Newcomers) -> None:
        self._homeserver = edge.homeserver
        self._hub = edge.hub
        self._names = edge.names
        self._store = store
        self._newcomers = newcomers
        self._trusted = edge.trusted
        self.stewards = Stewards(edge, store)
        self._hand_over: HandOver | None = None
        self._there: Lru[str, bool] = Lru(_REMEMBERED)  # users who exist
        self.asked: set[tuple[str, str]] = set()  # rooms and our ghosts whom a person has invited: not judged yet

    def gives_history(self, hand_over: HandOver) -> None:
        """How whoever is invited gets the keys of what was said before, where the room's rule opens it to them."""
        self._hand_over = hand_over

    def ghosts_in(self, room: Room, *memberships: str) -> list[str]:
        """Our ghosts in a room (joined unless said otherwise)."""
        return [user for user in room.present(*(memberships or ("join",))) if self._names.is_ghost(user)]

    def people_in(self, room: Room, *memberships: str) -> list[str]:
        """Everybody else in a room (joined unless said otherwise)."""
        return [user for user in room.present(*(memberships or ("join",))) if not self._names.is_ours(user)]

    async def exists(self, user: str, by: str) -> bool:
        """Whether there is such a user; what their server does not say now is taken for yes.

        Specification, "Get user profile": 404 for a user that does not exist.
        """
        if self._there.get(user) is None:
            try:
                await self._homeserver.call("GET", f"{_CLIENT}/profile/{part(user)}", user=by, timeout=_ASKED)
            except MatrixRefused as refusal:
                if refusal.status == 404 and refusal.errcode == "M_NOT_FOUND":
                    return False
            except Unavailable as reason:
                log.info("nobody says whether %s exists: %s", user, reason)
                return True
            self._there.put(user, True)
        return True

    async def invite(self, room: Room, user: str, inviter: str | None = None) -> None:
        """Invite somebody: by the ghost of whoever wants them there, else by whichever may.

        Raises Refused (not_in_room) if none can, or they refuse.
        """
        ghosts = sorted(self.ghosts_in(room), key=lambda ghost: ghost != inviter)
        by = next((ghost for ghost in ghosts if room.may(ghost, "invite")), None)
        if by is None or room.membership(user) == "ban":
            raise Refused("not_in_room", about=room.room_id)
        path = f"{_CLIENT}/rooms/{part(room.room_id)}/invite"
        await self._history(room, user, by)
        before = room.membership(user)
        try:
            await self._homeserver.call("POST", path, {"user_id": user}, user=by)
        except MatrixRefused as refusal:
            await self.reload(room, by)
            if room.membership(user) not in ("join", "invite"):
                raise Refused(declined(refusal), about=user) from refusal
            return
        await self.invited(room, user, before)

    async def invited(self, room: Room, user: str, before: str) -> None:
        """Note an invitation that the homeserver has answered.

        ``before``: what they were when it was sent. A homeserver may be slow with its answer: who has come in by then
        has been pushed already.
        """
        if room.membership(user) == before:
            await self.note(room, user, "invite")

    async def asked_of(self, room: Room, users: Iterable[str]) -> set[str]:
        """Whom of these a person has invited, and it is not decided yet: they are nobody's to take out.

        The invitation may be here, or only in a state that was read before it came: then the homeserver is asked once,
        however many there are. Raises Unavailable.
        """
        users = set(users)
        found = {user for user in users if (room.room_id, user) in self.asked}
        unknown = {user for user in users - found if room.membership(user) == "invite"}
        reader = next(iter(self.ghosts_in(room)), None)
        if not unknown or reader is None:
            return found
        path = f"{_CLIENT}/rooms/{part(room.room_id)}/members"
        try:
            events = await self._homeserver.call("GET", path, user=reader, query={"membership": "invite"})
        except MatrixRefused:
            return found
        by = {e.get("state_key"): e.get("sender") for e in may(events, "chunk", list) if isinstance(e, dict)}
        return found | {user for user in unknown if user in by and self._is_person(by[user])}

    def _is_person(self, sender: object) -> bool:
        return isinstance(sender, str) and not self._names.is_ours(sender)

    async def _history(self, room: Room, user: str, by: str) -> None:
        """Before the invitation: a client looks for the keys when its user accepts. Raises Unavailable."""
        if self._hand_over is None or not room.facts.encrypted or room.facts.history not in _OPEN:
            return
        if not self._names.is_ours(user) and self._trusted(server_of(user)):
            await self._hand_over(room.room_id, by, user)

    async def join(self, room: Room, ghost: str) -> None:
        """Let a ghost join. Raises Refused (not_in_room), Unavailable."""
        await self.enter(room.room_id, ghost)
        await self.entered(room, ghost)

    async def enter(self, room_id: str, ghost: str, via: Sequence[str] = (), *, invited: bool = True) -> None:
        """Have a ghost join, by these servers, and note nothing. Raises Refused (not_in_room), Unavailable.

        ``invited``: the servers may not know yet that they let it in.
        """
        path = f"{_CLIENT}/join/{part(room_id)}"
        query = {"server_name": via[0], "via": via[0]} if via else None
        for pause in (*_JOIN_AGAIN, None) if via and invited else (None,):
            try:
                await self._homeserver.call("POST", path, {}, user=ghost, query=query, timeout=90.0)
                break
            except MatrixRefused as refusal:
                if pause is None or refusal.status != 403:
                    raise Refused("not_in_room", about=room_id) from refusal
                await asyncio.sleep(pause)

    async def entered(self, room: Room, ghost: str) -> None:
        """Note that a ghost is in a room."""
        self._newcomers.came(room, ghost)
        await self.note(room, ghost, "join")

    async def leave(self, room: Room, ghost: str, reason: str = "") -> None:
        """Let a ghost leave, or refuse an invitation, with a reason that people can read."""
        await self.stewards.leaves(room, ghost)
        path = f"{_CLIENT}/rooms/{part(room.room_id)}/leave"
        try:
            await self._homeserver.call("POST", path, {"reason": reason} if reason else {}, user=ghost)
        except MatrixRefused as refusal:
            log.info("a ghost could not leave %s: %s", room.room_id, refusal)
        await self.note(room, ghost, "leave")

    async def decline(self, room: Room, invitation: Json, refusal: Refused) -> None:
        """Refuse an invitation, with a reason that its inviter can read. Raises Unavailable.

        Whoever did not get in (``not_in_room``) tried for seconds. If it was withdrawn meanwhile and another one waits,
        that one has an event of its own, and is not declined here. One that is known by stripped state has no id.
        """
        ghost = invitation["state_key"]
        if refusal.code == "not_in_room" and not await self._stands(room, ghost, invitation["event_id"]):
            await self.note(room, ghost, "leave")
        else:
            await self.leave(room, ghost, sentence(refusal.code, " / "))

    async def _stands(self, room: Room, ghost: str, event_id: str) -> bool:
        """Whether an invitation is the newest that happened to a ghost, as far as one of ours in the room can see."""
        reader = next(iter(self.ghosts_in(room)), None)
        if not event_id or reader is None:
            return event_id != ""
        path = f"{_CLIENT}/rooms/{part(room.room_id)}/state/m.room.member/{part(ghost)}"
        try:
            newest = await self._homeserver.call("GET", path, user=reader, query={"format": "event"})
        except MatrixRefused:
            return True
        return newest.get("event_id") in (None, event_id)

    async def tie(self, room: Room, join: str) -> None:
        """Send an event that nobody sees after somebody of another server came in.

        A message that our homeserver took while it took the join is no ancestor of it: their server hears of such a
        message only with the next event of the room. Synapse shows this type to no client.
        """
        ghost = next(iter(self.ghosts_in(room)), None)
        if ghost is None:
            return
        path = f"{_CLIENT}/rooms/{part(room.room_id)}/send/org.matrix.dummy_event/{txn_id(ghost, room.room_id, join)}"
        try:
            await self._homeserver.call("PUT", path, {}, user=ghost)
        except (MatrixRefused, Unavailable) as reason:
            log.info("no event ties the newcomer of %s in: %s", room.room_id, reason)

    async def kick(self, room: Room, user: str) -> bool:
        """Remove somebody by whichever ghost may; False if none can."""
        power = room.power(user)
        ghosts = (g for g in self.ghosts_in(room) if room.may(g, "kick") and room.power(g) > power)
        by = next(ghosts, None)
        if by is None:
            log.warning("nobody may remove a former member from %s", room.room_id)
            return False
        path = f"{_CLIENT}/rooms/{part(room.room_id)}/kick"
        try:
            await self._homeserver.call("POST", path, {"user_id": user}, user=by)
        except MatrixRefused as refusal:
            log.warning("a former member stays in %s: %s", room.room_id, refusal)
            return False
        await self.note(room, user, "leave")
        return True

    async def note(self, room: Room, user: str, membership: str) -> None:
        """Keep what the homeserver has said of somebody's membership."""
        if room.set_member(user, membership):
            await self._store.write(room, [user])

    async def reload(self, room: Room, ghost: str) -> None:
        """Read the whole state as a joined ghost: nothing from before its join is ever pushed."""
        path, known = f"{_CLIENT}/rooms/{part(room.room_id)}/state", dict(room.members)
        try:
            events = need(await self._homeserver.call("GET", path, user=ghost), "list", list)
        except MatrixRefused as refusal:
            raise Refused("not_in_room", about=room.room_id) from refusal
        members: dict[str, str] = {}
        named: dict[str, str] = {}
        removed: set[str] = set()
        room.name = ""  # unless the state has one
        for event in filter(sound, events):
            if not isinstance(user := event.get("state_key"), str):
                continue
            if event["type"] == "m.room.member":
                members[user] = str(event["content"].get("membership"))
                if isinstance(name := event["content"].get("displayname"), str) and not self._names.is_ours(user):
                    named[user] = name
                if event["sender"] != user and not self._names.is_ours(event["sender"]):
                    removed.add(user)  # if they are gone
            elif event["type"] == "m.room.name":
                room.name = name_in(event["content"])
            else:
                apply(room, event)
        gone = [user for user in room.members if user not in members]
        before = room.present()
        heard = {user: now for user, now in room.members.items() if known.get(user) != now}  # while it was read
        room.members = members | dict.fromkeys(gone, "leave") | heard
        room.leaving |= {user for user in before if room.membership(user) == "leave"}
        room.went(user for user in before if room.membership(user) not in ("join", "invite"))
        room.removed |= {user for user in before if room.membership(user) in ("leave", "ban")} & removed
        room.read_at, room.unsaved = time.monotonic(), True
        room.changed()
        await self._store.write(room, list(room.members))
        room.unsaved = False
        for user, name in named.items():
            if room.membership(user) == "join":
                await self._hub.introduce(Address(MATRIX, user), name)

    async def reload_as(self, room: Room, ghosts: Iterable[str]) -> bool:
        """Read the whole state as the first of these who may; False if none may."""
        for ghost in ghosts:
            try:
                await self.reload(room, ghost)
            except Refused:
                continue
            return True
        return False


def declined(refusal: MatrixRefused) -> str:
    """Why somebody could not be invited, as the sender reads it (a code).

    Who wants no invitation, now or of this person, is no business of the sender: one neutral word says all of it.
    ``M_INVITE_BLOCKED`` is MSC4380's; ``fr.liaison.reason`` comes from the policy module of either homeserver.
    """
    reason = refusal.answer.get("fr.liaison.reason")
    if refusal.errcode == "M_INVITE_BLOCKED" or reason in ("not_accepting", "not_now"):
        return "not_taken"
    return "untrusted_server" if reason in ("server_not_listed", "list_ended") else "not_invited"
