"""The federation's list as data: who takes part, as what, until when. Pure.

Shape and rules follow the federation list of TI-Messenger (gematik, ``domainList``): a signed list of plain domains
with the identity of whoever runs them, a version that only grows, and a time after which it counts no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bridge.vouching import AccountRule, Proof

_DOMAIN = re.compile(r"(\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
MOST = 200_000
"""Participants of a list, at most."""


class Capacity(StrEnum):
    """What a domain takes part as."""

    MATRIX = "matrix"  # a homeserver
    MAIL = "mail"  # an operator of secure mailboxes
    PRODUCT = "product"  # a chat product of a hub


_ROLES = frozenset(role.value for role in Capacity)


class UnusableList(Exception):
    """The list cannot be used; the text says why, and quotes nothing secret."""


@dataclass(frozen=True, slots=True)
class Participant:
    """One domain. ``operator`` is shown to people, ``identifier`` is theirs (``finess:…``, ``siret:…``).

    ``accounts``: which professional a user of this homeserver is, None: only the directory knows. ``proof``: what this
    product has to bring for its users. ``domain`` is in lower case; ``*.chu.example`` stands for the children of
    ``chu.example``.
    """

    domain: str
    roles: frozenset[Capacity]
    operator: str
    identifier: str = ""
    accounts: AccountRule | None = None
    proof: Proof = Proof.WORD


@dataclass(frozen=True, slots=True)
class FederationList:
    """``sequence`` grows with every list; ``issued`` and ``expires`` are in seconds since 1970."""

    sequence: int
    issued: int
    expires: int
    issuer: str
    participants: Mapping[str, Participant] = field(repr=False)

    def find(self, domain: str, role: Capacity) -> Participant | None:
        """By whom a domain takes part. Its own entry decides, else that of the nearest parent for its children."""
        nearest = self.nearest(domain)
        return nearest if nearest is not None and role in nearest.roles else None

    def nearest(self, domain: str) -> Participant | None:
        """The entry that decides about a domain, whatever its roles."""
        return next((one for name in _names(domain.lower()) if (one := self.participants.get(name)) is not None), None)


def _names(domain: str) -> Iterator[str]:
    yield domain
    host = domain.rpartition(":")[0] if re.search(r":[0-9]+$", domain) else domain
    while host.count("."):
        host = host.partition(".")[2]
        yield f"*.{host}"


def _domain(text: str) -> str:
    text = text.lower()
    if not _DOMAIN.fullmatch(text) or ".." in text or len(text) > 255:
        raise ValueError("a domain such as chu.example, or *.chu.example for its children")
    return text


def _rule(text: Any) -> Any:
    return AccountRule.parse(text) if isinstance(text, str) else text


def _proof(word: Any) -> Any:
    """A word that this version does not know is something stronger than all that it knows."""
    if not isinstance(word, str):
        return word
    found = Proof.of(word)
    return Proof.NATIONAL if found is None else found


class _Participant(BaseModel):
    model_config = ConfigDict(extra="ignore")  # a later version may say more

    domain: Annotated[str, AfterValidator(_domain)]
    roles: list[str] = Field(min_length=1, max_length=10)  # a later version may have more
    operator: str = Field(min_length=1, max_length=200)
    identifier: str = Field(default="", max_length=100)
    accounts: Annotated[AccountRule | None, BeforeValidator(_rule)] = None
    proof: Annotated[Proof, BeforeValidator(_proof)] = Proof.WORD


class _List(BaseModel):
    model_config = ConfigDict(extra="ignore")

    format: Literal[1]
    sequence: int = Field(ge=1, le=2**53)
    issued: datetime
    expires: datetime
    issuer: str = Field(min_length=1, max_length=200)
    participants: list[_Participant] = Field(max_length=MOST)


def parse(payload: bytes) -> FederationList:
    """The list of a payload. Roles that this version does not know are left out. Raises UnusableList."""
    try:
        read = _List.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the list"
        raise UnusableList(f"{where}: {first['msg']}") from None
    issued, expires = _seconds(read.issued, "issued"), _seconds(read.expires, "expires")
    if expires <= issued:
        raise UnusableList("expires: is not later than issued")
    found: dict[str, Participant] = {}
    for n, one in enumerate(read.participants):
        if one.domain in found:
            raise UnusableList(f"participants.{n}.domain: {one.domain} is there twice")
        roles = frozenset(Capacity(role) for role in one.roles if role in _ROLES)
        found[one.domain] = Participant(one.domain, roles, one.operator, one.identifier, one.accounts, one.proof)
    return FederationList(read.sequence, issued, expires, read.issuer, found)


def _seconds(moment: datetime, where: str) -> int:
    if moment.tzinfo is None:
        raise UnusableList(f"{where}: has no time zone")
    return int(moment.timestamp())


def compose(listed: FederationList) -> bytes:
    """The payload of a list, as :func:`parse` reads it; the same list gives the same bytes."""
    every = sorted(listed.participants.values(), key=lambda one: one.domain)
    body: dict[str, Any] = {
        "format": 1,
        "sequence": listed.sequence,
        "issued": when(listed.issued),
        "expires": when(listed.expires),
        "issuer": listed.issuer,
        "participants": [
            {"domain": one.domain, "roles": sorted(one.roles), "operator": one.operator}
            | ({"identifier": one.identifier} if one.identifier else {})
            | ({"accounts": one.accounts.template} if one.accounts is not None else {})
            | ({"proof": one.proof.word} if one.proof else {})
            for one in every
        ],
    }
    return orjson.dumps(body, option=orjson.OPT_INDENT_2)


def when(seconds: int) -> str:
    """Seconds since 1970 as RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class ListDifference:
    """What has changed between two lists; ``changed`` holds the participant before and after."""

    new: Sequence[Participant]
    gone: Sequence[Participant]
    changed: Sequence[tuple[Participant, Participant]]


def difference(old: Mapping[str, Participant], new: Mapping[str, Participant]) -> ListDifference:
    """In the order of the domains."""
    both = sorted(old.keys() & new.keys())
    return ListDifference(
        [new[name] for name in sorted(new.keys() - old.keys())],
        [old[name] for name in sorted(old.keys() - new.keys())],
        [(old[name], new[name]) for name in both if old[name] != new[name]],
    )
