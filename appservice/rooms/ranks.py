"""What a room's power levels let somebody do (specification, ``m.room.power_levels``), in the hub's words."""

from __future__ import annotations

import logging
from typing import Any

from appservice.rooms.roomstate import Room, save
from bridge.db import Tx
from bridge.errors import Refused
from bridge.model import MATRIX, Address, Ref
from bridge.ranks import GroupRole, Rank
from bridge.receiver import Receiver, Within

Json = dict[str, Any]
log = logging.getLogger(__name__)
LEVELS = "m.room.power_levels"


def rank(room: Room, user: str) -> Rank:
    """Of a user of a room, whether they have come in already or not."""
    power = room.power(user)
    remove, rename = power >= room.needed("kick", 50), power >= room.to_set("m.room.name")
    owner = power >= room.to_set(LEVELS) and remove
    role = GroupRole.OWNER if owner else GroupRole.ADMIN if remove and rename else GroupRole.MEMBER
    return Rank(role, power >= room.needed("invite", 0), remove, rename)


def everybody(room: Room) -> dict[str, Rank]:
    """Of all who are in a room, or invited to it."""
    return {user: rank(room, user) for user in room.present()}


async def tell(hub: Receiver, room: Room, event: Json, power: Json, done: Within) -> bool:
    """Somebody has changed what the members may do: the other legs hear of it. False: it is nobody of theirs.

    ``power`` is what the room had before. Raises Unavailable; then the next try of the event sees the change again.
    """

    async def within(tx: Tx) -> None:
        await save(tx, room)
        await done(tx)

    ref, by = Ref(MATRIX, event["event_id"]), Address(MATRIX, event["sender"])
    try:
        await hub.change_members(ref, room.room_id, MATRIX, by, [], [], within)
    except Refused as refusal:
        log.info("what the members of %s may do is told to nobody: %s", room.room_id, refusal)
        return False
    except BaseException:
        room.facts.power = power
        room.changed()
        raise
    return True
