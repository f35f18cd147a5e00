"""What the module keeps on disk: the hub's last answers about people, and the blocks that the hub has to hear of."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from liaison_policy.contact import Who

_TABLES = """
CREATE TABLE IF NOT EXISTS identity (user TEXT PRIMARY KEY, who TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocked (user TEXT PRIMARY KEY, others TEXT NOT NULL, told INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS blocked_told ON blocked (told);
"""
_PAGE = 100


class Memory:
    """Calls block, and each opens the file anew: several processes of a homeserver share it. Raises sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Make the file. What was told counts as not told: the hub may have been put back to an older day."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._open() as db:
            db.executescript(_TABLES)
            db.execute("UPDATE blocked SET told = 0 WHERE told = 1")
        self._path.chmod(0o600)

    def identity(self, user: str) -> tuple[Who, int] | None:
        """The hub's last answer and its time (s since 1970)."""
        with self._open() as db:
            row = db.execute("SELECT who, at FROM identity WHERE user = ?", (user,)).fetchone()
        return None if row is None else (_who(json.loads(row[0])), row[1])

    def learn(self, user: str, who: Who, at: int) -> None:
        """The hub has answered."""
        kept = {name: sorted(getattr(who, name)) for name in ("users", "servers", "groups")}
        with self._open() as db:
            db.execute("INSERT OR REPLACE INTO identity VALUES (?, ?, ?)", (user, json.dumps(kept), at))

    def block(self, user: str, others: frozenset[str]) -> bool:
        """Somebody's blocked people, all of them; gives whether that is new."""
        with self._open() as db:
            row = db.execute("SELECT others FROM blocked WHERE user = ?", (user,)).fetchone()
            if frozenset(json.loads(row[0]) if row is not None else ()) == others:
                return False
            db.execute("INSERT OR REPLACE INTO blocked VALUES (?, ?, 0)", (user, json.dumps(sorted(others))))
        return True

    def untold(self) -> list[tuple[str, list[str]]]:
        """What the hub has not been told yet, some of it."""
        with self._open() as db:
            rows = db.execute("SELECT user, others FROM blocked WHERE told = 0 LIMIT ?", (_PAGE,)).fetchall()
        return [(user, json.loads(others)) for user, others in rows]

    def told(self, user: str, others: list[str]) -> None:
        """The hub has it, unless it is another by now; nobody is remembered for whom nobody is blocked."""
        with self._open() as db:
            same = (user, json.dumps(others))
            db.execute("UPDATE blocked SET told = 1 WHERE user = ? AND others = ?", same)
            db.execute("DELETE FROM blocked WHERE user = ? AND told = 1 AND others = '[]'", (user,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=5)) as db, db:
            yield db


def _who(kept: dict[str, list[str]]) -> Who:
    return Who(*(frozenset(kept.get(name, ())) for name in ("users", "servers", "groups")))
