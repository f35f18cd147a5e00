"""A large hub as it is most often: the same tables with people, chats and mails spread out, and none of them empty.

:mod:`tests.growth.large` has one room of everything, which no statement may feel; a planner who knows such a table
may read it whole, and is right. Here it may not: see :class:`tests.growth.plans.PostgresPlans`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.growth.large import Table, connect, conversation, core, mail, message
from tests.growth.large_matrix import keys, matrix
from tests.growth.measure import InSqlite
from tests.growth.reasons import ONE_EACH


def spread(n: int) -> dict[str, Table]:
    """Every table that grows."""
    return core(n) | connect(n) | mail(n) | matrix(n) | keys(n) | _people(n) | _often(n) | _else(n)


def _people(n: int) -> dict[str, Table]:
    """Everybody in a few conversations, somebody who has not answered in every fiftieth."""
    each = range(n + 1, 2 * n + 1)
    return {
        "member": (
            "conversation, person, network, address, joined_at",
            (
                (conversation(i), f"rpps:{(i + 331 * k) % n}", "pandalab", f"u{(i + 331 * k) % n}", i)
                for i in each
                for k in (1, 7)
            ),
        ),
        "awaited": (
            "network, conversation, person, pos",
            (("matrix", conversation(i), f"rpps:{i}", i) for i in each if i % 50 == 0),
        ),
        "looked_at": (
            "conversation, person, network, pos",
            ((conversation(i), f"rpps:{(i + 331 * k) % n}", "pandalab", i) for i in each for k in (1, 7)),
        ),
        "recipient": (
            "message, person, network, state, at",
            (
                (message(i), f"rpps:{i % n}", "pandalab", "delivered" if i % 9 else "sent", i)
                for i in range(1, 2 * n + 1)
            ),
        ),
    }


def _often(n: int) -> dict[str, Table]:
    """What a person, a chat or an account has several of, and never many."""
    each = range(n)
    early = "network, id, about, conversation, chat, address, kind, body, sent_at, accepted_at, until"
    return {
        "early": (early, (("siilo", f"e{i}", f"t{i}", f"c{i}", "chat", f"u{i}", "edit", b"x", i, i, i) for i in each)),
        "e2ee_late": ("user_id, room_id, at, delay", ((f"@u{i // 3}:h", f"!r{i}", i, 5000) for i in each)),
        "mail_ref": (
            "chat, mid, thread, ref, people, n, about",
            ((f"c{i // 5}", f"mid{i}", f"t{i // 5}", f"r{i}", "people", i, b"x" if i % 2 else None) for i in each),
        ),
        "mail_thread": ("chat, thread, about", ((f"c{i // 2}", f"t{i}", b"x") for i in each)),
        "connect_absent": (
            "network, id, person, since, until, copied",
            (("siilo", f"u{i}", f"rpps:{i}", i, i, 0) for i in each),
        ),
        "matrix_unwanted": ("user_id, person, at", ((f"@u{i // 2}:h", f"rpps:{i}", i) for i in each)),
        "vote": ("poll, person, chosen, sent_at", ((f"m_p{i // 4}", f"rpps:{i}", b"x", i) for i in each)),
        "taking_over": ("conversation, person, account", ((f"c{i // 2}", f"rpps:{i}", "u") for i in each)),
    }


def _else(n: int) -> dict[str, Table]:
    """What most rows have not."""
    each = range(n)
    return {
        "claim": ("person, network, state, since", ((f"rpps:{i}", "siilo", "held" * (i < 9), i) for i in each)),
        "acquaintance": ("person, entry, closed_at", ((f"rpps:{i}", "x", None if i % 50 else i) for i in each)),
    }


def others(db: InSqlite, n: int) -> dict[str, Table]:
    """Rows for every table of which nothing is known here: whatever comes new is never empty, and names differ."""
    found = {}
    for (table,) in db.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        empty = db.connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None
        if empty and table not in (*ONE_EACH, "sqlite_sequence", "migration"):
            columns = [(c[1], c[2].upper()) for c in db.connection.execute(f"PRAGMA table_info({table})")]
            found[table] = ", ".join(name for name, _ in columns), _rows(columns, n)
    return found


def _rows(columns: list[tuple[str, str]], n: int) -> Iterator[tuple[Any, ...]]:
    def value(name: str, kind: str, i: int) -> Any:
        return i if "INT" in kind else b"x" if "BLOB" in kind else f"{name}{i}"

    return (tuple(value(name, kind, i) for name, kind in columns) for i in range(1, n + 1))
