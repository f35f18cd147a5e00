"""`liaison trace ID`: where a message is, over all legs, by any name that any network has for it."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping
from typing import Any

from appservice.operating.asking import ask, at, explained, lasting
from appservice.operating.door import Act
from appservice.operating.queued import state
from bridge.config import Config
from bridge.errors import Refused
from bridge.hub.operating.tracing import Tracing

Json = dict[str, Any]
_SOMEBODY = re.compile(r"(rpps:)?[0-9 ]{11,15}|@[^:]+:.+|mailto:.+|[a-z0-9_-]+:[^@]+", re.I)
INSIDE = {
    "events": "waits to be worked on", "unreadable": "waits for its key", "in": "waits to be worked on",
    "drafts": "is gathered with what else is said, to become a mail", "out": "waits to leave",
}  # fmt: skip
"""What waits within an edge, by :attr:`bridge.connector.OwnQueue.name`, of one message."""


def acts(tracing: Tracing) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def trace(asked: Json) -> Json:
        return await tracing.find(asked["name"])

    async def conversation(asked: Json) -> Json:
        return await tracing.whole(asked["name"])

    return {"trace": trace, "conversation-show": conversation}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is looked for."""
    about = "id of a message, delivery or conversation; Matrix event or room; Message-ID; a product's own id"
    parser.add_argument("name", metavar="ID", help=about)


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    try:
        found = await ask(config, "trace", {"name": asked.name})
    except Refused as refused:
        print(f"{refused.code}: {unknown(asked.name)}")
        return 1
    for line in _found(found):
        print(line)
    return 0


def unknown(name: str) -> str:
    """What to do about a name by which nothing is found."""
    name = name.strip()
    if not name:
        return "the name is empty: write ids that begin with $ or ! in single quotes, else the shell takes them"
    if _SOMEBODY.fullmatch(name):
        return f"this names somebody: `liaison who '{name}'` has their newest messages"
    return (
        "nothing that the hub has is called so. Copy the whole id, in single quotes. A message that was refused at "
        "once is not kept, and its writer was told: `liaison why SENDER RECIPIENT`. A delivery has its id only while "
        "it waits"
    )


def _found(found: Json) -> list[str]:
    if "message" in found:
        return _message(found["message"])
    if "conversation" in found:
        return conversation_lines(found["conversation"])
    return [f"came to {one['network']}, and is no message of the hub yet: {_inside(one)}" for one in found["inside"]]


def _inside(one: Json) -> str:
    """What waits within an edge."""
    where = f" in {one['part']}" if one["part"].startswith("!") else f" for {one['part']}" if one["part"] else ""
    why = f", last: {explained(one['why'])}" if one["why"] else ""
    return f"{INSIDE[one['name']]}{where}, for {lasting(time.time() - one['oldest'] / 1000)}{why}"


def _message(one: Json) -> list[str]:
    said = [
        f"message {one['id']}  {one['kind']} from {one['sender']} by {one['network']}",
        f"  conversation {one['conversation']}",
        f"  written {at(one['sent_at'])}, accepted {at(one['accepted_at'])}",
    ]
    said += [f"  called {name['id']} by {name['network']}" for name in one["names"]]
    said += [_state(row) for row in one["states"]]
    said += [f"  waits for {row['network']}: {state(row)}  ({row['id']})" for row in one["waiting"]]
    said += [f"  within {row['network']} it {_inside(row)}" for row in one["inside"]]
    said += [f"  {row['kind']} by message {row['message']}" for row in one["changes"]]
    if (untold := one["untold"]) is not None:
        said.append(f"  its writer is still to be told by {untold['network']} (tried {untold['attempt']} times)")
    return said


def _state(row: Json) -> str:
    why = f": {explained(row['reason'])}" if row["reason"] else ""
    return f"  {row['state']:9} {row['person']} by {row['network']}, {at(row['at'])}{why}"


def conversation_lines(one: Json) -> list[str]:
    """A conversation as operators see it."""
    said = [f"conversation {one['id']}  since {at(one['created_at'])}"]
    said += [_leg(leg) for leg in one["legs"]]
    said += [f"  member {who['person']} at {who['network']}:{who['address']}" for who in one["members"]]
    for row in one["said"]:
        said.append(
            f"  message {row['id']}  {at(row['accepted_at'])}  {row['kind']} by {row['sender']} ({row['network']})"
        )
        states = ", ".join(f"{of['network']}: {of['n']} {of['state']}" for of in row["states"])
        said += [f"    {states}"] if states else []
    return said + [f"  waits for {row['network']}: {state(row)}  ({row['id']})" for row in one["waiting"]]


def _leg(leg: Json) -> str:
    late = f"  LATE since {at(leg['late'])}" if leg["late"] is not None else ""
    return f"  {leg['network']}: {leg['chat'] or 'not opened yet'}{late}"
