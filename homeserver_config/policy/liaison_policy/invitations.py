"""Whether somebody may invite somebody: their servers, the inviter's account, what the invited person has chosen."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from liaison_policy.contact import TYPES, Choice, Default, Verdict, Who, decide, read, refused_users
from liaison_policy.ghosts import Ghosts
from liaison_policy.hub import HubAway, HubLine
from liaison_policy.identities import Identities, Threaded
from liaison_policy.memory import Memory
from liaison_policy.reasons import Refusal
from liaison_policy.servers import Servers

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Homeserver:
    """What is asked of the homeserver: its name, a user's account data by type, and whether two people share a room."""

    name: str
    account_data: Callable[[str, str], Awaitable[Mapping[str, Any] | None]]
    share_a_room: Callable[[str, frozenset[str]], Awaitable[bool]]


class Invitations:
    """``site`` is what counts for whoever has chosen nothing. ``externals`` are globs of user ids."""

    def __init__(
        self, home: Homeserver, servers: Servers, ghosts: Ghosts, identities: Identities, site: Default,
        externals: Sequence[str], clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._home = home
        self._servers = servers
        self._ghosts = ghosts
        self._identities = identities
        self._site = site
        self._externals = tuple(externals)
        self._clock = clock

    def external(self, user: str) -> bool:
        """Whether an account of this server is of somebody from outside."""
        return any(fnmatchcase(user, glob) for glob in self._externals)

    async def check(self, inviter: str, invited: str) -> None:
        """Raises Refusal."""
        self._servers.check(_server(inviter))
        self._servers.check(_server(invited))
        if self.external(inviter):
            raise Refusal("external_user")
        if _server(invited) != self._home.name or self._ghosts.has(invited) or inviter == invited:
            return  # their own server, or the hub, knows what they want
        choice = await self.choice(invited)
        if choice.broken:
            log.warning("liaison_policy: account data that cannot be read counts as not there: %s", choice.broken)
        verdict = await self._verdict(choice, inviter, invited)
        if verdict is not Verdict.ALLOWED:
            raise Refusal(verdict.value, _server(inviter))

    async def choice(self, user: str) -> Choice:
        """What a user of this server has chosen."""
        return read({kind: await self._home.account_data(user, kind) for kind in TYPES})

    async def _verdict(self, choice: Choice, inviter: str, invited: str) -> Verdict:
        default = choice.default or self._site
        if choice.plain and default is not Default.KNOWN:
            return Verdict.ALLOWED if default is Default.ALLOW else Verdict.BLOCKED
        who = await self._identities.who(inviter)
        verdict = await self._by(choice, who)
        if verdict is Verdict.IF_KNOWN:
            return Verdict.ALLOWED if await self._home.share_a_room(invited, who.users) else Verdict.BLOCKED
        return verdict

    async def _by(self, choice: Choice, who: Who) -> Verdict:
        """An ignored or blocked person may be named by another of their users than the one who writes."""
        return decide(choice, self._site, who, datetime.fromtimestamp(self._clock(), UTC))


class Blocks:
    """Tells the hub whom users of this server have blocked, until the hub has it: it refuses these on every leg."""

    def __init__(self, memory: Memory, hub: HubLine | None, thread: Threaded) -> None:
        self._memory = memory
        self._hub = hub
        self._thread = thread

    async def chosen(self, user: str, choice: Choice) -> None:
        """A user's choice, as it is now."""
        if self._hub is not None and await self._thread(self._note, user, refused_users(choice)):
            await self.deliver()

    async def deliver(self) -> None:
        """Tell what is not told."""
        if self._hub is not None and not self._hub.resting:
            await self._thread(self._tell, self._hub)

    def _note(self, user: str, others: frozenset[str]) -> bool:
        try:
            return self._memory.block(user, others)
        except (sqlite3.Error, ValueError) as error:
            log.error("ALARM liaison_policy: a block cannot be kept: %s", type(error).__name__)
            return False

    def _tell(self, hub: HubLine) -> None:
        try:
            for user, others in self._memory.untold():
                hub.blocked(user, others)
                self._memory.told(user, others)
        except HubAway as why:
            log.warning("liaison_policy: the hub is told of blocks later: %s", why)
        except (sqlite3.Error, ValueError) as error:
            log.error("ALARM liaison_policy: blocks cannot be read: %s", type(error).__name__)


def _server(user: str) -> str:
    return user.partition(":")[2]
