"""A worker that was pushed aside stands by again, however its work has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from appservice.process import service
from appservice.process.serving.supervisor import Supervisor
from appservice.process.serving.workers import Workers
from bridge.config import BadConfig
from bridge.db.postgres import Postgres
from bridge.errors import Unavailable


async def _taken() -> None:
    """At once."""


@pytest.mark.parametrize("fails", [False, True])
async def test_the_guard_of_an_end_goes_with_it(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    ended = list[str]()

    @asynccontextmanager
    async def running(*_: Any) -> AsyncIterator[Any]:
        yield SimpleNamespace(core=SimpleNamespace(db=SimpleNamespace(taken_over=_taken)))
        if fails:
            raise Unavailable("database_in_use")

    monkeypatch.setattr(service, "running", running)
    monkeypatch.setattr(service, "_ENDS", 0.05)
    monkeypatch.setattr(service, "_give_up", lambda: ended.append("here"))
    monkeypatch.setattr(service, "_spare_collections", lambda: None)
    work: Any = service._work
    try:
        await work(None, None, None, None, asyncio.Event(), Supervisor({}))
    except Unavailable:
        assert fails
    await asyncio.sleep(0.2)
    assert ended == []


async def test_a_host_that_is_none_is_named() -> None:
    config: Any = SimpleNamespace(
        database=SimpleNamespace(url="postgresql://x"), workers=SimpleNamespace(host="no.such.host.invalid")
    )
    with pytest.raises(BadConfig, match=r"workers\.host"):
        await Workers(config).works(Postgres.__new__(Postgres))
