"""The process dies at every transaction in turn, before and after commit: nothing is lost, nothing is said twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from vodozemac import MegolmMessage

from bridge.db import Database, Tx
from tests.e2ee.lab import ANNA, BEN, ROOM, Lab, lab
from tests.e2ee.peer import Owner, Peer


class Died(Exception):
    """The process is gone."""


class Mortal:
    """A database whose process dies at its n-th transaction."""

    def __init__(self, db: Database, at: int, when: str, names: list[str]) -> None:
        self._db, self._at, self._when, self._names = db, at, when, names
        self.engine, self.working, self.counts = db.engine, db.working, db.counts
        self.all, self.one, self.close, self.place, self.taken_over = db.all, db.one, db.close, db.place, db.taken_over
        self.held = db.held

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[Tx]:
        """Die before or after the commit."""
        self._names.append(name)
        dies = len(self._names) == self._at
        async with self._db.transaction(name) as tx:
            yield tx
            if dies and self._when == "before":
                raise Died
        if dies:
            raise Died


class Story:
    """A key comes, a message goes, another device appears, a key is asked for: each step may be repeated."""

    def __init__(self, here: Lab) -> None:
        self.here = here
        owner = Owner(BEN)
        owner.publish(here.stub)
        self.phone = Peer(here.stub, BEN, "PHONE", owner).publish()
        self.late = Peer(here.stub, BEN, "DESK", owner)
        self.empty = Peer(here.stub, BEN, "EMPTY", owner).publish(one_time=0)
        self.sent: list[dict[str, Any]] = []
        self.steps: Sequence[Any] = (
            self.device,
            self.give,
            self.ring,
            self.read,
            self.speak,
            self.more,
            self.ask,
            self.forward,
        )
        self.done = 0
        self.given = False

    async def run(self) -> None:
        """From where it stopped to the end."""
        while self.done < len(self.steps):
            await self.steps[self.done]()
            self.done += 1

    async def device(self) -> None:
        await self.here.engine.ensure_device(ANNA)

    async def give(self) -> None:
        if not self.given:
            self.given = True
            self.phone.share(ROOM, ANNA)

    async def ring(self) -> None:
        await self.here.engine.ring([ANNA])

    async def read(self) -> None:
        if not self.sent or self.sent[-1].get("index") != "read":
            content = self.phone.say(ROOM, "bonsoir")
            assert (await self.here.read(content, BEN, f"${content['ciphertext'][:20]}")).content["body"] == "bonsoir"

    async def speak(self) -> None:
        self.sent.append(await self.here.say(self.here.room(BEN), "bonjour"))

    async def more(self) -> None:
        if "DESK" not in self.here.stub.devices[BEN]:
            self.late.publish()
        await self.here.engine.ring([ANNA])
        self.sent.append(await self.here.say(self.here.room(BEN), "encore"))

    async def ask(self) -> None:
        await self.here.engine.request_key(ROOM, BEN, {"session_id": "lost"}, [ANNA])

    async def forward(self) -> None:
        await self.here.engine.rotate(ROOM)
        await self.here.engine.flush()

    async def check(self) -> None:
        """Everything that left can be read by whom it was for, no index was used twice."""
        self.phone.sync()
        self.late.sync()
        indices = [(c["session_id"], MegolmMessage.from_base64(c["ciphertext"]).message_index()) for c in self.sent]
        assert len(set(indices)) == len(indices)
        for content in self.sent:
            assert self.phone.read(content)["type"] == "m.room.message"
        assert self.late.read(self.sent[-1])["content"]["body"] == "encore"
        await self.here.engine.flush()
        assert await self.here.count("e2ee.sends", 0) == 0
        assert self.here.stub.twice == []
        content = await self.here.say(self.here.room(BEN), "fin")
        self.phone.sync()
        assert self.phone.read(content)["content"]["body"] == "fin"
        asked = {c["request_id"] for _, _, c in self.here.stub.sent("m.room_key_request")}
        assert len(asked) == 1


async def rebirth(here: Lab, at: int, when: str, names: list[str]) -> None:
    """Start the engine on a database that will die."""
    await here.stop()
    real = here.opener

    async def opened(url: str) -> Database:
        return Mortal(await real(url), at, when, names)

    here.opener = opened
    try:
        await here.start()
    finally:
        here.opener = real


POINTS = 24


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(2, POINTS + 1))
async def test_death_at_any_transaction(url: str, at: int, when: str) -> None:
    async with lab(url, ghost=False) as here:
        names: list[str] = []
        await rebirth(here, at, when, names)
        story = Story(here)
        try:
            await story.run()
        except Died:
            await here.restart()
            await story.run()
        else:
            assert at > len(names)  # the story has fewer transactions
        await story.check()


async def test_the_story_passes_through_every_kind_of_transaction(url: str) -> None:
    async with lab(url, ghost=False) as here:
        names: list[str] = []
        await rebirth(here, 1000, "never", names)
        story = Story(here)
        await story.run()
        await story.check()
        ours = [name for name in names if name.startswith("e2ee.")]
        assert names.index("e2ee.rotate") <= POINTS
        assert {
            "e2ee.device", "e2ee.account", "e2ee.device-ready", "e2ee.sync", "e2ee.devices", "e2ee.session",
            "e2ee.claimed", "e2ee.share", "e2ee.sent", "e2ee.request", "e2ee.rotate",
        } <= set(ours)  # fmt: skip
