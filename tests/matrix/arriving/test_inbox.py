"""The lanes of the inbox: what fails holds up its room for a while only, and a long backlog is read in pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from appservice.arriving.inbox import Inbox, Parked
from appservice.arriving.transactions import Item
from appservice.process.matrix import COMPONENT
from bridge.db import Database, open_database
from bridge.db.pages import PAGE
from bridge.errors import Unavailable
from deploy.world.waiting import until
from tests.core.make import SEAL

ROOM, OTHER = "!a:x", "!b:x"


@dataclass
class Rig:
    """An inbox whose work is done here: ``odd`` says what happens to an event instead."""

    db: Database
    done: list[str] = field(default_factory=list)
    odd: dict[str, Callable[[], None]] = field(default_factory=dict)
    on_parked: Callable[[], Awaitable[None]] | None = None
    has_key: bool = False

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.db, SEAL, lambda: 1000, self._work, self._parked, None, self._key)

    async def _work(self, item: Item, event: dict[str, Any]) -> None:
        if item.event_id in self.odd:
            self.odd[item.event_id]()
        async with self.db.transaction("test") as tx:
            await self.inbox.done(tx, item)
        self.done.append(item.event_id)

    async def _parked(self, item: Item, event: dict[str, Any]) -> None:
        if self.on_parked is not None:
            await self.on_parked()

    async def _key(self, event: dict[str, Any]) -> bool:
        return self.has_key

    async def left(self) -> list[str]:
        """What is on disk still."""
        return [row["event_id"] for row in await self.db.all("matrix.inbox", 0, 99)]


@pytest.fixture
async def rig(url: str) -> AsyncIterator[Rig]:
    db = await open_database(url, [COMPONENT])
    made = Rig(db)
    yield made
    await made.inbox.stop()
    await db.close()


async def fill(db: Database, events: list[tuple[str, str]]) -> None:
    """Events on disk, as (id, room), in this order."""
    async with db.transaction("test") as tx:
        rows = [
            (n, event, room, 0, SEAL.seal(orjson.dumps({"event_id": event}), event))
            for n, (event, room) in enumerate(events, 1)
        ]
        await tx.many("matrix.inbox_add", rows)


def parks() -> None:
    raise Parked("session", "@ben:x")


async def test_an_error_while_an_event_is_parked_does_not_end_its_room(rig: Rig) -> None:
    """What parks fails in three unlike ways: the lane goes on, and the event is worked on once its key has come."""
    for error in (KeyError("nobody expected this"), Unavailable("homeserver_away")):
        again = iter([error])

        async def fails(errors: Any = again) -> None:
            for one in errors:
                raise one

        rig.on_parked, rig.odd["$1"] = fails, parks
        await fill(rig.db, [("$1", ROOM), ("$2", ROOM), ("$3", OTHER)])
        await rig.inbox.start()
        await until(lambda: set(rig.done) == {"$2", "$3"} and rig.inbox.idle)
        assert rig.inbox.has_parked(ROOM, "@ben:x")
        assert [item.event_id for item in rig.inbox.parked()] == ["$1"]
        del rig.odd["$1"]
        rig.inbox.unpark(ROOM, "session")
        await until(lambda: "$1" in rig.done)
        assert not rig.inbox.has_parked(ROOM, "@ben:x")
        assert await rig.left() == []
        rig.done.clear()


async def test_a_key_that_comes_while_an_event_is_parked_is_not_overlooked(rig: Rig) -> None:
    rig.odd["$1"] = parks

    async def arrives() -> None:
        rig.inbox.unpark(ROOM, "session")  # nothing is parked yet
        rig.has_key = True
        del rig.odd["$1"]

    rig.on_parked = arrives
    await fill(rig.db, [("$1", ROOM), ("$2", ROOM)])
    await rig.inbox.start()
    await until(lambda: sorted(rig.done) == ["$1", "$2"])


async def test_poison_is_set_aside_and_its_room_goes_on(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    def poison() -> None:
        raise RuntimeError("secret words")

    rig.odd["$1"] = poison
    await fill(rig.db, [("$1", ROOM), ("$2", ROOM)])
    await rig.inbox.start()
    await until(lambda: rig.done == ["$2"])
    assert "ALARM the event $1" in caplog.text
    assert "secret" not in caplog.text
    assert await rig.left() == []


async def test_a_room_that_is_looked_at_ends_when_nothing_waits(rig: Rig) -> None:
    await rig.inbox.look(ROOM)
    assert rig.inbox.idle


async def test_a_backlog_is_read_in_pages_and_worked_on_meanwhile(rig: Rig) -> None:
    size = 2 * PAGE + 3
    await fill(rig.db, [(f"${n}", f"!{n % 7}:x") for n in range(size)])
    before = rig.db.counts.copy()
    await rig.inbox.start()
    assert rig.db.counts.since(before).statements["matrix.inbox"] == 3
    await until(lambda: len(rig.done) == size)
    for room in range(7):
        assert [e for e in rig.done if int(e[1:]) % 7 == room] == [f"${n}" for n in range(room, size, 7)]


async def test_a_doubtful_commit_has_everything_read_again_once(rig: Rig) -> None:
    gate = asyncio.Event()
    rig.odd["$1"] = parks

    async def wait() -> None:
        await gate.wait()

    rig.on_parked = wait
    await fill(rig.db, [("$1", ROOM), ("$2", ROOM)])
    await rig.inbox.start()
    await rig.inbox.reload()
    gate.set()
    await until(lambda: rig.done == ["$2"] and rig.inbox.idle)
    await rig.inbox.reload()
    assert [item.event_id for item in rig.inbox.parked()] == ["$1"]
    assert rig.inbox.idle
