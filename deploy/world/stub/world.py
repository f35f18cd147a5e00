"""STUB: users, devices and rooms in memory, with the behaviour of Synapse that the hub depends on."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
JOINED = {"join"}


class StubError(Exception):
    """A Matrix error answer."""

    def __init__(self, status: int, errcode: str, error: str = "") -> None:
        super().__init__(f"{status} {errcode} {error}")
        self.status, self.errcode, self.error = status, errcode, error


_COPIED = frozenset(
    {"m.room.encryption", "m.room.history_visibility", "m.room.join_rules", "m.room.name", "fr.liaison.conversation"}
)  # into the room that replaces another


@dataclass(slots=True)
class Device:
    """One device: its keys and what waits for it."""

    keys: Json | None = None
    one_time: dict[str, Json] = field(default_factory=dict)
    fallback: dict[str, Json] = field(default_factory=dict)
    fallback_used: bool = False
    inbox: deque[tuple[int, Json]] = field(default_factory=deque)


@dataclass(slots=True)
class User:
    """One account."""

    mxid: str
    ghost: bool
    devices: dict[str, Device] = field(default_factory=dict)
    signing: dict[str, Json] = field(default_factory=dict)  # master_key, self_signing_key, user_signing_key
    keys_at: int = 0
    profile: Json = field(default_factory=dict)
    timeline: list[tuple[int, str, Json]] = field(default_factory=list)  # (position, room, event), humans only
    rooms: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Room:
    """One room: every event as ``/messages`` has them, the same with their places in the stream, the current state."""

    room_id: str
    version: str
    creator: str
    events: list[Json] = field(default_factory=list)
    stream: list[tuple[int, Json]] = field(default_factory=list, repr=False)
    state: dict[tuple[str, str], Json] = field(default_factory=dict)

    def members(self, *memberships: str) -> list[str]:
        """Who is in the room with one of these memberships."""
        return [
            key
            for (kind, key), event in self.state.items()
            if kind == "m.room.member" and event["content"]["membership"] in memberships
        ]

    def membership(self, user: str) -> str:
        """One user's membership, ``leave`` if never seen."""
        event = self.state.get(("m.room.member", user))
        return str(event["content"]["membership"]) if event else "leave"

    def power(self, user: str) -> int:
        """What a user may do."""
        if self.version == "12" and user == self.creator:
            return 1 << 40
        levels = self.state.get(("m.room.power_levels", ""))
        if levels is None:
            return 100 if user == self.creator else 0
        content = levels["content"]
        return int(content.get("users", {}).get(user, content.get("users_default", 0)))

    def needed(self, what: str, default: int) -> int:
        """The power that an action needs."""
        levels = self.state.get(("m.room.power_levels", ""))
        return int(levels["content"].get(what, default)) if levels else default


class World:
    """Everything the stub remembers. ``on_event`` and ``on_to_device`` ring the pusher."""

    def __init__(self, server_name: str) -> None:
        self.server_name = server_name
        self.users: dict[str, User] = {}
        self.tokens: dict[str, tuple[str, str]] = {}
        self.rooms: dict[str, Room] = {}
        self.position = 0
        self.time: int | None = None  # of the next events, in place of the clock's
        self.joins: dict[tuple[str, str], int] = {}  # (user, room) -> position of the join
        self.read: dict[tuple[str, str, str | None], tuple[int, str]] = {}  # (room, user, thread) -> position, event

    def tick(self) -> int:
        """The next stream position."""
        self.position += 1
        return self.position

    # -- users ---------------------------------------------------------------------------------------------

    def register(self, localpart: str, ghost: bool, server: str | None = None) -> User:
        """Make an account. Raises 400 M_USER_IN_USE."""
        mxid = f"@{localpart}:{server or self.server_name}"
        if mxid in self.users:
            raise StubError(400, "M_USER_IN_USE")
        self.users[mxid] = User(mxid, ghost)
        return self.users[mxid]

    def user(self, mxid: str) -> User:
        """An account, or 403 (as for a ghost that is not registered)."""
        if mxid not in self.users:
            raise StubError(403, "M_FORBIDDEN", "not registered")
        return self.users[mxid]

    def find_users(self, words: str, limit: int) -> Json:
        """Humans of our own server whose id or name holds these words, as Synapse: users of appservices never."""
        named = {u.mxid: str(u.profile.get("displayname", "")) for u in self.users.values() if not u.ghost}
        ours = {m: name for m, name in named.items() if m.endswith(f":{self.server_name}")}
        found = [m for m, name in sorted(ours.items()) if words.casefold() in f"{m} {name}".casefold()]
        results = [{"user_id": m, "display_name": named[m], "avatar_url": None} for m in found]
        return {"limited": len(results) > limit, "results": results[:limit]}

    def device(self, mxid: str, device_id: str | None) -> Device:
        """A device, or 400 M_UNKNOWN_DEVICE."""
        device = self.user(mxid).devices.get(device_id or "")
        if device is None:
            raise StubError(400, "M_UNKNOWN_DEVICE")
        return device

    # -- keys ----------------------------------------------------------------------------------------------

    def upload_keys(self, mxid: str, device_id: str | None, body: Json) -> Json:
        """POST /keys/upload."""
        device = self.device(mxid, device_id)
        if body.get("device_keys"):
            device.keys = body["device_keys"]
            self.user(mxid).keys_at = self.tick()
        for key_id, key in (body.get("one_time_keys") or {}).items():
            if key_id in device.one_time and device.one_time[key_id] != key:
                raise StubError(400, "M_INVALID_PARAM", "one time key already exists")
            device.one_time[key_id] = key
        for key_id, key in (body.get("fallback_keys") or {}).items():
            device.fallback, device.fallback_used = {key_id: key}, False
        return {"one_time_key_counts": {"signed_curve25519": len(device.one_time)}}

    def upload_signing(self, mxid: str, body: Json) -> Json:
        """POST /keys/device_signing/upload, without UIA as for appservices."""
        user = self.user(mxid)
        user.signing.update({name: body[name] for name in body if name.endswith("_key")})
        user.keys_at = self.tick()
        return {}

    def upload_signatures(self, mxid: str, body: Json) -> Json:
        """POST /keys/signatures/upload: the first signature under a key id stays for ever, as in Synapse."""
        user = self.user(mxid)
        for device_id, signed in body.get(mxid, {}).items():
            device = user.devices.get(device_id)
            if device is None or device.keys is None:
                continue
            mine = device.keys.setdefault("signatures", {}).setdefault(mxid, {})
            for key_id, signature in signed.get("signatures", {}).get(mxid, {}).items():
                mine.setdefault(key_id, signature)
        user.keys_at = self.tick()
        return {"failures": {}}

    def query_keys(self, asker: str, body: Json) -> Json:
        """POST /keys/query."""
        answer: Json = {
            "device_keys": {},
            "master_keys": {},
            "self_signing_keys": {},
            "user_signing_keys": {},
            "failures": {},
        }
        for mxid, wanted in body.get("device_keys", {}).items():
            user = self.users.get(mxid)
            if user is None:
                continue
            answer["device_keys"][mxid] = {
                name: device.keys
                for name, device in user.devices.items()
                if device.keys is not None and (not wanted or name in wanted)
            }
            for name in ("master", "self_signing", "user_signing"):
                if f"{name}_key" in user.signing and (name != "user_signing" or asker == mxid):
                    answer[f"{name}_keys"][mxid] = user.signing[f"{name}_key"]
        return answer

    def claim_keys(self, body: Json) -> Json:
        """POST /keys/claim: each one-time key once, then the fallback key over and over."""
        answer: Json = {}
        for mxid, devices in body.get("one_time_keys", {}).items():
            for device_id in devices:
                device = self.users[mxid].devices.get(device_id) if mxid in self.users else None
                if device is None:
                    continue
                if device.one_time:
                    key_id = next(iter(device.one_time))
                    key = {key_id: device.one_time.pop(key_id)}
                elif device.fallback:
                    key, device.fallback_used = dict(device.fallback), True
                else:
                    continue
                answer.setdefault(mxid, {})[device_id] = key
        return {"one_time_keys": answer, "failures": {}}

    def send_to_device(self, sender: str, kind: str, messages: Json) -> list[Json]:
        """Put messages into inboxes; gives those for ghosts in the shape of a transaction."""
        pushed = []
        for mxid, devices in messages.items():
            user = self.users.get(mxid)
            if user is None:
                continue
            for device_id, content in devices.items():
                for name in list(user.devices) if device_id == "*" else [device_id]:
                    device = user.devices.get(name)
                    if device is None:
                        continue
                    event = {"type": kind, "sender": sender, "content": content}
                    device.inbox.append((self.tick(), event))
                    if user.ghost:
                        pushed.append({**event, "to_user_id": mxid, "to_device_id": name})
        return pushed

    # -- rooms ---------------------------------------------------------------------------------------------

    def room(self, room_id: str) -> Room:
        """A room, or 404."""
        if room_id not in self.rooms:
            raise StubError(404, "M_NOT_FOUND", "no such room")
        return self.rooms[room_id]

    def joined(self, room_id: str, user: str) -> Room:
        """A room that this user has joined, or 403."""
        room = self.room(room_id)
        if room.membership(user) != "join":
            raise StubError(403, "M_FORBIDDEN", "not in room")
        return room

    def append(self, room: Room, sender: str, kind: str, content: Json, state_key: str | None = None) -> Json:
        """Add an event, show it to the humans of the room."""
        event: Json = {
            "type": kind,
            "sender": sender,
            "content": content,
            "room_id": room.room_id,
            "event_id": "$" + base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("="),
            "origin_server_ts": int(time.time() * 1000) if self.time is None else self.time,
            "unsigned": {},
        }
        if state_key is not None:
            event["state_key"] = state_key
            if kind == "m.room.member":
                self._membership(room, event)
            room.state[(kind, state_key)] = event
        room.events.append(event)
        self._show(room, event)
        if kind == "m.room.member" and content["membership"] == "join" and state_key in self.users:
            self._show_earlier(room, self.users[state_key])
        return event

    def _show_earlier(self, room: Room, user: User) -> None:
        """Who joins sees what was said since the invitation."""
        if user.ghost:
            return
        known = {e["event_id"] for _, _, e in user.timeline if "event_id" in e}
        since = next((i for i, e in enumerate(room.events) if e.get("state_key") == user.mxid), len(room.events))
        for event in room.events[since:]:
            if event["event_id"] not in known:
                user.timeline.append((self.tick(), room.room_id, event))

    def _membership(self, room: Room, event: Json) -> None:
        user = event["state_key"]
        joined = event["content"]["membership"] == "join"
        if joined and room.membership(user) != "join":
            self.joins[(user, room.room_id)] = self.position + 1
        if user in self.users:
            (self.users[user].rooms.add if joined else self.users[user].rooms.discard)(room.room_id)
        if event["content"]["membership"] == "invite":
            event["invite_room_state"] = self.stripped(room)
            event["unsigned"]["invite_room_state"] = event["invite_room_state"]

    def invitations(self, user: str, since: int) -> dict[str, Json]:
        """The rooms into which a user was invited after a position, and is not in."""
        rooms = [room for room in self.rooms.values() if room.membership(user) == "invite"]
        new = [r for r in rooms if any(n > since and event.get("state_key") == user for n, event in r.stream)]
        own = {room.room_id: [room.state[("m.room.member", user)]] for room in new}
        return {room.room_id: {"invite_state": {"events": self.stripped(room) + own[room.room_id]}} for room in new}

    def stripped(self, room: Room) -> list[Json]:
        """What an invited user may know, as Synapse's ``room_prejoin_state``."""
        kinds = ("m.room.create", "m.room.join_rules", "m.room.encryption", "m.room.name")
        return [
            {key: event[key] for key in ("type", "state_key", "sender", "content")}
            for (kind, _), event in room.state.items()
            if kind in kinds
        ]

    def _show(self, room: Room, event: Json) -> None:
        position = self.tick()
        room.stream.append((position, event))
        watchers = room.members("join")
        if "state_key" in event and event["type"] == "m.room.member":
            watchers = [*watchers, event["state_key"]]
        for mxid in set(watchers):
            user = self.users.get(mxid)
            if user is not None and not user.ghost:
                user.timeline.append((position, room.room_id, event))

    def forget_device(self, mxid: str, device_id: str) -> None:
        """DELETE /devices/{deviceId}."""
        self.user(mxid).devices.pop(device_id, None)

    def create_room(self, creator: str, body: Json) -> Room:
        """POST /createRoom; invitations are separate events, as in Synapse."""
        version = str(body.get("room_version") or "12")
        room_id = "!" + base64.urlsafe_b64encode(hashlib.sha256(os.urandom(16)).digest()).decode().rstrip("=")
        if version != "12":
            room_id = f"{room_id[:19]}:{self.server_name}"
        override = dict(body.get("power_level_content_override") or {})
        if version == "12" and creator in override.get("users", {}):
            raise StubError(400, "M_INVALID_PARAM", "creator in power levels")
        room = self.rooms[room_id] = Room(room_id, version, creator)
        self.append(room, creator, "m.room.create", {"room_version": version, **body.get("creation_content", {})}, "")
        self.append(room, creator, "m.room.member", {"membership": "join"}, creator)
        users = {} if version == "12" else {creator: 100}
        levels = {
            "users": users,
            "users_default": 0,
            "events_default": 0,
            "state_default": 50,
            "invite": 0,
            "kick": 50,
            "ban": 50,
        }
        self.append(room, creator, "m.room.power_levels", {**levels, **override}, "")
        self.append(room, creator, "m.room.join_rules", {"join_rule": "invite"}, "")
        initial = body.get("initial_state", [])
        if not any(state["type"] == "m.room.history_visibility" for state in initial):
            self.append(room, creator, "m.room.history_visibility", {"history_visibility": "shared"}, "")
        if "name" in body:
            self.append(room, creator, "m.room.name", {"name": body["name"]}, "")
        for state in initial:
            self.append(room, creator, state["type"], state["content"], state.get("state_key", ""))
        for user in body.get("invite", []):
            content = {"membership": "invite"} | ({"is_direct": True} if body.get("is_direct") else {})
            self.append(room, creator, "m.room.member", content, user)
        return room

    def change_membership(self, room_id: str, by: str, user: str, membership: str, content: Json) -> Json | None:
        """Invite, join, leave, kick, ban; the rules of the specification as far as the hub meets them."""
        room = self.room(room_id)
        now = room.membership(user)
        if membership == "join":
            if now == "join":
                return None
            rule = room.state.get(("m.room.join_rules", ""), {}).get("content", {}).get("join_rule", "invite")
            if now != "invite" and (rule != "public" or now == "ban"):
                raise StubError(403, "M_FORBIDDEN", "not invited")
        elif membership == "invite":
            self.joined(room_id, by)
            if now in {"join", "ban"} or room.power(by) < room.needed("invite", 0):
                raise StubError(403, "M_FORBIDDEN", "may not invite")
        elif by == user:
            if now not in {"join", "invite"}:
                raise StubError(403, "M_FORBIDDEN", "not in room")
        elif room.power(by) < max(room.needed("kick", 50), room.power(user) + 1) or room.membership(by) != "join":
            raise StubError(403, "M_FORBIDDEN", "may not kick")
        return self.append(room, by, "m.room.member", {"membership": membership, **content}, user)

    def send(self, room_id: str, sender: str, kind: str, content: Json, state_key: str | None = None) -> Json:
        """PUT /send or /state."""
        room = self.joined(room_id, sender)
        default = 0 if state_key is None else 50
        level = room.needed("events_default" if state_key is None else "state_default", default)
        if room.power(sender) < level:
            raise StubError(403, "M_FORBIDDEN", "not enough power")
        return self.append(room, sender, kind, content, state_key)

    def upgrade(self, room_id: str, by: str) -> Room:
        """POST /upgrade: state is copied, members are not moved, the old room closes to those without power."""
        old = self.joined(room_id, by)
        body: Json = {"creation_content": {"predecessor": {"room_id": room_id}}, "initial_state": []}
        for (kind, key), event in old.state.items():
            if kind in _COPIED:
                body["initial_state"].append({"type": kind, "state_key": key, "content": event["content"]})
        new = self.create_room(by, body)
        self.append(old, by, "m.room.tombstone", {"body": "upgraded", "replacement_room": new.room_id}, "")
        levels = {**old.state[("m.room.power_levels", "")]["content"], "events_default": 50, "invite": 50}
        self.append(old, by, "m.room.power_levels", levels, "")
        return new

    # -- sync ----------------------------------------------------------------------------------------------

    def sync_device(self, mxid: str, device_id: str | None, since: int) -> Json:
        """The to-device part of /sync: what was acknowledged by ``since`` is gone, at most 100 a call."""
        device = self.device(mxid, device_id)
        while device.inbox and device.inbox[0][0] <= since:
            device.inbox.popleft()
        batch = [device.inbox[i] for i in range(min(100, len(device.inbox)))]
        upto = batch[-1][0] if len(device.inbox) > 100 else self.position
        answer: Json = {
            "next_batch": str(upto),
            "to_device": {"events": [event for _, event in batch]},
            "device_one_time_keys_count": {"signed_curve25519": len(device.one_time)},
            "device_unused_fallback_key_types": []
            if device.fallback_used or not device.fallback
            else ["signed_curve25519"],
        }
        if since:
            answer["device_lists"] = {"changed": self.changed(mxid, since), "left": []}
        return answer

    def timelines(self, mxid: str, since: int, wanted: Json) -> Json:
        """The rooms of /sync as a filter wants them: the newest events since a position, as the stream has them.

        Whoever has joined since then gets them by depth, as from Synapse (``_load_filtered_recents``).
        """
        rooms = [name for name in wanted.get("rooms", ()) if name in self.user(mxid).rooms]
        limit = wanted.get("timeline", {}).get("limit", 10)
        came = {name for name in rooms if self.joins.get((mxid, name), 0) > since}
        new = {
            name: self.rooms[name].events if name in came else [e for at, e in self.rooms[name].stream if at > since]
            for name in rooms
        }
        return {
            name: {"timeline": {"events": some[-limit:], "limited": name in came or len(some) > limit}}
            for name, some in new.items()
        }

    def has_read(self, room_id: str, mxid: str, event_id: str, thread: str | None) -> None:
        """Keep somebody's newest receipt of each thread, as Synapse does."""
        self.read[room_id, mxid, thread] = (self.tick(), event_id)

    def receipts(self, mxid: str, since: int, wanted: Json) -> Json:
        """The rooms of /sync where somebody has read since a position: what each has read, and in which thread."""
        found: Json = {}
        for (room_id, reader, thread), (at, event_id) in self.read.items():
            if at > since and room_id in self.user(mxid).rooms and room_id in wanted.get("rooms", ()):
                event = {"type": "m.receipt", "content": {}}
                room = found.setdefault(room_id, {"ephemeral": {"events": [event]}})
                data = {"ts": 1} if thread is None else {"ts": 1, "thread_id": thread}
                content = room["ephemeral"]["events"][0]["content"]
                content.setdefault(event_id, {}).setdefault("m.read", {})[reader] = data
        return found

    def changed(self, mxid: str, since: int) -> list[str]:
        """Users who share a room with this one and whose keys (or whose sharing) are newer than ``since``."""
        found: set[str] = set()
        for room_id in self.user(mxid).rooms:
            mine = self.joins.get((mxid, room_id), 0) > since
            for other in self.rooms[room_id].members("join"):
                known = self.users.get(other)
                if known and (mine or known.keys_at > since or self.joins.get((other, room_id), 0) > since):
                    found.add(other)
        return sorted(found)

    def sharing(self, mxid: str) -> Iterable[str]:
        """Everybody in a room with this user."""
        return {m for room_id in self.user(mxid).rooms for m in self.rooms[room_id].members("join")}
