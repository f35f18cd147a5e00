"""Several workers on one database: one works, the others wait, hand on, and take over when it dies or stands still."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from deploy.world import process
from deploy.world.postgres import Postgres
from deploy.world.waiting import PATIENCE, until, wait_for
from tests.console.make import PAGES, Desk, Visitor
from tests.faults.crew import Crew, crew
from tests.faults.desk import desk, listeners
from tests.faults.rig import Forked, Zygote
from tests.faults.test_kills import Passed, passed
from tests.faults.traffic import Traffic

__all__ = ["passed"]
pytestmark = [pytest.mark.postgres, pytest.mark.real_time]
_TRIES = 4  # bursts that differ; some failpoints are passed in one of them only
_ROUNDS = 6  # of the long run: more than 500 kills


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """The process that all workers are forked from."""
    with Zygote() as made:
        yield made


async def test_whoever_works_dies_stands_still_or_ends_and_nothing_is_lost(
    tmp_path: Path, zygote: Zygote, postgres: Postgres
) -> None:
    async with crew(tmp_path, zygote, postgres) as workers, desk(workers) as console:
        traffic = Traffic(workers.world)
        with supervised(workers, tmp_path / "notify") as told:
            workers.start()
            first = await workers.working()
            await wait_for(lambda: said(told, "STATUS=works"), "the supervisor hears that it works")
        workers.start()
        await traffic.begin()
        await traffic.burst(0)
        anna = await _an_operator_at_work(console)
        workers.kill(first)
        workers.start()
        looks = asyncio.create_task(wait_for(lambda: _comes(anna), "the page comes"))
        await traffic.burst(1)
        await _somebody_else(workers, first)
        await looks  # in the browser a death is a slow page
        await _the_same_session(console, anna)
        await traffic.burst(2)
        second = await workers.working()
        await workers.world.ready()  # a start may stand still for longer
        os.kill(second.pid, signal.SIGSTOP)  # it does not know that it lost the lease, and writes on
        await traffic.burst(3)
        third = await _somebody_else(workers, second)
        os.kill(second.pid, signal.SIGCONT)
        await traffic.burst(4)
        os.kill(third.pid, signal.SIGTERM)
        assert await _somebody_else(workers, third) is second  # it waits again, and hands on meanwhile
        await traffic.settle()
        traffic.check()
        log = workers.world.log.read_text()
        assert log.count("ALARM another worker has taken the database over") == 1
        assert third.poll() == 0


@contextmanager
def supervised(workers: Crew, path: Path) -> Iterator[Callable[[], list[str]]]:
    """Whoever starts meanwhile does so under systemd, which this is the ear of; gives what it has been told."""
    lines = list[str]()

    def told() -> list[str]:
        with suppress(BlockingIOError):
            while True:
                lines.extend(ear.recv(4096).decode().splitlines())
        return lines

    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as ear:
        ear.bind(str(path))
        ear.setblocking(False)
        workers.world.environ = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"}
        yield told
        workers.world.environ = {}
        assert [line for line in told() if not line.startswith("WATCHDOG")][:4] == [
            "READY=1", "STATUS=waits for its turn", "STATUS=begins", "STATUS=works",
        ]  # fmt: skip
        assert "WATCHDOG=1" in told()


async def said(told: Callable[[], list[str]], line: str) -> bool:
    """Whether that is among it."""
    return line in told()


async def _an_operator_at_work(console: Desk) -> Visitor:
    """Logs in, sees every page, and does what a product needs; half of the requests come to the worker that waits."""
    await until(lambda: listeners(console.url) == 2, "the worker that waits listens, too")
    anna = await console.somebody("anna")
    for path in PAGES:
        await anna.page(path.replace("pandalab?", "siilo?"))
    page = await anna.page("/product/siilo")
    known = re.search(r'name="known" value="([^"]*)"', page)
    assert known
    status, page = await anna.post("/product/siilo/token", {"known": known[1], "overlap": "week", "sure": "yes"})
    assert (status, "liaison_" in page) == (200, True)
    assert "Events that would go again" in await anna.page("/product/siilo?after=0")
    span = {"after": "0", "upto": "3", "sure": "yes"}
    assert (await anna.post("/product/siilo/again", span))[1] == "/product/siilo?done=again"
    return anna


async def _the_same_session(console: Desk, anna: Visitor) -> None:
    """Another worker works: it knows her and what she has done, and an end of the session is one for everybody."""
    thief = anna.copy()
    overview = await anna.page("/")
    assert (overview.count("<strong>works</strong>"), "stands by" in overview) == (1, True)
    page = await anna.page("/product/siilo")
    assert (page.count("liaison_"), "not used yet" in page, page.count("<dt>Token</dt>")) == (0, False, 2)
    await wait_for(lambda: _has(anna, "/audit?kind=operator", "sent_again"), "the trail has what she did")
    assert (await anna.post("/logout"))[0] == 303
    assert (await thief.ask("GET", "/"))[0] == 303


async def _comes(anna: Visitor) -> str | None:
    try:
        return await anna.page("/")
    except aiohttp.ClientError:  # nobody has come to work in time: she loads it anew
        return None


async def _has(anna: Visitor, path: str, word: str) -> bool:
    return word in await anna.page(path)


async def _somebody_else(workers: Crew, before: Forked) -> Forked:
    async def found() -> Forked | None:
        now = await workers.working()
        return None if now is before else now

    return await wait_for(found, "another worker takes over", patience=PATIENCE)


@pytest.mark.long
@pytest.mark.skipif("LIAISON_PREVIOUS" not in os.environ, reason="LIAISON_PREVIOUS names no installed earlier release")
async def test_a_rolling_upgrade_from_an_earlier_release(tmp_path: Path, zygote: Zygote, durable: Postgres) -> None:
    """``LIAISON_PREVIOUS`` is the folder of an earlier release, with its own ``.venv``."""
    previous = Path(os.environ["LIAISON_PREVIOUS"])
    async with crew(tmp_path, zygote, durable) as workers:
        world, traffic = workers.world, Traffic(workers.world)
        command: list[str | Path] = [previous / ".venv/bin/python", "-m", "appservice", *world.arguments]
        old = world.hub = process.spawn(command, process.Launch(log=world.log, cwd=previous))
        await world.ready()
        await traffic.begin()
        await traffic.burst(0)
        new = workers.start()
        for n in range(1, 4):
            await traffic.burst(n)
        assert await workers.holder() is None  # the old one has no lease, and is left alone
        old.terminate()
        await traffic.burst(4)
        assert await workers.working() is new
        assert await asyncio.to_thread(old.wait, 30) == 0
        await traffic.settle()
        traffic.check()


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_two_workers_compete_at_every_failpoint(
    tmp_path: Path, zygote: Zygote, passed: Passed, durable: Postgres
) -> None:
    """Each works until it dies at a place of its own; another, which is to die at the next place, takes over."""
    reached, kills = set[str](), 0
    for turn in range(_ROUNDS):
        (folder := tmp_path / str(turn)).mkdir()
        async with crew(folder, zygote, durable) as workers:
            traffic = Traffic(workers.world)
            workers.start()
            await traffic.begin()
            some = await _chain(workers, traffic, passed.names, turn % 3 + 1)
            reached |= some
            kills += len(some)
            workers.start()
            await traffic.settle()
            traffic.check()
        print(f"round {turn + 1}: {kills} kills, missed {sorted(set(passed.names) - reached)}")
    assert kills >= 500


async def _chain(workers: Crew, traffic: Traffic, names: Sequence[str], passing: int) -> set[str]:
    """The first is killed when everything stands; gives the places at which somebody has died."""
    armed = {(worker := workers.start(f"{names[0]}:{passing}")).pid: (worker, names[0])}
    workers.kill(next(one for one in workers.workers if one is not worker))
    died = set[str]()
    for following in [*names[1:], ""]:
        spare = workers.start(f"{following}:{passing}" if following else "")
        armed[spare.pid] = (spare, following)
        working = await workers.working()
        for again in range(passing + _TRIES):
            await traffic.burst(again + len(died))
            if again >= passing - 1 and await _died(workers, traffic):
                died.add(armed[working.pid][1])
                break
        workers.kill(working)
    return died


async def _died(workers: Crew, traffic: Traffic) -> bool:
    try:
        return await workers.world.died(traffic.left)
    except TimeoutError as error:
        lines = [line for line in workers.world.log.read_text().splitlines() if " DEBUG " not in line]
        left = (traffic.missing()[:5], traffic.untold()[:5], traffic.unknown())
        raise AssertionError("\n".join([str(error), str(left), *lines[-100:]])) from error


@pytest.fixture
def durable() -> Iterator[Postgres]:
    """A server that keeps what it has committed."""
    server = Postgres(durable=True)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())
