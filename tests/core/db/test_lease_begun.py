"""For how long whoever begins has the lease: longer than whoever works, and no longer than it is needed."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from bridge.db.postgres import Postgres, lease
from bridge.db.postgres.keeper import Keeper
from bridge.db.postgres.standby import Directions, Standby
from deploy.world.waiting import PATIENCE
from tests.core.db.test_lease import RELEASE, nobody

pytestmark = pytest.mark.postgres


async def test_whoever_begins_has_more_time_than_whoever_works(
    pg: Postgres, pg_url: str, somebody: asyncpg.Connection
) -> None:
    left = "SELECT extract(epoch FROM until - clock_timestamp())::float FROM lease"
    assert await somebody.fetchval(left) > lease.TERM + 1
    await pg.publish("here", "secret", RELEASE)
    async with asyncio.timeout(PATIENCE):
        while await somebody.fetchval(left) > lease.TERM:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await somebody.fetchval(left) > 0


async def test_who_is_cut_off_within_its_start_is_followed_soon_and_the_next_one_gets_more_time(
    pg_url: str, somebody: asyncpg.Connection
) -> None:
    left = "SELECT extract(epoch FROM until - clock_timestamp())::float FROM lease"

    async def begins() -> tuple[Keeper, float]:
        found = await Standby(pg_url, (), RELEASE).wait(nobody)
        return found, await somebody.fetchval(left)

    async def cut_off(holder: Keeper) -> None:
        """Its session lives as far as the server knows, and nothing comes from it any more."""
        holder._task.cancel()
        await somebody.execute("UPDATE lease SET until = clock_timestamp() - interval '1 second'")

    first, time = await begins()
    assert lease.TERM < time <= lease.FIRST_TERM
    await cut_off(first)
    second, time = await begins()
    assert lease.FIRST_TERM < time <= lease.LONG_TERM  # perhaps it stood still, as this one may
    await somebody.execute("UPDATE worker SET address = 'here' WHERE id = $1", second.holder)
    await cut_off(second)
    third, time = await begins()
    assert time <= lease.FIRST_TERM  # that one had begun
    await third.close()
    fourth, time = await begins()
    assert time <= lease.FIRST_TERM  # that one had let go
    for one in (fourth, second, first):
        await one.close()


async def test_a_standby_that_is_ended_in_the_moment_it_takes_over_lets_go_at_once(
    pg_url: str, somebody: asyncpg.Connection
) -> None:
    async def ends(_: Directions | None) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Standby(pg_url, (), RELEASE).wait(ends)
    assert await somebody.fetchval("SELECT until < clock_timestamp() FROM lease")
    assert await somebody.fetchval("SELECT count(*) FROM worker") == 0
