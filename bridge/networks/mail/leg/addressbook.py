"""The mailboxes that the hub gives: one for each professional of the hub, one for each conversation, the teams' own."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping

import orjson

from bridge.db import Database
from bridge.db.pages import pages
from bridge.model import MAIL, Address, Person
from bridge.receiver import Receiver

_CONVERSATION = re.compile(r"c_([0-9a-f]{24})")
_ROOM = re.compile(r"salon-([0-9a-f]{24})")
_RPPS = re.compile(r"[0-9]{11}")
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})  # as passports do
_LONGEST = 48  # characters of a local part made from a name; RFC 5321 allows 64


def local_part(name: str) -> str:
    """A local part from a name: ``Dr Cléo Petit`` -> ``cleo.petit``; ``contact`` if nothing is left."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    words = re.findall(r"[a-z0-9]+", "".join(c for c in plain if not unicodedata.combining(c)))
    if len(words) > 1 and words[0] in ("dr", "pr", "m", "mme"):
        words = words[1:]
    return ".".join(words)[:_LONGEST].strip(".") or "contact"


def erased_box(address: str) -> str:
    """What is kept of a mailbox whose holder was erased: nobody reads the address, and nobody else is ever given it."""
    return "erased:" + hashlib.sha256(address.encode()).hexdigest()


class AddressBook:
    """Who has which mailbox of the hub's domains. An address once given stays its holder's for ever."""

    def __init__(self, db: Database, domains: Iterable[str], teams: Mapping[str, str]) -> None:
        """``teams``: address -> name of the team's mailbox. The first domain is the one of new addresses."""
        self._db = db
        self.domains = tuple(domains)
        self.teams = dict(teams)
        self._people: dict[str, str] = {}  # address -> person
        self._boxes: dict[str, str] = {}  # person -> address
        self._namesakes: dict[str, int] = {}  # local part -> the number to try first

    @property
    def domain(self) -> str:
        """Where addresses are given."""
        return self.domains[0]

    async def start(self) -> None:
        """Load the addresses that were given."""
        async for page in pages(self._db, "mail.boxes", ("",), ("address",)):
            for row in page:
                self._remember(row["address"], row["person"])

    def _remember(self, address: str, person: str) -> None:
        self._people[address] = person
        self._boxes.setdefault(person, address)

    def ours(self, address: str) -> bool:
        """Whether an address is in one of the hub's own domains."""
        return address.rpartition("@")[2].lower() in self.domains

    async def box(self, person: Person) -> str:
        """The mailbox of somebody of the hub, given now if there is none. Raises Unavailable."""
        while (known := self._boxes.get(person.id)) is None:
            await self.give([person])
        return known

    async def give(self, people: Iterable[Person]) -> None:
        """A mailbox for each of them that has none, in one transaction. Raises Unavailable.

        Whoever finds the address taken meanwhile gets one another time.
        """
        chosen: dict[str, str] = {}  # address -> person
        for person in {one.id: one for one in people}.values():
            if person.id not in self._boxes:
                chosen[self._free(local_part(_name(person)), chosen)] = person.id
        if not chosen:
            return
        async with self._db.transaction("mail.box") as tx:
            await tx.many("mail.add_box", list(chosen.items()))
        for row in await self._db.all("mail.holders", orjson.dumps(list(chosen)).decode()):
            self._remember(row["address"], row["person"])

    def _free(self, local: str, chosen: Collection[str]) -> str:
        number = self._namesakes.get(local, 1)
        while True:
            address = f"{local if number == 1 else f'{local}.{number}'}@{self.domain}"
            given = address in self._people or erased_box(address) in self._people
            taken = given or address in chosen or address in self.teams
            if not taken and not _ROOM.fullmatch(local):
                if number > 1:
                    self._namesakes[local] = number  # what is given is given for ever: nobody tries it again
                return address
            number += 1

    def owner(self, address: str) -> str | None:
        """The person id behind a mailbox of ours, by the box or the RPPS number; from memory, the number unverified."""
        local, _, domain = address.lower().rpartition("@")
        if domain not in self.domains or self.team(address) is not None:
            return None
        person = self._people.get(f"{local}@{self.domain}")
        return f"rpps:{local}" if person is None and _RPPS.fullmatch(local) else person

    def closed(self, address: str, chats: Collection[str] = ()) -> str | None:
        """Why chat does not go to an address of ours, in a word; None for a team in its own room."""
        team = self.team(address)
        if team is not None:
            return None if f"team:{team}" in chats else "mail_team_box"
        if self.owner(address) is not None:
            return "mail_own_box"
        return "mail_room_box" if self.conversation(address) else "mail_unknown_box"

    async def holder(self, address: str, hub: Receiver) -> Person | None:
        """Who of the hub has this mailbox; the RPPS number before the @ is an address too."""
        address = address.lower()
        local, _, domain = address.rpartition("@")
        if domain not in self.domains:
            return None
        person = self._people.get(f"{local}@{self.domain}")
        if person is not None:
            network, _, ident = person.partition(":")
            return await hub.facts.who(Address(network, ident))
        if _RPPS.fullmatch(local):
            found = await hub.facts.who(Address("rpps", local))
            return found if found is not None and reachable(found) else None
        return None

    def team(self, address: str) -> str | None:
        """The team mailbox that this address is, in the form of the settings.

        One postmaster is enough for all domains (RFC 5321, 4.5.1).
        """
        local, _, domain = address.lower().rpartition("@")
        domains = self.domains if local == "postmaster" and domain in self.domains else (domain,)
        return next((whole for d in domains if (whole := f"{local}@{d}") in self.teams), None)

    def room(self, conversation: str) -> str | None:
        """The address of a conversation."""
        found = _CONVERSATION.fullmatch(conversation)
        return f"salon-{found[1]}@{self.domain}" if found else None

    def conversation(self, address: str) -> str | None:
        """The conversation that an address names, by its form only."""
        local, _, domain = address.lower().rpartition("@")
        found = _ROOM.fullmatch(local)
        return f"c_{found[1]}" if found and domain in self.domains else None

    async def status(self, address: str, hub: Receiver) -> str:
        """What SMTP answers at RCPT: ``ok`` or ``unknown``."""
        local = address.rpartition("@")[0].lower()
        if local == "postmaster" or self.team(address) or self.conversation(address):
            return "ok"
        return "ok" if await self.holder(address, hub) else "unknown"


def reachable(person: Person) -> bool:
    """Whether somebody has another way than mail to be reached by the hub."""
    return any(address.network != MAIL for address in person.addresses)


def _name(person: Person) -> str:
    network, _, ident = person.id.partition(":")
    return ident.lstrip("@").replace(":", ".") if network == "matrix" else person.name
