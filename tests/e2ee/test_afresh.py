"""After an older copy was restored: no key of it is used again, and whoever writes to a ghost is read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from aiohttp import web

from appservice.e2ee import KeyMissing
from bridge.errors import Unavailable
from tests.e2ee.lab import ANNA, BEN, EVE, ROOM, Lab, lab
from tests.e2ee.peer import Peer
from tests.e2ee.stub import Json

CLEO, DORA = "@h_cleo:home", "@h_dora:home"


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


async def begun(here: Lab, user: str, left: int = 20) -> tuple[Peer, Json]:
    """Somebody takes a key that was published after the copy (none left: the fallback key); nobody reads."""
    (peer,) = here.person(user, "PHONE")
    used_up(here, 21)  # the fallback key as well
    await here.engine.ring([ANNA])
    used_up(here, 20 - left)
    peer.share(ROOM, ANNA)
    return peer, peer.say(ROOM, f"bonjour de {user}")


@pytest.mark.parametrize("left", [20, 0], ids=["one-time", "fallback"])
async def test_what_was_encrypted_to_keys_of_after_the_copy_is_read(file: str, left: int) -> None:
    async with lab(file) as here:
        copy = Copied(here)
        await copy.take()
        eve, said = await begun(here, EVE, left)
        await copy.put_back()
        await here.engine.ring([ANNA])
        assert (await here.read(said, EVE)).content["body"] == "bonjour de @eve:away"
        assert here.stub.sent("m.room_key_request") == []
        await renewed(here)  # the homeserver has new keys, and keeps them
        late = eve.say(ROOM, "encore")  # by the session that the copy does not know
        eve.group = None
        eve.share(ROOM, ANNA)
        await here.restart()
        await here.engine.ring([ANNA])
        assert (await here.read(late, EVE, "$2")).content["body"] == "encore"
        assert (await here.read(eve.say(ROOM, "et encore"), EVE, "$3")).content["body"] == "et encore"
        assert "m.dummy" in [inner["type"] for inner in eve.sync()]  # she gets a session that both have


async def test_keys_are_not_published_before_they_are_kept(file: str) -> None:
    async with lab(file) as here:
        used_up(here, 15)
        kept = here.stub.count("/account_data/")
        here.stub.faults = lambda request: "before" if "/account_data/" in request.path else None
        uploads = here.stub.count("/keys/upload")
        await here.engine.ring([ANNA])
        assert here.stub.count("/keys/upload") == uploads
        here.stub.faults = lambda _: None
        await here.engine.ring([ANNA])
        assert here.stub.count("/keys/upload") == uploads + 1
        assert here.stub.twice == []
        await here.engine.ring([ANNA])
        assert here.stub.count("/account_data/") == kept + 1  # seldom: once for ten new devices


@pytest.mark.parametrize("kept", ["nothing", "of another device", "under a key of the seal that is gone"])
async def test_without_what_is_kept_a_new_session_and_another_request_help(file: str, kept: str) -> None:
    async with lab(file) as here:
        copy = Copied(here)
        await copy.take()
        eve, said = await begun(here, EVE)
        ((place, data),) = here.stub.account_data.items()
        changed = {"nothing": {}, "of another device": {**data, "device_id": "X"}}
        here.stub.account_data[place] = changed.get(kept, {**data, "key_id": "gone"})
        await copy.put_back()
        await here.engine.ring([ANNA])
        with pytest.raises(KeyMissing):
            await here.read(said, EVE)
        assert "m.dummy" in [inner["type"] for inner in eve.sync()]
        assert await here.db.one("e2ee.spare", ANNA) is None


async def test_a_restore_that_is_ended_in_between_loses_nothing_that_was_kept(file: str) -> None:
    async with lab(file) as here:
        copy = Copied(here)
        await copy.take()
        _, said = await begun(here, EVE)
        await copy.put_back()
        here.stub.faults = Nth("/upload", 1, "before")  # what is kept was written over already
        with pytest.raises(Unavailable):
            await renewed(here)
        await here.restart()
        await renewed(here)
        await here.engine.ring([ANNA])
        assert (await here.read(said, EVE)).content["body"] == "bonjour de @eve:away"
        here.now += 91 * 86_400_000
        await here.engine.tidy()
        assert await here.db.one("e2ee.spare", ANNA) is None


async def test_nothing_is_read_before_it_is_known_whether_there_is_more_to_read_with(file: str) -> None:
    async with lab(file) as here:
        here.engine.hold()
        with pytest.raises(Unavailable):
            await here.engine.ring([ANNA])
        here.engine.release()
        await here.engine.ring([ANNA])


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_ghost_that_was_made_after_the_copy_has_its_device_again(file: str, restarted: bool) -> None:
    async with lab(file) as here:
        copy = Copied(here)
        await copy.take()
        device = await here.engine.ensure_device(CLEO)
        (eve,) = here.person(EVE, "PHONE")
        eve.share(ROOM, CLEO)
        said = eve.say(ROOM, "bonjour")
        cross = dict(here.stub.cross[CLEO])
        await copy.put_back()
        await renewed(here)
        if restarted:
            await here.restart()
        assert await here.engine.ensure_device(CLEO) == device
        assert here.stub.cross[CLEO] == cross  # nobody is warned of another identity
        assert (await here.read(said, EVE)).content["body"] == "bonjour"
        assert here.stub.twice == []
        calls = here.stub.count("/account_data/")
        assert await here.engine.ensure_device(DORA) != device
        assert here.stub.count("/account_data/") == calls + 2  # nothing is kept of her yet
