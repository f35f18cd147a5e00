"""No room is left without an administrator by one of our ghosts: before it goes, somebody who stays takes over.

An administrator is whoever may change the power levels (specification, ``m.room.power_levels``): they can give every
other right. Afterwards nobody could mend it: a room without one never has one again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.homeserver import MatrixRefused, need, part
from appservice.rooms.roomstate import Room, RoomStore, number
from bridge.errors import Refused, Unavailable
from bridge.model import MATRIX, Address
from bridge.parts.patience import Patience

Json = dict[str, Any]
log = logging.getLogger(__name__)
_LEVELS = "m.room.power_levels"
ADMINISTRATOR = 100  # as clients call it
_PATIENCE = Patience(first=1.0, longest=300.0)  # while the homeserver is away


class Stewards:
    """``leaves`` is asked before a ghost leaves, or when nobody speaks for it any more."""

    def __init__(self, edge: MatrixEdge, store: RoomStore) -> None:
        self._store = store
        self._hub = edge.hub
        self._homeserver = edge.homeserver
        self._names = edge.names

    async def given_up(self, ghost: str) -> None:
        """Nobody speaks for a ghost any more, which stays where it is: its rooms are looked at, in good time."""
        failures = 0
        while True:
            try:
                answer = await self._homeserver.call("GET", "/_matrix/client/v3/joined_rooms", user=ghost)
                for room_id in need(answer, "joined_rooms", list):
                    room = await self._store.get(room_id)
                    if room.conversation is not None:
                        await self.leaves(room, ghost)
            except Unavailable as reason:
                log.info("the rooms of %s are looked at later: %s", ghost, reason.code)
            except Refused as refusal:
                log.warning("the rooms of %s are not known: %s", ghost, refusal)
                return
            else:
                return
            failures += 1
            await asyncio.sleep(_PATIENCE.backoff(failures, random.random))

    async def leaves(self, room: Room, ghost: str) -> None:
        """See to it that somebody else may administer the room. Raises Unavailable.

        A room that does not let the ghost do that goes on as it is.
        """
        others = [user for user in room.present() if user not in (ghost, self._names.voice)]
        if not others or room.membership(ghost) != "join" or room.power(ghost) < 1:
            return
        path = f"/_matrix/client/v3/rooms/{part(room.room_id)}/state/{_LEVELS}/"
        try:
            levels = await self._homeserver.call("GET", path, user=ghost)
            needed = to_administer(levels)
            if room.power(ghost) < needed or await self._somebody(room, others, needed):
                return
            heir = await self._heir(room, ghost, others)
            if heir is None:
                return
            level = min(room.power(ghost), max(needed, ADMINISTRATOR))
            users = levels["users"] if isinstance(levels.get("users"), dict) else {}
            await self._homeserver.call("PUT", path, levels | {"users": users | {heir: level}}, user=ghost)
        except MatrixRefused as refusal:
            log.warning("%s is left without an administrator: %s", room.room_id, refusal)
        else:
            log.info("%s administers %s in place of %s", heir, room.room_id, ghost)

    async def _somebody(self, room: Room, others: Sequence[str], needed: int) -> bool:
        """Whether somebody who has come in, and for whom somebody speaks, may administer."""
        for user in others:
            if room.membership(user) == "join" and room.power(user) >= needed and await self._speaks(user):
                return True
        return False

    async def _speaks(self, user: str) -> bool:
        """Nobody speaks for the ghost of whoever was struck off."""
        ident = self._names.person(user)
        return ident is None or await self._hub.facts.who(Address(*ident.split(":", 1))) is not None

    async def _heir(self, room: Room, ghost: str, others: Sequence[str]) -> str | None:
        """The ghost's own person by another account, else whoever is in the conversation for longest, people first.

        Where nobody of it is left, the hub's voice: it gives the power to nobody, and a person may come back.
        """
        chat, person = await self._hub.facts.chat(MATRIX, room.room_id), self._names.person(ghost)
        members = [(m, self._names.member(m)) for m in chat.members] if chat is not None else []
        known = [(m, user) for m, user in members if user in others and m.person.active]
        known.sort(key=lambda one: (
            one[0].person.id != person, room.membership(one[1] or "") != "join", self._names.is_ghost(one[1] or ""),
        ))  # fmt: skip
        voice = self._names.voice
        return next((user for _, user in known), voice if room.membership(voice) in ("join", "invite") else None)


def to_administer(levels: Json) -> int:
    """Pure: the power that changes the power levels themselves."""
    each = levels.get("events")
    state = number(levels.get("state_default"), 50)
    return number(each.get(_LEVELS), state) if isinstance(each, dict) else state
