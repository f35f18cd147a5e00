"""The room of a conversation: made once, with the right people in it, followed through upgrades."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.events import to_name
from appservice.client.homeserver import MatrixRefused, need
from appservice.rooms.bringing import Bringing, Forget, Tell
from appservice.rooms.doors import Doors, declined
from appservice.rooms.features import digest, networks_of, to_state
from appservice.rooms.ghosts import Ghosts
from appservice.rooms.naming import Naming
from appservice.rooms.newcomers import Newcomers
from appservice.rooms.newroom import create_body, marker
from appservice.rooms.pictures import Pictures
from appservice.rooms.roomstate import Room, RoomStore, save
from bridge.db import Tx
from bridge.errors import Refused, Unavailable
from bridge.model import MATRIX, Delivery
from bridge.parts.failpoint import failpoint
from bridge.parts.turns import Turns

Json = dict[str, Any]
log = logging.getLogger(__name__)
_CLIENT = "/_matrix/client/v3"

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
        self.newcomers = newcomers
        self._db = edge.db
        self._homeserver = edge.homeserver
        self._names = edge.names
        self._ghosts = ghosts
        self.store = store
        self.doors = Doors(edge, store, newcomers)
        self.bringing = Bringing(edge, ghosts, self.doors, tell, forget)
        self.naming = Naming(edge, self.doors)
        self.pictures = Pictures(edge, self.doors)
        self.heard = {
            "m.room.name": self.naming.heard, "m.room.topic": self.naming.about, "m.room.avatar": self.pictures.heard,
        }  # fmt: skip
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
            if room.facts.successor is None and self.bringing.settled(room, delivery):
                return room
        async with self._turns.of(delivery.conversation):
            room = await self._existing(delivery) or await self._made(delivery)
            await self.bringing.settle(room, delivery)
        return room

    async def _made(self, delivery: Delivery) -> Room:
        async with self._making.of(marker(delivery.conversation)):
            return await self._existing(delivery) or await self._create(delivery)

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
        ghosts, wanted = self.bringing.wanted(delivery)
        creator = await self._ghosts.ensure(delivery.sender)
        humans = [user for user in wanted if await self.doors.exists(user, creator)]
        if wanted and not humans:
            raise Refused("unknown_recipient", about="invitation")
        await self.bringing.ensure_all(delivery.members)
        name, order = delivery.conversation, [creator, *(g for g in ghosts if g != creator)]
        features = shown = to_state(self.hub, delivery, self._names.voice)
        called = to_name(delivery.name.in_clear, delivery.named) if delivery.name else {}
        if called.get("name"):
            shown = [*features, {"type": "m.room.name", "state_key": "", "content": called}]
        room = await self.made(name, order, humans, marker(name), shown)
        room.facts.features, room.facts.bridged = digest(features), networks_of(delivery)
        await self._bind(room, name)
        return room

    async def made(
        self, name: str, ghosts: Sequence[str], humans: Sequence[str], noted: str | None = None,
        more: Sequence[Json] = (),
    ) -> Room:  # fmt: skip
        """The room that was made under this name, or is now, by the first of these ghosts.

        The intent stays on disk until ``matrix.intended``. ``noted``: the marker by which a message that comes before
        finds the conversation of this name; None: it is no conversation yet, the first message opens one. ``more`` is
        other state of the room.
        """
        creator, intent = ghosts[0], await self._db.one("matrix.intent", name)
        room = await self._find(intent["ghost"], name) if intent else None
        if intent is None:
            async with self._db.transaction("matrix.room-intended") as tx:
                await tx.run("matrix.intend", name, creator, self._clock(), noted)
        if room is None:
            version, voice = await self._default_version(), await self._ghosts.voice()
            body = create_body(name, ghosts, humans, version, voice, more)
            await self._db.held()  # a worker that stood still since the intent: the next one has made it meanwhile
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
            m.person.id: "unknown_recipient"
            if m.address.id in room.unknown
            else room.declined.get(m.address.id, "not_invited")
            for m in delivery.recipients
            if room.membership(m.address.id) not in ("join", "invite")
        }

    def invited(self, room: Room, delivery: Delivery) -> dict[str, str]:
        """Who of a delivery's people has not come into its room yet: person id -> Matrix user."""
        people = [(m.person.id, m.address.id) for m in delivery.recipients]
        return {person: user for person, user in people if room.membership(user) == "invite"}


def _not_created(refusal: MatrixRefused) -> Exception:
    if refusal.status == 403:
        return Refused(declined(refusal), about="invitation")
    return refusal
