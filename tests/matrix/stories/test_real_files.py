"""Files, mailboxes, reactions and threads on real servers, with matrix-js-sdk's Rust crypto as the peer."""

from __future__ import annotations

import secrets

import pytest

from appservice.process.registration import registration
from bridge.model import File, Kind, Ref
from deploy.world.client import Event, RustClient
from deploy.world.synapse import Synapse
from tests.matrix.make import SPACE, Node
from tests.matrix.servers import Servers
from tests.peers.world import NewClient

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]
PDF = File("Compte rendu.pdf", "application/pdf", b"%PDF-1.7\n" + secrets.token_bytes(300_000))
SCAN = File("plaie.png", "image/png", b"\x89PNG\r\n\x1a\n" + secrets.token_bytes(70_000), inline="img1@mail")


def spotless(event: Event) -> bool:
    """No warning of any kind: encrypted, readable at once, no shield."""
    failures = event["decryption_failure"], event["first_failure"]
    return event["encrypted"] and failures == (None, None) and event["shield_colour"] == 0


async def written_to(client: RustClient, node: Node, box: str, chat: str) -> str:
    """A mailbox writes to somebody, who joins; gives the room."""
    await node.post(box, "Bonjour", to=(f"matrix:{client.user_id}",), chat=chat, ref=f"{chat}/1")
    room = await client.wait_room(lambda r: bool(r["membership"] == "invite"))
    await client.join(room)
    await client.wait_text(room, "Bonjour")
    return room


def box_and_ghost(servers: Servers) -> tuple[str, str]:
    """A mailbox that no other test has, and its user."""
    name = f"labo+{secrets.token_hex(4)}"
    return f"{name}@{SPACE}", f"@mss_{name}=40{SPACE}:{servers.home.name}"


@pytest.mark.parametrize("where", ["home", "away"])
async def test_files_both_ways_byte_exact_and_spotless(
    servers: Servers, node: Node, new_client: NewClient, where: str
) -> None:
    server: Synapse = getattr(servers, where)
    ben, (box, ghost) = await new_client(server, "ben"), box_and_ghost(servers)
    room = await written_to(ben, node, box, where)
    await node.post(box, "Voici", PDF, SCAN, chat=where, ref=f"{where}/2")
    for file, msgtype in ((PDF, "m.file"), (SCAN, "m.image")):
        event = await ben.wait_text(room, file.name)
        assert (event["sender"], event["content"]["msgtype"]) == (ghost, msgtype)
        assert spotless(event)
        assert await ben.download(event) == file.data
        assert file.name not in str(event["wire_content"])
    await ben.send_file(
        room, SCAN.name, SCAN.data, SCAN.mime, "m.image", caption="La plaie", reply_to=event["event_id"]
    )
    await ben.send_file(room, PDF.name, PDF.data, PDF.mime)
    got = await node.mailed(lambda d: bool(d.body.files and d.body.files[0].name == PDF.name))
    assert (got.body.text, got.body.files[0].data, got.body.files[0].mime) == ("", PDF.data, PDF.mime)
    got = await node.mailed(lambda d: bool(d.body.files and d.body.files[0].name == SCAN.name))
    assert (got.body.text, got.body.files[0].data) == ("La plaie", SCAN.data)
    assert got.reply_to == Ref("mail", f"{where}/2")


async def test_a_mailbox_is_a_user_like_any_other(servers: Servers, node: Node, new_client: NewClient) -> None:
    ben, (box, ghost) = await new_client(servers.away, "ben"), box_and_ghost(servers)
    room = await ben.create_room(invite=[ghost], is_direct=True)
    await ben.wait_member(room, ghost)
    assert all(device["signed"] for device in await ben.wait_devices(ghost))
    assert (await ben.members(room))[ghost]["displayname"] == box
    await ben.send(room, "Une question")
    got = await node.mailed(lambda d: bool(d.body.text == "Une question"))
    await node.post(box, "Une réponse", chat=got.chat)
    assert spotless(await ben.wait_text(room, "Une réponse"))
    profile = await ben.call("GET", f"/_matrix/client/v3/profile/{ghost}")
    assert profile["displayname"] == box


async def test_reactions_and_threads(servers: Servers, node: Node, new_client: NewClient) -> None:
    ben, (box, ghost) = await new_client(servers.home, "ben"), box_and_ghost(servers)
    room = await written_to(ben, node, box, "threads")
    root = (await ben.wait_text(room, "Bonjour"))["event_id"]
    await node.post(box, "La suite", PDF, chat="threads", ref="threads/2", thread=Ref("mail", "threads/1"))
    for text in ("La suite", PDF.name):
        relation = (await ben.wait_text(room, text))["content"]["m.relates_to"]
        assert (relation["rel_type"], relation["event_id"]) == ("m.thread", root)
    answer = await ben.send(room, "Dans le fil", thread=root)
    await ben.react(room, root, "👍")
    got = await node.mailed(lambda d: d.kind is Kind.REACTION)
    assert (got.body.text, got.reply_to) == ("👍", Ref("mail", "threads/1"))
    told = next(d for d in node.mail.delivered if d.body.text == "Dans le fil")
    assert (told.thread, told.reply_to) == (Ref("mail", "threads/1"), None)
    for _ in range(2):  # the homeserver refuses the second one: it is there
        await node.post(box, "✅", chat="threads", kind=Kind.REACTION, reply_to=Ref("mail", "mail-1"))
    seen = await ben.wait_event(room, lambda e: e["type"] == "m.reaction" and e["sender"] == ghost)
    assert seen["content"]["m.relates_to"] == {"rel_type": "m.annotation", "event_id": answer, "key": "✅"}
    await node.post(box, "Fin", chat="threads", ref="threads/3")
    last = await ben.wait_text(room, "Fin")
    assert sum(e["type"] == "m.reaction" and e["sender"] == ghost for e in await ben.timeline(room)) == 1
    second = {(await ben.wait_text(room, text))["event_id"] for text in ("La suite", PDF.name)}
    await node.post(box, "La fin", chat="threads", kind=Kind.EDIT, reply_to=Ref("mail", "threads/3"))
    fixed = await ben.wait_event(room, lambda e: e["shown"].get("body") == "La fin")
    assert fixed["event_id"] == last["event_id"]  # the client shows it in the place of the first text
    assert spotless(fixed)
    await node.post(box, "", chat="threads", kind=Kind.REMOVAL, reply_to=Ref("mail", "threads/2"))
    await ben.wait_event(room, lambda e: e["event_id"] == min(second) and e["redacted"])
    await ben.wait_event(room, lambda e: e["event_id"] == max(second) and e["redacted"])


async def test_both_namespaces_are_registered(servers: Servers) -> None:
    made = registration(servers.settings(), "as-real", "hs-real")
    assert len(made["namespaces"]["users"]) == 2
    with pytest.raises(RuntimeError, match=r"EXCLUSIVE|exclusive|400"):
        await servers.home.register_user("mss_somebody=40chu.example", "correct horse")
