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
from bridge.model import MAIL, Address, Person, Standing
from bridge.words import say

Json = dict[str, Any]
_NO_NAME = frozenset("0123456789@:_$!<>")


_BY = Address("operator", "")  # whose searches are counted
_FEW = 20  # people of a name that are shown


def acts(core: Core, tracing: Tracing) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def who(asked: Json) -> Json:
        person = await _found(core, handle(asked["person"]))
        if person is None:
            return {"people": [_one(each) for each in await _named(core, asked["person"])]}
        return {
            **_one(person), "listed": person.listed, "active": person.active,
            "links": [[str(one.address), one.standing.value] for one in await core.hub.links.of(person.id)],
            "conversations": await tracing.person(person.id),
        }  # fmt: skip

    return {"who": who}


def _one(person: Person) -> Json:
    return {"id": person.id, "name": person.name, "addresses": [str(one) for one in person.addresses]}


async def _found(core: Core, text: str) -> Person | None:
    kind, _, rest = text.partition(":")
    if kind == "rpps":
        return await core.people.get(text)
    address = Address(MAIL, rest.lower()) if kind == "mailto" else Address(kind, rest)
    if (ghost := core.people.ghost_of(address)) is not None:
        return await core.people.get(ghost)
    return await core.people.had(address)


async def _named(core: Core, words: str) -> list[Person]:
    """Who is found by a name. Raises Refused (not_linked): nobody."""
    found = [] if _NO_NAME & set(words) else await core.people.search(words, _FEW, _BY)
    if not found:
        raise Refused("not_linked", about=words)
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom."""
    about = "RPPS number, @user:server, mailbox, an account such as pandalab:cleo, or a name"
    parser.add_argument("person", nargs="+", help=about)


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    words = " ".join(asked.person)
    try:
        found = await ask(config, "who", {"person": words})
    except Refused as refused:
        print(f"{refused.code}: {unknown(words) if refused.code == 'not_linked' else refused.about}")
        return 1
    for line in _lines(found) if "people" not in found else _people(found["people"]):
        print(line)
    return 0


def unknown(text: str) -> str:
    """What to do about somebody whom nobody knows."""
    if text[:1] in ("$", "!", "<") or text.startswith(("m_", "c_", "d_")):
        return f"this names a message or a conversation: `liaison trace '{text}'`"
    return f"{say('not_linked')[1]} ({text}) Give an RPPS number, @user:server, a mailbox, PRODUCT:USER, or a name"


def _people(found: list[Json]) -> list[str]:
    """Who is found by a name."""
    return [f"{one['id']}  {one['name']}  {' '.join(one['addresses'])}".rstrip() for one in found] + [
        "`liaison who` with the number of one of them has their newest messages"
    ]


def _lines(found: Json) -> list[str]:
    marks = "" if found["listed"] else "  (in no directory)"
    marks += "" if found["active"] else "  (struck off)"
    said = [f"{found['id']}  {found['name']}{marks}", *(f"  reached at {one}" for one in found["addresses"])]
    said += [
        f"  {state}: {address}, see `liaison accounts show {found['id'].removeprefix('rpps:')}`"
        for address, state in found["links"] if state != Standing.ACTIVE.value
    ]  # fmt: skip
    for one in found["conversations"]:
        said.append(f"conversation {one['conversation']}  at {one['network']}:{one['address']}")
        said += [f"  {_message(row)}" for row in one["said"]]
    return said


def _message(row: Json) -> str:
    states = ", ".join(f"{of['network']}: {of['n']} {of['state']}" for of in row["states"])
    said = f"{at(row['accepted_at'])}  {row['kind']:9} by {row['sender']} ({row['network']})  {row['id']}"
    return f"{said}  {states}" if states else said
