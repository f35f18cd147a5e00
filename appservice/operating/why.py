"""`liaison why X Y`: whether one may write to the other, and why; one answer over directory, links and lists."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from typing import Any

from appservice.operating.asking import ask
from appservice.operating.door import Act
from bridge.config import Config
from bridge.errors import Refused
from bridge.hub.assembly import Core
from bridge.model import MAIL, MATRIX, Address, Person
from bridge.people.server_list import ServerList
from bridge.people.trust import is_rpps, server_of
from bridge.words import say

Json = dict[str, Any]
_SAME = "the network itself carries what one of its users writes to another: the hub does not"


def handle(text: str) -> str:
    """What operators write as a handle of :meth:`bridge.people.people.People.find`.

    ``10001000001``, ``1 0001 00000 1``, ``@ben:chu.example`` and ``cleo@mss.example`` are understood beside
    ``rpps:…``, ``pandalab:cleo``.
    """
    text = text.strip()
    if is_rpps(number := re.sub(r"[\s.]", "", text.removeprefix("rpps:"))):
        return f"rpps:{number}"
    if text.startswith("@"):
        return f"{MATRIX}:{text}"
    return f"mailto:{text}" if "@" in text and ":" not in text else text


class Reasons:
    """Asks what the hub itself asks when a message comes, and writes nothing."""

    def __init__(self, core: Core, servers: ServerList, own: str) -> None:
        self._core = core
        self._servers = servers
        self._own = own

    def acts(self) -> Mapping[str, Act]:
        """What the hub does when it is asked."""
        return {"why": self.answer}

    async def answer(self, asked: Json) -> Json:
        """``{"yes", "lines"}``. Raises Refused for what names nobody."""
        lines: list[str] = []
        sender, recipient = _said(asked["from"]), _said(asked["to"])
        ways = await self._ways(sender, lines)
        reaches = [await self._reaches(way, recipient, lines) for way in ways]
        return {"yes": any(reaches), "lines": lines}

    async def _ways(self, text: str, lines: list[str]) -> list[Address]:
        """The addresses at which somebody may write."""
        kind, _, rest = text.partition(":")
        if kind == "rpps":
            person = await self._core.people.get(text)
            lines.append(_named(person))
            addresses = list(person.addresses)
        else:
            addresses = [Address(MAIL, rest.lower()) if kind == "mailto" else Address(kind, rest)]
        return [address for address in addresses if await self._may_write(address, lines)]

    async def _may_write(self, address: Address, lines: list[str]) -> bool:
        lines.append(f"from {address}")
        if address.network == MATRIX and not self._trusts(address, lines):
            return False
        try:
            person = await self._core.hub.facts.identify(address, "sender")
        except Refused as refused:
            lines.append(f"  no: {_sentence(refused)}")
            return False
        lines.append(f"  is {_named(person)}")
        return True

    def _trusts(self, address: Address, lines: list[str]) -> bool:
        server = server_of(address.id)
        if server == self._own:
            lines.append("  the hub's own homeserver")
            return True
        answer = self._servers.why(server)
        lines.append(f"  {'' if answer.yes else 'no: '}{answer.why}")
        return answer.yes

    async def _reaches(self, origin: Address, to: str, lines: list[str]) -> bool:
        lines.append(f"from {origin} to {to}")
        try:
            member = await self._core.people.find(to, origin.network, "to")
        except Refused as refused:
            lines.append(f"  no: {_sentence(refused)}")
            return False
        lines.append(f"  {_named(member.person)} is reached at {member.address}")
        if member.address.network == origin.network != MATRIX:
            lines.append(f"  no: {_SAME}")
            return False
        if member.address.network == MATRIX and not self._trusts(member.address, lines):
            return False
        if member.address.network == MAIL:
            listed = self._core.served.vouched(member.address)
            lines.append(f"  the trust list of mail {'has' if listed else 'does not have'} this mailbox's domain")
            if not listed:
                return False
        lines.append("  yes")
        return True


def _named(person: Person) -> str:
    marks = [] if person.listed else ["in no directory"]
    marks += [] if person.active else ["struck off"]
    return f"{person.name} ({', '.join([person.id, *marks])})"


def _sentence(refused: Refused) -> str:
    return f"{refused.code}: {say(refused.code)[1]}"


def _said(text: str) -> str:
    """Raises Refused (bad_handle) for a name: nobody is looked for by it here."""
    if ":" not in (found := handle(text)):
        raise Refused("bad_handle", about=text)
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who and to whom."""
    about = "RPPS number, @user:server, mailbox, or an account such as pandalab:cleo"
    parser.add_argument("sender", help=about)
    parser.add_argument("recipient", help=about)


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers)."""
    try:
        found = await ask(config, "why", {"from": asked.sender, "to": asked.recipient})
    except Refused as refused:
        by_name = " `liaison who NAME` finds people by their name" if refused.code == "bad_handle" else ""
        print(f"no: {_sentence(refused)}{by_name}")
        return 1
    for line in found["lines"]:
        print(line)
    print("yes" if found["yes"] else "no")
    return 0 if found["yes"] else 1
