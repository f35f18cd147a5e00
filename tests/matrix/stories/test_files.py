"""Files both ways through the whole hub: byte-exact, encrypted, once; refused in words where they cannot be carried."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from bridge.model import File, State
from deploy.world.waiting import until
from tests.matrix.make import ANNA, SPACE, Chat, Node, World, ghost, meet, statuses

SENDS = r"PUT .*/send/m\.room\.encrypted/.*user_id="
UPLOADS = r"POST /_matrix/media/v3/upload"
DOWNLOADS = r"GET /_matrix/client/v1/media/download/.*user_id="
BOX = f"resultats@{SPACE}"
GHOST = f"@mss_resultats=40{SPACE}:stub.example"
PDF = File("Compte rendu DUPONT.pdf", "application/pdf", b"%PDF-1.7\n" + bytes(range(256)) * 9)
SCAN = File("plaie.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(4096), inline="img1@mail")


async def begin(world: World, node: Node) -> Chat:
    """A mailbox writes to Ben, who joins."""
    ben = await world.human("ben", "chu.example")
    await node.post(BOX, "Bonjour", to=(f"matrix:{ben.mxid}",))
    room = await ben.invited()
    await ben.member(room, "join")
    await ben.heard("Bonjour")
    return Chat(ben, room, "mail1")


def sent(world: World, room: str, sender: str = GHOST) -> list[str]:
    """The encrypted events of a ghost."""
    events = world.stub.world.rooms[room].events
    return [e["event_id"] for e in events if e["type"] == "m.room.encrypted" and e["sender"] == sender]


def said(chat: Chat) -> list[tuple[str, str]]:
    """What Ben can read: message type and body."""
    return [(s.clear["content"]["msgtype"], s.clear["content"]["body"]) for s in chat.ben.seen if s.clear]


async def content_of(chat: Chat, body: str) -> dict[str, Any]:
    seen = await chat.ben.heard(body)
    assert seen.clear is not None
    return dict(seen.clear["content"])


async def test_a_mail_with_files_is_its_text_and_one_event_for_each_file(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        await node.post(BOX, "Voici les résultats", PDF, SCAN)
        for file, msgtype in ((PDF, "m.file"), (SCAN, "m.image")):
            content = await content_of(chat, file.name)
            assert (content["msgtype"], content["filename"]) == (msgtype, file.name)
            assert content["info"] == {"mimetype": file.mime, "size": file.size}
            assert await chat.ben.read_file(content) == file.data
        assert said(chat)[1:] == [("m.text", "Voici les résultats"), ("m.file", PDF.name), ("m.image", SCAN.name)]
        files = [
            upload[:2] for upload in world.stub.media.uploads if upload[1] != "image/png"
        ]  # that is its own picture
        assert files == [(world.stub.sender, "application/octet-stream")] * 2
        assert not any("filename" in query for _, _, query in world.stub.media.uploads)
        assert all(PDF.data[:64] not in kept for kept in world.stub.media.kept.values())


async def test_files_without_a_text_are_no_empty_message(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        accepted = await node.post(BOX, "  \n", PDF, SCAN, File("", "nonsense", b""))
        content = await content_of(chat, "document")
        assert content["info"] == {"mimetype": "application/octet-stream", "size": 0}
        assert await chat.ben.read_file(content) == b""
        assert [body for _, body in said(chat)[1:]] == [PDF.name, SCAN.name, "document"]
        await until(lambda: any(r.message == accepted.message for r in node.mail.told))


async def test_an_answer_to_any_part_is_an_answer_to_the_message(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        await node.post(BOX, "Deux documents", PDF, SCAN, ref="m1")
        for body in ("Deux documents", PDF.name, SCAN.name):
            seen = await chat.ben.heard(body)
            relation: dict[str, Any] = {"m.relates_to": {"m.in_reply_to": {"event_id": seen.event["event_id"]}}}
            await chat.ben.say(chat.room, f"réponse à {body}", **relation)
        await until(lambda: len(node.mail.delivered) == 3)
        assert [d.reply_to and d.reply_to.id for d in node.mail.delivered] == ["m1"] * 3


async def test_who_has_seen_the_last_file_has_read_the_message(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        accepted = await node.post(BOX, "Lisez", PDF)
        seen = await chat.ben.heard(PDF.name)
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        await chat.ben.receipt(chat.room, seen.event["event_id"])
        await until(
            lambda: any(r.message == accepted.message and r.states[0].state is State.READ for r in node.mail.told)
        )


async def test_a_file_of_a_matrix_user_arrives_byte_exact_with_its_caption(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        await chat.ben.send_file(chat.room, SCAN.data, SCAN.name, SCAN.mime, caption="La plaie ce matin")
        delivery = await node.mailed(lambda d: bool(d.body.files))
        assert (delivery.body.text, [f.name for f in delivery.body.files]) == ("La plaie ce matin", [SCAN.name])
        assert (delivery.body.files[0].data, delivery.body.files[0].mime) == (SCAN.data, SCAN.mime)
        await chat.ben.send_file(chat.room, PDF.data, PDF.name, PDF.mime)
        delivery = await node.mailed(lambda d: bool(d.body.files and d.body.files[0].name == PDF.name))
        assert (delivery.body.text, delivery.body.html, delivery.body.files[0].data) == ("", None, PDF.data)
        assert set(world.stub.media.downloads) == {GHOST, world.stub.sender}  # it is checked, then brought


async def test_25_megabytes_pass_while_others_are_served(world: World) -> None:
    big = bytes(24_900_000)
    async with world.node() as node:
        chat = await begin(world, node)
        await node.post(BOX, "", File("irm.zip", "application/zip", big))
        content = await content_of(chat, "irm.zip")
        assert hashlib.sha256(await chat.ben.read_file(content)).digest() == hashlib.sha256(big).digest()
        await chat.ben.send_file(chat.room, big, "retour.zip", "application/zip")
        delivery = await node.mailed(lambda d: bool(d.body.files))
        assert delivery.body.files[0].data == big


async def test_what_cannot_be_read_is_refused_in_words(world: World) -> None:
    async with world.node(max_files=10_000) as node:
        chat = await begin(world, node)
        other = {"hashes": {"sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"}}
        plain = {"msgtype": "m.file", "body": "x", "url": "mxc://chu.example/abc"}
        events = {
            await chat.ben.send_file(chat.room, PDF.data, "a", PDF.mime, spoil=lambda f: f | other): "endommagé",
            await chat.ben.send_file(chat.room, PDF.data, "b", PDF.mime, spoil=lambda f: f | {"v": "v1"}): "endommagé",
            await chat.ben.send(chat.room, plain): "pas chiffré",
            await chat.ben.send_file(chat.room, bytes(10_001), "c", PDF.mime): "trop volumineux",
            await chat.ben.send_file(chat.room, bytes(10_001), "d", PDF.mime, info={"size": 1}): "trop volumineux",
            await chat.ben.send_file(
                chat.room, b"x", "e", PDF.mime, spoil=lambda f: f | {"url": "mxc://stub.example/none"}
            ): "récupéré",
        }
        await chat.ben.say(chat.room, "la suite")
        await node.mailed(lambda d: bool(d.body.text == "la suite"))
        for event_id, word in events.items():
            await chat.ben.heard(word)
            assert statuses(chat.ben, event_id) == ["FAIL_PERMANENT"]
        assert not any(d.body.files for d in node.mail.delivered)


async def test_a_file_for_a_product_that_carries_none_is_refused_in_words(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        event = await chat.ben.send_file(chat.room, PDF.data, PDF.name, PDF.mime)
        await chat.ben.heard("Dr Anna Martin : Le produit du destinataire ne reçoit pas de fichiers")
        await until(lambda: statuses(chat.ben, event) == ["FAIL_PERMANENT"])


async def test_a_homeserver_that_is_away_loses_no_file(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        world.stub.fault(DOWNLOADS, times=2, status=503)
        world.stub.fault(DOWNLOADS, times=1)
        await chat.ben.send_file(chat.room, PDF.data, PDF.name, PDF.mime)
        await chat.ben.say(chat.room, "après le fichier")
        await node.mailed(lambda d: bool(d.body.text == "après le fichier"))
        assert [bool(d.body.files) for d in node.mail.delivered] == [True, False]
        world.stub.fault(UPLOADS, times=2, status=502)
        await node.post(BOX, "Avec patience", PDF)
        await chat.ben.heard(PDF.name)
        assert [body for _, body in said(chat)[1:]] == ["Avec patience", PDF.name]


async def test_a_third_server_that_is_away_holds_the_room_up_for_a_while_only(world: World) -> None:
    async with world.node(media_wait_s=0.5) as node:
        chat = await begin(world, node)
        gone = {"url": "mxc://gone.example/abc"}
        await chat.ben.send_file(chat.room, PDF.data, PDF.name, PDF.mime, spoil=lambda f: f | gone)
        await chat.ben.say(chat.room, "la suite")
        await chat.ben.heard("n'a pas pu être récupéré")
        await node.mailed(lambda d: bool(d.body.text == "la suite"))
        assert len(world.stub.media.downloads) >= 2


async def test_a_lost_answer_costs_neither_a_second_event_nor_a_second_upload_in_the_room(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        world.stub.fault(UPLOADS, times=1)
        world.stub.fault(SENDS, times=3)
        await node.post(BOX, "Une fois", PDF, SCAN)
        await node.post(BOX, "Puis deux", PDF)
        await chat.ben.heard("Puis deux")
        await until(lambda: len(sent(world, chat.room)) == 6)
        assert [body for _, body in said(chat)[1:]][:4] == ["Une fois", PDF.name, SCAN.name, "Puis deux"]


async def test_a_crash_between_the_parts_repeats_none(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        world.stub.fault(SENDS, times=1)  # the text is in the room, nobody knows
        world.stub.fault(SENDS, times=10_000, status=503)
        await node.post(BOX, "Survit", PDF, SCAN)
        await until(lambda: world.stub._faults[1].times < 10_000)
        world.stub.appservice = None  # not even the echo arrives
    world.stub._faults.clear()
    async with world.node() as node:
        await chat.ben.heard(SCAN.name)
        await node.post(BOX, "Ensuite")
        await chat.ben.heard("Ensuite")
        assert [body for _, body in said(chat)[1:]] == ["Survit", PDF.name, SCAN.name, "Ensuite"]


async def test_rows_of_a_message_stay_until_all_of_it_is_recorded(world: World) -> None:
    """The echo of a part must not let a crash send it again."""
    async with world.node() as node:
        chat = await begin(world, node)
        world.stub.fault(SENDS + ".*", times=0)
        await node.post(BOX, "Trois", PDF, SCAN)
        await chat.ben.heard(SCAN.name)
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        rows = await node.db.all("matrix.outbox", "", 1000)
        assert sum(bool(row["message"]) for row in rows) == 3
        await node.post(BOX, "Suivant")
        await chat.ben.heard("Suivant")
        rows = await node.db.all("matrix.outbox", "", 1000)
        assert sum(bool(row["message"]) for row in rows) == 1


async def test_a_homeserver_that_takes_no_such_size_refuses_the_whole_message(world: World) -> None:
    world.stub.media.most = 1000
    async with world.node() as node:
        chat = await begin(world, node)
        accepted = await node.post(BOX, "Trop", PDF)
        await until(lambda: any(r.message == accepted.message and r.states[0].reason for r in node.mail.told))
        report = next(r for r in reversed(node.mail.told) if r.message == accepted.message)
        assert report.states[0].reason == "files_too_large"
        await node.post(BOX, "Petit")
        await chat.ben.heard("Petit")
        assert "Trop" not in [body for _, body in said(chat)]


async def test_the_largest_file_is_what_the_homeserver_takes(world: World) -> None:
    world.stub.media.most = 20_000
    async with world.node() as node:
        await node.matrix.ready_to_answer()
        assert node.matrix._edge.media.most == 20_000
    world.stub.media.most = 1_000_000_000
    async with world.node() as node:
        await node.matrix.ready_to_answer()
        assert node.matrix._edge.media.most == 100_000_000  # matrix.max_files


async def test_nothing_of_a_file_is_logged(world: World, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    async with world.node() as node:
        chat = await begin(world, node)
        await node.post(BOX, "Document", PDF)
        await chat.ben.heard(PDF.name)
        await chat.ben.send_file(chat.room, b"resultat positif", "DURAND.txt", "text/plain", caption="Mme Durand")
        delivery = await node.mailed(lambda d: bool(d.body.files))
        assert "DURAND" not in repr(delivery)
    assert not any(word in caplog.text for word in ("DUPONT", "DURAND", "Durand", "positif"))


async def test_two_rooms_are_served_while_one_waits_for_a_file(world: World) -> None:
    async with world.node() as node:
        chat = await begin(world, node)
        await node.warm(ANNA)
        other = await chat.ben.create_room(ghost(ANNA), is_direct=True)
        await until(lambda: world.stub.world.rooms[other].membership(ghost(ANNA)) == "join")
        world.stub.fault(DOWNLOADS, times=1, delay=600.0)
        await chat.ben.send_file(chat.room, PDF.data, PDF.name, PDF.mime)
        await asyncio.sleep(0.1)
        await chat.ben.say(other, "sans attendre")
        await node.got("sans attendre")
        assert not node.mail.delivered
