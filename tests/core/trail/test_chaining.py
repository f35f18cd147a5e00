"""Facts and their rows are written together; rows get their place in the chain later, whoever crashes in between."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bridge.db import Conflict, Database, open_database
from bridge.hub.hub import now_ms
from bridge.store.store import COMPONENT
from bridge.trail.chain import START, fits
from bridge.trail.chaining import Chainer
from bridge.trail.entry import COMPONENT as TRAIL
from bridge.trail.entry import TrailEntry, TrailKind, note
from bridge.trail.rules import TrailRules
from tests.core.make import SEAL, running
from tests.core.trail.make import chain_of

ANNA, DAN = "rpps:10000000001", "rpps:10000000004"


async def test_what_becomes_of_a_message_is_chained_without_a_word_of_it(url: str) -> None:
    async with running(url) as w:
        await w.pandalab.write("1", "chat", "cleo", "Le patient va mieux", to=("rpps:10000000002", DAN))
        await w.until(lambda: w.matrix.delivered)
        rows: list[list[object]] = []
        chainer = Chainer(w.db, SEAL, None, TrailRules(), now_ms)
        while len(rows) < 3:
            await chainer.catch_up()
            rows = [orjson.loads(row.body) for row in await chain_of(w.db)]
    told = {(row[2], row[4], row[5], orjson.dumps(row[6])) for row in rows if row[1] == "message"}
    assert (
        "rpps:10000000003",
        "rpps:10000000002",
        "delivered",
        b'{"from":"pandalab","to":"matrix:chu.example"}',
    ) in told
    assert {(who, whom) for who, whom, state, _ in told if state == "accepted"} == {
        ("rpps:10000000003", "rpps:10000000002"), ("rpps:10000000003", DAN),
    }  # fmt: skip
    assert not [row for row in rows if "patient" in str(row)]


async def test_messages_can_be_left_out_and_addresses_are_never_told(url: str) -> None:
    db = await open_database(url, [COMPONENT, TRAIL])
    async with db.transaction("test") as tx:
        await tx.run("store.add_recipient", "m", "matrix:@ben:chu.example", "matrix", 1)
        await note(tx, TrailEntry(TrailKind.LINK_MADE, "operator", ANNA, "mail:anna@mss.example", "made"), 7)
        await note(tx, TrailEntry(TrailKind.LINK_MADE, "pandalab:cleo", ANNA, "mail:anna@mss.example"), 8)
    await Chainer(db, SEAL, None, TrailRules(messages=False), now_ms).catch_up()
    first, second = [orjson.loads(row.body) for row in await chain_of(db)]
    assert first[:4] == [7, "link_made", "operator", ANNA]
    assert first[4] == second[4]
    assert first[4].startswith("mail:mss.example#")
    assert second[2].startswith("pandalab#")
    await db.close()


async def test_a_fact_that_is_taken_back_leaves_no_row(url: str) -> None:
    db = await open_database(url, [COMPONENT, TRAIL])
    with pytest.raises(Conflict):
        await _twice(db)
    await Chainer(db, SEAL, None, TrailRules(), now_ms).catch_up()
    assert await chain_of(db) == []
    await db.close()


async def _twice(db: Database) -> None:
    async with db.transaction("test") as tx:
        await note(tx, TrailEntry(TrailKind.OPERATOR, "operator", "x"), 1)
        for _ in range(2):
            await tx.run("store.add_conversation", "c", 1)


_CRASH = """
import asyncio, sys
from tests.core.trail.life import chain_some
asyncio.run(chain_some(sys.argv[1]))
"""


async def test_a_crash_while_rows_are_chained_loses_and_repeats_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    killed = subprocess.run(
        [sys.executable, "-c", _CRASH, url],
        env={**os.environ, "LIAISON_FAILPOINT": "trail.chain.after-commit:1"},
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert killed.returncode == -9
    db = await open_database(url, [COMPONENT, TRAIL])
    await Chainer(db, SEAL, None, TrailRules(), now_ms).catch_up()
    rows = await chain_of(db)
    assert [orjson.loads(row.body)[3] for row in rows] == [f"s{n}" for n in range(700)]
    before = START
    for number, row in enumerate(rows, 1):
        assert row.number == number
        assert fits(before, number, row)
        before = row.hash
    await db.close()


async def test_the_chain_goes_on_where_another_life_has_ended(url: str) -> None:
    db: Database = await open_database(url, [COMPONENT, TRAIL])
    for name in ("a", "b"):
        async with db.transaction("test") as tx:
            await note(tx, TrailEntry(TrailKind.OPERATOR, "operator", name), 1)
        await Chainer(db, SEAL, None, TrailRules(), now_ms).catch_up(mark=True)
    one, two = await chain_of(db)
    assert fits(START, 1, one)
    assert fits(one.hash, 2, two)
    assert [row["number"] for row in await db.all("trail.checkpoints", 0, 10)] == [1, 2]
    await db.close()
