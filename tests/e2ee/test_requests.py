"""Keys that are asked for: by us and of us, and refused where they must be."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.e2ee import KeyMissing, Policy
from tests.e2ee.lab import ANNA, BEN, EVE, ROOM, Lab, lab
from tests.e2ee.peer import MEGOLM, OLM, Owner, Peer

CLEO = "@h_cleo:home"


def asked(here: Lab, action: str = "request") -> list[dict[str, Any]]:
    return [c for _, _, c in here.stub.sent("m.room_key_request") if c["action"] == action]


def forward(ben: Peer, ghost: str, content: dict[str, Any], curve: str | None = None) -> None:
    """Answer a request as a Rust client does."""
    from vodozemac import InboundGroupSession, SessionKey

    exported = InboundGroupSession(SessionKey(content["session_key"])).export_at(0)
    assert exported is not None
    ben.olm(
        ghost,
        "m.forwarded_room_key",
        {
            "algorithm": MEGOLM,
            "room_id": content["room_id"],
            "session_id": content["session_id"],
            "session_key": exported.to_base64(),
            "sender_key": curve or ben.curve,
            "sender_claimed_ed25519_key": ben.ed,
            "forwarding_curve25519_key_chain": [],
        },
    )


async def test_a_lost_key_is_asked_for_and_the_answer_is_believed(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        key, content = ben.room_key(ROOM), ben.say(ROOM, "bonjour")
        with pytest.raises(KeyMissing):
            await here.read(content, BEN)
        await here.engine.request_key(ROOM, BEN, content, [ANNA])
        (request,) = asked(here)
        assert request["body"] == {"algorithm": MEGOLM, "room_id": ROOM, "session_id": content["session_id"]}
        assert request["requesting_device_id"] == here.engine.device_of(ANNA)
        await here.restart()
        forward(ben, ANNA, key)
        await here.engine.ring([ANNA])
        assert (await here.read(content, BEN)).trust == "signed"
        assert [c["request_id"] for c in asked(here, "request_cancellation")] == [request["request_id"]]
        assert here.keys == [(ROOM, content["session_id"])]


async def test_the_original_key_also_ends_the_request(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        await here.engine.request_key(ROOM, BEN, ben.say(ROOM, "x"), [ANNA])
        ben.share(ROOM, ANNA)
        await here.engine.ring([ANNA])
        assert len(asked(here, "request_cancellation")) == 1


async def test_asking_again_waits_and_changes_the_ghost(url: str) -> None:
    async with lab(url) as here:
        await here.engine.ensure_device(CLEO)
        (ben,) = here.person(BEN, "PHONE")
        content = ben.say(ROOM, "x")
        for _ in range(3):
            await here.engine.request_key(ROOM, BEN, content, [ANNA, CLEO])
        assert len(asked(here)) == 1
        here.now += 60_000
        await here.engine.request_key(ROOM, BEN, content, [ANNA, CLEO])
        devices = [c["requesting_device_id"] for c in asked(here)]
        assert devices == [here.engine.device_of(ANNA), here.engine.device_of(CLEO)]
        assert len(asked(here, "request_cancellation")) == 1


async def test_ghosts_are_not_asked_and_nobody_without_a_ghost(url: str) -> None:
    async with lab(url) as here:
        await here.engine.request_key(ROOM, ANNA, {"session_id": "x"}, [ANNA])
        await here.engine.request_key(ROOM, BEN, {"session_id": "x"}, ["@h_new:home"])
        await here.engine.request_key(ROOM, BEN, {}, [ANNA])
        assert asked(here) == []


async def test_forwards_that_nobody_asked_for_are_dropped(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        key, content = ben.room_key(ROOM), ben.say(ROOM, "bonjour")
        forward(ben, ANNA, key)
        await here.engine.ring([ANNA])
        with pytest.raises(KeyMissing):
            await here.read(content, BEN)


async def test_forwards_of_somebody_else_are_dropped(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        (eve,) = here.person(EVE, "PHONE")
        key, content = ben.room_key(ROOM), ben.say(ROOM, "bonjour")
        await here.engine.request_key(ROOM, BEN, content, [ANNA])
        forward(eve, ANNA, key, ben.curve)
        forward(ben, ANNA, key, eve.curve)
        await here.engine.ring([ANNA])
        with pytest.raises(KeyMissing):
            await here.read(content, BEN)


async def test_a_forward_to_another_ghost_than_asked_is_dropped(url: str) -> None:
    async with lab(url) as here:
        await here.engine.ensure_device(CLEO)
        (ben,) = here.person(BEN, "PHONE")
        key, content = ben.room_key(ROOM), ben.say(ROOM, "bonjour")
        await here.engine.request_key(ROOM, BEN, content, [ANNA])
        forward(ben, CLEO, key)
        await here.engine.ring([CLEO])
        with pytest.raises(KeyMissing):
            await here.read(content, BEN)


async def ask_us(here: Lab, peer: Peer, content: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    """Ask the ghost for its session; what comes back."""
    body = {"algorithm": MEGOLM, "room_id": ROOM, "session_id": content["session_id"], "sender_key": "x"}
    request = {"action": "request", "request_id": "1", "requesting_device_id": peer.name, "body": body} | changes
    here.stub.post(peer.user, ANNA, "*", "m.room_key_request", request)
    await here.engine.ring([ANNA])
    return peer.sync()


async def test_a_device_that_was_given_the_key_gets_it_again_at_its_index(url: str) -> None:
    async with lab(url) as here:
        owner = Owner(BEN)
        owner.publish(here.stub)
        Peer(here.stub, BEN, "OLD", owner).publish()
        first = await here.say(here.room(BEN), "one")
        late = Peer(here.stub, BEN, "LATE", owner).publish()
        await here.engine.ring([ANNA])
        second = await here.say(here.room(BEN), "two")
        late.sync()
        late.inbound.clear()
        await here.say(here.room(BEN), "three")
        await here.restart()
        (answer,) = await ask_us(here, late, first)
        assert answer["type"] == "m.forwarded_room_key"
        assert answer["content"]["sender_key"] == second["sender_key"]
        assert late.read(second)["content"]["body"] == "two"
        with pytest.raises(ValueError):
            late.read(first)
        assert await ask_us(here, late, first) == []  # once for a while
        here.now += 600_000
        assert len(await ask_us(here, late, first)) == 1


@pytest.mark.parametrize("signed", [True, False])
async def test_a_new_device_reads_what_its_owner_reads_once_it_is_signed(url: str, signed: bool) -> None:
    async with lab(url) as here:
        owner = Owner(BEN)
        owner.publish(here.stub)
        Peer(here.stub, BEN, "OLD", owner).publish()
        (eve,) = here.person(EVE, "PHONE")
        await here.say(here.room(EVE), "before Ben")
        content = await here.say(here.room(EVE, BEN), "both")
        new = Peer(here.stub, BEN, "NEW", owner if signed else None).publish()
        answers = await ask_us(here, new, content)
        assert [one["type"] for one in answers] == (["m.forwarded_room_key"] if signed else [])
        assert [e["content"]["code"] for e in new.clear] == ([] if signed else ["m.unauthorised"])
        if signed:
            assert new.read(content)["content"]["body"] == "both"
            assert new.inbound[content["session_id"]].first_known_index == 1  # not what was said before Ben came
        again = await ask_us(here, Peer(here.stub, EVE, "NEW", Owner(EVE)).publish(), content)
        assert again == []  # another identity than Eve's
        assert eve.sync()


async def test_who_was_not_given_the_key_is_refused_once(url: str) -> None:
    async with lab(url) as here:
        here.person(BEN, "PHONE")
        (eve,) = here.person(EVE, "PHONE")
        content = await here.say(here.room(BEN), "one")
        assert await ask_us(here, eve, content) == []
        assert await ask_us(here, eve, content) == []
        assert [e["content"]["code"] for e in eve.clear] == ["m.unauthorised"]


async def test_who_is_no_longer_trusted_is_refused(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE", signed=False)
        await here.stop()
        here.policy = Policy(send_unsigned=True)
        await here.start()
        content = await here.say(here.room(BEN), "one")
        ben.sync()
        await here.stop()
        here.policy = Policy()
        await here.start()
        assert await ask_us(here, ben, content) == []
        assert [e["content"]["code"] for e in ben.clear] == ["m.unauthorised"]


@pytest.mark.parametrize(
    "change",
    [
        {"action": "request_cancellation"},
        {"requesting_device_id": None},
        {"body": {"algorithm": MEGOLM, "room_id": "!other", "session_id": "x"}},
        {"body": {}},
    ],
)
async def test_other_requests_are_passed_over(url: str, change: dict[str, Any]) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        content = await here.say(here.room(BEN), "one")
        ben.sync()
        assert await ask_us(here, ben, content, **change) == []
        assert ben.clear == []


async def test_a_request_taken_back_in_the_same_sync_is_not_answered(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        content = await here.say(here.room(BEN), "one")
        ben.sync()
        over = {"action": "request_cancellation", "request_id": "1", "requesting_device_id": "PHONE"}
        here.stub.post(BEN, ANNA, "*", "m.room_key_request", over)
        assert await ask_us(here, ben, content) == []


async def test_no_olm_of_a_peer_makes_a_new_session(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        told = {"algorithm": MEGOLM, "code": "m.no_olm", "sender_key": ben.curve}
        here.stub.post(BEN, ANNA, "*", "m.room_key.withheld", told)
        await here.engine.ring([ANNA])
        assert [e["type"] for e in ben.sync()] == ["m.dummy"]


async def test_what_was_asked_for_is_asked_for_again_with_a_new_session(url: str) -> None:
    async with lab(url) as here:
        (ben,) = here.person(BEN, "PHONE")
        keys = next(iter(here.stub.devices[ANNA].values())).keys["keys"]  # type: ignore[index]
        curve = next(key for name, key in keys.items() if name.startswith("curve25519"))

        async def unreadable(n: int) -> None:
            """Ben's answer over a session of which the ghost knows nothing."""
            body = {"type": 1, "body": f"AwogYWF{n}"}
            content = {"sender_key": ben.curve, "algorithm": OLM, "ciphertext": {curve: body}}
            here.stub.post(BEN, ANNA, "*", "m.room.encrypted", content)
            await here.engine.ring([ANNA])

        key, lost = ben.room_key(ROOM), ben.say(ROOM, "bonjour")
        await here.engine.request_key(ROOM, BEN, lost, [ANNA])
        await unreadable(0)
        assert [inner["type"] for inner in ben.sync()] == ["m.dummy"]
        first, second = asked(here)
        assert second["body"] == first["body"]
        assert second["request_id"] != first["request_id"]
        assert [c["request_id"] for c in asked(here, "request_cancellation")] == [first["request_id"]]
        for n in range(1, 9):
            await unreadable(n)
        assert len(asked(here)) == 5  # whoever sends what nobody can read is not asked for ever
        forward(ben, ANNA, key)
        await here.engine.ring([ANNA])
        assert (await here.read(lost, BEN)).content["body"] == "bonjour"
