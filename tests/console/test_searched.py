"""The audit trail searched, and the queue turned over page by page: each question reads a bounded number of rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from appservice.console.looking.imports import Imports
from appservice.console.looking.searched import LOOKED_AT, SHOWN, TrailSearch
from bridge.db import Database, open_database
from bridge.people.national.kept.kept_loads import loads_of
from bridge.seal import Seal
from bridge.store.store import COMPONENT as STORE
from bridge.trail.chain import START, chained, compose_body
from bridge.trail.entry import COMPONENT as TRAIL
from tests.people.national.test_command import NOW, config, typed
from tests.people.national.test_records import BOX, DOCTOR, SERVICE, written

DAY = 86_400_000
ROWS = 3 * LOOKED_AT
RARE = 7  # the number of the one row about somebody


def _body(n: int) -> str:
    """A row a minute; every hundredth is a login, one is about Anna."""
    kind = "login" if n % 100 == 0 else "message"
    about = "rpps:10000000001" if n == RARE else f"m_{n}"
    return compose_body((n * 60_000, kind, "rpps:10000000003", about, None, "accepted", {"conversation": f"c_{n}"}))


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    made = await open_database(f"sqlite:///{tmp_path}/hub.db", [STORE, TRAIL])
    bodies = [_body(n) for n in range(1, ROWS + 1)]
    hashes = chained(0, START, bodies)
    async with made.transaction("test") as tx:
        await tx.run("trail.chain", 0, b"".join(hashes), orjson.dumps(bodies).decode())
        marks = [(n, hashes[n - 1], n * 60_000, 0, None) for n in range(1000, ROWS + 1, 1000)]
        await tx.many("trail.checkpoint", marks)
    yield made
    await made.close()


async def ask(db: Database, **asked: Any) -> tuple[list[int], int | None, int]:
    """The numbers of the rows, where to go on, and how many pages were read."""
    before = db.counts.copy()
    search = TrailSearch(db, Seal({"k1": bytes(32)}, "k1"))
    found = await search.answer({"kind": None, "about": None, "until": None, "before": 0} | asked)
    pages = db.counts.since(before).statements["trail.before"]
    return [row["number"] for row in found["rows"]], found["next"], pages


async def test_the_newest_come_first_a_page_at_a_time(db: Database) -> None:
    first, following, pages = await ask(db)
    assert (first, pages) == ([*range(ROWS, ROWS - SHOWN, -1)], 1)
    second, _, _ = await ask(db, before=following)
    assert second == [*range(ROWS - SHOWN, ROWS - 2 * SHOWN, -1)]
    last, after, _ = await ask(db, before=3)
    assert (last, after) == ([2, 1], None)


async def test_what_is_rare_is_found_by_questions_that_are_all_bounded(db: Database) -> None:
    before, questions = 0, 0
    while True:
        rows, following, pages = await ask(db, about="10000000001", before=before)
        questions += 1
        assert pages <= LOOKED_AT // 1000
        if rows:
            break
        assert following is not None
        before = following
    assert (rows, questions) == ([RARE], 3)
    logins, _, _ = await ask(db, kind="login")
    assert logins[:2] == [ROWS, ROWS - 100]
    assert (await ask(db, about="c_14990"))[0] == [14_990], "by its conversation"


async def test_a_day_is_begun_at_without_reading_what_came_later(db: Database) -> None:
    rows, _, pages = await ask(db, until=DAY)
    assert rows[0] == DAY // 60_000 - 1
    assert pages == 1
    assert (await ask(db, until=1))[0] == []


async def test_the_load_of_the_national_directory_is_shown(tmp_path: Path) -> None:
    settings = config(tmp_path)
    imports = Imports(settings.directory, loads_of(settings.database.url), lambda: NOW)
    assert await imports.answer({}) == {"kind": "national", "file": None, "load": None}
    files = [
        written(tmp_path, kind, lines, time="202511010230") for kind, lines in (("A", [DOCTOR]), ("M", [BOX, SERVICE]))
    ]
    assert await typed(settings, "import", *files) == 0
    load = (await imports.answer({}))["load"]
    assert (load["number"], load["tally"]["people"], load["old"], load["outdated"]) == (1, 2, False, False)
    assert [one["lines"] for one in load["files"]] == [1, 2]
    assert load["age"] == 86_400.0
    assert (await Imports(settings.directory, None).answer({}))["kind"] == "csv"
