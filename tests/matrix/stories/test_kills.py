"""A hub that carries files and reactions is killed (SIGKILL) around each step: everything arrives, and arrives once."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass

import pytest

from deploy.world import process
from deploy.world.forking.forked import Forked, Program, Start, template
from deploy.world.ports import free_port
from deploy.world.stub.human import Human
from deploy.world.synapse import ROOT
from deploy.world.waiting import PATIENCE, until
from tests.matrix.make import World

OUT = [
    *(f"matrix.{step}:{n}" for step in ("before-upload", "uploaded") for n in (1, 2)),
    *(f"matrix.{step}:{n}" for step in ("before-send", "after-send") for n in (1, 2, 3)),
    "courier.after-deliver:1", "matrix.before-react:1", "matrix.reacted:1", "courier.after-deliver:2",
]  # fmt: skip
IN = ["matrix.downloaded:1", "matrix.before-accept:1", "matrix.after-accept:1", "courier.after-deliver:1"]

CHILD = Program(sys.executable, "tests.matrix.stories.child", cwd=ROOT)

pytestmark = pytest.mark.real_time


@dataclass(frozen=True, slots=True)
class Life:
    """A hub that runs, and what it says."""

    process: Forked
    lines: asyncio.StreamReader

    async def line(self) -> list[str]:
        """The words of its next line; none once it has died."""
        return (await self.lines.readline()).decode().split()


class Lives:
    """Starts one hub after the other, all on one database and one port."""

    def __init__(self, world: World, ben: Human) -> None:
        self.world, self.ben, self.port = world, ben, free_port()
        self.given: Counter[tuple[str, str]] = Counter()  # (delivery, hash of a file) at the mail network
        self._pipe = world.folder / "said"
        os.mkfifo(self._pipe)
        world.stub.appservice = f"http://127.0.0.1:{self.port}"

    async def start(self, done: int, failpoint: str, *out: str) -> Life:
        """A hub that has finished what was left."""
        url = f"sqlite:///{self.world.folder}/hub.db"
        args = [url, self.world.stub.url, str(self.port), self.ben.mxid, str(done), failpoint, *out]
        life = Life(Forked(template(CHILD), Start(args, self._pipe, ROOT)), await self._reader())
        async with asyncio.timeout(PATIENCE):
            while (line := await life.line()) != ["armed"]:
                assert line, f"the hub ended before {failpoint}"
                self._note(line)
        return life

    async def _reader(self) -> asyncio.StreamReader:
        """Of what the process says from now on."""
        reader = asyncio.StreamReader()
        pipe = await asyncio.to_thread(self._pipe.open, "rb", 0)  # returns when the process has opened its end
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        return reader

    async def death(self, life: Life) -> int:
        """Wait until it has died; gives the signal's number, negative."""
        async with asyncio.timeout(PATIENCE):
            while line := await life.line():
                self._note(line)
        assert await process.gone(life.process, PATIENCE)
        return life.process.returncode or 0

    def _note(self, line: list[str]) -> None:
        self.given[(line[1], line[2])] += 1


async def test_a_kill_at_each_step(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    lives = Lives(world, ben)
    child = await lives.start(0, "", "out")
    room = await ben.invited()
    await ben.member(room, "join")
    await ben.heard("plaie.png")
    child.process.kill()
    await lives.death(child)
    sent = []
    for number, failpoint in enumerate([*OUT, *IN], 1):
        outwards = number <= len(OUT)
        child = await lives.start(min(number, len(OUT) + 1), failpoint, *(["out"] if outwards else []))
        if not outwards:
            data = str(number).encode() * 2000
            sent.append(hashlib.sha256(data).hexdigest())
            await ben.send_file(room, data, f"retour {number}", "text/plain")
        assert await lives.death(child) == -signal.SIGKILL, failpoint
    child = await lives.start(len(OUT) + 1, "")
    child.process.kill()
    await lives.death(child)
    texts = [s.text for s in ben.seen]
    expected = [[f"mail {n}", f"cr {n}.pdf", "plaie.png"] for n in range(len(OUT) + 1)]
    await until(lambda: len(ben.seen) >= 3 * len(expected))
    assert texts == [text for texts in expected for text in texts]
    events = world.stub.world.rooms[room].events
    roots = [s.event["event_id"] for s in ben.seen if (s.text or "").startswith("mail ")]
    assert [e["content"]["m.relates_to"]["event_id"] for e in events if e["type"] == "m.reaction"] == roots
    assert sorted(digest for _, digest in lives.given) == sorted(sent)  # each in one delivery, however often it came
