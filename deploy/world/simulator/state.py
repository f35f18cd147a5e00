"""What a simulated product keeps on disk: SQLite, so that it can be killed and started again."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.world.simulator.document import Document

Json = dict[str, Any]

_TABLES = """
CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, rpps TEXT NOT NULL, declared INTEGER, problem TEXT);
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, arrived INTEGER NOT NULL,
    conversation TEXT NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    id TEXT PRIMARY KEY, message TEXT NOT NULL, n INTEGER NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, content BLOB NOT NULL, UNIQUE (message, n));
CREATE TABLE IF NOT EXISTS inbox (user TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (user, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS conversations (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seen (webhook_id TEXT PRIMARY KEY, answer TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, webhook_id TEXT, type TEXT, at TEXT NOT NULL, outcome TEXT NOT NULL,
    body TEXT);
CREATE TABLE IF NOT EXISTS posts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, after TEXT, method TEXT NOT NULL, path TEXT NOT NULL,
    body TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0, status INTEGER,
    answer TEXT, differing INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS accounts (user TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS contests (
    user TEXT NOT NULL, product TEXT NOT NULL, label TEXT NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (user, product));
CREATE TABLE IF NOT EXISTS names (user TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS posts_waiting ON posts (state, lane, seq);
CREATE INDEX IF NOT EXISTS events_outcome ON events (outcome);
"""


def now_text() -> str:
    """The time as RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class State:
    """Small synchronous reads and writes; what is written survives the death of the process."""

    def __init__(self, path: Path | None) -> None:
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=10, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def forget(self) -> None:
        """As new."""
        for (table,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if not table.startswith("sqlite_"):
                self._db.execute(f"DELETE FROM {table}")

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written inside, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # ---- users

    def put_user(self, user: str, rpps: str) -> None:
        """A user, not declared yet."""
        self._db.execute("INSERT OR REPLACE INTO users (id, rpps) VALUES (?, ?)", (user, rpps))

    def user_declared(self, user: str, declared: bool, problem: Json | None) -> None:
        """What the hub said about a user."""
        text = json.dumps(problem) if problem else None
        self._db.execute("UPDATE users SET declared = ?, problem = ? WHERE id = ?", (declared, text, user))

    def put_account(self, user: str, state: str) -> None:
        """Whether the hub believes that a user is the professional: ``active``, ``held`` or ``refused``."""
        self._db.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?)", (user, state))

    def put_name(self, user: str, name: str) -> None:
        """The professional's name, as the hub told."""
        self._db.execute("INSERT OR REPLACE INTO names VALUES (?, ?)", (user, name))

    def name_of(self, user: str) -> str:
        """The professional's name, else the user's id."""
        row = self._db.execute("SELECT name FROM names WHERE user = ?", (user,)).fetchone()
        return user if row is None else str(row["name"])

    def put_contest(self, user: str, about: Json) -> None:
        """Another product declares the professional that this user is, or that has been decided."""
        row = (user, about["product"], about["label"], about.get("state", "held"), about.get("at") or about["since"])
        self._db.execute("INSERT OR REPLACE INTO contests VALUES (?, ?, ?, ?, ?)", row)

    def contests(self, user: str) -> list[Json]:
        """The other products that declare the professional that this user is, with what was decided."""
        found = "SELECT product, label, state, at FROM contests WHERE user = ? ORDER BY rowid"
        return [dict(row) for row in self._db.execute(found, (user,))]

    def users(self) -> list[Json]:
        """All users."""
        rows = self._db.execute("SELECT * FROM users LEFT JOIN accounts ON user = id ORDER BY users.rowid")
        return [
            {
                "id": row["id"],
                "name": self.name_of(row["id"]),
                "rpps": row["rpps"],
                "declared": None if row["declared"] is None else bool(row["declared"]),
                "problem": _read(row["problem"]),
                "state": row["state"],
                "contests": self.contests(row["id"]),
            }
            for row in rows
        ]

    def has_user(self, user: str) -> bool:
        """Whether it was made here."""
        return self._db.execute("SELECT 1 FROM users WHERE id = ?", (user,)).fetchone() is not None

    # ---- messages

    def put_message(self, ident: str, arrived: bool, state: str, body: Json, users: list[str]) -> None:
        """A message that arrived for ``users``, or that the one user wrote."""
        row = (ident, arrived, body["conversation"], state, now_text(), json.dumps(body))
        done = self._db.execute(
            "INSERT INTO messages (id, arrived, conversation, state, at, body) VALUES (?, ?, ?, ?, ?, ?)", row
        )
        self._db.executemany("INSERT OR IGNORE INTO inbox VALUES (?, ?)", [(user, done.lastrowid) for user in users])

    def set_state(self, ident: str, state: str, **more: Any) -> None:
        """A message is now in this state; ``more`` is added to it."""
        row = self._db.execute("SELECT body FROM messages WHERE id = ?", (ident,)).fetchone()
        if row is None:
            return
        self._db.execute("UPDATE messages SET state = ? WHERE id = ?", (state, ident))
        self.amend(ident, **more)

    def amend(self, ident: str, **more: Any) -> None:
        """Change what is kept of a message."""
        row = self._db.execute("SELECT body FROM messages WHERE id = ?", (ident,)).fetchone()
        if row is not None:
            self._db.execute(
                "UPDATE messages SET body = ? WHERE id = ?", (json.dumps(json.loads(row["body"]) | more), ident)
            )

    def message(self, ident: str) -> Json | None:
        """A message by the product's id."""
        row = self._db.execute("SELECT * FROM messages WHERE id = ?", (ident,)).fetchone()
        return None if row is None else _message(row)

    @property
    def changes(self) -> int:
        """How many rows were written, by this object, since it was made."""
        return self._db.total_changes

    def messages(self, user: str | None = None, after: int = 0) -> dict[str, list[Json]]:
        """All messages, or those of one user: arrived and sent, each in order."""
        if user is None:
            rows = self._db.execute("SELECT * FROM messages WHERE seq > ? ORDER BY seq", (after,)).fetchall()
        else:
            rows = self._db.execute(
                "SELECT m.* FROM inbox i JOIN messages m USING (seq) WHERE i.user = ? AND seq > ? ORDER BY seq",
                (user, after),
            ).fetchall()
        return {
            "arrived": [_message(row) for row in rows if row["arrived"]],
            "sent": [_message(row) for row in rows if not row["arrived"]],
        }

    # ---- files

    def put_files(self, message: str, files: Sequence[Document]) -> list[Json]:
        """The files of a message; gives them without their content, each with its id."""
        for n, one in enumerate(files):
            row = (f"f-{uuid.uuid4().hex}", message, n, one.name, one.type, len(one.content), one.sha256, one.content)
            self._db.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        return self.files(message)

    def files(self, message: str | None = None) -> list[Json]:
        """The files of one message, or of all, without their content."""
        found = self._db.execute(
            "SELECT id, message, name, type, size, sha256 FROM files WHERE message = coalesce(?, message) "
            "ORDER BY rowid",
            (message,),
        )
        return [dict(row) for row in found]

    def document(self, ident: str) -> Document | None:
        """One file, whole."""
        row = self._db.execute("SELECT name, type, content FROM files WHERE id = ?", (ident,)).fetchone()
        return None if row is None else Document(row["name"], row["type"], row["content"])

    def put_conversation(self, ident: str, body: Json) -> None:
        """What the hub last said about a conversation; what it did not say now stays."""
        row = self._db.execute("SELECT body FROM conversations WHERE id = ?", (ident,)).fetchone()
        whole = (json.loads(row["body"]) if row else {}) | body
        self._db.execute("INSERT OR REPLACE INTO conversations VALUES (?, ?)", (ident, json.dumps(whole)))

    def conversations(self) -> list[Json]:
        """All conversations that the hub told of."""
        rows = self._db.execute("SELECT * FROM conversations ORDER BY rowid")
        return [{"id": row["id"], **json.loads(row["body"])} for row in rows]

    # ---- webhooks

    def seen(self, webhook_id: str) -> str | None:
        """The answer already given to this webhook."""
        row = self._db.execute("SELECT answer FROM seen WHERE webhook_id = ?", (webhook_id,)).fetchone()
        return None if row is None else str(row["answer"])

    def saw(self, webhook_id: str, answer: str) -> None:
        """This is the answer to this webhook, for ever."""
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (webhook_id, answer))

    def log(self, webhook_id: str, kind: str, outcome: str, body: str) -> None:
        """One webhook call."""
        self._db.execute(
            "INSERT INTO events (webhook_id, type, at, outcome, body) VALUES (?, ?, ?, ?, ?)",
            (webhook_id, kind, now_text(), outcome, body),
        )

    def events(self, after: int = 0) -> Json:
        """All webhook calls, and how many there were of each outcome."""
        rows = self._db.execute("SELECT * FROM events WHERE seq > ? ORDER BY seq", (after,))
        listed = [{**dict(row), "body": _read(row["body"])} for row in rows]
        counted = dict(self._db.execute("SELECT outcome, count(*) FROM events GROUP BY outcome").fetchall())
        rejected = sum(n for outcome, n in counted.items() if outcome.startswith("bad_"))
        return {
            "taken": counted.get("taken", 0),
            "repeats": counted.get("repeat", 0),
            "rejected": rejected,
            "outcomes": counted,
            "events": listed,
        }

    # ---- posts

    def put_post(self, lane: str, method: str, path: str, body: Json, after: str | None = None) -> int:
        """Something for the hub. One lane keeps its order; ``after`` names a lane that must be empty first."""
        row = (lane, after, method, path, json.dumps(body))
        done = self._db.execute("INSERT INTO posts (lane, after, method, path, body) VALUES (?, ?, ?, ?, ?)", row)
        return int(done.lastrowid or 0)

    def next_post(self, lane: str) -> Json | None:
        """The oldest of a lane that waits."""
        row = self._db.execute(
            "SELECT * FROM posts WHERE state = 'waiting' AND lane = ? ORDER BY seq LIMIT 1", (lane,)
        ).fetchone()
        return None if row is None else _post(row)

    def lanes(self) -> list[str]:
        """The lanes in which something waits."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT lane FROM posts WHERE state = 'waiting'")]

    def attempted(self, seq: int) -> None:
        """One more attempt."""
        self._db.execute("UPDATE posts SET attempts = attempts + 1 WHERE seq = ?", (seq,))

    def posted(self, seq: int, state: str, status: int, answer: Any, differing: bool) -> None:
        """The hub has answered."""
        self._db.execute(
            "UPDATE posts SET state = ?, status = ?, answer = ?, differing = ? WHERE seq = ?",
            (state, status, json.dumps(answer), differing, seq),
        )

    def post(self, seq: int) -> Json:
        """One of them."""
        return _post(self._db.execute("SELECT * FROM posts WHERE seq = ?", (seq,)).fetchone())

    def posts(self) -> list[Json]:
        """All of them."""
        return [_post(row) for row in self._db.execute("SELECT * FROM posts ORDER BY seq")]


def _read(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _message(row: sqlite3.Row) -> Json:
    kept: Json = json.loads(row["body"])
    return {"seq": row["seq"], "id": row["id"], "at": row["at"]} | kept | {"state": row["state"]}


def _post(row: sqlite3.Row) -> Json:
    return {
        **dict(row),
        "body": _read(row["body"]),
        "answer": _read(row["answer"]),
        "differing": bool(row["differing"]),
    }
