"""Against a real Synapse and the reference client (matrix-js-sdk, Rust crypto, strict about unsigned devices)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appservice.e2ee import KeyMissing, Policy, Undecryptable
from appservice.e2ee.model import MEGOLM
from deploy.world.client import Event, RustClient
from deploy.world.synapse import Synapse
from tests.e2ee.bench import Bench, hub, invited
from tests.peers.world import PASSWORD, NewClient, new_user

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]
Servers = tuple[Synapse, Synapse]


@pytest.fixture
def lite(tmp_path: Path) -> str:
    """A SQLite file."""
    return f"sqlite:///{tmp_path}/hub.db"


def fine(event: Event) -> bool:
    """Decrypted, and the client warns of nothing."""
    return event["decryption_failure"] is None and event["shield_colour"] == 0


async def both_ways(bench: Bench, ghost: str, client: RustClient, room: str, word: str) -> None:
    """Say something each way and see that it is read without a warning."""
    _, withheld = await bench.say(ghost, await bench.room(ghost, room), f"ghost {word}")
    assert withheld == []
    assert fine(await client.wait_text(room, f"ghost {word}"))
    event_id = await client.send(room, f"person {word}")
    got = await bench.read(ghost, room, event_id, rings=50)
    assert (got.type, got.content["body"], got.trust) == ("m.room.message", f"person {word}", "signed")
    assert got.device_id == client.device_id


async def test_a_ghost_and_a_strict_client_read_each_other_without_any_warning(
    servers: Servers, url: str, new_client: NewClient
) -> None:
    home, _ = servers
    async with hub(home, url) as bench:
        ghost, ben = await bench.ghost("anna"), await new_client(home, "ben")
        room = await invited(bench, ben, ghost)
        await both_ways(bench, ghost, ben, room, "one")
        assert [r for r, _ in bench.keys] == [room]
        (device,) = await ben.devices(ghost)
        assert device["signed"]
        assert device["device_id"] == bench.engine.device_of(ghost)


async def test_another_server_is_no_different(servers: Servers, lite: str, new_client: NewClient) -> None:
    home, away = servers
    async with hub(home, lite) as bench:
        ghost, eve = await bench.ghost("anna"), await new_client(away, "eve")
        room = await eve.create_room(invite=[ghost])
        path = f"/_matrix/client/v3/join/{room}"
        query = {"server_name": away.name}
        await bench.homeserver.call("POST", path.replace("!", "%21"), {}, user=ghost, query=query)
        await eve.wait_member(room, ghost)
        await eve.wait_devices(ghost)
        await both_ways(bench, ghost, eve, room, "one")
        await both_ways(bench, ghost, eve, room, "two")


async def test_a_hub_that_starts_again_goes_on(servers: Servers, url: str, new_client: NewClient) -> None:
    home, _ = servers
    ben = await new_client(home, "ben")
    async with hub(home, url) as bench:
        ghost = await bench.ghost("anna")
        room = await invited(bench, ben, ghost)
        await both_ways(bench, ghost, ben, room, "one")
        device = bench.engine.device_of(ghost)
    event_id = await ben.send(room, "while you were away")
    await ben.rotate(room)
    later_id = await ben.send(room, "and later")
    async with hub(home, url) as bench:
        assert await bench.engine.ensure_device(ghost) == device
        await bench.engine.catch_up()
        assert (await bench.read(ghost, room, event_id)).content["body"] == "while you were away"
        assert (await bench.read(ghost, room, later_id)).content["body"] == "and later"
        await both_ways(bench, ghost, ben, room, "two")


async def test_several_ghosts_of_a_room_share_what_one_received(
    servers: Servers, lite: str, new_client: NewClient
) -> None:
    home, _ = servers
    async with hub(home, lite) as bench:
        ghosts = [await bench.ghost(name) for name in ("anna", "cleo", "dora")]
        ben = await new_client(home, "ben")
        room = await invited(bench, ben, *ghosts)
        state = await bench.room(ghosts[0], room)
        for ghost in ghosts:
            await bench.say(ghost, state, f"I am {ghost}")
            assert fine(await ben.wait_text(room, f"I am {ghost}"))
        event_id = await ben.send(room, "to all")
        got = await bench.read(ghosts[2], room, event_id)
        event = await bench.event(ghosts[0], room, event_id)
        again = await bench.engine.decrypt(room, event["sender"], event_id, event["content"])
        assert got.content == again.content


async def test_a_person_without_cross_signing_is_refused_both_ways(
    servers: Servers, lite: str, new_client: NewClient
) -> None:
    home, _ = servers
    async with hub(home, lite) as bench:
        ghost = await bench.ghost("anna")
        ben = await new_client(home, "ben", cross_sign=False, isolation="all")
        room = await invited(bench, ben, ghost)
        event_id, withheld = await bench.say(ghost, await bench.room(ghost, room), "not for you")
        assert withheld == [(ben.user_id, ben.device_id, "m.unverified")]
        seen = await ben.wait_event(room, lambda e: e["event_id"] == event_id and bool(e["decryption_failure"]))
        assert seen["decryption_failure"] == "MEGOLM_KEY_WITHHELD_FOR_UNVERIFIED_DEVICE"
        said = await ben.send(room, "hello?")
        with pytest.raises(Undecryptable, match="unsigned_device"):
            await bench.read(ghost, room, said)


async def test_a_second_device_reads_from_then_on_and_its_removal_ends_the_session(servers: Servers, lite: str) -> None:
    home, _ = servers
    user = await new_user(home, "ben")
    async with hub(home, lite) as bench:
        ghost = await bench.ghost("anna")
        async with await RustClient.start(home.url, user, PASSWORD) as phone:
            room = await invited(bench, phone, ghost)
            await both_ways(bench, ghost, phone, room, "one")
            async with await RustClient.start(home.url, user, PASSWORD, recovery_key=phone.recovery_key) as desk:
                await bench.engine.ring([ghost])
                await both_ways(bench, ghost, desk, room, "two")
                assert fine(await phone.wait_text(room, "ghost two"))
                event = await desk.wait_text(room, "ghost two")
                await desk.call("POST", "/_matrix/client/v3/logout", {})
            await bench.engine.ring([ghost])
            await bench.say(ghost, await bench.room(ghost, room), "three")
            after = await phone.wait_text(room, "three")
            assert fine(after)
            assert after["wire_content"]["session_id"] != event["wire_content"]["session_id"]


async def test_one_time_keys_run_out_and_the_fallback_key_carries_on(
    servers: Servers, lite: str, new_client: NewClient
) -> None:
    home, _ = servers
    async with hub(home, lite) as bench:
        ghost, ben = await bench.ghost("anna"), await new_client(home, "ben")
        device = bench.engine.device_of(ghost) or ""
        claim = {"one_time_keys": {ghost: {device: "signed_curve25519"}}}
        for _ in range(20):
            await bench.homeserver.call("POST", "/_matrix/client/v3/keys/claim", claim, user=ghost)
        room = await invited(bench, ben, ghost)
        await both_ways(bench, ghost, ben, room, "one")
        path = "/_matrix/client/v3/keys/upload"
        counts = await bench.homeserver.call("POST", path, {}, user=ghost, device=device)
        assert counts["one_time_key_counts"]["signed_curve25519"] == 20


async def test_a_lost_key_is_asked_for_and_the_client_sends_it_again(
    servers: Servers, lite: str, new_client: NewClient
) -> None:
    home, _ = servers
    async with hub(home, lite) as bench:
        ghost, ben = await bench.ghost("anna"), await new_client(home, "ben")
        room = await invited(bench, ben, ghost)
        await both_ways(bench, ghost, ben, room, "one")
        await ben.rotate(room)
        event_id = await ben.send(room, "you cannot read this yet")
        device = bench.engine.device_of(ghost)
        query = {"timeout": "0"}
        for _ in range(2):  # somebody else reads the inbox, and the homeserver forgets what was in it
            answer = await bench.homeserver.call(
                "GET", "/_matrix/client/v3/sync", user=ghost, device=device, query=query
            )
            query["since"] = answer["next_batch"]
        with pytest.raises(KeyMissing):
            await bench.read(ghost, room, event_id)
        event = await bench.event(ghost, room, event_id)
        await bench.engine.request_key(room, ben.user_id, event["content"], [ghost])
        for _ in range(100):
            await bench.engine.ring([ghost])
            if len(bench.keys) > 1:
                break
            await asyncio.sleep(0.1)
        got = await bench.read(ghost, room, event_id)
        assert (got.content["body"], got.trust) == ("you cannot read this yet", "signed")


async def test_who_left_cannot_read_what_is_said_next(servers: Servers, lite: str, new_client: NewClient) -> None:
    home, _ = servers
    async with hub(home, lite) as bench:
        ghost, ben = await bench.ghost("anna"), await new_client(home, "ben")
        cleo = await new_client(home, "cleo", auto_join=True)
        room = await invited(bench, ben, ghost)
        await ben.do("invite", room=room, user=cleo.user_id)
        await ben.wait_member(room, cleo.user_id)
        await bench.say(ghost, await bench.room(ghost, room), "for both")
        assert fine(await cleo.wait_text(room, "for both"))
        first = await ben.wait_text(room, "for both")
        await cleo.do("leave", room=room)
        await ben.wait_member(room, cleo.user_id, "leave")
        await bench.say(ghost, await bench.room(ghost, room), "for one")
        second = await ben.wait_text(room, "for one")
        assert fine(second)
        assert first["wire_content"]["session_id"] != second["wire_content"]["session_id"]


async def test_policy_may_let_an_unsigned_client_of_another_make_in(
    servers: Servers, lite: str, tmp_path: Path
) -> None:
    """matrix-nio has no cross-signing: its devices are unsigned."""
    nio = pytest.importorskip("nio")
    home, _ = servers
    user = await new_user(home, "nina")
    config = nio.AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
    nina = nio.AsyncClient(home.url, user, store_path=str(tmp_path), config=config)
    texts: dict[str, str] = {}
    nina.add_event_callback(lambda _, event: texts.update({event.event_id: event.body}), nio.RoomMessageText)
    try:
        await nina.login(PASSWORD, device_name="far end")
        await nina.sync(timeout=0)
        await nina.keys_upload()
        async with hub(home, lite, Policy(receive_unsigned=True, send_unsigned=True)) as bench:
            ghost = await bench.ghost("anna")
            encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}
            room = (await nina.room_create(invite=[ghost], initial_state=[encryption])).room_id
            await bench.join(ghost, room)
            event_id, withheld = await bench.say(ghost, await bench.room(ghost, room), "bonjour")
            assert withheld == []
            for _ in range(50):
                await nina.sync(timeout=200)
                if event_id in texts:
                    break
            assert texts[event_id] == "bonjour"
            if nina.should_query_keys:
                await nina.keys_query()
            content = {"msgtype": "m.text", "body": "bonsoir"}
            sent = await nina.room_send(room, "m.room.message", content, ignore_unverified_devices=True)
            got = await bench.read(ghost, room, sent.event_id, rings=20)
            assert (got.content["body"], got.trust, got.device_id) == ("bonsoir", "unsigned", nina.device_id)
    finally:
        await nina.close()
