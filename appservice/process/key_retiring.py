"""`liaison keys retire`: encryption sessions that somebody may have learnt end, and new ones are made.

Nothing is lost: an ended session still reads what is under way, and the next message of each room goes out under a new
one, whose key is given to the devices that may read then. Identities and devices stay: no client shows a warning.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from typing import Any

from appservice.operating.asking import ask, login
from appservice.operating.door import Act
from appservice.process.matrix import Matrix
from bridge.config import Config
from bridge.errors import Refused
from bridge.hub.assembly import Core
from bridge.hub.hub import now_ms
from bridge.model import MATRIX, Address
from bridge.trail.entry import TrailEntry, TrailKind, note

log = logging.getLogger(__name__)
Json = dict[str, Any]


class KeyRetiring:
    """Whose sessions end, and how."""

    def __init__(self, core: Core, matrix: Matrix) -> None:
        self._core, self._matrix = core, matrix

    def acts(self) -> Mapping[str, Act]:
        """What the hub does when it is asked."""
        return {"keys-retire": self._asked}

    async def _asked(self, asked: Json) -> Json:
        kind, what = asked["kind"], asked["what"]
        by = {"room": self._room, "user": self._user, "person": self._person, "all": self._all}[kind]
        found = await by(what)
        entry = TrailEntry(
            TrailKind.OPERATOR, asked["by"], _subject(what), MATRIX, "keys_retired", {"whose": kind, **found}
        )
        async with self._core.db.transaction("operator.keys") as tx:
            await note(tx, entry, now_ms())
        log.warning("keys of %s %s are retired by %s: %s", kind, what, asked["by"], found)
        return found

    async def _room(self, name: str) -> Json:
        """A room, by its own id or its conversation's."""
        legs = await self._core.db.all("operating.legs", name)
        room = next((row["chat"] for row in legs if row["network"] == MATRIX), name)
        if room is None or await self._core.db.one("store.leg_by_chat", MATRIX, room) is None:
            raise Refused("nothing_by_this_name")
        await self._matrix.engine.rotate(room)
        return {"rooms": 1}

    async def _user(self, user: str) -> Json:
        """Every room in which somebody is by an account of Matrix: what their devices have is worth nothing there."""
        person = await self._core.hub.facts.who(Address(MATRIX, user))
        if person is None:
            raise Refused("nothing_by_this_name")
        rooms = await self._core.db.all("operating.rooms_of", person.id, MATRIX, user)
        if not rooms:
            raise Refused("nothing_by_this_name")
        for row in rooms:
            await self._matrix.engine.rotate(row["chat"])
        return {"rooms": len(rooms)}

    async def _person(self, name: str) -> Json:
        """All that somebody of another network says in Matrix: the sessions and one-time keys of their ghost."""
        ghost = name if name.startswith("@") else self._matrix.names.of(name if ":" in name else f"rpps:{name}")
        ended = None if ghost is None else await self._matrix.engine.retire(ghost)
        if ended is None:
            raise Refused("nothing_by_this_name")
        return {"ghosts": 1, "rooms": ended}

    async def _all(self, _: str) -> Json:
        return {"ghosts": await self._matrix.engine.retire_all()}


def _subject(what: str) -> str | None:
    """As the trail names whatever an operator has named: by an address, where there is one."""
    if what[:1] in ("@", "!", "#"):
        return f"{MATRIX}:{what}"
    return f"rpps:{what}" if what.isdecimal() else what or None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand, and whose."""
    retire = parser.add_subparsers(required=True, metavar="what").add_parser(
        "retire", help="end sessions, make new ones"
    )
    whose = retire.add_mutually_exclusive_group(required=True)
    whose.add_argument("--room", metavar="ID", help="of everybody in a room, or a conversation")
    whose.add_argument("--user", metavar="@NAME:SERVER", help="of every room of a Matrix user (a phone was lost)")
    whose.add_argument("--person", metavar="RPPS", help="of one ghost, in every room; its one-time keys as well")
    whose.add_argument("--all", action="store_true", help="of every ghost (a copy of the database was taken)")
    retire.add_argument("--by", help="who decides, for the record (default: your login)")


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    kind = next(name for name in ("room", "user", "person", "all") if getattr(asked, name))
    what = "" if asked.all else getattr(asked, kind)
    try:
        found = await ask(config, "keys-retire", {"kind": kind, "what": what, "by": asked.by or login()})
    except Refused as refused:
        print(f"{refused.code}: {refused.about}")
        return 1
    ended = [f"{found[name]} {name}" for name in ("rooms", "ghosts") if name in found]
    print(f"the sessions of {' and '.join(ended)} have ended: the next message of each room begins a new one")
    return 0
