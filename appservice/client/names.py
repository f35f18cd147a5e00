"""Pure: which Matrix user stands for whom, and the ids of our own calls."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from bridge.errors import Refused
from bridge.model import FUNCTION, MAIL, MATRIX, Member, Person

_SLUG = "[a-z0-9][a-z0-9-]{0,47}"  # of a function, as its rota file names it
_REMEMBERED = 20_000
_LONGEST = 255  # bytes of a user id (specification, "User identifiers")
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-/+")
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [one + two for one in _BASE32 for two in _BASE32]
_PLAINLY = re.compile(r"[0-9a-z._=/+-]+")
_ESCAPED = re.compile(rb"=([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Names:
    """Computed, never stored, hence never in conflict.

    ``@<prefix><RPPS>:<server>`` for who has an RPPS number, ``@<prefix>function_<slug>:<server>`` for a function,
    ``@<mail_prefix><address>:<server>`` for a mailbox of somebody who has no number; no prefix begins with the other.
    ``@<account_prefix>8<RPPS>:<server>`` is a professional's own account, opened by a login with the national identity
    (``homeserver_config/login`` makes the same name): 8 and the number are the national identifier.
    ``voice`` is the hub's own user, who stands for nobody: it lies in the namespace of the ghosts, as functions do, so
    that no registration has to change for it.
    """

    prefix: str
    server: str
    mail_prefix: str = "mss_"
    account_prefix: str = "ps_"
    voice: str = field(init=False, compare=False)
    _exact: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _mailbox: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _function: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _persons: Callable[[str], str | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_persons", lru_cache(_REMEMBERED)(self._person))  # several times for each event
        server = re.escape(self.server)
        object.__setattr__(self, "voice", f"@{self.prefix}liaison:{self.server}")
        object.__setattr__(self, "_exact", re.compile(f"@{re.escape(self.prefix)}([0-9]{{11}}):{server}"))
        function = f"@{re.escape(self.prefix)}function_({_SLUG}):{server}"
        object.__setattr__(self, "_function", re.compile(function))
        object.__setattr__(self, "_mailbox", re.compile(f"@{re.escape(self.mail_prefix)}([!-9;-~]+):{server}"))

    def of(self, person: str) -> str | None:
        """The ghost of a person id; None for whoever can have none: a mailbox with too long a user id, too."""
        kind, _, ident = person.partition(":")
        if kind == "rpps":
            return self.of_rpps(ident)
        if kind == FUNCTION and re.fullmatch(_SLUG, ident):
            return f"@{self.prefix}function_{ident}:{self.server}"
        if kind != MAIL or not _is_mailbox(ident):
            return None
        mxid = f"@{self.mail_prefix}{escape(ident)}:{self.server}"
        return mxid if len(mxid) <= _LONGEST else None

    def of_rpps(self, rpps: str) -> str:
        """The ghost of an RPPS number (11 digits)."""
        return f"@{self.prefix}{rpps}:{self.server}"

    def account(self, rpps: str) -> str:
        """The own account of an RPPS number (11 digits) on this homeserver."""
        return f"@{self.account_prefix}8{rpps}:{self.server}"

    def mxid(self, person: Person) -> str:
        """The ghost of a person. Raises Refused (no_ghost) for whoever can have none."""
        mxid = self.of(person.id)
        if mxid is None:
            raise Refused("no_ghost", about=person.id)
        return mxid

    def person(self, mxid: str) -> str | None:
        """The person id behind a ghost; None for everybody else, look-alikes included."""
        return self._persons(mxid)

    def _person(self, mxid: str) -> str | None:
        if (found := self._exact.fullmatch(mxid)) is not None:
            return f"rpps:{found[1]}"
        if (found := self._function.fullmatch(mxid)) is not None:
            return f"{FUNCTION}:{found[1]}"
        if (found := self._mailbox.fullmatch(mxid)) is None:
            return None
        address = unescape(found[1])
        person = f"{MAIL}:{address}"
        return person if address is not None and self.of(person) == mxid else None

    def is_ghost(self, mxid: str) -> bool:
        """Whether this is exactly the id of one of our ghosts."""
        return self.person(mxid) is not None

    def is_ours(self, mxid: str) -> bool:
        """Whether this is one of our ghosts or the hub's own voice."""
        return mxid == self.voice or self.is_ghost(mxid)

    def alike(self, mxid: str) -> str | None:
        """Why an id of our namespace is nobody's (a code); None for other ids, and for what nobody can register."""
        localpart, _, server = mxid[1:].partition(":")
        if server != self.server or len(mxid) > _LONGEST or self.is_ours(mxid) or not _PLAINLY.fullmatch(localpart):
            return None
        if localpart.startswith(self.prefix):
            return "bad_rpps"
        return "bad_handle" if localpart.startswith(self.mail_prefix) else None

    def handle(self, mxid: str) -> str | None:
        """How the hub finds who is behind a ghost (``People.find``); None for everybody else."""
        person = self.person(mxid)
        if person is not None and person.startswith(f"{MAIL}:"):
            return "mailto:" + person.removeprefix(f"{MAIL}:")
        return person

    def member(self, member: Member) -> str | None:
        """The Matrix user of a conversation's member: their own account, their ghost, or nobody."""
        return member.address.id if member.address.network == MATRIX else self.of(member.person.id)


def escape(address: str) -> str:
    """An address as a localpart (specification, "Mapping from other character sets"; case tells nobody apart)."""
    raw = address.lower().encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if byte in _PLAIN else f"={byte:02x}" for byte in raw)


def unescape(localpart: str) -> str | None:
    """The reverse of :func:`escape`; None if it is no text."""
    try:
        return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), localpart.encode()).decode()
    except UnicodeDecodeError:
        return None


def _is_mailbox(address: str) -> bool:
    local, _, domain = address.rpartition("@")
    return bool(local and domain) and address.isprintable() and " " not in address


def server_of(mxid: str) -> str:
    """The server in a user id: everything after the first colon (the server may hold a port)."""
    return mxid.partition(":")[2]


def short(*parts: str) -> str:
    """An opaque lower-case word from several parts: 26 letters of base 32 (two at a time, unlike :mod:`base64`)."""
    digest = hashlib.sha256("|".join(parts).encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(digest[:17], "big") >> 6
    return "".join([_PAIRS[number >> place & 1023] for place in range(120, -1, -10)])


def txn_id(ghost: str, room: str, key: str, part: str = "") -> str:
    """The transaction id of a call. The ghost is in it: Synapse's cache ignores who masquerades."""
    return short(ghost, room, key, part)


def cipher_hash(ciphertext: str) -> str:
    """A short name of one ciphertext, by which its echo is recognised."""
    return hashlib.blake2b(ciphertext.encode("ascii", "replace"), digest_size=16).hexdigest()


def seen_id(event_id: str) -> str:
    """What is kept of an event id for ever: 12 bytes as hexadecimal, the same text in both databases."""
    return hashlib.blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
