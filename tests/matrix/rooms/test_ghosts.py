"""Ghosts: made once, crash or not; ready before they are shown; their profile written only when it changed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from appservice.rooms.ghosts import Ghosts
from bridge.errors import Unavailable
from bridge.model import Person
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, PEOPLE, World, entry, ghost

STEPS = [
    r"POST .*/register",
    r"PUT .*/profile/.*/displayname",
    r"PUT .*/profile/.*/fr\.liaison\.rpps",
    r"PUT .*/devices/",
    r"POST .*/keys/upload",
    r"POST .*/keys/device_signing/upload",
]


@pytest.mark.parametrize("lost", [True, False], ids=["answer-lost", "refused"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_leaves_one_whole_ghost(world: World, step: str, lost: bool) -> None:
    world.stub.fault(step, times=1, **({} if lost else {"status": 503}))
    async with world.node() as node:
        with suppress(Unavailable):  # a PUT whose answer is lost may be repeated by the HTTP library itself
            await node.matrix.ghosts.ensure(PEOPLE[0])
        assert world.stub._faults[0].times == 0
        assert lost or not node.matrix.ghosts.is_ready(ghost(ANNA))
    async with world.node() as node:
        assert await node.matrix.ghosts.ensure(PEOPLE[0]) == ghost(ANNA)
        assert node.matrix.ghosts.is_ready(ghost(ANNA))
        user = world.stub.world.users[ghost(ANNA)]
        assert user.profile["displayname"] == "Dr Anna Martin — Médecin (Lyon)"
        with_keys = {name: device for name, device in user.devices.items() if device.keys}
        current = node.matrix.engine.device_of(ghost(ANNA))
        assert current in with_keys
        assert set(user.signing) >= {"master_key", "self_signing_key"}


async def test_many_who_ask_at_once_make_one(world: World) -> None:
    async with world.node() as node:
        await asyncio.gather(*(node.matrix.ghosts.ensure(PEOPLE[0]) for _ in range(20)))
        assert world.stub.calls["_register"] == 1
        assert world.stub.calls["_put_profile"] == 4  # name, number, role, picture
        await asyncio.gather(*(node.matrix.ghosts.ensure(PEOPLE[0]) for _ in range(20)))
        assert world.stub.calls["_register"] == 1


async def test_a_large_directory_makes_few_users_at_start_and_the_others_when_they_are_found(world: World) -> None:
    async with world.node(prepare=1) as node:
        await node.matrix.show(PEOPLE)
        await until(lambda: node.matrix.ghosts.is_ready(ghost(ANNA)))
        assert ghost(CLEO) not in world.stub.world.users
        await node.matrix.finder.ready([await node.people.get(f"rpps:{CLEO}")])
        assert node.matrix.ghosts.is_ready(ghost(CLEO))
    async with world.node(prepare=0) as node:  # who is there is called as the directory has it now
        await node.matrix.show([entry(CLEO, "Dr Cléo Petit-Roux", "pandalab:cleo"), *PEOPLE])
        name = "Dr Cléo Petit-Roux — Médecin (Lyon)"
        await until(lambda: world.stub.world.users[ghost(CLEO)].profile["displayname"] == name)


async def test_nothing_is_written_twice_after_a_restart(world: World) -> None:
    async with world.node() as node:
        await node.warm(ANNA, CLEO)
        before = dict(world.stub.calls)
    async with world.node() as node:
        await node.warm(ANNA, CLEO)
        for name in ("_register", "_put_profile", "_put_device"):
            assert world.stub.calls[name] == before[name]


async def test_a_new_place_of_work_is_shown(world: World) -> None:
    async with world.node() as node:
        await node.matrix.ghosts.ensure(PEOPLE[0])
        old = PEOPLE[0]
        moved = Person(old.id, old.name, "Cardiologue", "Brest", old.addresses)
        await node.matrix.ghosts.ensure(moved)
        profile = world.stub.world.users[ghost(ANNA)].profile
        assert profile["displayname"] == "Dr Anna Martin — Cardiologue (Brest)"
        assert profile["fr.liaison.role"] == {"profession": "Cardiologue", "place": "Brest"}


async def test_a_homeserver_without_custom_fields_still_has_names(world: World) -> None:
    world.stub.fault(r"PUT .*/profile/.*/fr\.", times=1000, status=404)
    async with world.node() as node:
        await node.matrix.ghosts.ensure(PEOPLE[0])
        profile = world.stub.world.users[ghost(ANNA)].profile
        assert profile["displayname"] == "Dr Anna Martin — Médecin (Lyon)"
        assert set(profile) == {"displayname", "avatar_url"}


async def test_warming_is_bounded_and_survives_refusals(world: World) -> None:
    people = [entry(f"2000000{n:04}", f"Dr {n}", f"pandalab:p{n}") for n in range(30)]
    world.stub.fault(r"POST .*/register", times=3, status=503)
    async with world.node(warm_parallel=2) as node:
        await node.matrix.show([*people, Person("pandalab:x", "sans RPPS")])
        assert len(node.matrix.ghosts._warming) == 2
        await node.matrix.show(people)  # nobody has to ask twice, and whoever does has no second task
        assert len(node.matrix.ghosts._warming) == 2
        await until(lambda: len(node.matrix.ghosts.all()) == 30)
        await until(lambda: not node.matrix.ghosts._warming)
    before = world.stub.calls.copy()
    async with world.node(warm_parallel=2) as node:
        await node.matrix.show(people)  # they are on disk as they are: nothing is begun for them
        assert not node.matrix.ghosts._warming
        assert all([await node.matrix.ghosts.ensure(one) for one in people])
        for name in ("_register", "_put_profile", "_put_device"):
            assert world.stub.calls[name] == before[name]


async def test_a_wrong_name_space_is_an_alarm_not_a_refusal(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.stub.fault(r"POST .*/register", times=1, status=400)
    async with world.node() as node:
        with pytest.raises(Unavailable):
            await node.matrix.ghosts.ensure(PEOPLE[0])
    assert "ALARM" in caplog.text


def test_the_state_in_memory_is_small() -> None:
    assert "_ready" in Ghosts(None, None, None, None, 1).__dict__  # type: ignore[arg-type]


async def test_many_ghosts_that_cannot_be_prepared_are_one_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async with world.node() as node:
        world.stub.fault(r"POST .*/register", times=99, status=503)
        await node.matrix.show(PEOPLE)
        await until(lambda: any("cannot be prepared" in r.getMessage() for r in caplog.records))
        await node.matrix.show(PEOPLE)
    said = [r.getMessage() for r in caplog.records if "cannot be prepared" in r.getMessage()]
    assert said == ["ghosts cannot be prepared: homeserver_error; `liaison check` says more"]
