"""On real, federated Synapse servers with matrix-js-sdk's Rust crypto as the peer (only-signed-devices isolation)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appservice.process.checking.homeserver import check
from bridge.model import Address, Ref
from deploy.world.client import Event
from deploy.world.synapse import Synapse
from deploy.world.waiting import PATIENCE, until, wait_for
from tests.matrix.make import ANNA, CLEO, Node, hub
from tests.matrix.servers import Servers
from tests.peers.mautrix_client import MautrixClient
from tests.peers.world import PASSWORD, NewClient, new_user

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]


def _status(event: Event) -> bool:
    return event["type"] == "com.beeper.message_send_status"


async def test_a_local_client_begins_and_sees_no_warning(servers: Servers, node: Node, new_client: NewClient) -> None:
    await node.warm(ANNA)
    ben = await new_client(servers.home, "ben")
    room = await ben.create_room(invite=[servers.ghost(ANNA)], is_direct=True)
    await ben.wait_member(room, servers.ghost(ANNA))
    await ben.wait_devices(servers.ghost(ANNA))
    event_id = await ben.send(room, "Bonjour Anna")
    delivery = await node.got("Bonjour Anna")
    status = await ben.wait_event(room, _status)
    assert status["content"]["status"] == "SUCCESS"
    assert status["content"]["m.relates_to"]["event_id"] == event_id
    await node.write(delivery.chat, "Bonjour Ben", by="anna")
    seen = await ben.wait_text(room, "Bonjour Ben")
    assert seen["sender"] == servers.ghost(ANNA)
    assert seen["decryption_failure"] is None
    assert seen["shield_colour"] == 0


async def test_a_federated_client_is_written_to_and_answers(
    servers: Servers, node: Node, new_client: NewClient
) -> None:
    ben = await new_client(servers.away, "ben")
    await node.write("chat-federated", "Bonjour de loin", to=(f"matrix:{ben.user_id}",))
    room = await ben.wait_room(lambda r: bool(r["membership"] == "invite"))
    await ben.join(room)
    seen = await ben.wait_text(room, "Bonjour de loin")
    assert seen["sender"] == servers.ghost(CLEO)
    assert seen["decryption_failure"] is None
    await ben.send(room, "Bien reçu")
    await node.got("Bien reçu")


@pytest.mark.parametrize("where", ["home", "away"])
async def test_a_client_that_looks_once_reads_what_was_said_before_it_came(
    servers: Servers, node: Node, tmp_path: Path, where: str
) -> None:
    server: Synapse = getattr(servers, where)
    user = await new_user(server, "ben")
    async with await MautrixClient.start(server.url, user, PASSWORD, tmp_path, once=True) as ben:
        for text in ("Bonjour Ben", "Un avis ?"):
            await node.write(f"chat-once-{where}", text, to=(f"matrix:{user}",))
        await until(lambda: [s.reason for r in node.product.told for s in r.states] == ["invited"] * 2)
        room = await ben.join()
        for text in ("Bonjour Ben", "Un avis ?"):
            assert (await ben.timeline.text(room, text)).sender == servers.ghost(CLEO)
        assert [shown.failure for shown in ben.timeline.rooms[room] if shown.failure] == []


async def test_a_federated_client_invites_a_ghost(servers: Servers, node: Node, new_client: NewClient) -> None:
    await node.warm(ANNA)
    ben = await new_client(servers.away, "ben")
    room = await ben.create_room(invite=[servers.ghost(ANNA)], is_direct=True)
    await ben.wait_member(room, servers.ghost(ANNA))
    await ben.wait_devices(servers.ghost(ANNA))
    await ben.send(room, "Par fédération")
    await node.got("Par fédération")


async def test_a_client_upgrades_its_room(servers: Servers, node: Node, new_client: NewClient) -> None:
    await node.warm(ANNA)
    ben = await new_client(servers.home, "ben")
    room = await ben.create_room(invite=[servers.ghost(ANNA)], room_version="11")
    await ben.wait_member(room, servers.ghost(ANNA))
    await ben.send(room, "avant")
    delivery = await node.got("avant")
    answer = await ben.call("POST", f"/_matrix/client/v3/rooms/{room}/upgrade", {"new_version": "12"})
    new = answer["replacement_room"]
    await node.write(delivery.chat, "pendant", by="anna")
    await asyncio.sleep(0.5)
    await ben.wait_room(lambda r: bool(r["room_id"] == new))
    await ben.invite(new, servers.ghost(ANNA))
    await ben.wait_text(new, "pendant")
    await ben.send(new, "après")
    got = await node.got("après")
    assert got.conversation == delivery.conversation


async def test_an_open_room_of_another_server_is_followed_by_itself(
    servers: Servers, node: Node, new_client: NewClient
) -> None:
    await node.warm(ANNA)
    ben = await new_client(servers.away, "ben")
    room = await ben.create_room(invite=[servers.ghost(ANNA)], room_version="11")
    await ben.wait_member(room, servers.ghost(ANNA))
    await ben.wait_devices(servers.ghost(ANNA))
    await ben.send(room, "avant")
    delivery = await node.got("avant")
    path = f"/_matrix/client/v3/rooms/{room}"
    await ben.call("PUT", f"{path}/state/m.room.join_rules/", {"join_rule": "public"})
    new = (await ben.call("POST", f"{path}/upgrade", {"new_version": "12"}))["replacement_room"]
    await ben.wait_member(new, servers.ghost(ANNA))
    await ben.send(new, "après")
    assert (await node.got("après")).conversation == delivery.conversation
    await node.write(delivery.chat, "me voici", by="anna")
    await ben.wait_text(new, "me voici")


async def test_a_file_is_refused_in_words(servers: Servers, node: Node, new_client: NewClient) -> None:
    await node.warm(ANNA)
    ben = await new_client(servers.home, "ben")
    room = await ben.create_room(invite=[servers.ghost(ANNA)])
    await ben.wait_member(room, servers.ghost(ANNA))
    await ben.send_file(room, "scan.pdf", b"%PDF-", "application/pdf")
    notice = await ben.wait_event(room, lambda e: "fichiers" in str(e["content"].get("body")))
    assert notice["sender"] == servers.voice
    assert notice["content"]["msgtype"] == "m.text"
    assert (notice["decryption_failure"], notice["shield_colour"]) == (None, 0)
    status = await ben.wait_event(room, _status)
    assert status["content"]["status"] == "FAIL_PERMANENT"


async def test_the_hub_was_away_while_a_client_wrote(servers: Servers, tmp_path: Path, new_client: NewClient) -> None:
    url = f"sqlite:///{tmp_path}/away.db"
    ben = await new_client(servers.home, "ben")
    async with hub(url, servers.settings(), servers.trusted, servers.port) as node:
        await node.warm(ANNA)
        room = await ben.create_room(invite=[servers.ghost(ANNA)])
        await ben.wait_member(room, servers.ghost(ANNA))
        await ben.send(room, "un")
        await node.got("un")
    await ben.rotate(room)
    for text in ("deux", "trois"):
        await ben.send(room, text)
    await asyncio.sleep(1)
    async with hub(url, servers.settings(), servers.trusted, servers.port) as node:
        await node.got("trois")
        await until(lambda: node.texts() == ["deux", "trois"])


async def test_check_leaves_a_running_hub_alone(servers: Servers, node: Node) -> None:
    findings = await check(servers.settings())
    assert [f.what for f in findings if not f.ok and "homeserver.yaml" not in f.mend] == []
    assert any("reaches the hub" in f.what for f in findings)


async def test_a_receipt_on_a_reaction_or_in_a_thread_is_understood(
    servers: Servers, node: Node, new_client: NewClient
) -> None:
    ben = await new_client(servers.home, "ben")
    await node.write("chat-receipts", "racine", to=(f"matrix:{ben.user_id}",), ref="racine")
    room = await ben.wait_room(lambda r: bool(r["membership"] == "invite"))
    await ben.join(room)
    await ben.wait_text(room, "racine")

    async def state(ref: str) -> str:
        status = await node.hub.facts.status(Ref("pandalab", ref))
        return str(status.states[0].state) if status else ""

    async def read(ref: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while await state(ref) != "read":  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def receipt(event_id: str) -> None:
        await ben.call("POST", f"/_matrix/client/v3/rooms/{room}/receipt/m.read/{event_id}", {})

    sign = await ben.call("PUT", f"/_matrix/client/v3/rooms/{room}/send/m.reaction/r1", {})
    await receipt(sign["event_id"])
    await read("racine")
    await node.write("chat-receipts", "suite", ref="suite")
    await ben.wait_text(room, "suite")
    await node.write("chat-receipts", "fil", ref="fil", thread=Ref("pandalab", "racine"))
    await receipt((await ben.wait_text(room, "fil"))["event_id"])  # Synapse would not tell us a thread_id
    await read("fil")
    assert await state("suite") == "delivered"


@pytest.mark.parametrize("where", ["home", "away"])
async def test_what_was_refused_stays_unreadable_after_a_second_invitation(
    servers: Servers, node: Node, new_client: NewClient, where: str
) -> None:
    ben, kim = await new_client(servers.home, "ben"), await new_client(getattr(servers, where), "kim")
    chat = f"chat-declined-{where}"
    await node.write(chat, "secret", to=(f"matrix:{ben.user_id}", f"matrix:{kim.user_id}"))
    room = await ben.wait_room(lambda r: bool(r["membership"] == "invite"))
    await ben.join(room)
    secret = await ben.wait_text(room, "secret")
    await kim.wait_room(lambda r: bool(r["membership"] == "invite"))
    await kim.leave(room)
    await ben.wait_member(room, kim.user_id, "leave")

    def refused() -> bool:
        states = [s for r in node.product.told for s in r.states if s.person.id == f"matrix:{kim.user_id}"]
        return bool(states) and states[-1].reason == "not_joined"

    await until(refused)
    await ben.invite(room, kim.user_id)
    await kim.wait_room(lambda r: bool(r["room_id"] == room and r["membership"] == "invite"))
    await kim.join(room)
    await node.write(chat, "bienvenue")
    await kim.wait_text(room, "bienvenue")
    known = {event["event_id"]: event for event in await kim.timeline(room)}
    assert secret["event_id"] not in known or known[secret["event_id"]]["decryption_failure"] is not None
    assert not any(event["content"].get("body") == "secret" for event in known.values())


async def test_nobody_is_shown_as_having_read_what_was_only_delivered_or_refused(
    servers: Servers, node: Node, new_client: NewClient
) -> None:
    """By what the SDK itself says: it takes whoever does anything in a room for somebody who has read everything."""
    ben, cleo = await new_client(servers.home, "ben"), servers.ghost(CLEO)
    await node.write("chat-unread", "Bonjour", to=(f"matrix:{ben.user_id}",))
    room = await ben.wait_room(lambda r: bool(r["membership"] == "invite"))
    await ben.join(room)
    await ben.wait_text(room, "Bonjour")
    delivered = await ben.send(room, "remis, pas lu")
    await ben.wait_event(room, lambda e: _status(e) and e["content"]["m.relates_to"]["event_id"] == delivered)
    value = {"org.example.value": {"value": 5.9}}  # of a kind that nobody knows, without a text
    refused = await ben.do("send_event", room=room, type="org.example.value", content=value)
    notice = await ben.wait_event(room, lambda e: "type de message" in str(e["content"].get("body")))
    assert (notice["sender"], notice["decryption_failure"], notice["shield_colour"]) == (servers.voice, None, 0)
    assert notice["content"]["m.mentions"] == {"user_ids": [ben.user_id]}
    for event in (delivered, refused):
        assert not await ben.has_read(room, cleo, event)
    (shown,) = [r["name"] for r in await ben.rooms() if r["room_id"] == room]
    assert shown.startswith("Dr Cléo Petit")
    assert "Liaison" not in shown
    (ref,) = [ref for ref in node.product._refs.values() if ref.id]
    assert await node.hub.signs.read(ref, Address("pandalab", "cleo"), 1)

    async def read() -> bool:
        return await ben.has_read(room, cleo, delivered)

    await wait_for(read, "cleo to be shown as having read")


async def test_a_reset_identity_is_accepted_by_a_person_and_nothing_is_lost(
    servers: Servers, node: Node, new_client: NewClient
) -> None:
    ben = await new_client(servers.away, "ben")
    await node.write("chat-reset", "avant", to=(f"matrix:{ben.user_id}",), ref="before")
    room = await ben.wait_room(lambda r: bool(r["membership"] == "invite"))
    await ben.join(room)
    await ben.wait_text(room, "avant")
    await ben.send(room, "bien reçu")
    await node.got("bien reçu")
    await ben.do("reset_identity", password=PASSWORD)

    async def changed() -> bool:
        return (await node.matrix.engine.identity(ben.user_id)).changed

    async def state(ref: str) -> tuple[str, str | None]:
        status = await node.hub.facts.status(Ref("pandalab", ref))
        return (status.states[0].state.value, status.states[0].reason) if status else ("", None)

    await wait_for(changed, "the new identity to be seen")
    await node.write("chat-reset", "gardé", ref="kept")

    async def kept() -> bool:
        return await state("kept") == ("sent", "recipient_identity")

    await wait_for(kept, "the message to be kept")
    await ben.send(room, "et moi ?")
    notice = await ben.wait_event(room, lambda e: "identité de chiffrement" in str(e["content"].get("body")))
    assert (notice["sender"], notice["decryption_failure"]) == (servers.voice, None)
    known = await node.matrix.engine.identity(ben.user_id)
    assert known.served is not None
    await node.matrix.accept_identity(ben.user_id, known.served)
    seen = await ben.wait_text(room, "gardé")
    assert (seen["decryption_failure"], seen["shield_colour"]) == (None, 0)

    async def delivered() -> bool:
        return await state("kept") == ("delivered", None)

    await wait_for(delivered, "the kept message to be delivered")
    await ben.wait_event(room, lambda e: "est confirmée" in str(e["content"].get("body")))
    await ben.send(room, "me revoilà")
    await node.got("me revoilà")
