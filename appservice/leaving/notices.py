"""What people in a room are told: message states as codes in clear, and notices, French first, encrypted."""

from __future__ import annotations

import logging
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.events import STATUS, to_notice, to_status
from appservice.client.homeserver import MatrixRefused, part
from appservice.client.names import txn_id
from appservice.e2ee import Engine
from appservice.leaving.outbox import EventToSend, NotInRoom, Outbox
from appservice.rooms.rooms import Rooms
from appservice.rooms.roomstate import Room
from bridge.errors import Refused
from bridge.words import notice, say

Json = dict[str, Any]
log = logging.getLogger(__name__)

_REASONS = {
    "waiting_for_key": "com.beeper.undecryptable_event",
    "undecryptable": "com.beeper.undecryptable_event",
    "unsigned_device": "com.beeper.undecryptable_event",
    "identity_changed": "com.beeper.undecryptable_event",
    "not_encrypted": "m.no_permission",
    "not_a_member": "m.no_permission",
    "unknown_sender": "m.no_permission",
    "untrusted_server": "m.no_permission",
    "files_not_carried": "com.beeper.unsupported_event",
    "file_not_encrypted": "m.no_permission",
    "file_damaged": "com.beeper.undecryptable_event",
    "kind_not_carried": "com.beeper.unsupported_event",
    "edit_not_carried": "com.beeper.unsupported_event",
    "removal_not_carried": "com.beeper.unsupported_event",
    "reaction_not_carried": "com.beeper.unsupported_event",
    "gave_up": "m.bridge_unavailable",
    "internal_error": "m.bridge_unavailable",
}


class Notices:
    """Speaks in a room as one of its ghosts. Raises Unavailable only; a room without ghosts hears nothing."""

    def __init__(self, edge: MatrixEdge, engine: Engine, rooms: Rooms, outbox: Outbox) -> None:
        self._homeserver = edge.homeserver
        self._engine = engine
        self._rooms = rooms
        self._outbox = outbox

    async def failed(self, room_id: str, event_id: str, code: str) -> None:
        """This message will not arrive: a status for clients that know it, a notice for everybody."""
        room = await self._rooms.store.get(room_id)
        await self.status(room, event_id, "FAIL_PERMANENT", **failure(code))
        await self.notice(room, f"failed:{event_id}", notice(code), event_id)

    async def notice(self, room: Room, key: str, text: str, about: str | None = None, ghost: str | None = None) -> bool:
        """Post an encrypted notice once for ever under ``key``; False if it cannot be posted."""
        speaker = ghost if ghost is not None and room.membership(ghost) == "join" else self._speaker(room)
        if speaker is None or not room.facts.encrypted:
            return False
        try:
            await self._outbox.send(room, EventToSend(key, speaker, to_notice(text, about)))
        except (NotInRoom, Refused) as reason:
            log.warning("a notice for %s could not be posted: %r", room.room_id, reason)
            return False
        return True

    async def status(self, room: Room, event_id: str, status: str, ghost: str | None = None, **more: Any) -> None:
        """Post a message status in clear: ids and codes only."""
        speaker = ghost if ghost is not None and room.membership(ghost) == "join" else self._speaker(room)
        device = self._engine.device_of(speaker) if speaker else None
        if speaker is None or device is None:
            return
        what = [status, more.get("internal_error", ""), *more.get("delivered_to_users", ())]
        txn = txn_id(speaker, room.room_id, event_id, " ".join(what))
        path = f"/_matrix/client/v3/rooms/{part(room.room_id)}/send/{STATUS}/{txn}"
        content = to_status(event_id, status, **more)
        try:
            await self._homeserver.call("PUT", path, content, user=speaker, device=device)
        except MatrixRefused as refusal:
            log.warning("a status for %s could not be posted: %s", room.room_id, refusal)

    def _speaker(self, room: Room) -> str | None:
        ghosts = self._rooms.doors.ghosts_in(room)
        return next((ghost for ghost in ghosts if self._engine.device_of(ghost) is not None), None)


def failure(code: str) -> Json:
    """The fields of a status that names a failure; ``message`` holds our own sentence, never content."""
    reason = _REASONS.get(code, "m.foreign_network_error")
    return {"reason": reason, "message": "\n".join(say(code)), "internal_error": code}
