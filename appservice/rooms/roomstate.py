"""What is known of each room: members, encryption, power, upgrade; kept from events, in memory and on disk."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import orjson

from appservice.client.events import MEGOLM
from appservice.e2ee import RoomState
from bridge.db import Database, Tx
from bridge.model import Member
from bridge.parts.lru import Lru
from bridge.receiver import InCommon, Within

Json = dict[str, Any]
_CACHED = 20_000
_IN = ("join", "invite")
_POWERS = ("users", "users_default", "invite", "kick", "events_default", "state_default")
_SAID = ("m.room.encrypted", "m.reaction", "m.room.redaction")  # what ghosts say
_NUMBERS = itertools.count(1)
_SET = ("m.room.name", "m.room.avatar", "m.room.power_levels")  # and set


@dataclass(slots=True)
class RoomFacts:
    """What a room's state says, as far as it matters here."""

    version: str = "1"
    creators: list[str] = field(default_factory=list)
    encrypted: bool = False  # never goes back to False
    rotation_messages: int | None = None
    rotation_ms: int | None = None
    history: str = "shared"
    power: Json = field(default_factory=dict)
    predecessor: str | None = None
    successor: str | None = None
    closed_by: str | None = None  # who named the successor
    kept_out: bool = False  # the room was told that its successor lets nobody in
    unheard: list[str] = field(default_factory=list)  # who was told that their reactions are not carried
    marker: str | None = None
    direct: bool = False
    features: str = ""  # a hash of what the room shows of its other legs
    bridged: list[str] = field(default_factory=list)  # and the networks that it names

    def replaced(self, successor: str, by: str) -> None:
        """Somebody has closed the room."""
        self.kept_out = self.kept_out and self.successor == successor
        self.successor, self.closed_by = successor or None, by


@dataclass(frozen=True, slots=True)
class Shown:
    """For whom a room shows what survives, and what that is: what the other networks of these members carry."""

    members: tuple[Member, ...]
    networks: tuple[str, ...]
    carried: InCommon


@dataclass(slots=True, eq=False)
class Room:
    """One room. ``settled`` are the members of the conversation for whom everything was done already."""

    room_id: str
    conversation: str | None = None
    facts: RoomFacts = field(default_factory=RoomFacts)
    members: dict[str, str] = field(default_factory=dict)
    settled: tuple[Member, ...] | None = None
    shown: Shown | None = None
    leaving: set[str] = field(default_factory=set)  # seen gone, and the hub has not been told yet
    removed: set[str] = field(default_factory=set)  # those of them whom somebody else has taken out
    unknown: set[str] = field(default_factory=set)  # asked for, and no such user exists
    declined: dict[str, str] = field(default_factory=dict)  # not to be invited: why (a code)
    strangers: frozenset[str] = frozenset()  # in the room, and no members of its conversation: they get no keys
    untrusted: frozenset[str] = frozenset()  # members whose server is not trusted (now): their keys are kept
    staying: frozenset[str] = frozenset()  # those of them whom nobody may take out; the room was told so
    read_at: float = -math.inf  # when its whole state was last read (monotonic)
    unsaved: bool = False  # something of it, facts or members, could not be written yet
    name: str | None = None  # as last seen, never on disk: it may say who a patient is; None: not looked at
    exits: dict[str, int] = field(default_factory=dict)  # how often each was seen to go, since this is in memory
    arrivals: int = field(default_factory=_NUMBERS.__next__)  # another one after what was kept for somebody was given
    _settling: frozenset[str] = frozenset()
    _state: RoomState | None = None

    def arrived(self) -> None:
        """Somebody can read now what was kept for them."""
        self.arrivals = next(_NUMBERS)

    def membership(self, user: str) -> str:
        """``join``, ``invite``, ``leave``, ``ban`` or ``none`` for somebody who was never there."""
        return self.members.get(user, "none")

    def never(self, user: str) -> str | None:
        """Why somebody who was invited, and is not now, gets nothing of what waits here (a code); None: they came."""
        return None if self.membership(user) == "join" else "not_joined"

    def present(self, *memberships: str) -> list[str]:
        """Everybody with one of these memberships (default: joined or invited), in a fixed order."""
        wanted = memberships or _IN
        return sorted(user for user, membership in self.members.items() if membership in wanted)

    def state(self, apart: frozenset[str] = frozenset()) -> RoomState:
        """The room for the key engine; the same object until something changes.

        ``apart``: those who get no key for what is said next.
        """
        if apart:
            whole = self.state()
            return replace(whole, members=whole.members - apart, waiting=whole.waiting - apart)
        if self._state is None:
            facts = self.facts
            readers = ("join",) if facts.history == "joined" else _IN
            self._state = RoomState(
                self.room_id,
                frozenset(u for u, m in self.members.items() if m in readers and u not in self.strangers),
                facts.rotation_messages,
                facts.rotation_ms,
                facts.history in ("shared", "world_readable"),
                self._settling
                | self.untrusted
                | frozenset(user for user, membership in self.members.items() if membership == "invite"),
            )
        return self._state

    def await_keys(self, user: str, waits: bool) -> None:
        """Keys for this person are kept for now, or given from now on."""
        self._settling = self._settling | {user} if waits else self._settling - {user}
        self._state = None

    def waits(self, user: str) -> bool:
        """Whether keys for this person are kept for now."""
        return user in self._settling or user in self.untrusted or self.membership(user) == "invite"

    def power(self, user: str) -> int:
        """What a user may do (specification, room version 12: creators may do everything)."""
        if user in self.facts.creators and (self.facts.version == "12" or not self.facts.power):
            return 1 << 53
        users = self.facts.power.get("users")
        level = users.get(user) if isinstance(users, dict) else None
        return number(level, number(self.facts.power.get("users_default"), 0))

    def may(self, user: str, action: str) -> bool:
        """Whether a joined user may ``invite`` or ``kick``."""
        default = 0 if action == "invite" else 50
        return self.membership(user) == "join" and self.power(user) >= self.needed(action, default)

    def needed(self, action: str, default: int) -> int:
        """The power that an action needs."""
        return number(self.facts.power.get(action), default)

    def to_set(self, kind: str) -> int:
        """The power that state of this type needs; of those types only that matter here."""
        each = self.facts.power.get("events")
        default = self.needed("state_default", 50)
        return number(each.get(kind), default) if isinstance(each, dict) else default

    def may_say(self, user: str, kind: str) -> bool:
        """Whether a joined user may send events of this type that are no state."""
        needed = number(self.facts.power.get("events_default"), 0)
        each = self.facts.power.get("events")
        needed = number(each.get(kind), needed) if isinstance(each, dict) else needed
        return self.membership(user) == "join" and self.power(user) >= needed

    def set_member(self, user: str, membership: str) -> bool:
        """Note a membership; True if it is news."""
        if self.members.get(user) == membership:
            return False
        self.went([user] if self.members.get(user) in _IN and membership not in _IN else [])
        self.members[user] = membership
        if membership in _IN:
            self.removed.discard(user)
        self.changed()
        return True

    def went(self, users: Iterable[str]) -> None:
        """Count that these have gone: by it is seen who went and came back while something was under way."""
        for user in users:
            self.exits[user] = self.exits.get(user, 0) + 1

    def changed(self) -> None:
        """What was derived is out of date."""
        self._state = None
        self.settled = None


def apply(room: Room, event: Json) -> bool:
    """Take in one state event; True if the facts (not the members) changed. Odd values change nothing."""
    content, facts = event["content"], room.facts
    before = asdict(facts)
    match event["type"]:
        case "m.room.create":
            facts.version = str(content.get("room_version") or "1")
            extra = content.get("additional_creators")
            facts.creators = [event["sender"], *(c for c in extra or [] if isinstance(c, str))]
            predecessor = content.get("predecessor")
            if isinstance(predecessor, dict) and isinstance(predecessor.get("room_id"), str):
                facts.predecessor = predecessor["room_id"]
        case "m.room.encryption":
            facts.encrypted = facts.encrypted or content.get("algorithm") == MEGOLM
            facts.rotation_messages = _positive(content.get("rotation_period_msgs"))
            facts.rotation_ms = _positive(content.get("rotation_period_ms"))
        case "m.room.history_visibility":
            facts.history = str(content.get("history_visibility") or "shared")
        case "m.room.power_levels":
            facts.power = {k: content[k] for k in _POWERS if k in content}
            if isinstance(content.get("events"), dict):
                facts.power["events"] = {k: content["events"][k] for k in (*_SAID, *_SET) if k in content["events"]}
        case "m.room.tombstone" if isinstance(content.get("replacement_room"), str):
            facts.replaced(content["replacement_room"], event["sender"])
        case "fr.liaison.conversation" if isinstance(content.get("id"), str):
            facts.marker = content["id"]
    if asdict(facts) == before:
        return False
    room.changed()
    return True


class RoomStore:
    """Rooms from memory, else from disk. Change a room only together with writing it (:func:`save`)."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._cache: Lru[str, Room] = Lru(_CACHED)

    async def get(self, room_id: str) -> Room:
        """A room; an unknown one is empty."""
        if (cached := self._cache.get(room_id)) is not None:
            return cached
        row = await self._db.one("matrix.room", room_id)
        members = {r["user_id"]: r["membership"] for r in await self._db.all("matrix.members", room_id)}
        if (cached := self._cache.get(room_id)) is not None:  # somebody else was faster
            return cached
        known = {f.name for f in fields(RoomFacts)}
        facts = RoomFacts(**{k: v for k, v in orjson.loads(row["facts"]).items() if k in known}) if row else RoomFacts()
        return self._cache.put(room_id, Room(room_id, row["conversation"] if row else None, facts, members))

    def unsettle(self, trusted: Callable[[str], bool]) -> None:
        """Other users are trusted now: each room is looked at again with its next message.

        Whoever has come back may have at once what is kept for them.
        """
        for room_id in self._cache.known():
            if (room := self._cache.peek(room_id)) is not None:
                room.settled = None
                room.untrusted = frozenset(user for user in room.untrusted if not trusted(user))
                room.changed()

    async def unbind(self, tx: Tx, room_id: str) -> None:
        """Its conversation is over: who writes there begins a new one."""
        await tx.run("matrix.room_unbind", room_id)
        bound = room.conversation if (room := self._cache.peek(room_id)) is not None else None
        for other in self._cache.known() if bound is not None else ():  # those before an upgrade, too
            if (one := self._cache.peek(other)) is not None and one.conversation == bound:
                one.conversation = None

    async def of(self, conversation: str) -> list[Room]:
        """The rooms of a conversation: one, or several after an upgrade."""
        return [await self.get(row["room_id"]) for row in await self._db.all("matrix.room_of", conversation)]

    async def known(self, room_id: str) -> bool:
        """Whether anything is kept about a room."""
        return await self._db.one("matrix.room", room_id) is not None

    async def write(self, room: Room, members: Iterable[str] = (), also: Within | None = None) -> None:
        """Keep a room and some of its members, in a transaction of its own; what it holds in memory may be news.

        After a failure all of it is ``unsaved``: whoever writes next writes everything.
        """
        everything = room.unsaved
        try:
            async with self._db.transaction("matrix.room") as tx:
                await save(tx, room, members)
                if also is not None:
                    await also(tx)
        except BaseException:
            room.unsaved = True
            raise
        if everything:
            room.unsaved = False


async def save(tx: Tx, room: Room, members: Iterable[str] = (), conversation: str | None = None) -> None:
    """Keep a room, and the memberships of these users; of all, if some could not be written before.

    ``conversation``: that it is given now. The room itself has it only once that is written: who sees it asks the hub.
    """
    facts = orjson.dumps(asdict(room.facts)).decode()
    await tx.run("matrix.room_save", room.room_id, conversation or room.conversation, facts)
    names = list(room.members) if room.unsaved else members
    rows = [(room.room_id, user, room.members[user]) for user in names if user in room.members]
    if rows:
        await tx.many("matrix.member_save", rows)


def number(value: Any, default: int) -> int:
    """A power level as rooms have it: old versions have texts, too."""
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
