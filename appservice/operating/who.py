"""`liaison who X`: who somebody is, how they are reached, and the newest messages of their conversations, by time."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from appservice.operating.asking import ask, at
from appservice.operating.door import Act
from appservice.operating.why import handle
from bridge.config import Config
from bridge.errors import Refused
from bridge.hub.assembly import Core
from bridge.hub.operating.tracing import Tracing
from bridge.model import MAIL, Address, Person

Json = dict[str, Any]


def acts(core: Core, tracing: Tracing) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def who(asked: Json) -> Json:
        person = await _found(core, handle(asked["person"]))
        return {
            "id": person.id, "name": person.name, "listed": person.listed, "active": person.active,
            "addresses": [str(one) for one in person.addresses],
            "conversations": await tracing.person(person.id),
        }  # fmt: skip

    return {"who": who}


async def _found(core: Core, text: str) -> Person:
    kind, _, rest = text.partition(":")
    if kind == "rpps":
        return await core.people.get(text)
    address = Address(MAIL, rest.lower()) if kind == "mailto" else Address(kind, rest)
    person = await core.people.had(address)
    if person is None:
        raise Refused("not_linked", about=text)
    return person


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom."""
    parser.add_argument("person", help="RPPS number, @user:server, mailbox, or an account such as pandalab:cleo")


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    try:
        found = await ask(config, "who", {"person": asked.person})
    except Refused as refused:
        print(f"{refused.code}: {refused.about}")
        return 1
    for line in _lines(found):
        print(line)
    return 0


def _lines(found: Json) -> list[str]:
    marks = "" if found["listed"] else "  (in no directory)"
    marks += "" if found["active"] else "  (struck off)"
    said = [f"{found['id']}  {found['name']}{marks}", *(f"  reached at {one}" for one in found["addresses"])]
    for one in found["conversations"]:
        said.append(f"conversation {one['conversation']}  at {one['network']}:{one['address']}")
        said += [f"  {_message(row)}" for row in one["said"]]
    return said


def _message(row: Json) -> str:
    return f"{at(row['accepted_at'])}  {row['kind']:9} by {row['sender']} ({row['network']})  {row['id']}"
