"""The list of servers follows its file; a file that cannot be used changes nothing and is said."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from bridge.parts.disk import FileWatch
from bridge.people.server_list import ServerList
from deploy.world.waiting import until


async def test_the_list_follows_its_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, changes = tmp_path / "hub.yaml", list[int]()
    path.write_text("a.example")

    def read() -> list[str]:
        if (text := path.read_text()) == "broken":
            raise ValueError("hub.yaml: is broken")
        return text.split()

    async def changed() -> None:
        changes.append(1)

    servers = ServerList(read())
    watch = FileWatch(path, 0.05)
    caplog.set_level(logging.WARNING)
    task = asyncio.create_task(servers.follow(watch, read, changed))
    assert (servers.allows("a.example"), servers.allows("b.example")) == (True, False)
    path.write_text("b.example *.c.example")
    await until(lambda: servers.allows("b.example"))
    assert (servers.allows("a.example"), servers.allows("x.c.example"), len(changes)) == (False, True, 1)
    path.write_text("broken")
    await until(lambda: "ALARM trust.matrix_servers is not read again" in caplog.text)
    path.unlink()
    watch.ask()
    await until(lambda: caplog.text.count("ALARM") == 2)
    assert servers.allows("b.example")
    path.write_text("*.c.example b.example")  # the same in another order is no change
    watch.ask()
    path.write_text("a.example b.example")
    watch.ask()
    await until(lambda: servers.allows("a.example"))
    assert len(changes) == 2
    task.cancel()
