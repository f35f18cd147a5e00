"""A conversation as it is read from the tables, and the ids that the hub computes. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from bridge.db import Row
from bridge.errors import Refused
from bridge.model import Address, GroupName, Member, Person, Ref


@dataclass(frozen=True, slots=True)
class Reach:
    """Networks that can carry a message, and those of them that wait for the room's order.

    ``overtaken``: networks at which what it corrects waited still, and needs no correction any more. ``aside`` (person
    ids) do not get it, and only ``whom`` does where anybody is named. ``there`` have it without a delivery.
    """

    able: frozenset[str]
    held: frozenset[str] = frozenset()
    overtaken: frozenset[str] = frozenset()
    aside: frozenset[str] = frozenset()
    whom: tuple[str, ...] = ()
    there: tuple[Member, ...] = ()

    def reaches(self, member: Member) -> bool:
        """Whether a member gets it by a delivery."""
        ident = member.person.id
        return member.address.network in self.able and ident not in self.aside and (not self.whom or ident in self.whom)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as it is now: members and, per network, that network's name of the chat (None: has none yet)."""

    id: str
    legs: dict[str, str | None]
    members: tuple[Member, ...]
    networks: frozenset[str] = frozenset()  # of its members
    name: GroupName | None = None
    named: str | None = None  # the message that gave or took the name last

    @property
    def shown(self) -> tuple[tuple[Member, ...], GroupName | None, str | None]:
        """What every leg may see of it."""
        return self.members, self.name, self.named

    def member(self, person: str) -> Member | None:
        """The member with this person id."""
        return next((m for m in self.members if m.person.id == person), None)


def delivery_id(message: str, network: str) -> str:
    """The idempotency key of a message on one leg: the same for ever, and it tells nothing."""
    return "d_" + _short(f"{message}|{network}")


def message_id(ref: Ref) -> str:
    """The hub's id of a message, derived from where it came from: a message that is handed in twice is one."""
    return "m_" + _short(f"{ref.network}|{ref.id}")


def conversation_from(
    ident: str, legs: list[Row], rows: list[Row], people: Mapping[str, Person], name: GroupName | None
) -> Conversation:
    """A conversation from its rows of ``store.legs`` and ``store.members``; ``people`` by id."""
    members = (Member(people[row["person"]], Address(row["network"], row["address"])) for row in rows)
    networks = frozenset(row["network"] for row in rows)
    named = legs[0]["named"] if legs else None
    return Conversation(ident, {row["network"]: row["chat"] for row in legs}, tuple(members), networks, name, named)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def audience(people: Iterable[str]) -> str:
    """One word for exactly these people (ids)."""
    return hashlib.sha256(orjson.dumps(sorted(set(people)))).hexdigest()


def partakes(conversation: Conversation, person: str, address: Address, field: str) -> None:
    """Raises Refused (not_a_member; other_account, about the network of her membership) for who speaks from elsewhere.

    Whoever has accounts in several networks takes part by one of them, and only its product may speak for her here.
    """
    member = conversation.member(person)
    if member is None:
        raise Refused("not_a_member", field)
    if member.address != address:
        raise Refused("other_account", field, about=member.address.network)
