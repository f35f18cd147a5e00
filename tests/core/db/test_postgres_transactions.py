"""A transaction on PostgreSQL asks the server seldom, and nobody sees a difference in what is written and when."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from bridge.db.database import Conflict
from bridge.db.postgres import Postgres
from bridge.db.postgres import transaction as transactions
from bridge.errors import Refused
from tests.core.db.notes import Trips, words, write

pytestmark = pytest.mark.postgres


async def test_what_only_writes_is_one_round_trip_however_much_it_is(pg: Postgres) -> None:
    for some in (["a"], ["b", "c"], [f"d{n}" for n in range(100)]):
        with Trips(pg) as trips:
            await write(pg, *some)
        assert trips.count == 1
    assert len(await words(pg)) == 103


async def test_nothing_is_no_round_trip(pg: Postgres) -> None:
    with Trips(pg) as trips:
        async with pg.transaction("test") as tx:
            await tx.many("note.other", [])
    assert trips.count == 0


async def test_what_is_read_first_costs_itself_only(pg: Postgres) -> None:
    with Trips(pg) as trips:
        async with pg.transaction("test") as tx:
            assert await tx.all("note.notes") == []
            assert await tx.one("note.others") is None
            await tx.run("note.add", "a", None, None, None)
            await tx.many("note.other", [("b",), ("c",)])
    assert trips.count == 3


async def test_what_reads_another_table_than_was_written_needs_no_transaction_of_the_servers(pg: Postgres) -> None:
    with Trips(pg) as trips:
        async with pg.transaction("test") as tx:
            await tx.run("note.add", "a", None, None, None)
            assert await tx.all("note.others") == []
            await tx.run("note.other", "b")
    assert trips.count == 2
    assert await words(pg) == ["a"]


async def test_what_reads_what_was_written_sees_it(pg: Postgres) -> None:
    with Trips(pg) as trips:
        async with pg.transaction("test") as tx:
            await tx.run("note.add", "a", None, None, None)
            await tx.run("note.rename", "a", "b")
            assert [row["word"] for row in await tx.all("note.notes")] == ["b"]
            assert await words(pg) == []  # and nobody else does
            await tx.run("note.rename", "b", "c")
    assert trips.count == 6  # BEGIN, two together, the reading; somebody's look from outside; the last, COMMIT
    assert await words(pg) == ["c"]


async def test_what_gives_back_what_it_writes_or_locks_it_is_in_the_transaction(pg: Postgres) -> None:
    await write(pg, "a", "b")

    async def refuse() -> None:
        async with pg.transaction("test") as tx:
            assert await tx.one("note.take", "a") is not None
            raise Refused("never")

    with pytest.raises(Refused):
        await refuse()
    assert await words(pg) == ["a", "b"]
    with Trips(pg) as trips:
        async with pg.transaction("test") as tx:
            assert await tx.one("note.lock", "a") is not None
            assert [row["word"] for row in await tx.all("note.take", "b")] == ["b"]
    assert trips.count == 4
    assert await words(pg) == ["a"]


async def test_a_great_many_do_not_wait_in_memory(pg: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "_MANY", 10)
    with Trips(pg) as trips:
        async with pg.transaction("test") as tx:
            await tx.many("note.other", [(f"{n:03}",) for n in range(200)])
            for n in range(25):
                await tx.run("note.add", f"{n:03}", None, None, None)
    assert trips.count == 6  # BEGIN, all of the first at once, twice eleven, the last three, COMMIT
    assert len(await words(pg)) == 25
    assert len(await pg.all("note.others")) == 200


async def test_values_arrive_as_they_are(pg: Postgres) -> None:
    rows = [
        ("", 0, 0, b""),
        ("NULL", -1, 2**62, b"\0\xff'\\"),
        ("l'été \\ \" $1 {a,b} \n 🙂", None, None, None),
        ("x" * 100_000, 2**31 - 1, -(2**63), bytes(range(256)) * 1000),
    ]
    async with pg.transaction("test") as tx:
        for row in rows:
            await tx.run("note.add", *row)
        await tx.run("note.twice", "mixed", b"raw")
    found = [(r["word"], r["size"], r["at"], r["raw"]) for r in await pg.all("note.notes")]
    assert found == [*rows, ("mixed", None, 5, b"raw")]


async def test_what_was_said_later_happens_later(pg: Postgres) -> None:
    async with pg.transaction("test") as tx:
        await tx.run("note.add", "a", None, None, None)
        await tx.run("note.rename", "a", "b")
        await tx.run("note.add", "a", None, None, None)
        await tx.run("note.gone", "b")
        await tx.many("note.rename", [("a", "c"), ("c", "d")])
    assert await words(pg) == ["d"]


async def test_one_that_fails_takes_all_of_its_transaction_back_and_nothing_else(pg: Postgres) -> None:
    await write(pg, "there")

    async def both(word: str) -> None:
        await write(pg, word, "there")

    results = await asyncio.gather(write(pg, "a"), both("b"), write(pg, "c"), both("d"), return_exceptions=True)
    assert [type(r) for r in results] == [type(None), Conflict] * 2
    assert sorted(await words(pg)) == ["a", "c", "there"]
    with Trips(pg) as trips:
        await write(pg, "e")
    assert trips.count == 1  # its connection is as good as before


async def test_a_failure_that_somebody_has_swallowed_is_no_success(pg: Postgres) -> None:
    await write(pg, "there")

    async def swallow() -> None:
        async with pg.transaction("test") as tx:
            await tx.run("note.add", "lost", None, None, None)
            await tx.run("note.add", "there", None, None, None)
            with pytest.raises(asyncpg.UniqueViolationError):
                await tx.all("note.notes")

    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await swallow()
    assert await words(pg) == ["there"]


async def test_a_text_that_no_database_can_hold_is_refused(pg: Postgres) -> None:
    for word, error in (("a\0b", asyncpg.CharacterNotInRepertoireError), ("\ud800", asyncpg.DataError)):
        with pytest.raises(error):
            await write(pg, "fine", word)
    assert await words(pg) == []
    await write(pg, "next")
