"""Our own Megolm sessions: one for each room and ghost, its ratchet saved with every ciphertext.

Source: client-server API "m.megolm.v1.aes-sha2". The ratchet in memory never goes back: if the caller's transaction
fails, an index is skipped, and no index ever carries two texts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import orjson
from vodozemac import GroupSession

from appservice.e2ee.model import MEGOLM, Json, RoomState, ShareState
from appservice.e2ee.pickles import Pickles
from bridge.db import Tx
from bridge.parts.changes import Changes
from bridge.parts.turns import Turn


@dataclass(slots=True, eq=False)
class Share:
    """What became of a session for one device; states as in the table ``e2ee_share``."""

    state: ShareState
    place: int
    code: str | None = None
    txn: str | None = None
    kept: bytes | None = field(default=None, repr=False)


@dataclass(slots=True, eq=False)
class OutSession:
    """One Megolm session of ours and who has it."""

    group: GroupSession
    id: str
    created_at: int
    used: int
    shared_history: bool
    shares: dict[tuple[str, str], Share] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class OutState:
    """What is known about a ghost's sending in a room; its block is held from :meth:`Engine.outbound` to its end."""

    room_id: str
    ghost: str
    turn: Turn = field(default_factory=Turn)
    waiting: int = 0
    loaded: bool = False
    session: OutSession | None = None
    rotate: bool = False
    room: RoomState | None = None
    people: tuple[str, ...] = ()  # those whose device lists decided about the audience
    seen: int = -1  # their lists' changes up to this number are taken in; -1: look again
    limit: int = 0
    recheck_at: int = 0
    withheld: list[tuple[str, str, str]] = field(default_factory=list)
    keyless: dict[str, str] = field(default_factory=dict)  # people of whom no device has the key, and why (a code)

    async def __aenter__(self) -> Self:
        self.waiting += 1
        try:
            await self.turn.take()
        except BaseException:
            self.waiting -= 1
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.turn.give()
        self.waiting -= 1

    def ready(self, room: RoomState, changes: Changes, now: int) -> bool:
        """Nothing that concerns this room changed since everybody got the key."""
        session = self.session
        if session is None or self.rotate:
            return False
        if self.seen != changes.newest:
            if self.seen < 0 or changes.concern(self.people, self.seen):
                return False
            self.seen = changes.newest
        if session.used >= self.limit or now >= self.recheck_at:
            return False
        if self.room is not room:
            if self.room != room:
                return False
            self.room = room
        return True


class Outbound:
    """The right to encrypt in a room as a ghost, given by :meth:`Engine.outbound`.

    ``withheld`` lists (user, device, code) of devices without the key, and why; device ``*`` is a whole person.
    """

    __slots__ = ("_device", "_pickles", "_sender_key", "_session", "_state", "withheld")

    def __init__(self, state: OutState, session: OutSession, device: str, sender_key: str, pickles: Pickles) -> None:
        self._state = state
        self._session = session
        self._device = device
        self._sender_key = sender_key
        self._pickles = pickles
        self.withheld = list(state.withheld)

    async def encrypt(self, tx: Tx, event_type: str, content: Json) -> Json:
        """The content of the ``m.room.encrypted`` event; the advanced ratchet is part of the caller's transaction."""
        session = self._session
        plain = {"type": event_type, "content": content, "room_id": self._state.room_id}
        ciphertext = session.group.encrypt(orjson.dumps(plain)).to_base64()
        session.used += 1
        await tx.run("e2ee.out-save", session.id, self._pickles.dump(session.group), self._pickles.key_id, session.used)
        encrypted = {
            "algorithm": MEGOLM,
            "session_id": session.id,
            "ciphertext": ciphertext,
            "sender_key": self._sender_key,
            "device_id": self._device,
        }
        relation = content.get("m.relates_to")
        if relation is not None:
            encrypted["m.relates_to"] = relation
        return encrypted
