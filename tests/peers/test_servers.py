"""The far ends themselves: what a test relies on when it says that a ghost looks native."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from deploy.world.certificates import Authority
from deploy.world.client import ClientError, RustClient
from deploy.world.ports import free_ports
from deploy.world.postgres import Postgres
from deploy.world.synapse import ROOT, Options, Synapse
from tests.peers import world

pytestmark = pytest.mark.peers
Servers = tuple[Synapse, Synapse]


def test_ports_are_handed_out_once() -> None:
    assert len(set(free_ports(100))) == 100


def test_children_end_with_their_parent() -> None:
    script = (
        "import os, sys; from deploy.world import process;"
        "print(process.spawn(['sleep', '60']).pid, flush=True); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    status = Path(f"/proc/{int(parent.stdout)}/status")
    for _ in range(100):
        if not status.exists() or "State:\tZ" in status.read_text():
            return
        time.sleep(0.05)
    pytest.fail("the child lives on")


async def test_strict_clients_on_two_servers_see_no_shield(homeservers: Servers, new_client: world.NewClient) -> None:
    ben, cleo = await asyncio.gather(new_client(homeservers[0], "ben"), new_client(homeservers[1], "cleo"))
    room = await world.meet(ben, cleo)

    asked = await ben.send(room, "Bonjour", html="<b>Bonjour</b>")
    heard = await cleo.wait_text(room, "Bonjour")
    await cleo.send(room, "Salut", reply_to=asked)
    answer = await ben.wait_text(room, "Salut")

    assert heard["encrypted"]
    assert heard["decryption_failure"] is None
    assert heard["shield_colour"] == answer["shield_colour"] == 0
    assert heard["content"]["formatted_body"] == "<b>Bonjour</b>"
    assert answer["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == asked
    assert "body" not in heard["wire_content"]


async def test_a_strict_client_refuses_an_unsigned_device(homeservers: Servers, new_client: world.NewClient) -> None:
    ben = await new_client(homeservers[0], "ben", cross_sign=False, isolation="all")
    cleo = await new_client(homeservers[1], "cleo")
    dora = await new_client(homeservers[1], "dora", isolation="all")
    room = await world.meet(ben, cleo)
    await ben.invite(room, dora.user_id)
    await dora.wait_room(lambda found: bool(found["room_id"] == room))
    await dora.join(room)
    await ben.wait_devices(dora.user_id)

    sent = await ben.send(room, "Bonjour")
    refused = await cleo.wait_id(room, sent)
    warned = await dora.wait_text(room, "Bonjour")

    assert refused["decryption_failure"] == "UNSIGNED_SENDER_DEVICE"
    assert warned["shield_colour"] == 2


async def test_a_second_device_signed_with_the_recovery_key_reads_on(
    homeservers: Servers, new_client: world.NewClient
) -> None:
    ben, cleo = await asyncio.gather(new_client(homeservers[0], "ben"), new_client(homeservers[1], "cleo"))
    room = await world.meet(ben, cleo)
    await ben.send(room, "before")
    await cleo.wait_text(room, "before")
    second = await RustClient.start(
        homeservers[1].url, cleo.user_id, world.PASSWORD, recovery_key=cleo.recovery_key, auto_join=True
    )
    async with second:
        await ben.wait_devices(cleo.user_id, signed=2)
        await ben.send(room, "after")
        read = await second.wait_text(room, "after")
        assert read["shield_colour"] == 0
        assert second.device_id != cleo.device_id


async def test_everything_else_that_people_do(homeservers: Servers, new_client: world.NewClient) -> None:
    ben = await new_client(homeservers[0], "ben")
    cleo = await new_client(homeservers[1], "cleo", auto_join=True)
    room = await ben.create_room(invite=[cleo.user_id], name="Avis", room_version="11", is_direct=True)
    await ben.wait_member(room, cleo.user_id)
    await asyncio.gather(ben.wait_devices(cleo.user_id), cleo.wait_devices(ben.user_id))

    said = await ben.send(room, "un")
    await ben.send(room, "deux", edits=said)
    threaded = await ben.send(room, "fil", thread=said)
    status = await ben.call("PUT", f"/_matrix/client/v3/rooms/{room}/send/com.beeper.message_send_status/1", {"a": 1})
    await cleo.wait_text(room, "fil")
    reaction = await cleo.react(room, said, "👍")
    await cleo.read_receipt(room, threaded)
    await cleo.typing(room)

    await ben.wait_for(lambda: ben.typing_users(room))
    await ben.wait_for(lambda: ben.has_read(room, cleo.user_id, threaded))
    assert set(await ben.receipts(room)) == {ben.user_id, cleo.user_id}  # who speaks has read, for the SDK
    assert (await cleo.wait_id(room, status["event_id"]))["encrypted"] is False
    await ben.wait_id(room, reaction)
    await ben.redact(room, said, "erreur")
    assert (await cleo.wait_event(room, lambda event: event["redacted"]))["event_id"] == said
    assert (await cleo.state(room, "m.room.name"))[0]["content"] == {"name": "Avis"}
    await cleo.leave(room)
    await ben.wait_member(room, cleo.user_id, "leave")


async def test_rotation_makes_a_new_session(homeservers: Servers, new_client: world.NewClient) -> None:
    ben, cleo = await asyncio.gather(new_client(homeservers[0], "ben"), new_client(homeservers[0], "cleo"))
    room = await world.meet(ben, cleo)
    await ben.send(room, "un")
    await ben.rotate(room)
    await ben.send(room, "deux")
    first, second = await cleo.wait_text(room, "un"), await cleo.wait_text(room, "deux")
    assert first["wire_content"]["session_id"] != second["wire_content"]["session_id"]


@pytest.mark.parametrize("encrypted", [True, False])
async def test_files_arrive_whole(homeservers: Servers, new_client: world.NewClient, encrypted: bool) -> None:
    ben, cleo = await asyncio.gather(new_client(homeservers[0], "ben"), new_client(homeservers[1], "cleo"))
    room = await world.meet(ben, cleo, encrypted=encrypted)
    data = bytes(range(256)) * 1000
    sent = await ben.send_file(room, "scan.png", data, "image/png", "m.image")
    event = await cleo.wait_id(room, sent)
    assert ("file" in event["content"], "url" in event["content"]) == (encrypted, not encrypted)
    assert await cleo.download(event) == data


async def test_an_error_of_the_server_is_an_exception(homeservers: Servers, new_client: world.NewClient) -> None:
    ben = await new_client(homeservers[0], "ben", cross_sign=False, isolation="all")
    with pytest.raises(ClientError) as caught:
        await ben.join("!nowhere:localhost")
    assert caught.value.status == 404
    with pytest.raises(ClientError, match="unknown room"):
        await ben.members("!nowhere:localhost")


async def test_nothing_is_lost_or_doubled_when_a_homeserver_dies(new_client: world.NewClient) -> None:
    async with world.federation() as (home, away):
        ben, cleo = await asyncio.gather(new_client(home, "ben"), new_client(away, "cleo"))
        room = await world.meet(ben, cleo)
        await ben.send(room, "0")
        await home.kill()
        sending = asyncio.gather(*(ben.send(room, str(number)) for number in range(1, 6)))
        await cleo.send(room, "meanwhile")
        await home.start()
        await sending
        await cleo.wait_text(room, "5")
        await ben.wait_text(room, "meanwhile")

        for client in (ben, cleo):
            bodies = [event["content"].get("body") for event in await client.timeline(room)]
            assert [body for body in bodies if body and body != "meanwhile"] == ["0", "1", "2", "3", "4", "5"]
            assert bodies.count("meanwhile") == 1


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    wrong = Options(settings={"server_name": "not a name"})
    with pytest.raises(RuntimeError, match="did not start"):
        await Synapse(tmp_path / "wrong", authority, options=wrong).start()


@pytest.mark.postgres
async def test_every_test_has_a_database_of_its_own(postgres: Postgres) -> None:
    one, two = await postgres.create_database(), await postgres.create_database()
    assert one != two
    connection = await asyncpg.connect(one)
    assert await connection.fetchval("select 1") == 1
    await connection.close()


@pytest.mark.postgres
async def test_postgres_comes_back_with_its_data_after_a_power_cut() -> None:
    server = Postgres(durable=True)
    try:
        await server.start()
        url = await server.create_database()
        connection = await asyncpg.connect(url)
        await connection.execute("create table t as select 7 as n")
        await connection.close()
        await server.kill()
        await server.start()
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("select n from t") == 7
        await connection.close()
    finally:
        await server.stop()
    assert not server.directory.exists()
