"""Who is behind a Matrix user: asked from the hub, kept on disk, told by the name where nobody knows more."""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from liaison_policy.contact import Who
from liaison_policy.ghosts import Ghosts
from liaison_policy.hub import HubAway, HubLine
from liaison_policy.memory import Memory

log = logging.getLogger(__name__)
_REMEMBERED = 10_000
Threaded = Callable[..., Awaitable[Any]]
"""Calls a function that blocks, in a thread."""


class Identities:
    """``fresh`` (s): how old an answer may be before the hub is asked again. ``clock`` in seconds since 1970."""

    def __init__(
        self, ghosts: Ghosts, memory: Memory, hub: HubLine | None, fresh: float, thread: Threaded,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._ghosts = ghosts
        self._memory = memory
        self._hub = hub
        self._fresh = fresh
        self._thread = thread
        self._clock = clock
        self._known: OrderedDict[str, tuple[Who, float]] = OrderedDict()

    async def who(self, user: str) -> Who:
        """Never fails: the last answer counts while the hub is away, then the name."""
        known = self._known.get(user)
        if known is not None and self._clock() - known[1] < self._fresh:
            return known[0]
        if self._hub is None:
            return self._ghosts.who(user)
        found: tuple[Who, float] = await self._thread(self._look, self._hub, user)
        self._known[user] = found
        self._known.move_to_end(user)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found[0]

    def _look(self, hub: HubLine, user: str) -> tuple[Who, float]:
        """Blocks. Gives the answer and from when it is."""
        now, kept = self._clock(), self._kept(user)
        if kept is not None and now - kept[1] < self._fresh:
            return kept
        try:
            found = hub.person(user)
        except HubAway as why:
            log.info("liaison_policy: the hub was not asked about a user: %s", why)
            return kept or (self._ghosts.who(user), 0)
        who = self._ghosts.who(user) if found is None else _joined(self._ghosts.who(user), found)
        try:
            self._memory.learn(user, who, int(now))
        except sqlite3.Error as error:
            log.error("ALARM liaison_policy: nothing can be kept: %s", type(error).__name__)
        return who, now

    def _kept(self, user: str) -> tuple[Who, float] | None:
        try:
            return self._memory.identity(user)
        except (sqlite3.Error, ValueError) as error:
            log.error("ALARM liaison_policy: what is kept cannot be read: %s", type(error).__name__)
            return None


def _joined(own: Who, found: dict[str, Any]) -> Who:
    def texts(name: str) -> frozenset[str]:
        given = found.get(name)
        return frozenset(one for one in given if isinstance(one, str)) if isinstance(given, list) else frozenset()

    servers = frozenset(one.lower() for one in texts("servers"))
    return Who(own.users | texts("users"), own.servers | servers, own.groups | texts("groups"))
