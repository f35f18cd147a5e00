"""What arrives: which keys and texts are believed, and that nothing read once is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from vodozemac import GroupSession, InboundGroupSession

from appservice.e2ee import KeyMissing, Policy, Undecryptable
from bridge.errors import Unavailable
from deploy.world.waiting import until
from tests.e2ee.bench import SEAL
from tests.e2ee.lab import ANNA, BEN, EVE, ROOM, Lab, lab
from tests.e2ee.peer import MEGOLM, OLM, Owner, Peer


async def refused(here: Lab, content: dict[str, Any], sender: str, event_id: str = "$1", room: str = ROOM) -> str:
    with pytest.raises(Undecryptable) as caught:
        await here.read(content, sender, event_id, room)
    return caught.value.code


async def test_a_text_is_read_and_its_sender_known(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        ben.share(ROOM, ANNA)
        content = ben.say(ROOM, "bonjour") | {"m.relates_to": {"rel_type": "m.thread", "event_id": "$0"}}
        await here.engine.ring([ANNA])
        got = await here.read(content, BEN)
        assert got.content == {"body": "bonjour", "m.relates_to": {"rel_type": "m.thread", "event_id": "$0"}}
        assert (got.trust, got.device_id, got.sender_key, got.index) == ("signed", "PHONE", ben.curve, 0)
        assert "bonjour" not in repr(got)
        assert here.keys == [(ROOM, content["session_id"])]


async def test_a_key_that_one_ghost_got_serves_all_and_survives_a_crash(url: str) -> None:
    async with lab(url) as here:
        await here.engine.ensure_device("@h_cleo:home")
        (ben,) = here.person(BEN, "PHONE")
        ben.share(ROOM, "@h_cleo:home")
        await here.engine.catch_up()
        await here.restart()
        assert (await here.read(ben.say(ROOM, "bonjour"), BEN)).content["body"] == "bonjour"


async def test_a_seal_key_may_be_replaced(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        sent = await here.say(here.room(BEN), "one")
        await here.stop()
        here.seal = type(SEAL)({"k1": bytes(range(32)), "k2": bytes(32)}, "k2")
        await here.start()
        assert (await here.read(ben.say(ROOM, "bonjour"), BEN)).content["body"] == "bonjour"
        assert (await here.say(here.room(BEN), "two"))["session_id"] == sent["session_id"]


async def test_no_key_yet_is_told_apart_from_never(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        content = ben.say(ROOM, "bonjour")
        with pytest.raises(KeyMissing) as caught:
            await here.read(content, BEN)
        assert (caught.value.session_id, caught.value.withheld_code) == (content["session_id"], None)
        assert await refused(here, {"algorithm": "m.other"}, BEN) == "unsupported_algorithm"
        assert await refused(here, {"algorithm": MEGOLM}, BEN) == "bad_ciphertext"


async def test_why_a_key_is_withheld_is_known_until_it_comes(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        key, content = ben.room_key(ROOM), ben.say(ROOM, "bonjour")
        reason = {**key, "code": "m.unverified", "sender_key": ben.curve}
        here.stub.post(BEN, ANNA, "*", "m.room_key.withheld", reason)
        await here.engine.ring([ANNA])
        assert here.keys == [(ROOM, content["session_id"])]
        with pytest.raises(KeyMissing) as caught:
            await here.read(content, BEN)
        assert caught.value.withheld_code == "m.unverified"
        ben.olm(ANNA, "m.room_key", key)
        await here.engine.ring([ANNA])
        assert (await here.read(content, BEN)).content["body"] == "bonjour"


async def test_the_same_index_in_another_event_is_a_replay_for_ever(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        ben.share(ROOM, ANNA)
        content = ben.say(ROOM, "bonjour")
        await here.engine.ring([ANNA])
        await here.read(content, BEN, "$1")
        await here.read(content, BEN, "$1")
        assert await refused(here, content, BEN, "$2") == "replay"
        await here.restart()
        await here.read(content, BEN, "$1")
        assert await refused(here, content, BEN, "$2") == "replay"


async def test_two_at_once_are_a_replay_too(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        ben.share(ROOM, ANNA)
        content = ben.say(ROOM, "bonjour")
        await here.engine.ring([ANNA])
        results = await asyncio.gather(*(here.read(content, BEN, f"${n}") for n in range(3)), return_exceptions=True)
        assert sum(isinstance(r, Undecryptable) for r in results) == 2


async def test_a_session_belongs_to_its_room_and_its_sender(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        (eve,) = here.person(EVE, "PHONE")
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        content = ben.say(ROOM, "bonjour")
        assert await refused(here, content, BEN, room="!other") == "wrong_room"
        assert await refused(here, content, EVE) == "wrong_sender"
        assert await refused(here, ben.say("!other", "bonjour"), BEN) == "wrong_room"
        eve.group = ben.group
        eve.share(ROOM, ANNA)  # eve says that it is hers: then it is, for what she sends
        await here.engine.ring([ANNA])
        assert (await here.read(content, BEN)).content["body"] == "bonjour"


@pytest.mark.parametrize(
    "lie",
    [
        {"sender": EVE},
        {"recipient": "@h_cleo:home"},
        {"recipient_keys": {"ed25519": "x"}},
        {"keys": {"ed25519": "x"}},
        {"keys": {}},
        {"content": None},
        {"sender_device_keys": {"device_id": "PHONE"}},
    ],
)
async def test_an_olm_message_must_be_what_it_says(url: str, lie: dict[str, Any]) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        ben.olm(ANNA, "m.room_key", ben.room_key(ROOM), **lie)
        await here.engine.ring([ANNA])
        with pytest.raises(KeyMissing):
            await here.read(ben.say(ROOM, "bonjour"), BEN)


async def test_device_keys_of_somebody_else_are_not_believed(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        (eve,) = here.person(EVE, "PHONE")
        ben.olm(ANNA, "m.room_key", ben.room_key(ROOM), sender_device_keys=eve.keys())
        await here.engine.ring([ANNA])
        with pytest.raises(KeyMissing):
            await here.read(ben.say(ROOM, "bonjour"), BEN)


@pytest.mark.parametrize(
    "change",
    [{"algorithm": "m.other"}, {"session_id": "other"}, {"session_key": "rubbish"}, {"session_key": 7}],
)
async def test_a_room_key_must_be_what_it_says(url: str, change: dict[str, Any]) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        ben.olm(ANNA, "m.room_key", ben.room_key(ROOM) | change)
        await here.engine.ring([ANNA])
        with pytest.raises(KeyMissing):
            await here.read(ben.say(ROOM, "bonjour"), BEN)


@pytest.mark.parametrize("told", [True, False])
async def test_unsigned_devices_are_not_read_unless_policy_says_so(url: str, told: bool) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE", signed=False)
        ben.olm(ANNA, "m.room_key", ben.room_key(ROOM), device_keys=told)
        await here.engine.ring([ANNA])
        content = ben.say(ROOM, "bonjour")
        assert await refused(here, content, BEN) == "unsigned_device"
        await here.stop()
        here.policy = Policy(receive_unsigned=True)
        await here.start()
        got = await here.read(content, BEN)
        assert (got.trust, got.device_id) == ("unsigned", "PHONE")


async def test_a_device_that_nobody_lists_is_unknown(url: str) -> None:
    async with lab(url) as here:
        stranger = Peer(here.stub, BEN, "GONE")
        stranger.olm(ANNA, "m.room_key", stranger.room_key(ROOM), device_keys=False)
        await here.engine.ring([ANNA])
        assert await refused(here, stranger.say(ROOM, "bonjour"), BEN) == "unknown_device"


async def test_a_device_signed_after_its_key_came_is_read(url: str) -> None:
    async with lab(url) as here:
        owner = Owner(BEN)
        ben = Peer(here.stub, BEN, "PHONE").publish()
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        content = ben.say(ROOM, "bonjour")
        assert await refused(here, content, BEN) == "unsigned_device"
        owner.publish(here.stub)
        ben.owner = owner
        here.stub.devices[BEN]["PHONE"].keys = ben.keys()
        here.engine.note_devices([BEN], [])
        assert (await here.read(content, BEN)).trust == "signed"
        await here.restart()
        calls = here.stub.count("/keys/query")
        assert (await here.read(content, BEN)).trust == "signed"
        assert here.stub.count("/keys/query") == calls


async def test_a_sender_whose_homeserver_is_away_is_read_later(url: str) -> None:
    async with lab(url) as here:
        (eve,) = here.person(EVE, "PHONE")
        here.stub.away.add("away")
        eve.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        content = eve.say(ROOM, "bonjour")
        with pytest.raises(Unavailable):
            await here.read(content, EVE)
        here.stub.away.clear()
        here.now += 6_000
        assert (await here.read(content, EVE)).trust == "signed"


async def test_a_changed_identity_is_not_read(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        await here.read(ben.say(ROOM, "one"), BEN, "$1")
        (thief,) = here.person(BEN, "THIEF")
        thief.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        content = thief.say(ROOM, "two")
        assert await refused(here, content, BEN, "$2") == "identity_changed"
        served = (await here.engine.identity(BEN)).served
        assert served is not None
        await here.engine.accept_identity(BEN, served)
        assert (await here.read(content, BEN, "$2")).content["body"] == "two"


async def test_the_copy_that_reaches_further_back_stays_if_it_is_the_same_ratchet(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        early, one = ben.room_key(ROOM), ben.say(ROOM, "one")
        late, two = ben.room_key(ROOM), ben.say(ROOM, "two")
        ben.olm(ANNA, "m.room_key", late)
        await here.engine.ring([ANNA])
        assert await refused(here, one, BEN) == "too_old"
        assert (await here.read(two, BEN, "$2")).content["body"] == "two"
        ben.olm(ANNA, "m.room_key", early)
        ben.olm(ANNA, "m.room_key", late)
        await here.engine.ring([ANNA])
        assert (await here.read(one, BEN)).content["body"] == "one"
        assert (await here.read(two, BEN, "$2")).content["body"] == "two"


async def test_an_answer_that_was_lost_is_read_again_without_harm(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        ben.share(ROOM, ANNA)
        here.stub.faults = lambda request: "after" if request.path.endswith("/sync") else None
        with pytest.raises(Unavailable):
            await here.engine.ring([ANNA])
        here.stub.faults = lambda _: None
        await here.engine.ring([ANNA])
        assert (await here.read(ben.say(ROOM, "bonjour"), BEN)).content["body"] == "bonjour"


async def test_a_to_device_message_twice_is_not_a_broken_session(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        first = ben.olm(ANNA, "m.room_key", ben.room_key(ROOM))
        here.stub.post(BEN, ANNA, "*", "m.room.encrypted", first)
        await here.engine.ring([ANNA])
        here.stub.post(BEN, ANNA, "*", "m.room.encrypted", first)
        await here.engine.ring([ANNA])
        assert await here.count("e2ee.wedged-todo", "", "", "") == 0
        assert here.stub.sent("m.room.encrypted") == []
        assert (await here.read(ben.say(ROOM, "bonjour"), BEN)).content["body"] == "bonjour"


async def test_a_broken_session_is_replaced_at_most_hourly(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])

        def broken() -> None:
            content = ben.wrap(ANNA, "m.room_key", ben.room_key(ROOM))
            (part,) = content["ciphertext"].values()
            part["type"], part["body"] = 1, "AwogYWFh" + part["body"][8:]
            here.stub.post(BEN, ANNA, "*", "m.room.encrypted", content)

        for _ in range(3):
            broken()
            await here.engine.ring([ANNA])
        assert [e["type"] for e in ben.sync()] == ["m.dummy"]
        here.now += 3_600_000
        broken()
        await here.engine.ring([ANNA])
        assert [e["type"] for e in ben.sync()] == ["m.dummy"]
        ben.group = None
        ben.share(ROOM, ANNA)  # over the new session, which is their newest
        await here.engine.ring([ANNA])
        assert (await here.read(ben.say(ROOM, "bonjour"), BEN)).content["body"] == "bonjour"


async def test_a_repair_waits_for_the_homeserver_and_survives_a_crash(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        content = {"sender_key": ben.curve, "algorithm": OLM, "ciphertext": {}}
        ghost_curve = next(iter(here.stub.devices[ANNA].values())).keys["keys"]  # type: ignore[index]
        curve = next(v for k, v in ghost_curve.items() if k.startswith("curve25519"))
        content["ciphertext"] = {curve: {"type": 1, "body": "AwogYWFh"}}
        here.stub.post(BEN, ANNA, "*", "m.room.encrypted", content)
        here.stub.faults = lambda request: "before" if "/keys/" in request.path else None
        await here.engine.ring([ANNA])
        assert ben.sync() == []
        here.stub.faults = lambda _: None
        await here.restart()
        assert [e["type"] for e in ben.sync()] == ["m.dummy"]


async def test_one_hundred_and_fifty_messages_are_two_reads(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        contents = []
        for _ in range(150):
            ben.group = GroupSession()
            ben.share(ROOM, ANNA)
            contents.append(ben.say(ROOM, "x"))
        syncs = here.stub.count("/sync")
        await here.engine.ring([ANNA])
        assert here.stub.count("/sync") == syncs + 2
        for n, content in enumerate(contents):
            await here.read(content, BEN, f"${n}")


async def test_many_rings_at_once_are_one_read_and_those_during_a_read_are_one_more(url: str) -> None:
    async with lab(url) as here:
        syncs = here.stub.count("/sync")
        await asyncio.gather(*(here.engine.ring([ANNA]) for _ in range(20)))
        assert here.stub.count("/sync") == syncs + 1
        first = asyncio.create_task(here.engine.ring([ANNA]))
        await until(lambda: here.stub.count("/sync") == syncs + 2)
        await asyncio.gather(first, *(here.engine.ring([ANNA]) for _ in range(20)))
        assert here.stub.count("/sync") == syncs + 3


async def test_rubbish_in_the_inbox_stops_nothing(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        device = here.engine.device_of(ANNA) or ""
        curve = (here.stub.devices[ANNA][device].keys or {})["keys"][f"curve25519:{device}"]
        for content in (
            {},
            {"algorithm": OLM},
            {"algorithm": OLM, "sender_key": 1, "ciphertext": {curve: {"type": 0, "body": "x"}}},
            {"algorithm": OLM, "sender_key": ben.curve, "ciphertext": {curve: 1}},
            {"algorithm": OLM, "sender_key": ben.curve, "ciphertext": {curve: {"type": 9, "body": "x"}}},
            {"algorithm": OLM, "sender_key": "rubbish", "ciphertext": {curve: {"type": 0, "body": "\u00e9"}}},
            {"algorithm": OLM, "sender_key": ben.curve, "ciphertext": {curve: {"type": 0, "body": "AAAA"}}},
            {"algorithm": OLM, "sender_key": ben.curve, "ciphertext": {"other": {"type": 0, "body": "AAAA"}}},
        ):
            here.stub.post(BEN, ANNA, "*", "m.room.encrypted", content)
        for kind in ("m.room_key.withheld", "m.room_key_request", "m.other"):
            here.stub.post(BEN, ANNA, "*", kind, {"code": 1, "action": "request", "body": 1})
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        assert (await here.read(ben.say(ROOM, "bonjour"), BEN)).content["body"] == "bonjour"


async def test_a_ghost_reads_what_another_ghost_said(url: str) -> None:
    async with lab(url) as here:
        content = await here.say(here.room(), "bonjour")
        assert (await here.read(content, ANNA)).trust == "signed"


def test_sessions_compare_by_their_ratchet() -> None:
    from appservice.e2ee.megolm_in import same_ratchet

    one, two = GroupSession(), GroupSession()
    first = InboundGroupSession(one.session_key)
    one.encrypt(b"x")
    assert same_ratchet(first, InboundGroupSession(one.session_key))
    assert not same_ratchet(first, InboundGroupSession(two.session_key))
