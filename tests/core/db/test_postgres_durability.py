"""What `liaison check` sees of a server that may lose what it acknowledged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.db.looking import look
from bridge.db.postgres.durability import remarks, seen_of
from tests.core.db.notes import component

URL = "postgresql://liaison@10.0.0.9:5000/liaison"
SAFE: dict[str, Any] = {
    "synchronous_commit": "on", "synchronous_standby_names": "node2", "fsync": "on", "full_page_writes": "on",
    "statement_timeout": "0", "replica": False, "replicas": 2, "read_only": "off",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"synchronous_commit": "remote_apply"}, ""),
        ({"synchronous_standby_names": "", "replicas": 0}, ""),
        ({"synchronous_standby_names": "", "replicas": 0, "synchronous_commit": "local"}, ""),
        ({"synchronous_standby_names": "", "replicas": 0, "synchronous_commit": "off"}, "synchronous_commit is off"),
        ({"synchronous_commit": "local"}, "synchronous_commit is local"),
        ({"synchronous_commit": "remote_write"}, "synchronous_commit is remote_write"),
        ({"synchronous_standby_names": " "}, "its replicas are asynchronous"),
        ({"replicas": 0}, "none is there"),
        ({"statement_timeout": "30s"}, "statement_timeout is 30s"),
        ({"statement_timeout": "30s", "synchronous_standby_names": "", "replicas": 0}, ""),
        ({"fsync": "off"}, "fsync is off"),
        ({"full_page_writes": "off"}, "full_page_writes is off"),
    ],
)
def test_what_may_be_lost_is_said(change: dict[str, Any], said: str) -> None:
    found = remarks(URL, SAFE | change)
    assert bool(found) == bool(said)
    assert all(said in what and mend for what, mend in found)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://h1:5432,h2:5432/liaison", True),
        ("postgresql://liaison@/liaison?host=h1,h2", True),
        ("postgresql://h1,h2/liaison?target_session_attrs=any", True),
        ("postgresql://h1,h2/liaison?target_session_attrs=read-write", False),
        ("postgresql://h1,h2/liaison?target_session_attrs=primary", False),
        ("postgresql://liaison@/liaison?host=/var/run/postgresql", False),
        ("postgresql://[::1/liaison", False),
    ],
)
def test_several_hosts_need_to_say_which(url: str, *, said: bool) -> None:
    assert ["several hosts" in what for what, _ in remarks(url, SAFE)] == [True] * said


@pytest.mark.postgres
async def test_a_server_is_asked(pg_url: str, somebody: asyncpg.Connection, tmp_path: Path) -> None:
    """By a user without any right on what others do."""
    await somebody.execute("drop role if exists nobody_at_all")
    await somebody.execute("create role nobody_at_all login")
    plain = await asyncpg.connect(pg_url.replace("postgres@", "nobody_at_all@"))
    try:
        seen = await seen_of(plain)
    finally:
        await plain.close()
        await somebody.execute("drop role nobody_at_all")
    assert seen.keys() == SAFE.keys()
    assert (seen["replica"], seen["replicas"]) == (False, 0)
    found = await look(pg_url, [component(tmp_path)])
    assert "fsync is off" in " ".join(what for what, _ in found.remarks)  # the tests' own server
    assert found.troubles == []
    name = pg_url.rpartition("/")[2]
    await somebody.execute(f'alter database "{name}" set default_transaction_read_only = on')
    [(what, mend)] = (await look(pg_url, [component(tmp_path)])).troubles
    assert "read only" in what
    assert "RESET default_transaction_read_only" in mend
