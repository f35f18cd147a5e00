"""No statement of a search costs more because the directory is large: each goes the way of an index."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from bridge.people.national.kept.tables import FINISHED, MADE, statements

_WHOLE = {"gone", "last-word", "forget-words", "forget-grams", "finish-words", "forget-marks", "analyze"}
"""Those that read a whole table: a small one, its end, or once for a load."""

_READS = [name for name, text in statements("sqlite").items() if name not in _WHOLE and not text.startswith("CREATE")]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    path: Path = tmp_path_factory.mktemp("plans") / "load.db"
    connection = sqlite3.connect(path)
    texts = statements("sqlite")
    for name in (*MADE, *FINISHED):
        connection.execute(texts[name])
    return connection


@pytest.mark.parametrize("name", _READS)
def test_a_statement_looks_at_few_rows(tables: sqlite3.Connection, name: str) -> None:
    text = statements("sqlite")[name]
    many = max((int(n) for n in re.findall(r"\?(\d)", text)), default=0)
    plan = [row[3] for row in tables.execute(f"EXPLAIN QUERY PLAN {text}", ["[]"] * many)]
    few = ("json_each", "VIRTUAL TABLE", "CONSTANT")  # what was asked for
    scans = [step for step in plan if step.startswith("SCAN") and not any(word in step for word in few)]
    assert scans == [], plan


def test_both_databases_have_the_same_statements() -> None:
    assert statements("sqlite").keys() == statements("postgresql").keys()
    for name in (*MADE, *FINISHED):
        assert statements("postgresql")[name]
