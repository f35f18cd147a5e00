"""Statements of a test's own, in the SQL that both engines understand."""

from __future__ import annotations

from bridge.db import Database, translate
from bridge.db.postgres import Postgres
from bridge.db.postgres.together import Statement
from bridge.db.sqlite import Sqlite


def teach(db: Database, name: str, text: str) -> None:
    """Let an open database know a statement by this name."""
    assert isinstance(db, Sqlite | Postgres)
    if isinstance(db, Postgres):
        db._statements[name] = Statement.of(translate(text, db.engine))
    else:
        db._statements[name] = translate(text, db.engine)
