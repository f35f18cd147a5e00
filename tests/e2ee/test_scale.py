"""Many ghosts, rooms and rings at once, and caches far too small for them: the disk is the truth."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from vodozemac import MegolmMessage

from appservice.e2ee import Policy, RoomState
from bridge.parts.lru import Lru
from tests.e2ee.lab import ANNA, BEN, ROOM, Lab, lab

GHOSTS = [f"@h_{n}:home" for n in range(12)]


def forgetful(here: Lab) -> None:
    """Caches of one entry each."""
    engine = here.engine
    engine._sharing._states = Lru(1, lambda state: state.waiting > 0)
    engine._olm._channels = Lru(1)
    engine._ghosts._accounts = Lru(1)
    engine._megolm._known = Lru(1)
    engine._devices._people = Lru(1, engine._devices._people._busy)


async def talk(here: Lab, ghost: str, room: RoomState, text: str) -> dict[str, str]:
    """One message of a ghost in a room."""
    async with here.engine.outbound(room, ghost) as out, here.db.transaction("test.say") as tx:
        content: dict[str, str] = await out.encrypt(tx, "m.room.message", {"body": text})
        return content


async def test_caches_of_one_entry_lose_nothing(url: str) -> None:
    async with lab(url) as here:
        forgetful(here)
        chance = random.Random(7)
        people = [here.person(f"@p{n}:home", "PHONE", one_time=30)[0] for n in range(4)]
        for ghost in GHOSTS[:4]:
            await here.engine.ensure_device(ghost)
        rooms = [RoomState(f"!r{n}", frozenset({*GHOSTS[:4], *(p.user for p in people)})) for n in range(3)]
        jobs = [(chance.choice(GHOSTS[:4]), chance.choice(rooms), str(n)) for n in range(60)]
        contents = await asyncio.gather(*(talk(here, *job) for job in jobs))
        seen = {(c["session_id"], MegolmMessage.from_base64(c["ciphertext"]).message_index()) for c in contents}
        assert len(seen) == len(jobs)
        for room in rooms:
            for person in people:
                await here.engine._sharing.late(room.room_id, person.user)
        for person in people:
            person.sync()
            texts = [person.read(c)["content"]["body"] for c in contents]
            assert texts == [text for _, _, text in jobs]
        reads = []
        for n, person in enumerate(people):
            person.share(ROOM, GHOSTS[n])
            await here.engine.ring([GHOSTS[n]])
            reads += [(person.user, person.say(ROOM, str(i)), f"${n}{i}", str(i)) for i in range(5)]
        chance.shuffle(reads)
        for user, content, event_id, text in reads:
            assert (await here.read(content, user, event_id)).content["body"] == text


async def test_ghosts_that_get_the_same_keys_at_once_agree(url: str) -> None:
    async with lab(url) as here:
        await asyncio.gather(*(here.engine.ensure_device(ghost) for ghost in GHOSTS))
        peers = [here.person(f"@p{n}:home", "PHONE")[0] for n in range(5)]
        for peer in peers:
            peer.room_key(ROOM)
        for ghost in GHOSTS:
            random.Random(ghost).shuffle(peers)
            for peer in peers:
                peer.share(ROOM, ghost)
        await here.engine.catch_up()
        for n, peer in enumerate(peers):
            assert (await here.read(peer.say(ROOM, "x"), peer.user, f"${n}")).trust == "signed"
        assert len({session for _, session in here.keys}) == len(peers)


async def test_a_key_in_two_copies_at_once_keeps_the_earlier_index(url: str) -> None:
    async with lab(url) as here:
        for ghost in GHOSTS[:2]:
            await here.engine.ensure_device(ghost)
        (ben,) = here.person(BEN, "PHONE")
        early, first = ben.room_key(ROOM), ben.say(ROOM, "first")
        ben.olm(GHOSTS[0], "m.room_key", ben.room_key(ROOM))
        ben.olm(GHOSTS[1], "m.room_key", early)
        await here.engine.ring(GHOSTS[:2])
        assert (await here.read(first, BEN)).content["body"] == "first"


@pytest.mark.parametrize("ghosts", [60])
async def test_many_ghosts_are_small_in_memory(url: str, ghosts: int) -> None:
    async with lab(url) as here:
        await asyncio.gather(*(here.engine.ensure_device(f"@h_m{n}:home") for n in range(ghosts)))
        await here.restart()
        assert len(here.engine._ghosts._accounts) == 0  # read when needed
        await here.engine.catch_up()
        assert len(here.engine._ghosts._accounts) == 0  # and nothing was


async def test_one_message_costs_little(url: str) -> None:
    """Far from a benchmark: a bound so wide that only a mistake in kind breaks it."""
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        await here.stop()
        here.policy = Policy(rotation_messages=10_000)
        await here.start()
        room, count = here.room(BEN), 200
        await here.say(room, "x")
        async with here.engine.outbound(room, ANNA) as out, here.db.transaction("test.say") as tx:
            begin = time.process_time()
            for _ in range(count):
                await out.encrypt(tx, "m.room.message", {"body": "x" * 300})
            assert (time.process_time() - begin) / count < 0.005
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        contents = [ben.say(ROOM, "x" * 300) for _ in range(count)]
        await here.read(contents[0], BEN, "$0")
        begin = time.process_time()
        for n, content in enumerate(contents):
            await here.engine.decrypt(ROOM, BEN, f"${n}", content)
        assert (time.process_time() - begin) / count < 0.005
