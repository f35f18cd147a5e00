"""What a user of the simulated product has: conversations, their messages, who types. Reads the state only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from deploy.world.simulator.product import Simulator
from deploy.world.simulator.state import Json

_TYPES_FOR = 10.0  # s that a sign of typing counts


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation as one user sees it. ``names``: of people by their person ids, of users here by their own."""

    id: str
    title: str
    members: Sequence[Json]
    messages: Sequence[Json]
    name: Json | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def unread(self) -> int:
        """How many messages the user has not opened."""
        return sum(came(one) and one["state"] == "arrived" and not one.get("removed") for one in self.messages)

    @property
    def newest(self) -> Json | None:
        """The last message."""
        return self.messages[-1] if self.messages else None


def came(message: Json) -> bool:
    """Whether it came from outside of this product."""
    return isinstance(message["sender"], dict)


def talks(sim: Simulator, user: str) -> list[Talk]:
    """All of a user's conversations, that of the newest message first."""
    told = {one["id"]: one for one in sim.state.conversations()}
    rpps = {one["id"]: one["rpps"] for one in sim.state.users()}
    own = sim.shown(user)
    mine = {one["id"] for one in own}
    inside = {one["conversation"] for one in own}
    inside |= {ident for ident, one in told.items() if _is_in(one.get("members", []), sim, rpps.get(user))}
    by: dict[str, list[Json]] = {ident: [] for ident in inside}
    for one in sim.shown(None):
        if one["conversation"] in by and (one["id"] in mine or not came(one)):
            by[one["conversation"]].append(one)
    found = [_talk(sim, user, ident, messages, told.get(ident, {})) for ident, messages in by.items()]
    return sorted(found, key=lambda one: int(one.newest["seq"]) if one.newest else 0, reverse=True)


def _is_in(members: Sequence[Json], sim: Simulator, rpps: str | None) -> bool:
    return any(one["rpps"] == rpps and one["network"] == sim.name for one in members)


def _talk(sim: Simulator, user: str, ident: str, messages: list[Json], told: Json) -> Talk:
    members = told.get("members", [])
    rpps = next((one["rpps"] for one in sim.state.users() if one["id"] == user), None)
    others = [one["name"] for one in members if one["rpps"] != rpps]
    others = others or list(dict.fromkeys(one["sender"]["name"] for one in messages if came(one)))
    name = told.get("name")
    title = (
        name["text"] if name else ", ".join(others) or ", ".join(t for one in messages[:1] for t in one.get("to", []))
    )
    names = {one["person"]: one["name"] for one in members} | {one["id"]: one["name"] for one in sim.state.users()}
    return Talk(ident, title or ident, members, messages, name, names)


def talk(sim: Simulator, user: str, conversation: str) -> Talk | None:
    """One of them."""
    return next((one for one in talks(sim, user) if one.id == conversation), None)


def typing(sim: Simulator, where: Talk) -> list[str]:
    """The names of those who type there now; what they wrote meanwhile ends it."""
    wrote = {one["sender"]["name"]: one["at"] for one in where.messages if came(one)}
    last: dict[str, bool] = {}
    for sign in sim.typing:
        young = (datetime.now(UTC) - datetime.fromisoformat(sign["at"])).total_seconds() < _TYPES_FOR
        name = sign["person"]["name"]
        if sign["conversation"] == where.id:
            last[name] = young and sign["typing"] and sign["at"] > wrote.get(name, "")
    return [name for name, types in last.items() if types]
