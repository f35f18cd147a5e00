"""Holds the lease of a database for this process: takes it, renews it, lets go of it, notices that it is lost."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from contextlib import suppress
from typing import Any

import asyncpg

from bridge.db.postgres import lease, session
from bridge.db.postgres.connections import AWAY
from bridge.errors import Unavailable

log = logging.getLogger(__name__)
_RENEW = lease.TERM / 4  # s between two renewals
_AGAIN = 0.2  # s until a server that is away is asked again
_SLOW = 10.0  # s after which a connection that does not answer is given up
SURE = 1.0  # s for which the session's lock is free before a holder counts as dead: it may be connecting again


class Keeper:
    """The lease as this process holds it. ``fence`` is its number; ``lost`` is set once somebody else has it."""

    def __init__(self, url: str, connection: Any, holder: str, fence: int, term: float) -> None:
        """``term``: s for which it is held at a time until everything has started."""
        self._url = url
        self._connection = connection
        self.holder, self.fence = holder, fence
        self.lost = asyncio.Event()
        self._term = term
        self._locked = False
        self._cut = asyncio.Event()
        connection.add_termination_listener(self._ended)
        self._task = asyncio.get_running_loop().create_task(self._keep())

    @classmethod
    async def at_once(cls, url: str) -> Keeper:
        """Take the lease now. Raises Unavailable (database_in_use) while somebody holds it, what asyncpg raises."""
        connection = await connect(url)
        try:
            await lease.make(connection)
            seen = await lease.look(connection)
            if seen.doubtful and not gone(seen.holder):
                await asyncio.sleep(SURE)
                seen = await lease.look(connection)
            if not seen.free:
                raise Unavailable("database_in_use")
            return await cls.taken(url, connection, seen, name(), lease.LONG_TERM)
        except BaseException:
            connection.terminate()
            raise

    @classmethod
    async def taken(
        cls, url: str, connection: Any, seen: lease.Holding, holder: str, term: float = lease.FIRST_TERM
    ) -> Keeper:  # fmt: skip
        """Take it over from whoever held it at ``seen``. Raises Unavailable: somebody was first."""
        fence = await lease.take(connection, seen, holder, term)
        locked = await lease.lock(connection)
        made = cls(url, connection, holder, fence, term)
        made._locked = locked
        return made

    def begun(self) -> None:
        """Everything has started: from now on this process renews as often as it should."""
        self._term = lease.TERM
        self._cut.set()

    def fenced(self) -> None:
        """The server has said that somebody else holds it."""
        if not self.lost.is_set():
            log.error("ALARM another worker has taken the database over: this one writes nothing more")
            self.lost.set()

    async def close(self) -> None:
        """Let go of it: whoever waits takes it at once."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        with suppress(*AWAY, TimeoutError):
            async with asyncio.timeout(_SLOW):
                if not self.lost.is_set():
                    await lease.end(self._connection, self.fence)
                await self._connection.close()
                return
        self._connection.terminate()

    def _ended(self, _: object) -> None:
        self._cut.set()

    async def _keep(self) -> None:
        """While the server is away nobody can take it; this one asks again until it answers."""
        while not self.lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_RENEW if self._locked else _AGAIN):
                    await self._cut.wait()
            try:
                async with asyncio.timeout(_SLOW):
                    await self._renew()
            except (*AWAY, asyncpg.PostgresError, TimeoutError):
                self._connection.terminate()
                await asyncio.sleep(_AGAIN)

    async def _renew(self) -> None:
        self._cut.clear()
        if self._connection.is_closed():
            self._connection = await connect(self._url)
            self._connection.add_termination_listener(self._ended)
            self._locked = False
        if not await lease.renew(self._connection, self.fence, self._term):
            self.fenced()
        elif not self._locked:  # after the time was set: whoever sees the lock sees that the time runs
            self._locked = await lease.lock(self._connection)


async def connect(url: str) -> Any:
    """A connection for the lease. Raises what asyncpg raises."""
    return await session.connect(url, command_timeout=_SLOW, statement_cache_size=0)


def name() -> str:
    """How this process is called among workers: its machine, its process id, and a word that never comes again."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def gone(holder: str) -> bool:
    """Whether a worker of this machine has died; False where that cannot be known."""
    machine, _, rest = holder.partition(":")
    number = rest.partition(":")[0]
    if machine != socket.gethostname() or not number.isdigit() or int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
