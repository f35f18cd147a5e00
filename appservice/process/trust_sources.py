"""The servers of the trust space follow their sources while the hub runs: the configuration, the federation's list."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

from appservice.client.names import server_of
from appservice.process.matrix import Matrix
from bridge.config import FederationSettings
from bridge.db import Database
from bridge.errors import Unavailable
from bridge.hub.hub import now_ms
from bridge.parts.endless import endless
from bridge.people.accounts import Accounts
from bridge.people.federation.federation import Federation, Fetch
from bridge.people.federation.fetching import ListAddress, from_file
from bridge.people.federation.participants import FederationList, difference
from bridge.people.server_list import ServerList
from bridge.trail.entry import TrailEntry, TrailKind, note

Changed = Callable[[], Awaitable[None]]


class TrustSources:
    """``reload`` looks at once (SIGHUP)."""

    def __init__(
        self, servers: ServerList, federation: Federation | None, settings: FederationSettings | None, matrix: Matrix,
        db: Database, accounts: Accounts,
    ) -> None:  # fmt: skip
        self._servers = servers
        self._federation = federation
        self._settings = settings
        self._matrix = matrix
        self._db = db
        self._noted: FederationList | None = None
        self._accounts = accounts
        self._asked = asyncio.Event()

    def reload(self) -> None:
        """Somebody wants the federation's list to be read as it is now."""
        self._asked.set()

    async def changed(self) -> None:
        """Others take part than before: who has left reads nothing any more, who is back gets what was kept."""
        self._accounts.judged_anew()
        self._matrix.store.unsettle(lambda user: self._servers.allows(server_of(user)))
        await self._matrix.engine.trust_changed()

    async def take(self, patterns: Sequence[str]) -> str:
        """The configuration names these servers from now on; gives what has changed, in words, or empty."""
        if line := self._servers.take(patterns):
            await self.changed()
        return line

    async def list(self) -> None:
        """The federation's list, now and then, until cancelled."""
        if self._federation is None or self._settings is None:
            return
        fetch = _source(self._settings)
        await self._note(self._federation, "in_use")
        if await self._federation.renew(fetch):  # what people of it wrote meanwhile waits for nothing
            await self._note(self._federation, "taken")
            await self.changed()
        await endless("federation", partial(self._again, self._federation, fetch, self._settings.look))

    async def _again(self, federation: Federation, fetch: Fetch, look: float) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(look):
                    await self._asked.wait()
            self._asked.clear()
            if await federation.renew(fetch):
                await self._note(federation, "taken")
                await self.changed()

    async def _note(self, federation: Federation, result: str) -> None:
        """Which list counts stands in the audit trail: at each start, and once another one is taken, or the last ended.

        The list lies in a file: whatever a crash leaves out is noted at the next start.
        """
        listed, before = federation.list, self._noted
        if listed is None:
            return
        change = difference(before.participants if before is not None else {}, listed.participants)
        details: dict[str, str | int] = {"domains": len(listed.participants)}
        if before is not None:
            details |= {"new": len(change.new), "gone": len(change.gone), "changed": len(change.changed)}
        result = result if federation.open else "ended"
        entry = TrailEntry(
            TrailKind.LIST_CHANGED, federation.signer, "federation", str(listed.sequence), result, details
        )
        with suppress(Unavailable):
            async with self._db.transaction("trust.list") as tx:
                await note(tx, entry, now_ms())
            self._noted = listed


def _source(settings: FederationSettings) -> Fetch:
    if settings.file is not None:
        return partial(from_file, settings.file)
    assert settings.url is not None
    return ListAddress(settings.url, settings.ca_file).fetch
