"""Waits beside the process that has the database, and takes it over when that one ends, dies or is cut off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from bridge.db.database import NEEDS, Component, newest
from bridge.db.migrating import too_new
from bridge.db.postgres import lease
from bridge.db.postgres.connections import AWAY
from bridge.db.postgres.keeper import SURE, Keeper, connect, gone, name
from bridge.db.postgres.reaching import reaching
from bridge.errors import Unavailable

log = logging.getLogger(__name__)
_LOOK = 0.3  # s between two looks at the lease
_GRACE = 2.0  # s after a server came back in which its holder may renew, whose time was over meanwhile
_LEAVES = 2.0  # s for the last word of one that ends
_SLOW = 5.0  # s after which a server that does not answer is connected to anew

_EVERY = 5.0  # s between two signs of life of a worker that waits
_HELLO = """
INSERT INTO worker (id, version, configuration) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET seen_at = now(), configuration = excluded.configuration
"""
_FAREWELL = "DELETE FROM worker WHERE id = $1"
# Not the holder, which says once where it is and may work for months.
_FORGOTTEN = """
DELETE FROM worker WHERE seen_at < now() - interval '1 day'
    AND NOT EXISTS (SELECT 1 FROM lease WHERE holder = worker.id)
"""
_AT = """
SELECT address, secret, coalesce(configuration, '') AS configuration FROM worker WHERE id = $1 AND address IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Directions:
    """Where the worker that has the lease is reached, in its own words (JSON), and what proves a call to be ours.

    ``configuration``: what it says of its own.
    """

    address: str
    secret: str = field(repr=False)
    configuration: str = field(default="", repr=False)


class Standby:
    """One worker that waits. ``version`` is its release; ``configured`` gives what it says of its configuration."""

    def __init__(
        self, url: str, components: Sequence[Component], version: str, configured: Callable[[], str] = str
    ) -> None:
        self._url, self._version, self._configured = url, version, configured
        self._known = newest(components, "postgresql")
        self.name = name()
        self._free_since: tuple[int, float] | None = None
        self._shaken = -_GRACE  # s, when the server was last away
        self._newer = False
        self._said_at = -_EVERY

    async def wait(self, reach: Callable[[Directions | None], Awaitable[None]]) -> Keeper:
        """Wait until the lease can be taken, and take it; ``reach`` is told where the worker that has it is reached.

        Raises Unavailable when there is no server at the start.
        """
        with reaching():
            connection = await connect(self._url)
            try:
                await lease.make(connection)
                await connection.execute(_FORGOTTEN)
            except BaseException:
                connection.terminate()
                raise
        try:
            keeper = await self._wait(connection, reach)
        except asyncio.CancelledError:
            await self._leave()
            raise
        try:
            await reach(None)
        except BaseException:  # also where it is told to end just now: nobody has to wait until it is missed
            await keeper.close()
            raise
        return keeper

    async def _leave(self) -> None:
        """Whoever counts the workers need not wait until this one is missed."""
        with suppress(*AWAY, asyncpg.PostgresError, TimeoutError):
            async with asyncio.timeout(_LEAVES):
                connection = await connect(self._url)
                try:
                    await connection.execute(_FAREWELL, self.name)
                finally:
                    connection.terminate()

    async def _wait(self, connection: Any, reach: Callable[[Directions | None], Awaitable[None]]) -> Keeper:
        said = False
        while True:
            try:
                async with asyncio.timeout(_SLOW):
                    if connection.is_closed():
                        connection = await connect(self._url)
                    keeper = await self._look(connection, reach)
            except (*AWAY, asyncpg.LockNotAvailableError, TimeoutError):  # a role may have a lock_timeout
                connection.terminate()
                self._free_since, self._shaken = None, asyncio.get_running_loop().time()
            except Unavailable:  # somebody was first
                self._free_since = None
            except BaseException:
                connection.terminate()
                raise
            else:
                if keeper is not None:
                    return keeper
                if not said:
                    said = True
                    log.info("another worker has the database: this one takes over when that one ends")
            try:
                await asyncio.sleep(_LOOK)
            except asyncio.CancelledError:
                connection.terminate()
                raise

    async def _look(self, connection: Any, reach: Callable[[Directions | None], Awaitable[None]]) -> Keeper | None:
        now = asyncio.get_running_loop().time()
        if now - self._said_at >= _EVERY:
            await connection.execute(_HELLO, self.name, self._version, self._configured())
            self._said_at = now
        seen = await lease.look(connection)
        if self._may(seen) and await self._understands(connection):
            term = await lease.first_term(connection, seen)
            return await Keeper.taken(self._url, connection, seen, self.name, term)
        row = await connection.fetchrow(_AT, seen.holder) if seen.running else None
        await reach(None if row is None else Directions(row["address"], row["secret"], row["configuration"]))
        return None

    def _may(self, seen: lease.Holding) -> bool:
        now = asyncio.get_running_loop().time()
        if not seen.free or now - self._shaken < _GRACE:
            self._free_since = None
            return False
        if not seen.doubtful or gone(seen.holder):
            return True
        if self._free_since is None or self._free_since[0] != seen.fence:
            self._free_since = (seen.fence, now)
        return now - self._free_since[1] >= SURE

    async def _understands(self, connection: Any) -> bool:
        """An older release does not take over from a newer one: it would not know its tables."""
        done, needed = list[tuple[str, int]](), dict[tuple[str, int], int]()
        if await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL"):
            done = [(row[0], row[1]) for row in await connection.fetch("SELECT component, number FROM migration")]
        if await connection.fetchval("SELECT to_regclass('migration_needs') IS NOT NULL"):
            needed = {(row[0], row[1]): row[2] for row in await connection.fetch(NEEDS)}
        newer = too_new(self._known, done, needed)
        if newer and not self._newer:
            self._newer = True
            log.error("ALARM a newer Liaison has used this database: this worker cannot take over, update it")
        return not newer
