"""The list of what is erased of a person against the schema: no table and no column is in neither."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from bridge.db import Component, Tx, read_migrations, read_statements
from bridge.erasure import PERSONAL, Goes, Personal, erase_account, erase_person
from bridge.model import Address

ROOT = Path(__file__).parents[3]
COMPONENTS = [
    Component("-".join(folder.relative_to(ROOT).parts), folder)
    for top in ("bridge", "appservice")
    for folder in sorted((ROOT / top).rglob("sql"))
]
PLAIN = set(  # a person is named by none of these, where the list does not say so
    re.findall(
        r"\w+",
        """
    about accepted_at account also asked at attempt audience body brought bytes copied came_at chat chosen cipher
    closed_at code component content conversation copy created_at curve decided_at declared_at delay device
    device_id device_keys domain done due_at ed envelope event event_id facts first_index forget_at forwarded
    found function generation gone handed handled_at hash held hub id joined_at kept key key_id kind lane
    language late look_at mail marker master membership message mid n name named network next_at next_batch
    noted number outdated parked_at parked_session pickle pictured place poll pos print raw reason received_at
    receiver ref refs reply_to request_id retired room room_id said sealed secret seeds sent_at session_id
    shared_history signed since size stage state step stream taken thread todo told tries trust txn type until
    urgent used version waits what why wordless
    closing details jws proof proven_at result seconds confirmed noticed_at over_at stale
    acts active began began_at changed done_at ended ends login place read_at seen sid subject token
        """,
    )
)
NAMING = {
    "person", "sender", "address", "user_id", "ghost", "mxid", "recipient", "claimant", "entry", "profile", "people",
    "handled_by", "decided_by", "by_whom", "parked_sender", "substitute",
}  # fmt: skip


def schema() -> dict[str, list[str]]:
    """The columns of every table of every component."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    for component in COMPONENTS:
        for _, text in read_migrations(component, "sqlite"):
            db.executescript(text)
    names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'") if "sqlite" not in n]
    found = {name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for name in names}
    db.close()
    return found | {"migration": ["component", "number"]}


def unjudged(tables: dict[str, list[str]], listed: tuple[Personal, ...] = PERSONAL) -> list[str]:
    """Tables and columns of which the list does not say whether they are erased."""
    known = {one.table: one for one in listed}
    found = [table for table in tables if table not in known]
    for table in tables.keys() & known.keys():
        said = set(known[table].columns)
        found += [f"{table}.{c}" for c in tables[table] if c not in said and (c in NAMING or c not in PLAIN)]
    return sorted(found)


def test_every_table_is_erased_or_kept_for_a_reason() -> None:
    tables = schema()
    assert len(COMPONENTS) > 6
    assert len(tables) > 60
    assert unjudged(tables) == []
    for one in PERSONAL:
        assert set(one.columns) <= set(tables[one.table]), one
        assert one.by, one
    assert len({one.table for one in PERSONAL}) == len(PERSONAL) == len(tables)


@pytest.mark.parametrize(
    ("table", "columns", "said"),
    [
        ("diary", ["person", "text"], ["diary"]),
        ("recipient", ["message", "person", "ghost"], ["recipient.ghost"]),
        ("poll", ["message", "asker"], ["poll.asker"]),
    ],
)
def test_what_is_new_is_not_overlooked(table: str, columns: list[str], said: list[str]) -> None:
    assert unjudged({table: columns}) == said


class Erased:
    """A transaction that notes which statements were run."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, tuple[str, ...]]] = []

    async def run(self, name: str, *args: str) -> None:
        self.ran.append((name, args))


async def test_each_statement_erases_its_table_and_is_given_what_it_takes() -> None:
    texts = {k: v for component in COMPONENTS for k, v in read_statements(component, "sqlite").items()}
    account, erased = Address("pandalab", "cleo"), Erased()
    tx: Tx = erased  # type: ignore[assignment]
    for area in ("erasure", "connect_users"):
        await erase_account(tx, account, "rpps:1", area)
    await erase_person(tx, "rpps:1")
    assert {name for name, _ in erased.ran} == {one.by for one in PERSONAL if one.goes is not Goes.KEPT}
    tables = {one.by: one.table for one in PERSONAL}
    for name, args in erased.ran:
        assert texts[name].startswith(f"DELETE FROM {tables[name]} WHERE"), name
        assert len(set(re.findall(r"\?\d", texts[name]))) == len(args), name
