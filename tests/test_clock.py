"""The clock of the tests is put forward when everybody waits, and only then."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import asyncpg
import pytest

from bridge.db.sqlite import Sqlite
from deploy.world.postgres import Postgres
from tests.clock import Clock
from tests.core.db.notes import component

HOUR = 3600.0


async def test_who_waits_for_an_hour_waits_for_an_hour_of_every_clock_and_not_for_long() -> None:
    loop = asyncio.get_running_loop()
    before = time.time(), time.time_ns() / 1e9, time.monotonic(), loop.time()
    await asyncio.sleep(HOUR)
    after = time.time(), time.time_ns() / 1e9, time.monotonic(), loop.time()
    assert all(b - a > HOUR - 1 for a, b in zip(before, after, strict=True))


async def test_all_wake_up_in_their_order() -> None:
    awake: list[float] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        awake.append(seconds)

    times = [3.0, 0.5, HOUR, 0.002, 2 * HOUR, 1.0]
    await asyncio.gather(*map(sleep, times))
    assert awake == sorted(times)


async def test_what_is_on_its_way_over_a_socket_comes_before_any_timer() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for n in range(500):
            writer.write(b"%d\n" % n)
            assert await reader.readline() == b"%d\n" % n
        writer.close()
        await writer.wait_closed()


async def test_a_thread_is_waited_for() -> None:
    async with asyncio.timeout(60):
        await asyncio.to_thread(time.sleep, 0.05)


async def test_a_program_is_waited_for() -> None:
    async with asyncio.timeout(60):
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
        assert await program.wait() == 0


async def test_a_file_of_sqlite_is_waited_for(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Sqlite._try_commit

    def slowly(*args: Any) -> None:
        time.sleep(0.05)
        commit(*args)

    monkeypatch.setattr(Sqlite, "_try_commit", slowly)
    db = await Sqlite.open(str(tmp_path / "hub.db"), [component(tmp_path)])
    async with asyncio.timeout(60):
        async with db.transaction("test"):
            pass
    await db.close()


@pytest.mark.postgres
async def test_postgresql_is_waited_for(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.url("postgres"))
    async with asyncio.timeout(60):
        await connection.execute("select pg_sleep(0.05)")
    await connection.close()


def test_the_time_of_day_is_right_again_afterwards_and_the_steady_one_never_goes_back() -> None:
    clock = Clock()
    day, steady = clock.time(), clock.monotonic()
    with clock.put_forward():
        assert clock.wait(lambda _: [], HOUR) == []
        assert clock.time() - day > HOUR - 1
    assert clock.time() - day < HOUR / 2
    assert clock.monotonic() - steady > HOUR - 1


def test_what_comes_meanwhile_is_given_at_once_and_nothing_is_put_forward() -> None:
    clock = Clock()
    steady = clock.monotonic()
    with clock.put_forward():
        assert clock.wait(lambda _: ["came"], HOUR) == ["came"]
    assert clock.monotonic() - steady < HOUR / 2


@pytest.mark.parametrize("how", ["never", "another process", "outside"])
def test_otherwise_the_whole_time_is_waited(how: str) -> None:
    clock, asked = Clock(), list[float]()
    steady = clock.monotonic()

    def select(seconds: float) -> list[Any]:
        asked.append(seconds)
        return []

    if how == "never":
        clock.wait(select, HOUR)
    with clock.put_forward():
        if how == "another process":
            with clock.real():
                clock.wait(select, HOUR)
        if how == "outside":
            clock.begun()
            clock.wait(select, HOUR)
            clock.over()
    assert asked == [HOUR]
    assert clock.monotonic() - steady < HOUR / 2
