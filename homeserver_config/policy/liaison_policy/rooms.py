"""Which rooms may be, and which state of theirs: encrypted, closed, and no patient's name in clear. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liaison_policy.patient import names_patient
from liaison_policy.reasons import Refusal

Json = Mapping[str, Any]
MEGOLM = "m.megolm.v1.aes-sha2"
CLEAR = frozenset({"m.room.message", "m.sticker", "m.poll.start", "org.matrix.msc3381.poll.start"})
"""What is only said encrypted."""
GUARDED = ("m.room.encryption", "m.room.history_visibility", "m.room.power_levels")
"""What only administrators may set."""
_ADMINS = (*GUARDED, "m.room.server_acl")
KEPT = frozenset(
    {"m.room.create", "m.room.encryption", "m.room.history_visibility", "m.room.join_rules", "m.room.power_levels",
     "m.room.guest_access"}
)  # fmt: skip
"""State that no redaction may empty: its content says what the room is."""
_HISTORY = frozenset({"invited", "joined", "shared"})
_INVITED = frozenset({"invite", "private"})
_SHOWN = {"m.room.name": ("name",), "m.room.topic": ("topic",), "m.room.canonical_alias": ("alias", "alt_aliases")}


@dataclass(frozen=True, slots=True)
class RoomRules:
    """``versions``: of new rooms. ``history``: set where the client sets none (None: what its preset says).

    ``join_rules``: besides by invitation. ``patterns``: what may not stand in names, beside what is known here.
    """

    versions: frozenset[str] = frozenset({"10", "11", "12"})
    history: str | None = None
    join_rules: frozenset[str] = frozenset({"knock", "restricted", "knock_restricted"})
    guarded_level: int = 75
    patterns: tuple[re.Pattern[str], ...] = ()


def check_creation(rules: RoomRules, config: Json, year: int) -> dict[str, Any]:
    """A request to make a room. Gives what has to be other in it, by its keys. Raises Refusal."""
    if config.get("visibility") == "public" or config.get("preset") == "public_chat":
        raise Refusal("public_room")
    check_version(rules, config.get("room_version"))
    for key in ("name", "topic", "room_alias_name"):
        check_name(rules, config.get(key), year)
    changed: dict[str, Any] = {}
    if isinstance(levels := config.get("power_level_content_override"), Mapping):
        changed["power_level_content_override"] = levels = _with_guards(levels)
        check_power_levels(rules, levels)
    there = check_initial_state(rules, config.get("initial_state"), year)
    changed["initial_state"] = [*(config.get("initial_state") or ()), *_missing(rules, there)]
    return changed


def _with_guards(levels: Json) -> dict[str, Any]:
    """An override replaces every event's level that Synapse would set: what it leaves out stays for administrators."""
    events = levels.get("events")
    return {**levels, "events": {**dict.fromkeys(_ADMINS, 100), **(events if isinstance(events, Mapping) else {})}}


def check_version(rules: RoomRules, version: Any) -> None:
    """None is what the homeserver prefers. Raises Refusal."""
    if version is not None and not _among(version, rules.versions):
        raise Refusal("room_version")


def check_upgrade(rules: RoomRules, config: Json, year: int) -> None:
    """A room that follows another: it gets that one's state, which is checked as that of a new room. Raises Refusal."""
    content = config.get("creation_content")
    check_version(rules, content.get("room_version") if isinstance(content, Mapping) else None)
    there = check_initial_state(rules, config.get("initial_state"), year)
    if "m.room.encryption" not in there:
        raise Refusal("not_encrypted")


def check_initial_state(rules: RoomRules, events: Any, year: int) -> set[str]:
    """Gives the types that are there. Raises Refusal."""
    there = set()
    for event in events if isinstance(events, list) else ():
        if isinstance(event, Mapping) and isinstance(kind := event.get("type"), str):
            content = event.get("content")
            check_state(rules, kind, content if isinstance(content, Mapping) else {}, year)
            there.add(kind)
    return there


def _missing(rules: RoomRules, there: set[str]) -> list[dict[str, Any]]:
    wanted = {
        "m.room.encryption": {"algorithm": MEGOLM},
        "m.room.guest_access": {"guest_access": "forbidden"},
        **({"m.room.history_visibility": {"history_visibility": rules.history}} if rules.history else {}),
    }
    return [{"type": k, "state_key": "", "content": content} for k, content in wanted.items() if k not in there]


def check_state(rules: RoomRules, kind: str, content: Json, year: int) -> None:
    """One event of a room's state. Raises Refusal."""
    if kind == "m.room.encryption" and content.get("algorithm") != MEGOLM:
        raise Refusal("not_encrypted")
    if kind == "m.room.join_rules":
        check_join_rule(rules, content.get("join_rule"))
    if kind == "m.room.history_visibility" and not _among(content.get("history_visibility"), _HISTORY):
        raise Refusal("world_readable")
    if kind == "m.room.guest_access" and content.get("guest_access") == "can_join":
        raise Refusal("guest_access")
    if kind == "m.room.power_levels":
        check_power_levels(rules, content)
    for key in _SHOWN.get(kind, ()):
        check_name(rules, content.get(key), year)


def check_join_rule(rules: RoomRules, rule: Any) -> None:
    """Raises Refusal."""
    if rule == "public":
        raise Refusal("public_room")
    if not _among(rule, _INVITED | rules.join_rules):
        raise Refusal("join_rule")


def check_power_levels(rules: RoomRules, levels: Json) -> None:
    """What guards a room stays for administrators; what is not said is as in the specification. Raises Refusal."""
    events = levels.get("events")
    events = events if isinstance(events, Mapping) else {}
    other = _level(levels.get("state_default"), 50)
    lowest = min(_level(events.get(kind), other) for kind in GUARDED)
    if lowest < rules.guarded_level or lowest <= _level(levels.get("users_default"), 0):
        raise Refusal("power_levels")


def _among(value: Any, some: frozenset[str]) -> bool:
    """Clients may say anything, also what cannot be looked up."""
    return isinstance(value, str) and value in some


def _level(value: Any, default: int) -> int:
    """Old rooms have levels as texts."""
    if isinstance(value, bool):
        return default
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return default
    return default


def check_name(rules: RoomRules, text: Any, year: int) -> None:
    """A text, or a list of them, that servers can read. Raises Refusal."""
    for one in text if isinstance(text, Sequence) and not isinstance(text, str) else (text,):
        if isinstance(one, str) and names_patient(one.replace("_", " ").replace("-", " "), year, rules.patterns):
            raise Refusal("patient_data")
        if isinstance(one, str) and names_patient(one, year, rules.patterns):
            raise Refusal("patient_data")


def check_invitation(rules: RoomRules, version: str, state: Sequence[Any]) -> None:
    """The room of an invitation from another server, by the little of its state that comes along. Raises Refusal.

    An invitation without any state says nothing of the room, and passes.
    """
    if version not in rules.versions:
        raise Refusal("room_version")
    content = dict(_contents(state))
    if not content.keys() & {"m.room.create", "m.room.join_rules"}:
        return
    if content.get("m.room.encryption", {}).get("algorithm") != MEGOLM:
        raise Refusal("not_encrypted")
    check_join_rule(rules, content.get("m.room.join_rules", {}).get("join_rule", "invite"))


def _contents(state: Sequence[Any]) -> Iterator[tuple[str, Json]]:
    for event in state:
        if isinstance(event, Mapping) and isinstance(kind := event.get("type"), str):
            content = event.get("content")
            yield kind, content if isinstance(content, Mapping) else {}
