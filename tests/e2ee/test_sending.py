"""What leaves: who gets the key, when a session ends, and what survives a crash."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from appservice.e2ee import Policy
from appservice.e2ee.devices import DeviceList
from bridge.errors import Unavailable
from bridge.parts.lru import Lru
from tests.e2ee.lab import ANNA, BEN, EVE, ROOM, Lab, lab
from tests.e2ee.peer import Owner, Peer


async def test_a_message_is_read_by_every_device_that_its_owner_signed(url: str) -> None:
    async with lab(url) as here:
        phone, desk = here.person(BEN, "PHONE", "DESK")
        content = await here.say(here.room(BEN), "bonjour", ANNA, **{"m.relates_to": {"rel_type": "m.thread"}})
        assert content["m.relates_to"] == {"rel_type": "m.thread"}
        assert content["device_id"] == here.engine.device_of(ANNA)
        for device in (phone, desk):
            (key,) = device.sync()
            assert key["type"] == "m.room_key"
            assert key["content"]["room_id"] == ROOM
            assert key["sender_device_keys"]["device_id"] == content["device_id"]
            assert len(key["sender_device_keys"]["signatures"][ANNA]) == 2
            inner = device.read(content)
            assert (inner["content"]["body"], inner["room_id"]) == ("bonjour", ROOM)


async def test_nothing_changed_costs_no_call(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        await here.say(here.room(BEN), "one")
        calls = len(here.stub.calls)
        contents = [await here.say(here.room(BEN), str(n)) for n in range(5)]
        assert len(here.stub.calls) == calls
        ben.sync()
        assert [ben.read(c)["content"]["body"] for c in contents] == list("01234")


async def test_ghosts_never_get_keys(url: str) -> None:
    async with lab(url) as here:
        await here.engine.ensure_device("@h_cleo:home")
        (ben,) = here.person(BEN, "PHONE")
        await here.say(here.room(BEN, "@h_cleo:home"), "bonjour")
        assert {user for user, _, _ in here.stub.sent("m.room.encrypted")} == {BEN}
        assert ben.sync()


async def test_unsigned_devices_get_a_reason_instead_of_the_key(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE", signed=False)
        assert await here.withheld(here.room(BEN)) == [(BEN, "PHONE", "m.unverified")]
        await here.say(here.room(BEN), "bonjour")
        assert ben.sync() == []
        (told,) = ben.clear
        assert told["type"] == "m.room_key.withheld"
        assert told["content"]["code"] == "m.unverified"
        assert told["content"]["from_device"] == here.engine.device_of(ANNA)
        await here.restart()
        await here.say(here.room(BEN), "encore")
        ben.sync()
        assert len(ben.clear) == 1  # told once


async def test_policy_may_allow_unsigned_devices(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE", signed=False)
        await here.stop()
        here.policy = Policy(send_unsigned=True)
        await here.start()
        content = await here.say(here.room(BEN), "bonjour")
        ben.sync()
        assert ben.read(content)["content"]["body"] == "bonjour"


async def test_a_stricter_policy_ends_the_session(url: str) -> None:
    async with lab(url) as here:
        here.person(BEN, "PHONE", signed=False)
        await here.stop()
        here.policy = Policy(send_unsigned=True)
        await here.start()
        first = await here.say(here.room(BEN), "bonjour")
        await here.stop()
        here.policy = Policy()
        await here.start()
        second = await here.say(here.room(BEN), "bonjour")
        assert first["session_id"] != second["session_id"]
        assert await here.withheld(here.room(BEN)) == [(BEN, "PHONE", "m.unverified")]


@pytest.mark.parametrize("again", [True, False], ids=["with the next message", "without another message"])
async def test_a_device_signed_later_reads_what_it_was_there_for(url: str, again: bool) -> None:
    async with lab(url) as here:
        owner = Owner(BEN)
        owner.publish(here.stub)
        ben = Peer(here.stub, BEN, "PHONE").publish()
        first = await here.say(here.room(BEN), "one")
        ben.owner = owner
        here.stub.devices[BEN]["PHONE"].keys = ben.keys()
        here.stub.changes(BEN)
        await here.engine.ring([ANNA])
        if again:
            second = await here.say(here.room(BEN), "two")
            assert first["session_id"] == second["session_id"]
        else:
            await here.engine.flush()
        ben.sync()
        assert ben.read(first)["content"]["body"] == "one"
        if again:
            assert ben.read(second)["content"]["body"] == "two"


def sign(here: Lab, ben: Peer, owner: Owner) -> None:
    """Ben signs his phone, and the homeserver says so."""
    ben.owner = owner
    here.stub.devices[BEN]["PHONE"].keys = ben.keys()
    here.stub.changes(BEN)


async def test_who_was_out_for_a_while_does_not_read_that_by_signing_later(url: str) -> None:
    async with lab(url) as here:
        owner = Owner(BEN)
        owner.publish(here.stub)
        ben = Peer(here.stub, BEN, "PHONE").publish()
        here.person(EVE, "TAB")
        before = await here.say(here.room(BEN, EVE), "before")
        meanwhile = await here.say(here.room(EVE), "meanwhile")
        sign(here, ben, owner)
        await here.engine.ring([ANNA])
        after = await here.say(here.room(BEN, EVE), "after")
        await here.engine.flush()
        ben.sync()
        assert meanwhile["session_id"] != before["session_id"]
        with pytest.raises(ValueError):
            ben.read(meanwhile)
        assert [ben.read(c)["content"]["body"] for c in (before, after)] == ["before", "after"]


async def test_who_joins_and_signs_later_still_reads_what_was_kept(url: str) -> None:
    async with lab(url) as here:
        owner = Owner(BEN)
        owner.publish(here.stub)
        ben, room = Peer(here.stub, BEN, "PHONE").publish(), here.room(BEN)
        contents = [await here.say(replace(room, waiting=frozenset({BEN})), "one")]
        await here.engine.late(ROOM, BEN)  # joined by now; not signed
        contents.append(await here.say(room, "two"))
        sign(here, ben, owner)
        await here.engine.ring([ANNA])
        await here.engine.flush()
        contents.append(await here.say(room, "three"))
        ben.sync()
        assert [ben.read(c)["content"]["body"] for c in contents] == ["one", "two", "three"]


async def test_another_device_with_the_same_id_does_not_get_what_was_kept(url: str) -> None:
    async with lab(url) as here:
        Peer(here.stub, BEN, "PHONE").publish()
        first = await here.say(here.room(BEN), "one")
        del here.stub.devices[BEN]["PHONE"]
        here.stub.changes(BEN)
        await here.engine.ring([ANNA])
        await here.say(here.room(BEN), "two")
        owner = Owner(BEN)
        owner.publish(here.stub)
        other = Peer(here.stub, BEN, "PHONE", owner).publish()
        here.stub.changes(BEN)
        await here.engine.ring([ANNA])
        await here.engine.flush()
        third = await here.say(here.room(BEN), "three")
        other.sync()
        assert other.read(third)["content"]["body"] == "three"
        with pytest.raises(ValueError):
            other.read(first)


async def test_a_late_device_reads_from_the_current_index(url: str) -> None:
    async with lab(url) as here:
        owner = Owner(BEN)
        owner.publish(here.stub)
        old = Peer(here.stub, BEN, "OLD", owner).publish()
        first = await here.say(here.room(BEN), "one")
        new = Peer(here.stub, BEN, "NEW", owner).publish()
        await here.engine.ring([ANNA])
        second = await here.say(here.room(BEN), "two")
        old.sync()
        new.sync()
        assert first["session_id"] == second["session_id"]
        assert new.read(second)["content"]["body"] == "two"
        with pytest.raises(ValueError):
            new.read(first)
        assert len([1 for e in old.got if e["type"] == "m.room_key"]) == 1


async def test_who_has_no_device_reads_with_the_next_one(url: str) -> None:
    async with lab(url) as here:
        said = [await here.say(here.room(BEN), text) for text in ("one", "two")]
        for _ in range(3):
            await here.engine.flush()  # in vain: from now on seldom, unless there is news
        owner = Owner(BEN)
        owner.publish(here.stub)
        new = Peer(here.stub, BEN, "NEW", owner).publish()
        here.stub.changes(BEN)
        await here.engine.ring([ANNA])
        await here.engine.flush()
        new.sync()
        assert [new.read(content)["content"]["body"] for content in said] == ["one", "two"]


@pytest.mark.parametrize("crash", [False, True])
async def test_a_lost_answer_is_followed_by_the_same_bytes(url: str, crash: bool) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        here.stub.faults = lambda request: "after" if "/sendToDevice/" in request.path else None
        with pytest.raises(Unavailable):
            await here.say(here.room(BEN), "x")
        here.stub.faults = lambda _: None
        if crash:
            await here.restart()
        content = await here.say(here.room(BEN), "bonjour")
        sends = [(path, body) for _, path, body in here.stub.calls if "/sendToDevice/" in path]
        assert len(sends) == 2
        assert sends[0] == sends[1]
        assert len(ben.sync()) == 1
        assert ben.read(content)["content"]["body"] == "bonjour"
        assert await here.count("e2ee.sends", 0) == 0


async def test_a_rolled_back_message_skips_an_index(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        room = here.room(BEN)
        await here.say(room, "one")
        async with here.engine.outbound(room, ANNA) as out:
            with suppress(ZeroDivisionError):
                async with here.db.transaction("test.fails") as tx:
                    await out.encrypt(tx, "m.room.message", {"body": "never sent"})
                    raise ZeroDivisionError
        content = await here.say(room, "two")
        ben.sync()
        assert ben.read(content)["content"]["body"] == "two"


async def test_a_restart_goes_on_where_the_ratchet_was(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        contents = []
        for n in range(3):
            contents.append(await here.say(here.room(BEN), str(n)))
            await here.restart()
        ben.sync()
        assert len({c["session_id"] for c in contents}) == 1
        assert [ben.read(c)["content"]["body"] for c in contents] == ["0", "1", "2"]
        assert len({c["ciphertext"] for c in contents}) == 3


async def test_a_big_room_is_served_in_pieces_of_a_sensible_size(url: str) -> None:
    async with lab(url) as here:
        people = [f"@p{n}:home" for n in range(60)]
        peers = [here.person(user, "PHONE")[0] for user in people]
        content = await here.say(here.room(*people), "bonjour")
        sizes = [len(str(body)) for _, path, body in here.stub.calls if "/sendToDevice/" in path and body is not None]
        assert len(sizes) > 1
        assert max(sizes) < 65_000
        for peer in peers:
            peer.sync()
            assert peer.read(content)["content"]["body"] == "bonjour"


async def test_many_messages_at_once_use_each_index_once(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        room = here.room(BEN)
        contents = await asyncio.gather(*(here.say(room, str(n)) for n in range(50)))
        ben.sync()
        session = ben.inbound[contents[0]["session_id"]]
        assert len({c["ciphertext"] for c in contents}) == 50
        assert {ben.read(c)["content"]["body"] for c in contents} == {str(n) for n in range(50)}
        assert session.first_known_index == 0


async def test_a_list_read_again_too_early_is_not_taken_for_an_empty_one(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        devices, ask = here.engine._devices, here.engine._devices.fresh

        async def fresh(users: list[str], asker: str) -> set[str]:
            late = await ask(users, asker)
            devices._people.put(BEN, DeviceList(BEN))  # as it was before somebody was asked
            return late

        with monkeypatch.context() as during:
            during.setattr(devices, "fresh", fresh)
            contents = [await here.say(here.room(BEN), "one")]
        contents.append(await here.say(here.room(BEN), "two"))
        await here.engine._sharing.late(ROOM, BEN)
        ben.sync()
        assert [ben.read(c)["content"]["body"] for c in contents] == ["one", "two"]


async def test_a_change_told_while_a_list_is_asked_for_is_not_lost(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with lab(url) as here:
        here.person(BEN, "PHONE")
        devices, asked, go = here.engine._devices, asyncio.Event(), asyncio.Event()
        devices._people, take = Lru(1, devices._people._busy), devices._take

        async def held(*args: Any) -> None:
            asked.set()
            await go.wait()
            await take(*args)

        monkeypatch.setattr(devices, "_take", held)
        asking = asyncio.create_task(devices.fresh([BEN], ANNA))
        await asked.wait()
        for n in range(3):  # others push it out of memory
            devices._people.put(f"@other{n}:home", DeviceList(f"@other{n}:home"))
        devices.outdated([BEN])
        go.set()
        await asking
        assert (await devices.person(BEN)).outdated


async def test_a_ghost_without_a_device_is_unavailable(url: str) -> None:
    async with lab(url) as here:
        with pytest.raises(Unavailable, match="ghost_without_device"):
            await here.say(Lab.room(here, BEN), "x", ghost="@h_new:home")
