"""What is in a file, on real servers, with matrix-js-sdk's Rust crypto as the peer and a real clamd."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.config import FilesSettings, ScanSettings
from bridge.errors import Refused
from bridge.model import Address, Body, File, Kind, Message, Ref
from deploy.world import clamd as world
from deploy.world.client import Event, RustClient
from tests.content import make as content
from tests.matrix.make import Node, hub
from tests.matrix.servers import Servers
from tests.peers.world import NewClient

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]
PHOTO = File("plaie.jpg", "image/jpeg", content.jpeg(1600, 1200))
VOICE = File("voix.ogg", "audio/ogg", content.ogg(2.5), voice=True, waveform=(0, 512, 1024))


@pytest_asyncio.fixture(loop_scope="session")
async def scanned(servers: Servers, tmp_path: Path) -> AsyncIterator[Node]:
    """A hub with a virus scanner."""
    async with world.Clamd(tmp_path / "clamd") as clamd:
        care = FilesSettings(scan=ScanSettings(clamd=clamd.socket))
        where = f"sqlite:///{tmp_path}/hub.db"
        async with hub(where, servers.settings(), servers.trusted, servers.port, care=care) as node:
            yield node


async def write(node: Node, text: str, *files: File, to: tuple[str, ...] = (), corrects: Ref | None = None) -> Ref:
    """Cleo writes in her product."""
    ref = Ref("pandalab", secrets.token_hex(6))
    kind, body = Kind.EDIT if corrects else Kind.TEXT, Body(text, files=files)
    await node.hub.accept(Message(ref, "care", Address("pandalab", "cleo"), kind, body, 0, to, reply_to=corrects))
    return ref


async def small_copy(ben: RustClient, event: Event) -> bytes:
    """The small copy of a picture, as a client shows it before the picture."""
    shown: Any = {**event, "content": {"file": event["content"]["info"]["thumbnail_file"]}}
    return await ben.download(shown)


async def got(node: Node, name: str) -> File:
    """A file that the product has been given."""
    delivery = await node.product_has(lambda d: any(file.name == name for file in d.body.files))
    file: File = delivery.body.files[0]
    return file


async def test_files_are_looked_at_both_ways(servers: Servers, scanned: Node, new_client: NewClient) -> None:
    node, ben = scanned, await new_client(servers.home, "ben")
    await write(node, "Bonjour", to=(f"matrix:{ben.user_id}",))
    room = await ben.wait_room(lambda r: bool(r["membership"] == "invite"))
    await ben.join(room)
    await ben.wait_text(room, "Bonjour")

    await write(node, "", PHOTO)
    event = await ben.wait_text(room, PHOTO.name)
    photo, info = await ben.download(event), event["content"]["info"]
    assert content.gps_of(PHOTO.data)
    assert not content.gps_of(photo)
    assert (content.orientation_of(photo), content.pixels_of(photo)) == (6, content.pixels_of(PHOTO.data))
    assert (info["w"], info["h"], len(info["xyz.amorgan.blurhash"])) == (1200, 1600, 28)
    assert (info["thumbnail_info"]["w"], info["thumbnail_info"]["h"]) == (450, 600)
    assert (await small_copy(ben, event))[:3] == b"\xff\xd8\xff"

    ref = await write(node, "La plaie", PHOTO)
    captioned = await ben.wait_text(room, "La plaie")
    assert (captioned["content"]["msgtype"], captioned["content"]["filename"]) == ("m.image", PHOTO.name)
    await write(node, "La plaie du bras", corrects=ref)
    corrected = await ben.wait_event(room, lambda e: e["shown"].get("body") == "La plaie du bras")
    assert (corrected["event_id"], corrected["shown"]["filename"]) == (captioned["event_id"], PHOTO.name)
    assert await ben.download({**corrected, "content": corrected["shown"]}) == photo

    await write(node, "", VOICE)
    heard = (await ben.wait_text(room, VOICE.name))["content"]
    assert (heard["msgtype"], heard["org.matrix.msc3245.voice"]) == ("m.audio", {})
    assert heard["org.matrix.msc1767.audio"] == {"duration": 2500, "waveform": [0, 512, 1024]}
    spoken = {"org.matrix.msc3245.voice": {}, "org.matrix.msc1767.audio": {"duration": 2400, "waveform": [1, 2, 3]}}
    await ben.send_file(room, "réponse.ogg", content.ogg(2.5), "audio/ogg", "m.audio", more=spoken)
    file = await got(node, "réponse.ogg")
    assert (file.voice, file.waveform, file.duration_ms) == (True, (1, 2, 3), 2500)

    await ben.send_file(room, "chez lui.jpg", PHOTO.data, "image/jpeg", "m.image")
    file = await got(node, "chez lui.jpg")
    assert (file.width, file.height, content.gps_of(file.data)) == (1200, 1600, {})

    with pytest.raises(Refused, match="infected") as refusal:
        await write(node, "Voici", PHOTO, File("bilan.pdf", "application/pdf", world.EICAR))
    assert refusal.value.about == f"bilan.pdf ({world.EICAR_FINDING})"
    await ben.send_file(room, "compte rendu.pdf", world.EICAR, "application/pdf")
    notice = await ben.wait_event(room, lambda e: "compte rendu.pdf (" in str(e["shown"].get("body")))
    assert notice["sender"] == servers.voice
    assert world.EICAR_FINDING in notice["shown"]["body"]
    await ben.send(room, "Fin")
    await node.got("Fin")
    assert not any(file.name == "compte rendu.pdf" for d in node.product.delivered for file in d.body.files)
    assert not any(e["shown"].get("body") == "Voici" for e in await ben.timeline(room))
