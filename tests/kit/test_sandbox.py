"""`liaison sandbox`: what it prints works as it is printed, colleagues answer, and every event comes on demand."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from deploy.world.simulator import Simulator
from deploy.world.simulator.web import application
from deploy.world.waiting import until
from liaison.kit import sandbox
from tests.connect.make import serve

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def running(*more: str) -> AsyncIterator[list[str]]:
    """A sandbox on a free port; gives the lines that it says."""
    parser = argparse.ArgumentParser()
    sandbox.add_arguments(parser)
    said: list[str] = []
    task = asyncio.create_task(sandbox.main(parser.parse_args(["--port", "0", *more]), said.append))
    try:
        await until(lambda: any("Ctrl-C" in line for line in said) or task.done())
        yield said
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def address(said: list[str]) -> str:
    return next(line.split()[-1] for line in said if "/connect/v1" in line).removesuffix("/connect/v1")


async def curl(line: str) -> dict[str, object]:
    """Do what a printed line of curl says."""
    words = shlex.split(line)
    headers = dict(words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H")
    method = words[words.index("-X") + 1] if "-X" in words else "POST"
    url = next(word for word in words if word.startswith("http"))
    data = words[words.index("-d") + 1].encode()
    async with aiohttp.ClientSession() as session, session.request(method, url, data=data, headers=headers) as answer:
        assert answer.status < 300, await answer.text()
        found: dict[str, object] = await answer.json()
        return found


async def test_what_it_prints_works_and_colleagues_answer() -> None:
    async with running() as said:
        printed = [line for line in said if line.startswith("  curl")]
        assert len(printed) == 3
        for line in printed:
            await curl(line)

        def webhooks(kind: str) -> list[str]:
            return [line for line in said if line.startswith(f"webhook {kind}")]

        await until(lambda: len(webhooks("message.created")) >= 2)
        await until(lambda: any('"read"' in line for line in webhooks("message.state")))
        assert any("Bien reçu" in line for line in webhooks("message.created"))


EVENTS = {
    "urgent": "message.created",
    "file": "message.created",
    "message": "message.created",
    "edit": "message.edited",
    "reaction": "message.reaction",
    "removal": "message.removed",
    "members": "conversation.members",
    "name": "conversation.renamed",
    "mention": "message.created",
    "place": "message.created",
    "thread": "message.created",
    "handled": "message.handled",
    "poll": "message.created",
    "poll_end": "message.poll_ended",
    "burst": "message.created",  # last: what waits in its lane leaves corrected
}


def count(simulator: Simulator, kind: str) -> int:
    """How many webhooks of a kind came."""
    return sum(one["type"] == kind for one in simulator.state.events()["events"])


def more(simulator: Simulator, kind: str, before: int) -> bool:
    """Whether one more has come."""
    return count(simulator, kind) > before


def holds(simulator: Simulator, what: str) -> bool:
    """Whether a message that holds this is shown."""
    return any(one.get(what) for one in simulator.shown("cleo"))


async def test_every_event_comes_on_demand_to_a_product_of_ones_own(tmp_path: Path) -> None:
    """The simulated product, as a vendor would point theirs at it."""
    secret = "whsec_" + "QUJD" * 11
    port = 0
    simulator = Simulator("product", "http://127.0.0.1:9", "t", [secret])
    runner = await serve(application(simulator), port)
    webhook = f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
    try:
        async with running("--webhook", webhook, "--token", "t", "--secret", secret) as said:
            await simulator.begin_anew(address(said), "t", [secret])
            simulator.able("edit", "removal", "reaction", "handled", "poll", locations=True, mentions=True)
            simulator.add_user("cleo", "10001002027")
            await until(lambda: (simulator.state.users() or [{}])[0].get("declared"))
            assert set(EVENTS) == set(sandbox.EVENTS)
            for event, kind in EVENTS.items():
                before = count(simulator, kind)
                await curl(f"curl -X POST {address(said)}/sandbox/{event} -d '{json.dumps({'user': 'cleo'})}'")
                await until(partial(more, simulator, kind, before), event)
            await until(lambda: any(one.get("priority") == "urgent" for one in simulator.shown("cleo")))
            for held in ("location", "poll", "mentioned", "thread", "counts"):
                await until(partial(holds, simulator, held), held)
            await until(lambda: any(one["files"] for one in simulator.shown("cleo")))
            for wrong, status in (("nothing", 404), ("message", 422)):
                async with (
                    aiohttp.ClientSession() as session,
                    session.post(f"{address(said)}/sandbox/{wrong}") as answer,
                ):
                    assert answer.status == status
    finally:
        await runner.cleanup()


async def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    async with running() as said:
        taken = address(said).rpartition(":")[2]
        async with running("--port", taken):
            assert "sandbox:" in capsys.readouterr().err


def test_the_command_starts_and_ends() -> None:
    """The whole process, as a vendor starts it: without root, without a configuration, in seconds."""
    started = [sys.executable, "-m", "appservice", "sandbox", "--port", "0"]
    with subprocess.Popen(started, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
