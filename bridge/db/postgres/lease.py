"""The lease: which process may write in a database, for how long, and its fencing number.

One row says who holds it, until when by the server's clock, and a number that grows with each holder. Every
transaction that writes asks for the number, under a shared advisory lock of that transaction; whoever takes the lease
over waits for the same lock alone. So nothing of an earlier holder is committed after a later one has begun, also if
the earlier one was stopped, cut off or slow and does not know it. Both locks end with their transaction: a connection
pooler in between breaks none of it. The number is at least the time (s since 1970), so that an older copy of the
database does not give one a second time: whoever had it may still run, and knows what came after the copy.

A holder also keeps a session's lock, as long as its connection lives. It proves nothing and decides nothing: when it is
free, a holder has most likely died, and nobody need wait until its time is over.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import asyncpg

from bridge.errors import Unavailable

LOCK = zlib.crc32(b"liaison hub")  # of the session: also that of releases without leases
_GATE = zlib.crc32(b"liaison lease")  # of each transaction
FENCED = "LI001"  # the SQLSTATE of a transaction of somebody who does not hold the lease any more
TERM = 3.0  # s that a lease lasts unless it is renewed
FIRST_TERM = 10.0  # s for whoever begins: a start may stand still for longer than it works
LONG_TERM = 60.0  # s where that was too short for the one before, and for commands, which nobody waits to replace
_PATIENCE = 500  # ms that a taker waits for transactions that are under way; then their connections are ended

_MAKE = f"""
CREATE TABLE IF NOT EXISTS lease (
    name TEXT PRIMARY KEY, fence BIGINT NOT NULL, holder TEXT NOT NULL, until TIMESTAMPTZ NOT NULL);
CREATE TABLE IF NOT EXISTS worker (
    id TEXT PRIMARY KEY, version TEXT NOT NULL, address TEXT, secret TEXT,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(), seen_at TIMESTAMPTZ NOT NULL DEFAULT now());
ALTER TABLE worker ADD COLUMN IF NOT EXISTS configuration TEXT;
CREATE OR REPLACE FUNCTION liaison_fence(bigint) RETURNS void LANGUAGE plpgsql AS $liaison$
BEGIN
PERFORM pg_advisory_xact_lock_shared({_GATE});
IF NOT EXISTS (SELECT 1 FROM lease WHERE name = 'hub' AND fence = $1) THEN
    RAISE EXCEPTION 'the lease is not held any more' USING ERRCODE = '{FENCED}';
END IF;
END
$liaison$;
"""  # noqa: S608 (numbers of ours)
_MADE = """
SELECT to_regclass('lease') IS NOT NULL AND to_regclass('worker') IS NOT NULL
    AND to_regproc('liaison_fence') IS NOT NULL
    AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('worker') AND attname = 'configuration')
"""
_TAKE = """
INSERT INTO lease VALUES ('hub', extract(epoch FROM clock_timestamp())::bigint, $1,
    clock_timestamp() + $2 * interval '1 second')
ON CONFLICT (name) DO UPDATE SET fence = greatest(lease.fence + 1, excluded.fence), holder = excluded.holder,
    until = excluded.until
WHERE lease.fence = $3 AND ($4 OR lease.until <= clock_timestamp()) RETURNING fence
"""
# Every hub locks the same numbers, each in its own database; the server shows the locks of all.
_HELD = """
FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = {} AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_LOOK = f"""
SELECT coalesce(max(fence), 0) AS fence, coalesce(max(holder), '') AS holder,
    coalesce(max(until) > clock_timestamp(), false) AS running,
    EXISTS (SELECT 1 {_HELD.format(LOCK)}) AS locked
FROM lease WHERE name = 'hub'
"""  # noqa: S608 (a number of ours)
IN_USE = f"SELECT EXISTS (SELECT 1 {_HELD.format(LOCK)})"
"""Whether a hub has this database: its session's lock, also of a release without leases."""
_BEGINS = "SELECT EXISTS (SELECT 1 FROM worker WHERE id = $1 AND address IS NULL)"
_RENEW = """
UPDATE lease SET until = clock_timestamp() + $2 * interval '1 second' WHERE name = 'hub' AND fence = $1 RETURNING 1
"""
_END = """
WITH ended AS (UPDATE lease SET until = '-infinity' WHERE name = 'hub' AND fence = $1 RETURNING holder)
DELETE FROM worker USING ended WHERE id = holder
"""
_EVICT = f"SELECT pg_terminate_backend(pid) {_HELD.format(_GATE)} AND pid <> pg_backend_pid()"


@dataclass(frozen=True, slots=True)
class Holding:
    """The lease at one look. ``running``: its time is not over. ``locked``: a session holds the lock."""

    fence: int
    holder: str
    running: bool
    locked: bool

    @property
    def free(self) -> bool:
        """Whether nobody holds it, or whoever did has died. Releases without leases hold the lock only."""
        return not self.locked or (not self.running and self.fence > 0)

    @property
    def doubtful(self) -> bool:
        """Whether its time runs, and no session holds the lock: its holder has died, or is connecting again."""
        return self.running and not self.locked


async def make(connection: Any) -> None:
    """Make the tables and the function, unless they are there."""
    if not await connection.fetchval(_MADE):
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({_GATE})")
            await connection.execute(_MAKE)


async def look(connection: Any) -> Holding:
    """Who holds the lease now."""
    row = await connection.fetchrow(_LOOK)
    return Holding(row["fence"], row["holder"], row["running"], row["locked"])


async def first_term(connection: Any, seen: Holding) -> float:
    """For how long (s) whoever begins after the holder at ``seen`` may stand still.

    One whose time ended before everything of it had started was cut off, or stood still for longer: as the next one
    would, which then lost it to the next again, and so on for ever.
    """
    ended = not seen.running and seen.fence > 0
    return LONG_TERM if ended and await connection.fetchval(_BEGINS, seen.holder) else FIRST_TERM


async def take(connection: Any, seen: Holding, holder: str, term: float = FIRST_TERM) -> int:
    """Take it over from whoever held it at ``seen``, for ``term`` seconds; gives the number.

    Raises Unavailable: somebody was first, or its holder, whose time was over at ``seen``, has renewed since.
    """
    for last in (False, True):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {_PATIENCE}")
                await connection.execute(f"SELECT pg_advisory_xact_lock({_GATE})")
                fence = await connection.fetchval(_TAKE, holder, term, seen.fence, seen.running)
        except asyncpg.LockNotAvailableError:
            if last:
                raise Unavailable("database_in_use") from None
            await connection.execute(_EVICT)
        else:
            break
    if fence is None:
        raise Unavailable("database_in_use")
    return int(fence)


async def renew(connection: Any, fence: int, term: float) -> bool:
    """Hold it for so many seconds more; False: somebody else has it."""
    return await connection.fetchval(_RENEW, fence, term) is not None


async def end(connection: Any, fence: int) -> None:
    """Let go of it at once."""
    await connection.execute(_END, fence)


async def lock(connection: Any) -> bool:
    """Keep the session's lock as long as this connection lives; False: an earlier holder's session has it still."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK))


def fence_call(fence: int) -> str:
    """What asks, in a transaction, whether the lease is still held."""
    return f"SELECT liaison_fence({int(fence)})"
