"""What a client can show of the other legs: which networks take part, and what survives on the way to them.

Sources: MSC2346 (``m.bridge``, one for each network, also under the name of before) and ``com.beeper.room_features``
(no MSC; the fields that clients know). Both are state, hence written only when they change: with the room, while there
is nothing to be read; later by the hub's voice, as clients take whoever writes state for somebody who has read all.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from typing import Any

import orjson

from appservice.client.edge import MatrixEdge
from appservice.client.homeserver import MatrixRefused, part
from appservice.rooms.newroom import marker
from appservice.rooms.roomstate import Room, RoomStore, Shown
from appservice.rooms.voice import Voice
from bridge.errors import Refused, Unavailable
from bridge.model import FUNCTION, MATRIX, Delivery, Kind
from bridge.receiver import InCommon, Receiver

Json = dict[str, Any]
log = logging.getLogger(__name__)
FEATURES = "com.beeper.room_features"
BRIDGE = ("m.bridge", "uk.half-shot.bridge")
_FULL, _PARTLY, _REFUSED = 2, 1, -2  # levels of support, as clients know them
_KINDS = {"edit": Kind.EDIT, "delete": Kind.REMOVAL, "reaction": Kind.REACTION, "poll": Kind.POLL}
_FILES = ("m.image", "m.file", "m.audio", "m.video")


def to_features(carried: InCommon) -> Json:
    """Pure: what the others of a conversation can be given. What they read as a text is supported in part."""
    shown: Json = {name: _FULL if kind in carried.kinds else _PARTLY for name, kind in _KINDS.items()}
    one: Json = {"mime_types": {"*/*": _FULL if carried.files else _REFUSED}}
    if carried.files:
        one |= {"caption": _FULL, "max_size": carried.max_files}
    return shown | {"location_message": _PARTLY, "file": dict.fromkeys(_FILES, one)}


def to_bridge(network: str, label: str, conversation: str, voice: str) -> Json:
    """Pure: that a network takes part in a room (MSC2346). The channel's name is opaque."""
    protocol = {"id": network, "displayname": label}
    return {"bridgebot": voice, "protocol": protocol, "channel": {"id": marker(conversation)}}


def to_state(hub: Receiver, delivery: Delivery, voice: str, before: Collection[str] = ()) -> list[Json]:
    """All of it, as state events; of networks of ``before`` that take part no more: that they do not."""
    networks = networks_of(delivery)
    key = {name: f"fr.liaison://{voice.partition(':')[2]}/{name}" for name in {*networks, *before}}
    state = [{"type": FEATURES, "state_key": "", "content": to_features(hub.carried(networks))}]
    for name in sorted(key):
        there = to_bridge(name, hub.facts.label(name), delivery.conversation, voice) if name in networks else {}
        state += [{"type": kind, "state_key": key[name], "content": there} for kind in BRIDGE]
    return state


def networks_of(delivery: Delivery) -> list[str]:
    """The other networks of a conversation; who is on duty takes part by a network of their own."""
    return sorted({m.address.network for m in delivery.members} - {MATRIX, FUNCTION})


def digest(state: list[Json]) -> str:
    """By it is known whether a room shows this already."""
    return hashlib.blake2b(orjson.dumps(state, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


class Features:
    """``show`` brings a room up to date."""

    def __init__(self, edge: MatrixEdge, voice: Voice, store: RoomStore) -> None:
        self._hub = edge.hub
        self._homeserver = edge.homeserver
        self._voice = voice
        self._store = store

    async def show(self, room: Room, delivery: Delivery) -> None:
        """With nothing changed: one comparison. No room waits for it: what fails is tried with another message."""
        if self._shown(room, delivery):
            return
        networks = networks_of(delivery)
        try:
            state = to_state(self._hub, delivery, self._voice.user, room.facts.bridged)
            if digest(state) != room.facts.features and await self._change(room, state):
                room.facts.features, room.facts.bridged = digest(state), networks
                await self._store.write(room)
            if digest(state) == room.facts.features:
                room.shown = Shown(delivery.members, tuple(networks), self._hub.carried(networks))
        except (Unavailable, Refused) as reason:
            log.info("what survives is not shown in %s: %s", room.room_id, reason)

    def _shown(self, room: Room, delivery: Delivery) -> bool:
        """Whether nobody has come or gone, and no network carries anything else, since the room was brought up to date.

        Both are the very same things then; networks seldom say that they carry something else.
        """
        shown = room.shown
        return (
            shown is not None
            and shown.members is delivery.members
            and shown.carried is self._hub.carried(shown.networks)
        )

    async def _change(self, room: Room, state: list[Json]) -> bool:
        """False: this room lets the voice set no state, and goes on without."""
        user = self._voice.user
        if room.membership(user) not in ("join", "invite") or room.power(user) < room.needed("state_default", 50):
            return False
        speaker = await self._voice.speaker(room)
        if speaker is None:
            return False
        for event in state:
            where = f"{part(event['type'])}/{part(event['state_key'])}"
            path = f"/_matrix/client/v3/rooms/{part(room.room_id)}/state/{where}"
            try:
                await self._homeserver.call("PUT", path, event["content"], user=speaker)
            except MatrixRefused as refusal:
                log.info("%s shows nothing of its other legs: %s", room.room_id, refusal)
                return False
        return True
