"""Whether what a PostgreSQL server acknowledges can be lost, as far as the hub's user can see: for `liaison check`.

Source: PostgreSQL, "Write Ahead Log" (settings), "Replication"; docs/failover.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

_NAMES = ("synchronous_commit", "synchronous_standby_names", "fsync", "full_page_writes", "statement_timeout")
_SEEN = f"""
SELECT {", ".join(f"current_setting('{name}') AS {name}" for name in _NAMES)}, pg_is_in_recovery() AS replica,
    (SELECT count(*) FROM pg_stat_replication) AS replicas,
    current_setting('default_transaction_read_only') AS read_only
"""  # noqa: S608 (names of ours)
_PAGE = "docs/failover.md"
_WAITS = ("on", "remote_apply")
_PRIMARIES = ("read-write", "primary")


REPLICA = (
    "this server is a replica, in which nobody can write",
    f"name the primary: by HAProxy, or all hosts and target_session_attrs=read-write ({_PAGE})",
)


READ_ONLY = (
    "it is set to be read only: nobody can write (default_transaction_read_only is on)",
    "ALTER DATABASE … (or ROLE …) RESET default_transaction_read_only; ask first who has set it, and why: a full disk?",
)


async def seen_of(connection: Any) -> dict[str, Any]:
    """The settings by name; ``replica``: whether this is one; ``replicas``: how many follow; and ``read_only``."""
    return dict(await connection.fetchrow(_SEEN))


def remarks(url: str, seen: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What may lose acknowledged messages, each with its remedy; ``seen`` by :func:`seen_of`."""
    return [*_of_address(url), *_of_settings(seen)]


def _of_settings(seen: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("fsync", "full_page_writes"):
        if seen[name] != "on":
            yield f"{name} is off: a power cut may ruin the database", f"{name} = on"
    names = seen["synchronous_standby_names"].strip()
    if seen["synchronous_commit"] not in (*_WAITS, "local", "remote_write") or (
        names and seen["synchronous_commit"] not in _WAITS
    ):
        what = f"synchronous_commit is {seen['synchronous_commit']}: what was acknowledged may be lost when it dies"
        yield what, "synchronous_commit = on, for this database and this user, too"
    if seen["replicas"] and not names:
        what = "its replicas are asynchronous: when one takes over, what was acknowledged last may be lost"
        yield what, f"synchronous_mode and synchronous_mode_strict of Patroni, or synchronous_standby_names ({_PAGE})"
    if names and not seen["replicas"]:
        what = "it waits for a replica, and none is there: nothing can be written until one comes"
        yield what, f"start the replica: patronictl list ({_PAGE})"
    if names and seen["statement_timeout"] != "0":
        what = f"statement_timeout is {seen['statement_timeout']}: a commit that waits longer stays on this server only"
        yield what, "ALTER ROLE … SET statement_timeout = 0: the hub has time limits of its own"


def _of_address(url: str) -> Iterator[tuple[str, str]]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    several = "," in parts.netloc or "," in "".join(parse_qs(parts.query).get("host", []))
    if several and not set(parse_qs(parts.query).get("target_session_attrs", [])) & set(_PRIMARIES):
        what = "it names several hosts, and not which of them is meant: a replica may answer first"
        yield what, "add ?target_session_attrs=read-write"
