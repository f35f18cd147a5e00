"""After an older copy was restored: no key of it is used again, and whoever writes to a ghost is read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from aiohttp import web

from bridge.errors import Unavailable
from tests.e2ee.lab import ANNA, BEN, EVE, ROOM, Lab, lab


class Copied:
    """A lab's database, to be put back later."""

    def __init__(self, here: Lab) -> None:
        self._here, self._path = here, Path(here.url.removeprefix("sqlite:///"))
        self._copy = self._path.with_name("copy.db")

    async def take(self) -> None:
        """Between two processes: nothing is under way."""
        await self._here.stop()
        shutil.copy(self._path, self._copy)
        await self._here.start()

    async def put_back(self, *, homeserver: bool = False) -> None:
        """Restore it, as a hub that notices."""
        await self._here.stop()
        for rest in ("-wal", "-shm"):
            self._path.with_name(self._path.name + rest).unlink(missing_ok=True)
        shutil.copy(self._copy, self._path)
        await self._here.start()
        await self._here.engine.went_back(homeserver=homeserver)


class Nth:
    """Spoils one call of a kind."""

    def __init__(self, kind: str, at: int, how: str) -> None:
        self._kind, self._left, self._how = kind, at, how

    def __call__(self, request: web.Request) -> str | None:
        if not request.path.endswith(self._kind):
            return None
        self._left -= 1
        return self._how if self._left == 0 else None


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A copy is of a file: the engine does the same on both databases."""
    return f"sqlite:///{tmp_path}/afresh.db"


def used_up(here: Lab, how_many: int) -> None:
    """Strangers claim one-time keys of Anna's ghost."""
    ((device, _),) = here.stub.devices[ANNA].items()
    for _ in range(how_many):
        here.stub._claim({"one_time_keys": {ANNA: {device: "signed_curve25519"}}})


async def renewed(here: Lab) -> None:
    """Everything that the engine makes anew is made."""
    await here.engine._renewal.step()


async def test_one_time_keys_of_after_the_copy_are_taken_away(file: str) -> None:
    async with lab(file) as here:
        copy = Copied(here)
        await copy.take()
        used_up(here, 15)
        await here.engine.ring([ANNA])  # the ghost publishes more, by numbers that the copy will give a second time
        ((_, device),) = here.stub.devices[ANNA].items()
        before = {str(key["key"]) for key in device.one_time.values()}
        await copy.put_back()
        await here.engine.ring([ANNA])  # nothing is published beside those
        assert {str(key["key"]) for key in device.one_time.values()} == before
        await renewed(here)
        assert len(device.one_time) == 20
        assert before.isdisjoint(str(key["key"]) for key in device.one_time.values())
        for n in range(20):
            (eve,) = here.person(f"@eve{n}:away", "PHONE")
            eve.share(ROOM, ANNA)
            await here.engine.ring([ANNA])
            assert (await here.read(eve.say(ROOM, "bonjour"), eve.user, f"${n}")).content["body"] == "bonjour"


@pytest.mark.parametrize("how", ["before", "after"])
async def test_it_may_end_anywhere_and_begins_again(file: str, how: str) -> None:
    async with lab(file) as here:
        copy = Copied(here)
        await copy.take()
        await copy.put_back()
        for kind, at in (("/claim", 1), ("/claim", 3), ("/upload", 1)):
            here.stub.faults = Nth(kind, at, how)
            with pytest.raises(Unavailable):
                await renewed(here)
            await here.restart()
        await renewed(here)
        (eve,) = here.person(EVE, "PHONE")
        eve.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        assert (await here.read(eve.say(ROOM, "bonjour"), EVE)).content["body"] == "bonjour"
        calls = len(here.stub.calls)
        await here.restart()
        await renewed(here)
        assert len(here.stub.calls) == calls


async def test_sessions_of_the_copy_read_and_never_write(file: str) -> None:
    async with lab(file) as here:
        (ben,) = here.person(BEN, "PHONE")
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        first = await here.say(here.room(BEN), "un")
        ben.sync()
        copy = Copied(here)
        await copy.take()
        second = await here.say(here.room(BEN), "deux")
        assert second["session_id"] == first["session_id"]
        await copy.put_back()
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])  # by the Olm session that the copy knows
        assert (await here.read(ben.say(ROOM, "encore"), BEN)).content["body"] == "encore"
        third = await here.say(here.room(BEN), "trois")
        assert third["session_id"] != first["session_id"]
        ben.sync()
        assert ben.read(third)["content"]["body"] == "trois"


async def test_whom_a_ghost_wrote_to_gets_a_new_session_unasked(file: str) -> None:
    async with lab(file) as here:
        (ben,) = here.person(BEN, "PHONE")
        await here.say(here.room(BEN), "un")
        ben.sync()
        copy = Copied(here)
        await copy.take()
        await copy.put_back()
        await renewed(here)
        assert "m.dummy" in [inner["type"] for inner in ben.sync()]
        await renewed(here)
        assert ben.sync() == []


async def test_a_homeserver_that_was_restored_is_asked_from_the_beginning(file: str) -> None:
    async with lab(file) as here:
        copy = Copied(here)
        await copy.take()
        await copy.put_back(homeserver=True)
        assert here.engine.anchor(ANNA) is None
        await here.engine.ring([ANNA])
        row = await here.db.one("e2ee.ghost-position", ANNA)
        assert row is not None
        assert row["next_batch"] is not None
