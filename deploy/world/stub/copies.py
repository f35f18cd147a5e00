"""STUB: users and rooms by the thousand, as copies of others: for a bench whose database was filled likewise.

A copy shares with its original whatever does not tell them apart: devices and keys of a user, events of a room.
"""

from __future__ import annotations

from deploy.world.stub.world import Json, Room, User, World


def plant(world: World, body: Json) -> Json:
    """``{"users": {new: like}, "rooms": [[new, like, {user: the one in their place}]]}``."""
    for mxid, like in body["users"].items():
        known = world.users[like]
        user = User(mxid, known.ghost, known.devices, known.signing, profile=known.profile)
        world.users[mxid] = user  # nobody is told of its keys: they are signed for the other
    for room_id, like, users in body["rooms"]:
        room = world.rooms[room_id] = _room(world.rooms[like], room_id, users)
        for member in room.members("join"):
            if (joined := world.users.get(member)) is not None and member in users.values():
                joined.rooms.add(room_id)
                world.joins[(member, room_id)] = 0
    return {}


def _room(like: Room, room_id: str, users: dict[str, str]) -> Room:
    state = {}
    for (kind, key), event in like.state.items():
        one = event | {"room_id": room_id, "sender": users.get(event["sender"], event["sender"])}
        if kind == "m.room.member" and key in users:
            key = users[key]
            one["state_key"] = key
        state[(kind, key)] = one
    return Room(room_id, like.version, users.get(like.creator, like.creator), like.events, like.stream, state)
