"""Pure: which Matrix user stands for which professional, and the ids of our own calls."""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from dataclasses import dataclass, field

from bridge.errors import Refused
from bridge.model import MATRIX, Member, Person


@dataclass(frozen=True, slots=True)
class Names:
    """``@<prefix><RPPS>:<server>``: computed, never stored, hence never in conflict."""

    prefix: str
    server: str
    _exact: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pattern = re.compile(f"@{re.escape(self.prefix)}([0-9]{{11}}):{re.escape(self.server)}")
        object.__setattr__(self, "_exact", pattern)

    def of_rpps(self, rpps: str) -> str:
        """The ghost of an RPPS number (11 digits)."""
        return f"@{self.prefix}{rpps}:{self.server}"

    def mxid(self, person: Person) -> str:
        """The ghost of a person. Raises Refused (no_ghost) for somebody without an RPPS number."""
        rpps = person.rpps
        if rpps is None:
            raise Refused("no_ghost", about=person.id)
        return self.of_rpps(rpps)

    def rpps(self, mxid: str) -> str | None:
        """The RPPS number behind a ghost; None for everybody else, look-alikes included."""
        found = self._exact.fullmatch(mxid)
        return found[1] if found else None

    def person(self, mxid: str) -> str | None:
        """The person id behind a ghost; None for everybody else, look-alikes included."""
        rpps = self.rpps(mxid)
        return None if rpps is None else f"rpps:{rpps}"

    def is_ghost(self, mxid: str) -> bool:
        """Whether this is exactly the id of one of our ghosts."""
        return self._exact.fullmatch(mxid) is not None

    def member(self, member: Member) -> str | None:
        """The Matrix user of a conversation's member: their own account, their ghost, or nobody."""
        if member.address.network == MATRIX:
            return member.address.id
        return None if member.person.rpps is None else self.of_rpps(member.person.rpps)


def server_of(mxid: str) -> str:
    """The server in a user id: everything after the first colon (the server may hold a port)."""
    return mxid.partition(":")[2]


def short(*parts: str, size: int = 26) -> str:
    """An opaque lower-case word from several parts."""
    digest = hashlib.sha256("|".join(parts).encode("utf-8", "surrogatepass")).digest()
    return b32encode(digest).decode()[:size].lower()


def txn_id(ghost: str, room: str, key: str, part: str = "") -> str:
    """The transaction id of a call. The ghost is in it: Synapse's cache ignores who masquerades."""
    return short(ghost, room, key, part)


def cipher_hash(ciphertext: str) -> str:
    """A short name of one ciphertext, by which its echo is recognised."""
    return hashlib.blake2b(ciphertext.encode("ascii", "replace"), digest_size=16).hexdigest()


def seen_id(event_id: str) -> str:
    """What is kept of an event id for ever: 12 bytes as hexadecimal, the same text in both databases."""
    return hashlib.blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
