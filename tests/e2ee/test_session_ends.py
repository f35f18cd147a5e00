"""When an outbound session ends: messages, time, members, devices, identities."""

from __future__ import annotations

import pytest

from appservice.e2ee import Policy
from tests.e2ee.lab import ANNA, BEN, EVE, ROOM, lab
from tests.e2ee.peer import Owner, Peer


@pytest.mark.parametrize(
    ("policy", "room", "same"),
    [(Policy(rotation_messages=3), {}, 3), (Policy(), {"rotation_messages": 2}, 2), (Policy(), {}, 100)],
)
async def test_a_session_ends_after_so_many_messages(url: str, policy: Policy, room: dict[str, int], same: int) -> None:
    async with lab(url) as here:
        here.person(BEN, "PHONE")
        await here.stop()
        here.policy = policy
        await here.start()
        state = here.room(BEN, **room)
        sessions = [(await here.say(state, "x"))["session_id"] for _ in range(same + 1)]
        assert len(set(sessions[:same])) == 1
        assert sessions[same] != sessions[0]


async def test_a_session_ends_after_its_time(url: str) -> None:
    async with lab(url) as here:
        here.person(BEN, "PHONE")
        room = here.room(BEN, rotation_ms=3_600_000)
        first = await here.say(room, "x")
        here.now += 3_599_999
        assert (await here.say(room, "x"))["session_id"] == first["session_id"]
        here.now += 1
        assert (await here.say(room, "x"))["session_id"] != first["session_id"]


async def test_who_leaves_does_not_read_on(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        (eve,) = here.person(EVE, "PHONE")
        first = await here.say(here.room(BEN, EVE), "one")
        second = await here.say(here.room(BEN), "two")
        ben.sync()
        eve.sync()
        assert first["session_id"] != second["session_id"]
        assert second["session_id"] in ben.inbound
        assert second["session_id"] not in eve.inbound


async def test_who_left_and_came_back_between_two_messages_also_ends_the_session(url: str) -> None:
    async with lab(url) as here:
        here.person(BEN, "PHONE")
        first = await here.say(here.room(BEN), "one")
        await here.engine.forget_member(ROOM, "@h_other:home")
        assert (await here.say(here.room(BEN), "two"))["session_id"] == first["session_id"]
        await here.engine.forget_member(ROOM, BEN)
        assert (await here.say(here.room(BEN), "three"))["session_id"] != first["session_id"]


async def test_a_forgotten_member_stays_forgotten_after_a_crash(url: str) -> None:
    async with lab(url) as here:
        here.person(BEN, "PHONE")
        first = await here.say(here.room(BEN), "one")
        await here.engine.forget_member(ROOM, BEN)
        await here.restart()
        assert (await here.say(here.room(BEN), "two"))["session_id"] != first["session_id"]


async def test_a_removed_device_ends_the_session(url: str) -> None:
    async with lab(url) as here:
        phone, _ = here.person(BEN, "PHONE", "DESK")
        first = await here.say(here.room(BEN), "one")
        phone.vanish()
        await here.engine.ring([ANNA])
        assert (await here.say(here.room(BEN), "two"))["session_id"] != first["session_id"]


async def test_a_change_of_history_visibility_ends_the_session(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        first = await here.say(here.room(BEN), "one")
        second = await here.say(here.room(BEN, shared_history=True), "two")
        assert first["session_id"] != second["session_id"]
        assert [e["content"]["m.shared_history"] for e in ben.sync()] == [False, True]


async def test_a_changed_identity_stops_until_it_is_accepted(url: str) -> None:
    async with lab(url) as here:
        here.person(BEN, "PHONE")
        first = await here.say(here.room(BEN), "one")
        (thief,) = here.person(BEN, "THIEF")
        await here.engine.ring([ANNA])
        second = await here.say(here.room(BEN), "two")
        assert second["session_id"] != first["session_id"]
        assert await here.withheld(here.room(BEN)) == [(BEN, "*", "identity_changed")]
        assert thief.sync() == []
        served = (await here.engine.identity(BEN)).served
        assert served is not None
        await here.engine.accept_identity(BEN, served)
        third = await here.say(here.room(BEN), "three")
        thief.sync()
        assert thief.read(third)["content"]["body"] == "three"


async def test_policy_may_accept_changed_identities(url: str) -> None:
    async with lab(url) as here:
        await here.stop()
        here.policy = Policy(changed_identity="accept")
        await here.start()
        here.person(BEN, "PHONE")
        await here.say(here.room(BEN), "one")
        (new,) = here.person(BEN, "NEW")
        await here.engine.ring([ANNA])
        content = await here.say(here.room(BEN), "two")
        new.sync()
        assert new.read(content)["content"]["body"] == "two"


async def test_a_device_that_comes_back_with_other_keys_is_not_taken(url: str) -> None:
    async with lab(url) as here:
        owner = Owner(BEN)
        owner.publish(here.stub)
        Peer(here.stub, BEN, "PHONE", owner).publish()
        await here.say(here.room(BEN), "one")
        other = Peer(here.stub, BEN, "PHONE", owner).publish()
        await here.engine.ring([ANNA])
        await here.say(here.room(BEN), "two")
        inbox = here.stub.devices[BEN]["PHONE"].inbox
        assert all(other.curve not in e["content"].get("ciphertext", {}) for _, e in inbox)
