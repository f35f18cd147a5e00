"""Copies are as the hub writes: in shape, and so that the hub goes on with them; curves are drawn."""

from __future__ import annotations

import gc
import re
import sqlite3
import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from appservice.process import benches
from bridge.config import read_config
from bridge.seal import Seal, SealBroken
from deploy.bench.grow import axes, picture, world
from deploy.bench.grow.copies import APART, Template, Unfaithful, Written, other, plant
from deploy.bench.grow.curves import is_flat
from deploy.bench.grow.rows import Row, Table, opened
from deploy.bench.grow.sheet import Sheet
from tests.bench.test_bench import CLOCKWORK

_LONG = 120  # letters: keys and accounts, which differ in length
DIGITS = re.compile(r"[0-9a-zA-Z_+/=-]+")


def shape(value: Any) -> Any:
    """What is the same in two things of a kind: types, lengths and sigils, not the letters between them."""
    if isinstance(value, str) and len(value) > _LONG:
        return "text", value[:1]
    if isinstance(value, str):
        return "text", DIGITS.sub(lambda word: str(len(word[0]) // 12), value)
    return (type(value).__name__, len(value)) if isinstance(value, bytes) else type(value).__name__


def shapes(written: Iterable[Written]) -> Counter[tuple[str, Any]]:
    """Every row of these tables in shape."""
    return Counter((w.table.name, tuple(map(shape, row))) for w in written for row in w.rows)


_COPIES = 40
_ASKED = 8  # messages each way
_LOOKS = {  # at every inbox, once after a start
    "e2ee.olm-save", "e2ee.olm-gone", "e2ee.olm-read", "e2ee.withheld-save", "e2ee.wedged", "e2ee.user-outdated",
    "e2ee.late-news", "e2ee.ghost-moved",
}  # fmt: skip


async def asked(one: world.Grown, name: str) -> dict[str, float]:
    """The statements for a message each way, each of them alone, by name."""
    counts, chat = one.running.counts, one.chats[0]
    assert counts is not None
    await one.exchange(chat, one.ben, f"warm {name}")
    before = counts.copy()
    for n in range(_ASKED):
        await one.exchange(chat, one.ben, f"{name} {n}")
    return {k: n / _ASKED for k, n in counts.since(before).statements.items() if k not in CLOCKWORK | _LOOKS}


@pytest.mark.real_time
async def test_a_copy_is_as_the_hub_writes_and_the_hub_goes_on_with_it(tmp_path: Path) -> None:
    """A newcomer by the hub itself, many as copies; then a copy's person writes, another one comes, and no message
    asks more of the database than before."""
    async with world.grown(tmp_path / "hub", world.Outset(1, in_here=True)) as one:
        alone = await asked(one, "before")
        came = await axes.first(one)
        before = await one.snapshot()
        await came.copy(one, 0, _COPIES)
        between = await one.snapshot()
        copied, n = between.since(before), came.n + 1
        one.setup.people += 1
        one.setup.write_people()
        await one.start()
        sent = await one.product.write(f"u{n}", f"grown{n}", "the copy writes")
        await one.product.until(lambda: one.product.told.get(sent) in ("sent", "delivered"))  # in the copied room
        newest = n + _COPIES
        await one.begin(one.product, f"u{newest}", f"grown{newest}", one.ben)
        among = await asked(one, "after")
        written = (await one.snapshot()).since(between)

    with warnings.catch_warnings():  # a connection of the stub to a hub that was about to end is nobody's any more
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    found, wanted, real = shapes(copied), shapes(came.template.written), shapes(written)
    assert found == Counter({row: n * _COPIES for row, n in wanted.items()})
    lacking = {table: row for table, row in wanted if (table, row) not in real}
    assert lacking.keys() <= {"e2ee_user", "e2ee_device"}, lacking  # ben was known before
    opens(read_config(one.config).seal.open(), copied)
    more = {name: (alone[name], among[name]) for name in alone if among.get(name, 0) > alone[name] + 0.5}
    assert sum(among.get(name, 0) for name in alone) <= 1.1 * sum(alone.values()), more


def opens(seal: Seal, copied: Iterable[Written]) -> None:
    """What is sealed in the copies opens for their own names, and for no other."""
    rows = [(w.table, row) for w in copied if w.table.name == "e2ee_ghost" for row in w.rows]
    assert rows
    for table, row in rows:
        seeds, user = row[table.at("seeds")], row[table.at("user_id")]
        assert len(seal.open(seeds, f"e2ee cross-signing {user}")) == 96
        with pytest.raises(SealBroken):
            seal.open(seeds, "e2ee cross-signing @somebody:else")


SEAL = Seal({"k": bytes(32)}, "k")
NOTE = Table("note", ("id", "about", "n", "at", "body"), ("id",), frozenset({"id"}))
LONG_NAME = "m_" + 32 * "0"
AT = 1_790_000_000_000


def rows(*some: Row) -> Template:
    return Template([Written(NOTE, list(some))], {"m_0011", "$event+1"}, {"u7": lambda i: f"u{8 + i}"}, SEAL, step=10)


async def copied(template: Template, which: range, folder: Path, last: int) -> list[Row]:
    """The rows of these copies, in a table that has a row with this number already."""
    path = folder / "notes.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE note (id TEXT PRIMARY KEY, about TEXT, n INTEGER, at INTEGER, body BLOB)")
    database.execute("INSERT INTO note VALUES ('', '', ?, 0, NULL)", [last])
    database.commit()
    database.close()
    found = await opened(f"sqlite:///{path}")
    await plant(found, template, which, AT)
    rows = await found.all(NOTE)
    await found.close()
    return rows[1:]


async def test_names_change_everywhere_and_nothing_else_does(tmp_path: Path) -> None:
    template = rows(
        ("m_0011", '{"by":"u7","not":"au7","it\'s":"$event+1"}', 7, AT, b"x"), ("$event+1", "u7", 9, 5, None)
    )
    first, third, second, _ = await copied(template, range(3, 5), tmp_path, 100)
    assert first == (other("m_0011", 3), f'{{"by":"u11","not":"au7","it\'s":"{other("$event+1", 3)}"}}', 101, AT, b"x")
    assert second == (other("$event+1", 3), "u11", 103, 5, None)
    assert third[2:4] == (104, AT - 10)
    assert len(other("m_0011", 3)) == len("m_0011")
    assert other("m_0011", 3) != other("m_0011", 4)
    assert other("!room:example", 1).startswith("!")


async def test_a_copy_is_not_older_than_the_hub_would_keep_it() -> None:
    """Rows that the hub forgets after a day are in the copies of the last day only."""
    told = Table("matrix_outbox", ("id", "created_at"), ("id",), frozenset({"id"}))
    template = Template([Written(told, [("m_0011", AT)])], {"m_0011"}, {}, SEAL, step=6 * 3_600_000)
    [cells] = template.cells(template.written[0], {}, Sheet(), AT)
    assert cells.only == 4


async def test_what_is_sealed_for_nobody_known_is_not_copied(tmp_path: Path) -> None:
    template = rows(("m_0011", "", 1, AT, SEAL.seal(b"x", "m_0011")))
    with pytest.raises(Unfaithful):
        await copied(template, range(1), tmp_path, 0)


@pytest.mark.postgres
async def test_rows_are_written_without_triggers(postgres: Any, tmp_path: Path) -> None:
    """Rows of the trail are copied, so nobody may write them a second time; both databases have the same tables."""
    from appservice.process.app import COMPONENTS
    from bridge.db import open_database

    found = []
    for url in (f"sqlite:///{tmp_path}/hub.db", await postgres.create_database()):
        await (await open_database(url, COMPONENTS)).close()
        database = await opened(url)
        tables = {t.name: t for t in await database.tables()}
        told = Written(tables["recipient"], [(LONG_NAME, "p", "matrix", "sent", AT, None)])
        template = Template([told], {LONG_NAME}, {}, SEAL)
        assert await plant(database, template, range(100), AT) == 100
        assert len(await database.all(told.table)) == 100
        assert await database.all(tables["trail_new"]) == []
        assert await database.largest(told.table, "at") == AT
        await database.prepare([told.table], 1_000_000)  # as for many: without indexes, until it is closed
        assert await plant(database, template, range(100, 200), AT) == 100
        assert await database.size() > 10_000
        found.append({t.name: (t.columns, t.key, t.unique) for t in tables.values() if t.name not in APART})
        await database.close()
    assert found[0] == found[1]


POINT = {name: 1.0 for panel in picture.PANELS for name in panel.fields} | {"share_to_matrix": 1.1}


def test_a_picture_is_well_formed_and_names_what_it_shows() -> None:
    points = [POINT | {"size": size, "memory_mib": size / 7} for size in (50, 5_000, 2_000_000)]
    text = picture.drawn("More & more", "ghosts", {"sqlite": points, "postgresql": points[:2]})
    root = ElementTree.fromstring(text)
    words = [node.text for node in root.iter() if node.text]
    assert {"More & more", "50", "5k", "2M", "memory, MiB"} <= {*words}
    assert text.count("stroke-dasharray") == 6


def test_flat_is_what_costs_the_largest_hub_no_more() -> None:
    assert is_flat([{"share_to_matrix": 9, "share_to_product": 9}, {"share_to_matrix": 1.2, "share_to_product": 0.9}])
    assert not is_flat([{"share_to_matrix": 1, "share_to_product": 1.3}])


def test_the_command_starts_the_bench() -> None:
    assert benches.command(["grow", "--quick"]) == [sys.executable, "-m", "deploy.bench.grow", "--quick"]
    assert benches.command(["--only", "cost"]) == [sys.executable, "-m", "deploy.bench", "--only", "cost"]
    assert benches.command([]) == [sys.executable, "-m", "deploy.bench"]
