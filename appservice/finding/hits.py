"""Pure: people as a client's search shows them, and one answer made of the homeserver's and the directory's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from appservice.rooms.ghosts import display_name
from bridge.model import Person
from bridge.ways import ways_in_words

Json = dict[str, Any]
LIMIT, MOST = 10, 50  # specification, "User directory"; as Synapse has it


@dataclass(frozen=True, slots=True)
class Hit:
    """Somebody of the directory, and the Matrix user by whom they are written to."""

    person: Person
    user: str


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found for somebody; ``more``: there is more than this. ``hidden``: users whom nobody may see.

    They are whoever asks, and the ghosts of those who are shown by an account of their own.
    """

    people: Sequence[Hit]
    more: bool = False
    hidden: frozenset[str] = frozenset()


def limit_of(asked: Json) -> int:
    """How many results a client wants."""
    limit = asked.get("limit", LIMIT)
    return max(0, min(limit, MOST)) if isinstance(limit, int) else LIMIT


def told(person: Person) -> str:
    """``Dr Anna Martin — Cardiologue (Lyon) · application``: who it is, and by which ways they are reached now."""
    return f"{display_name(person)} · {ways_in_words(person)}"


def merge(home: Json, found: Hits, limit: int) -> Json:
    """One answer of the two.

    The homeserver's own users come first, up to half of the room: they are colleagues of the house, and the directory
    alone would fill every answer. Somebody in both is shown once, in the directory's words.
    """
    away = found.hidden | {hit.user for hit in found.people}
    own = [one for one in _results(home) if one["user_id"] not in away]
    ours = [_shown(hit, home) for hit in found.people if hit.user not in found.hidden]
    first = own[: max(limit - len(ours), (limit + 1) // 2)]
    results = [*first, *ours, *own[len(first) :]]
    more = bool(home.get("limited")) or found.more or len(results) > limit
    return {"results": results[:limit], "limited": more}


def _results(home: Json) -> list[Json]:
    results = home.get("results")
    return [one for one in results if _sound(one)] if isinstance(results, list) else []


def _sound(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("user_id"), str)


def _shown(hit: Hit, home: Json) -> Json:
    """A hit as a client reads it; who has an account of their own keeps its picture."""
    known = next((one for one in _results(home) if one["user_id"] == hit.user), {})
    return {"avatar_url": None} | known | {"user_id": hit.user, "display_name": told(hit.person)}
