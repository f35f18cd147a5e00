"""`liaison restored`: what an older copy of the database means: what may have come twice, what was found, what is
lost.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from appservice.operating.asking import ask
from appservice.operating.door import Act
from appservice.process.restored.noticing import CopyKind, ItemKind
from bridge.config import Config
from bridge.db import Database

Json = dict[str, Any]
_MOST = 10_000  # things of a kind that are counted, and listed
_SHOWN = 10  # of each kind, without --all

_KINDS = {
    CopyKind.OLDER: "the database was replaced by an older copy",
    CopyKind.MOVED: "the database lies in another place than before: if it was not moved, it is a copy",
    CopyKind.HOMESERVER: "the homeserver was replaced by an older copy",
}
_ITEMS = {
    ItemKind.WAITING: "may be handed over a second time, by the same name (the copy holds them as not sent)",
    ItemKind.AGAIN: "events were taken again from their rooms: networks that do not remember the first time show "
    "them twice",
    ItemKind.OURS: "events in rooms are the hub's own, and it no longer knows which message each is: answers and "
    "reactions to "
    "them, and their corrections, do not reach the writer's network",
    ItemKind.ROOM: "rooms were not in the copy, and were found again",
    ItemKind.UNREACHED: "rooms could not be compared: they are with their next event",
}
_UNREAD = (
    "messages wait for their key now (event, room, writer): each writer is told so in the room. What was said before "
    "the copy was put back may have been carried then; a writer whom nobody answers sends it again"
)
_LOST = (
    "What nobody can ask for again:",
    "  mails that were taken in this time: the log of the mail server before the hub, or their senders, know of them",
    "  what products handed in: they have to hand it in again, by the same ids (nothing comes twice)",
    "  people's decisions of this time: accounts accepted, revoked, blocked, absences: the audit trail's export "
    "knows them",
)


def acts(db: Database) -> Mapping[str, Act]:
    """What the hub answers."""

    async def restored(asked: Json) -> Json:
        row = await db.one("process.restored-last")
        if row is None:
            return {"last": None, "items": {}, "unread": []}
        found: Json = {}
        for kind in ItemKind:
            rows = await db.all("process.restored-items", row["noticed_at"], kind.value, _MOST)
            found[kind.value] = [[one["id"], one["about"]] for one in rows]
        unread = [
            [r["event_id"], f"{r['room_id']}  {r['parked_sender']}"] for r in await db.all("process.unread", _MOST)
        ]
        names = ("noticed_at", "kind", "since", "until", "over_at")
        return {"last": {name: row[name] for name in names}, "items": found, "unread": unread}

    return {"restored": restored}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Some of each, or all."""
    parser.add_argument(
        "--all", action="store_true", help=f"list everything, and not only the first {_SHOWN} of each kind"
    )


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    print("\n".join(lines(await ask(config, "restored", {}), everything=asked.all)))
    return 0


def lines(found: Json, *, everything: bool) -> list[str]:
    """The report."""
    last = found["last"]
    if last is None:
        return ["no older copy of the database was ever noticed"]
    said = [
        f"{_time(last['noticed_at'])}  {_KINDS[CopyKind(last['kind'])]}",
        f"what happened between {_time(last['since'])} and {_time(last['until'])} may be unknown to it",
        "rooms were compared: done " + _time(last["over_at"]) if last["over_at"] else "rooms are still compared",
        "",
    ]
    for kind in ItemKind:
        said += _listed(found["items"][kind.value], _ITEMS[kind], everything)
    said += _listed(found["unread"], _UNREAD, everything)
    return [*said, *(_LOST if last["kind"] == CopyKind.OLDER else ())]


def _listed(rows: list[list[str]], what: str, everything: bool) -> list[str]:
    if not rows:
        return []
    said = [f"{len(rows)}{'+' if len(rows) >= _MOST else ''} {what}"]
    said += [f"  {ident}  {about}" for ident, about in (rows if everything else rows[:_SHOWN])]
    more = len(rows) - _SHOWN
    return said if everything or more <= 0 else [*said, f"  … {more} more: --all"]


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"
