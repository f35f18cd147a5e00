"""The federation's list as data: which domains take part with a homeserver, and until when. Pure.

The same signed list as the hub's: format, sequence, issued, expires, issuer, participants with domain and roles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from liaison_policy.signed import UnusableList

MATRIX = "matrix"
"""The role of a homeserver."""
MOST = 200_000
"""Participants of a list, at most."""
_DOMAIN = re.compile(r"(\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_PORT = re.compile(r":[0-9]+$")


@dataclass(frozen=True, slots=True)
class FederationList:
    """``sequence`` grows with every list; ``issued`` and ``expires`` are in seconds since 1970.

    ``domains``: each entry, and whether it takes part with a homeserver.
    """

    sequence: int
    issued: int
    expires: int
    issuer: str
    domains: Mapping[str, bool] = field(repr=False)

    def allows(self, domain: str) -> bool:
        """Whether a server takes part. Its own entry decides, else that of the nearest parent for its children."""
        domain = domain.lower()
        own = self.domains.get(domain)
        if own is not None:
            return own
        return next((found for name in _parents(domain) if (found := self.domains.get(name)) is not None), False)


def _parents(domain: str) -> Iterator[str]:
    host = _PORT.sub("", domain)
    while host.count("."):
        host = host.partition(".")[2]
        yield f"*.{host}"


def _domain(text: str) -> str:
    text = text.lower()
    if not _DOMAIN.fullmatch(text) or ".." in text or len(text) > 255:
        raise ValueError("a domain such as chu.example, or *.chu.example for its children")
    return text


class _Participant(BaseModel):
    model_config = ConfigDict(extra="ignore")  # a later version may say more

    domain: Annotated[str, AfterValidator(_domain)]
    roles: list[str] = Field(min_length=1, max_length=10)
    operator: str = Field(min_length=1, max_length=200)


class _List(BaseModel):
    model_config = ConfigDict(extra="ignore")

    format: Literal[1]
    sequence: int = Field(ge=1, le=2**53)
    issued: datetime
    expires: datetime
    issuer: str = Field(min_length=1, max_length=200)
    participants: list[_Participant] = Field(max_length=MOST)


def parse(payload: bytes) -> FederationList:
    """The list of a payload. Raises UnusableList."""
    try:
        read = _List.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the list"
        raise UnusableList(f"{where}: {first['msg']}") from None
    issued, expires = _seconds(read.issued, "issued"), _seconds(read.expires, "expires")
    if expires <= issued:
        raise UnusableList("expires: is not later than issued")
    found = {one.domain: MATRIX in one.roles for one in read.participants}
    if len(found) != len(read.participants):
        raise UnusableList("participants: a domain is there twice")
    return FederationList(read.sequence, issued, expires, read.issuer, found)


def _seconds(moment: datetime, where: str) -> int:
    if moment.tzinfo is None:
        raise UnusableList(f"{where}: has no time zone")
    return int(moment.timestamp())
