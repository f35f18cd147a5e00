"""Keys that are kept for somebody: tried when there is news, else more and more seldom; nobody's hold up another's."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest

from appservice.e2ee import RoomState
from bridge.config import BadConfig
from bridge.errors import Unavailable
from tests.core.make import SEAL
from tests.e2ee.lab import ANNA, BEN, EVE, ROOM, Lab, lab, nobody
from tests.e2ee.peer import Owner, Peer

MINUTE = 60_000


def tries(here: Lab) -> list[tuple[str, str]]:
    """Whom the engine tries from now on."""
    seen: list[tuple[str, str]] = []
    late = here.engine._sharing.late

    async def noted(room_id: str, user: str) -> bool:
        seen.append((room_id, user))
        return await late(room_id, user)

    here.engine._sharing.late = noted  # type: ignore[method-assign]
    return seen


async def test_whoever_is_kept_waiting_is_tried_more_and_more_seldom(url: str) -> None:
    async with lab(url) as here:
        here.person(BEN, "PHONE", one_time=0)
        await here.say(here.room(BEN), "one")
        seen, at = tries(here), []
        for minute in range(24 * 60):
            await here.engine.flush()
            at += [minute] * len(seen)
            seen.clear()
            here.now += MINUTE
        gaps = [b - a for a, b in pairwise(at)]
        assert gaps == sorted(gaps)
        assert gaps[-1] in (60, 61)  # hourly in the end
        assert len(at) < 40


async def test_news_of_somebodys_devices_is_followed_at_once_also_after_a_restart(url: str) -> None:
    async with lab(url) as here:
        first = await here.say(here.room(BEN), "one")  # Ben has no device at all
        for _ in range(12):
            await here.engine.flush()
            here.now += 60 * MINUTE
        (ben,) = here.person(BEN, "PHONE")
        here.stub.changes(BEN)
        await here.engine.ring([ANNA])
        await here.restart()
        await here.engine.flush()
        ben.sync()
        assert ben.read(first)["content"]["body"] == "one"
        assert await here.count("e2ee.late", 1 << 62) == 0


async def test_everything_that_was_kept_is_given_however_many_sessions_it_is(url: str) -> None:
    async with lab(url) as here:
        contents = []
        for n in range(120):
            contents.append(await here.say(here.room(BEN), str(n)))
            await here.engine.rotate(ROOM)
        (ben,) = here.person(BEN, "PHONE", one_time=200)
        here.stub.changes(BEN)
        await here.engine.ring([ANNA])
        await here.engine.flush()
        ben.sync()
        assert [ben.read(c)["content"]["body"] for c in contents] == [str(n) for n in range(120)]


async def test_one_persons_second_device_is_found_behind_the_first(url: str) -> None:
    """A page may end between the two."""
    async with lab(url) as here:
        owner = Owner(BEN)
        owner.publish(here.stub)
        phones = [Peer(here.stub, BEN, name).publish() for name in ("A", "B")]
        contents = []
        for n in range(51):
            contents.append(await here.say(here.room(BEN), str(n)))
            await here.engine.rotate(ROOM)
        phones[1].owner = owner
        here.stub.devices[BEN]["B"].keys = phones[1].keys()
        here.stub.changes(BEN)
        await here.engine.ring([ANNA])
        await here.engine.flush()
        for phone in phones:
            phone.sync()
        assert [phones[1].read(c)["content"]["body"] for c in contents] == [str(n) for n in range(51)]
        assert phones[0].inbound == {}
        assert await here.count("e2ee.kept", BEN, ROOM, "", "") == 51


async def test_a_new_session_for_nobody_tries_nothing_again(url: str) -> None:
    """Ben has no device: that each session is kept for him costs nothing but that."""
    async with lab(url) as here:
        await here.say(here.room(BEN), "one")
        for _ in range(12):
            await here.engine.flush()
            here.now += 60 * MINUTE
        seen = tries(here)
        await here.engine.flush()
        seen.clear()
        await here.engine.rotate(ROOM)
        await here.say(here.room(BEN), "two")
        await here.engine.flush()
        assert seen == []


async def test_one_who_cannot_be_tried_does_not_hold_up_the_others(url: str) -> None:
    async with lab(url) as here:
        other = "!other:home"
        first = await here.say(RoomState(other, frozenset({ANNA, EVE})), "for Eve")
        second = await here.say(here.room(BEN), "for Ben")
        people = [here.person(user, "PHONE")[0] for user in (EVE, BEN)]
        for user in (EVE, BEN):
            here.stub.changes(user)

        async def away(room_id: str, user: str) -> bool:
            if room_id == other:
                raise Unavailable("away")
            return False

        await here.engine.ring([ANNA])
        here.waits = away
        for _ in range(2):
            with suppress(Unavailable):
                await here.engine.flush()
        for each in people:
            each.sync()
        assert people[1].read(second)["content"]["body"] == "for Ben"
        assert people[0].inbound == {}
        here.waits = nobody
        here.now += MINUTE
        await here.engine.flush()
        people[0].sync()
        assert people[0].read(first)["content"]["body"] == "for Eve"


async def test_who_is_invited_waits_for_their_join_and_is_not_forgotten(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        waiting = {BEN}

        async def waits(room_id: str, user: str) -> bool:
            return user in waiting

        here.waits = waits
        content = await here.say(here.room(BEN, waiting=frozenset({BEN})), "one")
        await here.engine.flush()
        ben.sync()
        assert ben.inbound == {}
        waiting.clear()
        here.now += 60 * MINUTE
        await here.engine.flush()  # nobody said that he has joined
        ben.sync()
        assert ben.read(content)["content"]["body"] == "one"


async def test_what_nobody_asks_for_any_more_goes_bit_by_bit(url: str) -> None:
    async with lab(url) as here:
        for n in range(105):
            await here.say(here.room(BEN), str(n))
            await here.engine.rotate(ROOM)
        here.now += 91 * 24 * 60 * MINUTE
        last = await here.say(here.room(BEN), "last")
        await here.engine.tidy()
        assert await here.count("e2ee.out-old", here.now) == 0
        assert await here.count("e2ee.shares", last["session_id"]) == 1
        assert await here.count("e2ee.kept", BEN, ROOM, "", "") == 1


async def test_a_seal_key_that_nothing_needs_may_go(url: str) -> None:
    async with lab(url, ghost=False) as here:
        await here.stop()
        here.seal = type(SEAL)({"k1": bytes(range(32)), "k2": bytes(32)}, "k2")
        await here.start()  # nothing was stored under k1
        await here.stop()
        here.seal = type(SEAL)({"k2": bytes(32)}, "k2")
        await here.start()
        await here.engine.ensure_device(ANNA)
        await here.stop()
        here.seal = type(SEAL)({"k3": bytes(32)}, "k3")
        with pytest.raises(BadConfig, match="'k2'"):
            await here.start()
        await here.stop()
        here.seal = type(SEAL)({"k2": bytes(32), "k3": bytes(32)}, "k3")
        await here.start()


@pytest.mark.parametrize("when", ["crash", "meanwhile"])
async def test_whose_server_is_not_trusted_waits_for_no_time(url: str, when: str) -> None:
    """A hub that ends while it tries them finds them at its start; so does one whose list changes just then."""
    async with lab(url) as here:
        here.person(BEN, "PHONE", signed=False)
        await here.say(here.room(BEN), "gardé")
        trusted, sharing = [False], here.engine._sharing
        sharing._trusted = lambda user: trusted[0]
        late = sharing.late

        async def tried(room_id: str, user: str) -> bool:
            if when == "crash":
                raise Unavailable("homeserver_away")
            trusted[0] = True
            return await late(room_id, user)

        sharing.late = tried  # type: ignore[method-assign]
        with suppress(Unavailable):
            await here.engine.flush()
        shut = await here.db.one("e2ee.shut", 1 << 60, 1 << 62)
        assert (shut is not None) is (when == "crash")
        here.now += 1
        await here.restart()  # every server is trusted now
        assert await here.db.one("e2ee.shut", 1 << 60, 1 << 62) is None
        assert await here.count("e2ee.late", here.now + 60 * MINUTE) == 1
