"""What systemd is told (sd_notify(3)), at the other end of its socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appservice.process.serving.supervisor import Supervisor
from deploy.world.waiting import wait_for

_PATIENCE = "200000"  # µs


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as made:
        made.bind(str(tmp_path / "notify"))
        made.setblocking(False)
        yield made


def heard(ear: socket.socket) -> list[str]:
    """Every line since the last look."""
    lines = list[str]()
    while True:
        try:
            lines += ear.recv(4096).decode().splitlines()
        except BlockingIOError:
            return lines


def environ(ear: socket.socket, **more: str) -> dict[str, str]:
    """As systemd sets it."""
    return {"NOTIFY_SOCKET": str(ear.getsockname()), "WATCHDOG_USEC": _PATIENCE} | more


async def test_it_hears_that_the_loop_turns(ear: socket.socket) -> None:
    living = asyncio.ensure_future(Supervisor(environ(ear, WATCHDOG_PID=str(os.getpid()))).live())
    told = list[str]()

    async def three() -> bool:
        told.extend(heard(ear))
        return len(told) >= 3

    await wait_for(three, "three signs of life")
    living.cancel()
    assert set(told) == {"WATCHDOG=1"}


def test_a_start_may_stand_still(ear: socket.socket) -> None:
    with Supervisor(environ(ear)).standing_still():
        assert heard(ear) == ["WATCHDOG_USEC=86400000000"]
    assert heard(ear) == ["WATCHDOG=1", f"WATCHDOG_USEC={_PATIENCE}"]


async def test_somebody_elses_watchdog_is_not_fed(ear: socket.socket) -> None:
    supervisor = Supervisor(environ(ear, WATCHDOG_PID="1"))
    await supervisor.live()
    with supervisor.standing_still():
        assert heard(ear) == []


async def test_without_a_supervisor_nothing_is_said() -> None:
    supervisor = Supervisor({})
    await supervisor.live()
    supervisor.say("READY=1")
    Supervisor({"NOTIFY_SOCKET": "/nowhere/at/all"}).say("READY=1")


def test_a_name_without_a_file_is_heard(tmp_path: Path) -> None:
    name = f"liaison-test-{tmp_path.name}-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as made:
        made.bind(f"\0{name}")
        Supervisor({"NOTIFY_SOCKET": f"@{name}"}).say("READY=1", "STATUS=works")
        assert made.recv(100) == b"READY=1\nSTATUS=works"
