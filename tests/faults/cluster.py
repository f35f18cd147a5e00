"""What is true after a primary has gone: no ratchet went back. And how long messages waited for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
from vodozemac import MegolmMessage

from deploy.world.waiting import wait_for
from tests.faults.rig import Rig
from tests.faults.traffic import Traffic

_PAUSE = 0.02


class Ratchets:
    """The counters that must never go back: of the sessions on disk, and of the messages in the rooms."""

    def __init__(self, url: str, rig: Rig) -> None:
        self._url = url
        self._rig = rig
        self._used: dict[str, int] = {}

    async def look(self) -> None:
        """Compare the rows with the last look. Raises AssertionError if one has gone back or away."""

        async def rows() -> list[asyncpg.Record] | None:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(self._url)
                try:
                    return list(await connection.fetch("select session_id, used, retired from e2ee_out"))
                finally:
                    await connection.close()
            return None

        now = {row["session_id"]: row["used"] for row in await wait_for(rows, "the rows of the sessions")}
        back = {name: (used, now[name]) for name, used in self._used.items() if now.get(name, used) < used}
        assert back == {}, "ratchets went back"
        self._used |= now

    def check(self) -> int:
        """No index of a session carries two texts; gives how many messages were looked at."""
        seen: dict[tuple[str, int], str] = {}
        for room in self._rig.stub.world.rooms.values():
            for event in room.events:
                if event["type"] == "m.room.encrypted":
                    text = event["content"]["ciphertext"]
                    key = (event["content"]["session_id"], MegolmMessage.from_base64(text).message_index())
                    assert seen.setdefault(key, text) == text, f"two texts with one key: {event['event_id']}"
        return len(seen)


class Delays:
    """How long messages take while something happens: one of each direction again and again."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._written: dict[str, float] = {}
        self.taken: list[float] = []

    async def during(self, event: Callable[[], Awaitable[object]], before: int = 10, after: int = 40) -> None:
        """Write some, let it happen, go on writing, and wait until everybody has everything."""
        looking = asyncio.create_task(self._look())
        try:
            await self._write(before)
            done = asyncio.ensure_future(event())
            await self._write(after)
            await done
            await self._traffic.settle()
            while self._written:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_PAUSE)
        finally:
            looking.cancel()

    async def _write(self, count: int) -> None:
        for n in range(count):
            first = len(self._traffic.said)
            self._traffic.one(n)
            self._written |= {said.text: time.monotonic() for said in self._traffic.said[first:]}
            await asyncio.sleep(0.1)

    async def _look(self) -> None:
        while True:
            missing = {said.text for _, said in self._traffic.missing()}
            now = time.monotonic()
            for text in [text for text in self._written if text not in missing]:
                self.taken.append(now - self._written.pop(text))
            await asyncio.sleep(_PAUSE)

    @property
    def p99(self) -> float:
        """Seconds in which all but one of a hundred arrived."""
        return sorted(self.taken)[max(0, round(len(self.taken) * 0.99) - 1)]
