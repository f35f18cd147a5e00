"""Whom somebody lets write to them first, by what they have chosen in their account data. Pure.

Read are, and added up: ``m.ignored_user_list`` (specification), ``m.invite_permission_config`` (MSC4380, and the lists
of MSC4155), ``org.matrix.msc4155.invite_permission_config``, and ``fr.liaison.contact``, which has what these have not:
functions and groups, hours, and "people whom I know". What cannot be read counts as if it were not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

IGNORED = "m.ignored_user_list"
PERMISSION = "m.invite_permission_config"
MSC4155 = "org.matrix.msc4155.invite_permission_config"
CONTACT = "fr.liaison.contact"
TYPES = (IGNORED, PERMISSION, MSC4155, CONTACT)
"""The account data that is read."""
MOST = 1000
"""Entries of one list; whatever comes after is not read."""


class Default(StrEnum):
    """What happens to an invitation that no entry names."""

    ALLOW = "allow"
    BLOCK = "block"
    KNOWN = "known"  # of people with whom a room is shared


@dataclass(frozen=True, slots=True)
class Who:
    """Everything that a person is known by: Matrix users (native account and ghost), servers and mail domains, groups.

    Groups are ``function:<name>``, ``profession:<name>``, ``kind:professional|function|mailbox``.
    """

    users: frozenset[str]
    servers: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Entries:
    """Globs; groups are compared as they are, without regard to case."""

    users: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """Days (1 is Monday) and hours in which a person is there; ``until`` may be on the next day."""

    days: frozenset[int]
    begin: time
    until: time

    def holds(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        day, now = moment.isoweekday(), moment.time()
        if self.begin < self.until:
            return day in self.days and self.begin <= now < self.until
        return (day in self.days and now >= self.begin) or ((day - 2) % 7 + 1 in self.days and now < self.until)


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody has chosen; ``default`` None: as the site has it."""

    default: Default | None = None
    ignored: frozenset[str] = frozenset()
    allow: Entries = Entries()
    block: Entries = Entries()
    windows: tuple[Window, ...] = ()
    zone: str = "Europe/Paris"
    broken: tuple[str, ...] = field(default=(), compare=False)

    @property
    def plain(self) -> bool:
        """Whether only the default decides."""
        return not (self.ignored or self.windows or self.allow != Entries() or self.block != Entries())


class Verdict(StrEnum):
    """What a choice says about somebody."""

    ALLOWED = "allowed"
    BLOCKED = "not_accepting"
    NOT_NOW = "not_now"
    IF_KNOWN = "if_known"


def decide(choice: Choice, site: Default, who: Who, moment: datetime) -> Verdict:
    """Whether ``who`` may begin a conversation at this moment (with a time zone).

    An ignored person never may. Then the nearest entry decides: one that names a user, else a group, else a server; of
    two that are equally near, the one that allows (as MSC4155 has it). Whoever is named by none meets the hours, then
    the default.
    """
    if who.users & choice.ignored:
        return Verdict.BLOCKED
    for kind in ("users", "groups", "servers"):
        mine = getattr(who, kind)
        if _any(getattr(choice.allow, kind), mine):
            return Verdict.ALLOWED
        if _any(getattr(choice.block, kind), mine):
            return Verdict.BLOCKED
    default = choice.default or site
    if default is Default.BLOCK:
        return Verdict.BLOCKED
    if choice.windows and not any(one.holds(moment.astimezone(ZoneInfo(choice.zone))) for one in choice.windows):
        return Verdict.NOT_NOW
    return Verdict.IF_KNOWN if default is Default.KNOWN else Verdict.ALLOWED


def refused_users(choice: Choice) -> frozenset[str]:
    """The people who are refused by name, and not by a glob: whose messages stop on every leg."""
    return choice.ignored | {one for one in choice.block.users if not _GLOB.search(one)} - set(choice.allow.users)


def _any(globs: Sequence[str], names: Iterable[str]) -> bool:
    return any(_pattern(glob).fullmatch(name) is not None for glob in globs for name in names)


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    """Of a glob of Matrix: ``*`` and ``?`` only."""
    return re.compile(translate(glob.replace("[", "[[]")), re.IGNORECASE)


_GLOB = re.compile(r"[*?]")


# ---- reading


def _texts(found: Any) -> Any:
    """A list's texts of a sensible length; an entry that is none is left out, as MSC4155 has it."""
    if not isinstance(found, list | tuple):
        return found
    return tuple(one for one in found[:MOST] if isinstance(one, str) and 0 < len(one) <= 255)


_Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class _Ignored(BaseModel):
    ignored_users: dict[str, Any] = {}


class _Permission(BaseModel):
    """MSC4380 and MSC4155."""

    default_action: Literal["allow", "block"] | None = None
    allowed_users: _Texts = ()
    ignored_users: _Texts = ()
    blocked_users: _Texts = ()
    allowed_servers: _Texts = ()
    ignored_servers: _Texts = ()
    blocked_servers: _Texts = ()


class _Named(BaseModel):
    model_config = ConfigDict(extra="forbid")

    users: _Texts = ()
    servers: _Texts = ()
    groups: _Texts = ()


class _Hours(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    days: list[Annotated[int, Field(ge=1, le=7)]] = [1, 2, 3, 4, 5, 6, 7]
    begin: time = Field(alias="from")
    until: time


class _Contact(BaseModel):
    model_config = ConfigDict(extra="ignore")  # a later version may say more

    default: Default | None = None
    allow: _Named = _Named()
    block: _Named = _Named()
    hours: Annotated[list[_Hours], Field(max_length=50)] = []
    timezone: Annotated[str, Field(max_length=64)] = "Europe/Paris"


def read(data: Mapping[str, Any]) -> Choice:
    """The choice in somebody's account data (by type). ``broken`` names the types that cannot be read."""
    broken: list[str] = []

    def part(kind: str, model: type[BaseModel]) -> Any:
        try:
            return model.model_validate(_thawed(data.get(kind) or {}))
        except (ValidationError, TypeError, ValueError):
            broken.append(kind)
            return model()

    ignored: _Ignored = part(IGNORED, _Ignored)
    permissions: list[_Permission] = [part(PERMISSION, _Permission), part(MSC4155, _Permission)]
    contact: _Contact = part(CONTACT, _Contact)
    if not _zone(contact.timezone):
        broken.append(CONTACT)
        contact = _Contact()
    given = [contact.default, *(Default(one.default_action) for one in permissions if one.default_action)]
    return Choice(
        next((one for one in given if one is not None), None),
        frozenset(one for one in ignored.ignored_users if len(one) <= 255),
        _entries(contact.allow, *((one.allowed_users, one.allowed_servers) for one in permissions)),
        _entries(
            contact.block,
            *(
                (one.blocked_users + one.ignored_users, one.blocked_servers + one.ignored_servers)
                for one in permissions
            ),
        ),
        tuple(Window(frozenset(one.days), one.begin, one.until) for one in contact.hours),
        contact.timezone,
        tuple(broken),
    )


def _entries(named: _Named, *lists: tuple[tuple[str, ...], tuple[str, ...]]) -> Entries:
    users = dict.fromkeys(named.users + tuple(one for users, _ in lists for one in users))
    servers = dict.fromkeys(named.servers + tuple(one for _, servers in lists for one in servers))
    return Entries(tuple(users), tuple(servers), named.groups)


def _thawed(found: Any) -> Any:
    """Synapse gives account data in mappings that nobody can change, which pydantic does not take."""
    if isinstance(found, Mapping):
        return {key: _thawed(value) for key, value in found.items()}
    return [_thawed(one) for one in found] if isinstance(found, list | tuple) else found


def _zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # an unknown one is a KeyError
        return False
    return True
