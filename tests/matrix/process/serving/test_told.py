"""What systemd hears of a process from its start to its end: also that a start may stand still, and work may not."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appservice.process import service
from bridge.config import read_config
from deploy.world.waiting import until
from tests.matrix.process.serving.test_supervisor import ear, heard
from tests.matrix.process.test_start import written

__all__ = ["ear"]


@pytest.fixture
def handlers() -> Iterator[None]:
    """The process's own, afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_from_its_start_to_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ear: socket.socket, handlers: None
) -> None:
    @asynccontextmanager
    async def running(*_: Any) -> AsyncIterator[Any]:
        told.extend(heard(ear))
        yield SimpleNamespace(core=SimpleNamespace(db=SimpleNamespace(taken_over=asyncio.Event().wait)))

    told = list[str]()
    monkeypatch.setenv("NOTIFY_SOCKET", str(ear.getsockname()))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.setattr(service, "running", running)
    monkeypatch.setattr(service, "_spare_collections", lambda: None)
    process = asyncio.ensure_future(service.run(read_config(Path(written(tmp_path)))))

    def lives() -> bool:
        """A sign of life after work has begun: one comes from the end of the start itself."""
        told.extend(heard(ear))
        return "STATUS=works" in told and "WATCHDOG=1" in told[told.index("STATUS=works") :]

    await until(lives)
    os.kill(os.getpid(), signal.SIGTERM)
    await process
    told.extend(heard(ear))
    assert [line for line in told if line != "WATCHDOG=1"] == [
        "READY=1", "STATUS=waits for its turn", "WATCHDOG_USEC=86400000000", "STATUS=begins", "WATCHDOG_USEC=200000",
        "STATUS=works", "STATUS=waits for its turn", "STOPPING=1",
    ]  # fmt: skip
