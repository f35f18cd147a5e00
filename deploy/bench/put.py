"""``python -m deploy.bench.put URL TOKEN USER``: bare PUTs of aiohttp, the measure for every figure of processor time.

A process of its own. One job (JSON: the body, how many, how many at once) a line comes in, one answer a line goes out:
milliseconds of processor time for each PUT, from the JSON to the parsed answer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from deploy.world import process
from deploy.world.synapse import ROOT

Json = dict[str, Any]


class Put:
    """The process, seen from the bench."""

    def __init__(self, running: subprocess.Popen[bytes]) -> None:
        self._process = running

    async def cpu_ms(self, body: Json, count: int, lines: int, **more: bool) -> float:
        """Processor time of one PUT of ``body``; ``count`` of them, ``lines`` at once. ``more``: for the module."""
        job = json.dumps({"body": body, "count": count, "lines": lines, **more})
        return float(await asyncio.to_thread(self._ask, job.encode() + b"\n"))

    def _ask(self, line: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        return self._process.stdout.readline()


@asynccontextmanager
async def putting(homeserver: str, token: str, user: str, module: str = __name__) -> AsyncIterator[Put]:
    """The process, ready; ``module``: another one that takes such jobs and puts what it makes of the body."""
    command: list[str | Path] = [sys.executable, "-m", module, homeserver, token, user]
    running = process.spawn(command, process.Launch(pipes=True, cwd=ROOT))
    try:
        yield Put(running)
    finally:
        await process.end(running)


async def _run(session: aiohttp.ClientSession, url: str, job: Json) -> float:
    numbers = itertools.count()

    async def line() -> None:
        for _ in range(job["count"] // job["lines"]):
            data, path = orjson.dumps(job["body"]), f"{url}.{next(numbers)}"
            async with session.put(path, data=data, headers={"Content-Type": "application/json"}) as answer:
                orjson.loads(await answer.read())

    start = time.process_time()
    await asyncio.gather(*(line() for _ in range(job["lines"])))
    return (time.process_time() - start) * 1000 / next(numbers)


def path_of(user: str) -> str:
    """Where bodies are put: nobody is told of them."""
    return f"/_matrix/client/v3/user/{user}/account_data/bench"


async def _main(homeserver: str, token: str, user: str) -> None:
    url = homeserver + path_of(user)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64), headers=headers) as session:
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(await _run(session, url, json.loads(line)), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
