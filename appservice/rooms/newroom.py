"""Pure: the request that makes the room of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appservice.client.events import CONVERSATION, MEGOLM, SERVICE_MEMBERS, to_service_members
from appservice.client.names import short

Json = dict[str, Any]
_PEOPLE, _GHOSTS = 50, 75  # a ghost has to be able to take out who is removed in a product
_ROTATION = {"algorithm": MEGOLM, "rotation_period_ms": 604_800_000, "rotation_period_msgs": 100}


def marker(conversation: str) -> str:
    """The opaque name of a conversation in its room's state, by which a room is found again."""
    return short("conversation", conversation)


def create_body(
    conversation: str,
    ghosts: Sequence[str],
    humans: Sequence[str],
    version: str | None,
    voice: str,
    more: Sequence[Json] = (),
) -> Json:
    """The request that makes a room: encrypted from its first event, no topic, nobody's secret in its state.

    ``more`` is other state that servers may read, its name among it: the invitation shows it.

    The first ghost is the creator. A room version 12 creator must not be listed in the power levels. People have power
    enough to give the room a name. The hub's voice is invited here, before there is anything that its inviter could be
    taken to have read.
    """
    users = dict.fromkeys(ghosts[1:], _GHOSTS)
    if users and version is not None and version.isdigit() and int(version) < 12:
        users[ghosts[0]] = 100
    state = [
        {"type": "m.room.encryption", "state_key": "", "content": _ROTATION},
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "invited"}},
        {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
        {"type": SERVICE_MEMBERS, "state_key": "", "content": to_service_members([voice])},
        {"type": CONVERSATION, "state_key": "", "content": {"id": marker(conversation)}},
    ]
    state += more
    direct = len(humans) == 1 and len(ghosts) == 1
    body: Json = {
        "preset": "private_chat",
        "visibility": "private",
        "initial_state": state,
        "is_direct": direct,
        "creation_content": {"m.federate": True},
        "power_level_content_override": {"invite": 0, "users_default": _PEOPLE} | ({"users": users} if users else {}),
    }
    body["invite"] = [*humans, voice] if direct else [voice]  # only here can it be said that a chat is direct
    return body | ({"room_version": version} if version else {})
