"""The seal's key changes: everything that is sealed is sealed anew while the hub works, and then the old key may go."""

from __future__ import annotations

import ast
import json
import sqlite3
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from vodozemac import Account, Curve25519PublicKey, GroupSession, InboundGroupSession

from appservice.e2ee.pickles import Pickles
from appservice.process import app, proof
from appservice.process.sealing import resealing as module
from appservice.process.sealing.columns import SEALED, Form, SealedColumn, of
from appservice.process.sealing.command import lines
from appservice.process.sealing.keys import acts, forget, let_go, standing
from appservice.process.sealing.resealing import Resealing, sealed_with
from bridge.config import BadConfig
from bridge.db import Component, Database, open_database, read_migrations, read_statements
from bridge.networks import networks
from bridge.seal import Seal
from tests.core.db.own import teach
from tests.core.db.versions import recorded
from tests.core.store.test_erasure import schema

ROOT = Path(__file__).resolve().parents[3]
ALL: tuple[Component, ...] = (*app.COMPONENTS, *(table for _, row in networks() for table in row.tables))
ONE, TWO = bytes(32), bytes([2] * 32)
OLD, BOTH, NEW = Seal({"k1": ONE}, "k1"), Seal({"k1": ONE, "k2": TWO}, "k2"), Seal({"k2": TWO}, "k2")

NOT_SEALED = {
    "connect_print.print": "a keyed hash; without its key it is not compared any more",
    "e2ee_send.body": "on its way to a homeserver, encrypted for its reader or said in clear",
    "seal_proof.sealed": "a proof of its own key",
    "trail.hash": "of what is in clear",
    "trail_checkpoint.hash": "of what is in clear",
}
SEALS = {
    "appservice/arriving/inbox.py": 1, "appservice/arriving/transactions.py": 2,
    "appservice/console/login/sessions.py": 1,
    "appservice/console/ways.py": 1,  # a cookie of minutes
    "appservice/e2ee/ghost_devices.py": 1, "appservice/e2ee/giving.py": 1, "appservice/leaving/captions.py": 1,
    "appservice/operating/products.py": 1,  # an answer at the operator's door, shown once
    "appservice/process/sealing/resealing.py": 2,
    "appservice/e2ee/pickles.py": 1,  # what the homeserver keeps: written anew with each publication of keys
    "bridge/hub/accepting/early.py": 1, "bridge/hub/duty/watches.py": 1, "bridge/hub/moving.py": 1,
    "bridge/networks/connect/credentials/rotation.py": 1, "bridge/networks/connect/log/event_log.py": 2,
    "bridge/networks/connect/shelf/shelf.py": 1, "bridge/networks/connect/users/absences.py": 1,
    "bridge/networks/mail/leg/intake.py": 2, "bridge/networks/mail/leg/ledger.py": 2,
    "bridge/people/sealed_names.py": 1, "bridge/seal.py": 1,
    "bridge/store/corrections.py": 1, "bridge/store/group_names.py": 1, "bridge/store/kept_files.py": 2,
    "bridge/store/polls.py": 2, "bridge/store/store.py": 1, "bridge/trail/chaining.py": 1,
}  # fmt: skip
"""Where something is sealed, and how often: whoever adds a place names its column in ``SEALED``."""


def test_every_column_that_may_be_sealed_is_in_the_list() -> None:
    listed = {column.name for column in SEALED} | NOT_SEALED.keys()
    columns = {f"{table}.{name}" for table, names in schema().items() for name in names}
    assert listed <= columns
    pickles = {name.partition(".")[0] for name in columns if name.endswith(".key_id") and "e2ee_" in name}
    assert {c.table for c in SEALED if c.form is Form.PICKLE} == pickles - {"e2ee_seal_key"}
    assert len({column.name for column in SEALED}) == len(SEALED) > 25


def test_every_blob_is_in_the_list() -> None:
    listed = {column.name for column in SEALED} | NOT_SEALED.keys()
    assert {name for name, kind in kinds().items() if kind in ("BLOB", "BYTEA")} <= listed


def kinds() -> dict[str, str]:
    """The type of every column."""
    with sqlite3.connect(":memory:") as db:
        for component in ALL:
            for _, text in read_migrations(component, "sqlite"):
                db.executescript(text)
        tables = [t for (t,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {f"{t}.{row[1]}": row[2] for t in tables for row in db.execute(f"PRAGMA table_info({t})")}


def test_the_list_opens_what_real_hubs_have_left() -> None:
    seal, opened = Seal({"k1": bytes(range(32))}, "k1"), set()
    for component in ALL:
        if not (kept := recorded(component)):
            continue
        tables = json.loads(kept[max(kept)].read_text())
        for column in (c for c in SEALED if c.component == component.name and c.form is Form.BYTES):
            for row in tables.get(column.table, ()):
                raw = b64decode(row[column.column]["b64"]) if row[column.column] is not None else b""
                if Seal.name_in(raw) == "k1":  # some rows were written by hand
                    seal.open(raw, column.context_of(row))
                    opened.add(column.name)
    assert len(opened) >= 4, opened


def test_nothing_is_sealed_elsewhere() -> None:
    found: Counter[str] = Counter()
    for root in ("bridge", "appservice"):
        for path in sorted((ROOT / root).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "seal":
                    found[path.relative_to(ROOT).as_posix()] += 1
    assert dict(found) == SEALS


def test_each_has_its_statements() -> None:
    there = {name for component in ALL for name in read_statements(component, "sqlite")}
    assert {column.statement(what) for column in SEALED for what in ("page", "one", "swap")} == {
        name for name in there if "_seals." in name
    }


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    made = await open_database(url, ALL)
    await proof.prove(made, BOTH)
    yield made
    await made.close()


def secret(column: SealedColumn, n: int) -> bytes:
    """What a row holds."""
    return f"{column.name} {n}".encode()


def pickled(seal: Seal, column: SealedColumn) -> str:
    """Something real of the key engine."""
    account = Account()
    account.generate_one_time_keys(1)
    group = GroupSession()
    (one_time,) = account.one_time_keys.values()
    things: dict[str, Any] = {
        "e2ee_ghost": account, "e2ee_spare": account, "e2ee_out": group,
        "e2ee_in": InboundGroupSession(group.session_key),
        "e2ee_olm": Account().create_outbound_session(
            Curve25519PublicKey.from_base64(account.curve25519_key.to_base64()), one_time
        ),
    }  # fmt: skip
    return Pickles(seal).dump(things[column.table])


async def fill(db: Database, seal: Seal, rows: int) -> None:
    """Rows in every table, each column with something that is sealed."""
    types = kinds()
    tables: dict[str, list[SealedColumn]] = {}
    for column in SEALED:
        tables.setdefault(column.table, []).append(column)
    for table, columns in tables.items():
        names = [name.partition(".")[2] for name in types if name.startswith(f"{table}.")]
        marks = ", ".join(f"${n}" for n in range(1, len(names) + 1))
        teach(db, f"test.fill-{table}", f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})")
        for n in range(1, rows + 1):
            row: dict[str, Any] = {name: f"{name}{n}" if types[f"{table}.{name}"] == "TEXT" else n for name in names}
            if "key_id" in row:
                row["key_id"] = seal.active
            for column in columns:
                row[column.column] = value(seal, column, row, n)
            async with db.transaction("test.fill") as tx:
                await tx.run(f"test.fill-{table}", *row.values())


def value(seal: Seal, column: SealedColumn, row: Any, n: int) -> Any:
    """As its owner would keep it."""
    if column.form is Form.PICKLE:
        return pickled(seal, column)
    sealed = seal.seal(secret(column, n), column.context_of(row))
    return "sealed:" + b64encode(sealed).decode() if column.form is Form.TEXT else sealed


async def holds(db: Database, seal: Seal) -> None:
    """Everything is there, and opens with this seal."""
    for column in SEALED:
        place, n = column.first, 0
        while rows := await db.all(column.statement("page"), *place, 2):
            for found in rows:
                n += 1
                place = [found[name] for name in column.key]
                row = await db.one(column.statement("one"), *place)
                assert row is not None
                assert column.key_in(found["mark"]) == seal.active, column.name
                if column.form is Form.PICKLE:
                    Pickles(seal).anew(column.table, row["sealed"], row["key_id"])
                else:
                    text = row["sealed"]
                    raw = b64decode(text.removeprefix("sealed:")) if column.form is Form.TEXT else bytes(text)
                    assert seal.open(raw, column.context_of(row)) == secret(column, n)
        assert n == 5, column.name


async def test_everything_is_sealed_anew_and_the_old_key_may_go(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 2)
    monkeypatch.setattr(module, "_REST", 0.0)
    monkeypatch.setattr(module, "_LEAST", 0.0)
    await fill(db, OLD, 5)
    with pytest.raises(BadConfig, match=r"the key k1 is missing.*delivery\.body.*liaison seal --lost k1"):
        await let_go(db, NEW, of(ALL))
    first, second = (Resealing(db, BOTH, of(ALL), lambda: 7) for _ in range(2))
    say = acts(db, BOTH, first)["seal"]
    assert "still needed: k1" in "\n".join(lines(await say({})))
    await first._save(
        SEALED[0], await first._page(SEALED[0], module.ColumnPass("k2", SEALED[0].first, began_at=7))
    )  # and it ends there
    half = await standing(db, BOTH, first)
    assert (half.others, half.left, half.changed, half.began_at) == (("k1",), len(SEALED), 2, 7)
    await second.step()
    await holds(db, NEW)
    found = await say({})
    assert (found["done"], found["changed"]) == (found["columns"], 5 * len(SEALED))
    assert "nothing is sealed with k1: take them out" in "\n".join(lines(found))
    before = db.counts.statements.total()
    await first.step()
    assert db.counts.statements.total() - before < 5
    await let_go(db, NEW, of(ALL))
    await proof.prove(db, NEW)
    assert (await standing(db, NEW, first)).left == 0
    assert await sealed_with(db, of(ALL), "k1") == []
    assert lines(await acts(db, NEW, first)["seal"]({})) == ["active key: k2", "no other key is needed"]


async def test_whoever_changes_a_row_meanwhile_is_not_overwritten(db: Database) -> None:
    await fill(db, OLD, 1)
    column = SEALED[0]
    row = await db.one(column.statement("one"), "id1")
    assert row is not None
    values = Resealing(db, BOTH, of(ALL), lambda: 7)._values(column, row)
    newer = BOTH.seal(b"corrected", "id1")
    async with db.transaction("test") as tx:
        await tx.run(column.statement("swap"), "id1", newer, row["sealed"])
        await tx.run(column.statement("swap"), "id1", *values)
    row = await db.one(column.statement("one"), "id1")
    assert row is not None
    assert bytes(row["sealed"]) == newer


async def spoil(db: Database) -> None:
    """A body that does not open."""
    teach(db, "test.spoil", "UPDATE delivery SET body = $1")
    async with db.transaction("test") as tx:
        await tx.run("test.spoil", OLD.seal(b"x", "another row"))


async def test_what_does_not_open_is_left_and_said_and_its_key_stays(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(db, OLD, 1)
    await spoil(db)
    sealing = Resealing(db, BOTH, of(ALL), lambda: 7)
    await sealing.step()
    assert "ALARM delivery.body: what a row holds does not open" in caplog.text
    assert "may be taken out" not in caplog.text
    said = "\n".join(lines(await acts(db, BOTH, sealing)["seal"]({})))
    assert "1 rows do not open and keep their old seal" in said
    assert "still needed: k1" in said
    with pytest.raises(BadConfig, match=r"\(delivery\.body\)"):
        await let_go(db, NEW, of(ALL))
    await forget(db, "k1", lost=True)
    await let_go(db, NEW, of(ALL))
