"""A change of one person's devices concerns the rooms of that person and no other room."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.e2ee import RoomState
from appservice.e2ee.sharing import Sharing
from bridge.parts.changes import Changes
from tests.e2ee.lab import ANNA, lab
from tests.e2ee.peer import Peer

USERS = "abcdef"


def test_a_change_concerns_those_who_share_a_room_with_that_person() -> None:
    changes = Changes()
    changes.note("ben")
    seen = changes.newest
    assert not changes.concern(["ben", "cleo"], seen)
    changes.note("cleo")
    assert changes.concern(["ben", "cleo"], seen)
    assert not changes.concern(["ben"], seen)
    assert not changes.concern(["ben", "cleo"], changes.newest)


@given(st.lists(st.sampled_from(USERS)), st.lists(st.sampled_from(USERS)), st.sets(st.sampled_from(USERS)))
def test_nobody_who_is_forgotten_is_taken_for_unchanged(before: list[str], after: list[str], room: set[str]) -> None:
    whole, small = Changes(), Changes(size=2)
    for user in before:
        whole.note(user)
        small.note(user)
    seen = small.newest
    for user in after:
        whole.note(user)
        small.note(user)
    assert small.newest == whole.newest
    assert small.concern(room, seen) or not whole.concern(room, seen)
    assert whole.concern(room, seen) == bool(room & set(after))


async def test_a_new_phone_of_one_person_is_looked_at_in_the_rooms_of_that_person_only(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    prepare = Sharing._prepare

    async def noted(self: Sharing, state: Any, room: RoomState, ghost: Any) -> None:
        looked.append(room.room_id)
        await prepare(self, state, room, ghost)

    async with lab(url) as here:
        owners = [here.person(f"@p{n}:home", "PHONE", fallback=True)[0].owner for n in range(20)]
        people = [owner.user for owner in owners if owner is not None]
        rooms = [RoomState(f"!r{n}", frozenset({ANNA, people[n % 20], people[(n // 20) % 20]})) for n in range(400)]
        await here.engine.ring([ANNA])
        for room in rooms:
            await here.say(room, "one")
        asked = here.stub.count("/keys/query")
        Peer(here.stub, people[3], "TABLET", owners[3]).publish()
        here.stub.changes(people[3])
        monkeypatch.setattr(Sharing, "_prepare", noted)
        await here.engine.ring([ANNA])
        for room in rooms:
            await here.say(room, "two")
        theirs = [room.room_id for room in rooms if people[3] in room.members]
        assert sorted(looked) == sorted(theirs)
        assert 0 < len(theirs) < 48
        assert here.stub.count("/keys/query") == asked + 1


async def test_a_change_that_is_told_of_somebody_who_is_not_in_memory_is_not_lost(url: str) -> None:
    """No inbox need be read for it: whoever is told to have changed is asked for before anything is said."""
    async with lab(url) as here:
        (ben,) = here.person("@ben:home", "PHONE")
        room = here.room(ben.user)
        await here.say(room, "one")
        await here.restart()
        tablet = Peer(here.stub, ben.user, "TABLET", ben.owner).publish()
        here.engine.note_devices([ben.user], [])
        content = await here.say(room, "two")
        tablet.sync()
        assert tablet.read(content)["content"]["body"] == "two"
