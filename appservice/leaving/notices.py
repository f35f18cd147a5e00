"""What people in a room are told: message states as codes in clear, and notices, French first, encrypted."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.events import STATUS, Words, to_call_end, to_notice, to_status
from appservice.client.homeserver import MatrixRefused, part
from appservice.client.names import txn_id
from appservice.e2ee import Engine
from appservice.leaving.outbox import EventToSend, NotInRoom, Outbox
from appservice.rooms.rooms import Rooms
from appservice.rooms.roomstate import Room
from appservice.rooms.voice import Voice
from bridge.errors import Refused
from bridge.model import MATRIX, Address
from bridge.parts.lru import Lru
from bridge.words import GOOD_NEWS, notice, sentence, speaking

Json = dict[str, Any]
log = logging.getLogger(__name__)

_SOON = 5 * 60_000  # ms in which the same failure of the same sender is counted, not said anew
_RUNS = 10_000  # of failures that are remembered
_COUNTED = 10  # more failures than that are counted by tens

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


@dataclass(slots=True)
class _Run:
    """The same failure of the same sender in the same room, since a time (ms): the notice that says it, and of what."""

    since: int
    notice: str
    events: list[str]


class Notices:
    """Speaks in a room as the hub's own voice. Raises Unavailable only.

    Where the voice cannot come in, a failure is said all the same, by a ghost: silence would be the worse lie. A room
    without ghosts hears nothing.
    """

    def __init__(self, edge: MatrixEdge, engine: Engine, rooms: Rooms, voice: Voice, outbox: Outbox) -> None:
        self._homeserver = edge.homeserver
        self._facts = edge.hub.facts
        self._clock = edge.clock
        self._engine = engine
        self._rooms = rooms
        self._voice = voice
        self._outbox = outbox
        self._runs: Lru[tuple[str, str, str], _Run] = Lru(_RUNS)

    async def failed(
        self, room_id: str, event_id: str, code: str, sender: str, *, words: bool = True, about: str = ""
    ) -> None:
        """This message will not arrive: a status for clients that know it, words for everybody (unless ``words``).

        ``about`` names what failed, where that is not the whole message.

        The same failure again, some minutes later at most, is counted in the notice that was posted: an edit is seen,
        and neither fills the room nor rings.
        """
        with speaking(await self._facts.language(Address(MATRIX, sender))):
            await self._failed(room_id, event_id, code, sender, words=words, about=about)

    async def _failed(self, room_id: str, event_id: str, code: str, sender: str, *, words: bool, about: str) -> None:
        room = await self._rooms.store.get(room_id)
        await self.status(room, event_id, "FAIL_PERMANENT", **failure(code))
        if not words:
            return
        which = (room_id, sender, f"{code} {about}" if about else code)
        run, now = self._runs.get(which), self._clock()
        if run is None or now - run.since >= _SOON:
            said = Words(notice(code, about), code, event_id, sender)
            posted = await self.notice(room, f"failed:{event_id}", said)
            if posted is not None:
                self._runs.put(which, _Run(now, posted, [event_id]))
            return
        if event_id not in run.events:
            run.events.append(event_id)
        count = run.events.index(event_id) + 1
        if count > 1 and (count <= _COUNTED or count % _COUNTED == 0):
            counted = Words(notice(code, about, count), code, to=sender, replaces=run.notice)
            await self.notice(room, f"failed:{event_id}", counted)

    def refused_in(self, sender: str, code: str) -> list[str]:
        """The rooms in which somebody was told of a failure a while ago."""
        return [room for (room, who, why), _ in self._runs.items() if (who, why) == (sender, code)]

    async def cancelled(self, room_id: str, request: Json) -> None:
        """End a request to verify one of our ghosts: an event in clear for clients, words for people."""
        room, ghost = await self._rooms.store.get(room_id), request["content"].get("to")
        if not isinstance(ghost, str) or ghost not in self._rooms.doors.ghosts_in(room):
            return
        event, kind = request["event_id"], "m.key.verification.cancel"
        path = f"/_matrix/client/v3/rooms/{part(room_id)}/send/{kind}/{txn_id(ghost, room_id, event, kind)}"
        relation = {"rel_type": "m.reference", "event_id": event}
        reason = sentence("nothing_to_verify")
        content = {"m.relates_to": relation, "code": "m.user", "reason": reason}
        try:
            await self._homeserver.call("PUT", path, content, user=ghost)
        except MatrixRefused as refusal:
            log.warning("a verification in %s could not be cancelled: %s", room_id, refusal)
        words = Words(notice("nothing_to_verify"), "nothing_to_verify", event, request["sender"], rings=False)
        await self.notice(room, f"verify:{event}", words)

    async def hung_up(self, room_id: str, event_id: str, kind: str, call: Json) -> None:
        """End a call that rings for nobody. The voice does it: a ghost would be shown as having read."""
        room = await self._rooms.store.get(room_id)
        speaker = await self._speaker(room, True) if room.facts.encrypted else None
        party = "" if speaker is None else str(self._engine.device_of(speaker))
        ending = to_call_end(kind, event_id, call, party)
        if speaker is not None and ending is not None:
            kind, content = ending
            await self._post(room, EventToSend(f"call:{event_id}", speaker, content, type=kind))

    async def notice(self, room: Room, key: str, words: Words) -> str | None:
        """Post an encrypted notice once for ever under ``key``; its event, None if it cannot be posted."""
        words = words if words.code not in GOOD_NEWS else replace(words, rings=False)
        speaker = await self._speaker(room, words.rings) if room.facts.encrypted else None
        if speaker is None:
            return None
        if speaker != self._voice.user:
            words = replace(words, text=f"Liaison — {words.text}")
        return await self._post(room, EventToSend(key, speaker, to_notice(words)))

    def said(self, key: str) -> bool:
        """Whether something encrypted was said under this key lately."""
        return self._outbox.sent(key) is not None

    async def answer(self, room: Room, key: str, content: Json) -> str | None:
        """What the voice answers to who asks it in a room of theirs, once for ever under ``key``; gives its event.

        In clear where the room is: it was asked there.
        """
        voice = self._voice.user
        if room.facts.encrypted:
            return await self._post(room, EventToSend(key, voice, content))
        path = f"/_matrix/client/v3/rooms/{part(room.room_id)}/send/m.room.message/{txn_id(voice, room.room_id, key)}"
        device = self._engine.device_of(voice)
        try:
            return str((await self._homeserver.call("PUT", path, content, user=voice, device=device)).get("event_id"))
        except MatrixRefused as refusal:
            log.warning("an answer in %s could not be posted: %s", room.room_id, refusal)
            return None

    async def _post(self, room: Room, one: EventToSend) -> str | None:
        try:
            await self._rooms.newcomers.before(room, one.ghost)  # a strict client judges a device once
            return await self._outbox.send(room, one)
        except (NotInRoom, Refused) as reason:
            log.warning("a notice for %s could not be posted: %r", room.room_id, reason)
            return None

    async def status(self, room: Room, event_id: str, status: str, **more: Any) -> None:
        """Post a message status in clear: ids and codes only."""
        speaker = await self._speaker(room, status.startswith("FAIL"))
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

    async def _speaker(self, room: Room, failed: bool) -> str | None:
        """The voice. Of a failure a room hears by any means: a ghost brings the voice in, or speaks itself."""
        if failed and self._voice.absent(room):
            ghosts = self._rooms.doors.ghosts_in(room)
            if (by := next((ghost for ghost in ghosts if room.may(ghost, "invite")), None)) is not None:
                await self._voice.brought(room, by)
        speaker = await self._voice.speaker(room)
        if not failed or (speaker is not None and room.may_say(speaker, "m.room.encrypted")):
            return speaker
        ghosts = [ghost for ghost in self._rooms.doors.ghosts_in(room) if self._engine.device_of(ghost) is not None]
        heard = [ghost for ghost in ghosts if room.may_say(ghost, "m.room.encrypted")]  # a closed room mutes most
        return next(iter(heard or ghosts), speaker)


def failure(code: str) -> Json:
    """The fields of a status that names a failure; ``message`` holds our own sentence, never content."""
    reason = _REASONS.get(code, "m.foreign_network_error")
    return {"reason": reason, "message": sentence(code), "internal_error": code}
