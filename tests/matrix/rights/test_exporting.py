"""A conversation given out by a running hub: what was said on both sides, readable in a browser, and signed."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import shutil
from pathlib import Path

import pytest

from appservice.operating.door import Door
from appservice.process.command import main
from appservice.rights import conversations, persons
from appservice.rights.page import compose_page
from appservice.rights.premises import Premises
from appservice.rights.room_reading import RoomReading
from bridge.config import Config, read_config
from bridge.errors import Refused
from bridge.hub.hub import now_ms
from bridge.hub.retaining.purging import Purging
from bridge.model import Kind, Ref
from bridge.people.directories.flatfile import FlatFile
from bridge.signatures import BadSignature, new_key, public_pem, read_private
from deploy.world.waiting import until
from tests.matrix.make import ANNA, PEOPLE, Node, World, meet, serve

EVIL = "<script>document.body.innerHTML = 'volé'</script> & « guillemets »"


async def asked(world: World, node: Node) -> Config:
    """The configuration of an operator on the hub's machine; the hub answers her."""
    matrix = node.matrix
    reading = RoomReading(node.hub._store, node.people, matrix.homeserver, matrix.engine, matrix.store, matrix.names)
    url = await serve(world.stack, [Door(node.hub._store.seal, reading.acts()).routes])
    folder, pem = world.folder, new_key()
    (folder / "audit.key").write_bytes(pem)
    (folder / "audit.pem").write_bytes(public_pem(read_private(pem).public_key()))
    (folder / "seal.key").write_text(base64.b64encode(bytes(range(32))).decode())
    said = {
        "database": {"url": f"sqlite:///{folder}/hub.db"},
        "seal": {"active": "k1", "keys": {"k1": str(folder / "seal.key")}},
        "directory": {"flatfile": "/nowhere"}, "matrix": {}, "matrix_listen": {"port": int(url.rpartition(":")[2])},
        "audit": {"key_file": str(folder / "audit.key")}, "language": "fr",
    }  # fmt: skip
    (folder / "hub.yaml").write_text(json.dumps(said))
    return read_config(folder / "hub.yaml")


async def dom(page: Path) -> str:
    """The page as a real browser has it in the end."""
    browser = shutil.which("chromium")
    assert browser, "Chromium is missing: run `make setup`"
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom", page.as_uri()]
    made = await asyncio.create_subprocess_exec(
        browser, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await made.communicate()
    assert made.returncode == 0
    return out.decode()


@pytest.mark.real_time
async def test_a_conversation_is_given_out_and_opens_in_a_browser(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await node.write(chat.chat, EVIL, by="anna", ref="m1")
        await chat.ben.heard(EVIL)
        await node.write(chat.chat, "À demain", by="anna", kind=Kind.EDIT, reply_to=Ref("pandalab", "m1"))
        await chat.ben.heard("* À demain")
        await chat.ben.say(chat.room, "Merci, à demain")
        await node.got("Merci, à demain")
        await until(lambda: node.matrix.idle)
        config, folder = await asked(world, node), world.folder / "export"
        conversation = node.product.delivered[-1].conversation
        manifest = await conversations.export(config, conversation, folder)
        trail = await node.db.all("trail.next", 1000)
        person = world.folder / "person"
        premises = Premises(read_config(world.folder / "hub.yaml"), (), FlatFile(PEOPLE), node.matrix.names)
        asked_for = argparse.Namespace(what=persons._export, person=ANNA, to=person)
        assert await persons.main(asked_for, premises) == 0
        told = json.loads((person / "person.json").read_text())
        assert {row["conversation"] for row in told["rows"]["member"]} == {conversation}
        assert (person / conversation / "index.html").exists()
        assert await Purging(node.hub, node.hub._store, node.hub._connectors, now_ms).purge(conversation, "operator")
        await chat.ben.say(chat.room, "Encore une question")  # in the same room
        assert (await node.got("Encore une question")).conversation != conversation
        with pytest.raises(Refused, match="unknown_conversation"):
            await conversations.export(config, "c_nobody", world.folder / "none")
        with pytest.raises(Refused, match="unknown_conversation"):
            await conversations.export(config, conversation, folder)
    assert manifest["unreadable"] == []
    assert ("export", conversation) in {(row["kind"], row["subject"]) for row in trail}
    whole = json.loads((folder / "export.json").read_text())
    said = [e["content"].get("body") for e in whole["messages"] if e["type"] == "m.room.message"]
    assert EVIL in said
    assert said[-1] == "Merci, à demain"
    assert {"room_name", "room_creator", "topic", "export_date", "exported_by", "messages"} <= set(whole)
    page = await dom(folder / "index.html")
    assert "Merci, à demain" in page
    assert "À demain" in page
    assert "modifié" in page
    assert "<script" not in page
    await _it_verifies_and_a_changed_one_does_not(world.folder, folder)


async def _it_verifies_and_a_changed_one_does_not(where: Path, folder: Path) -> None:
    keys = [read_private((where / "audit.key").read_bytes()).public_key()]
    assert conversations.verify_folder(folder, keys) == []
    with pytest.raises(BadSignature):
        conversations.verify_folder(folder, [read_private(new_key()).public_key()])
    (folder / "more.txt").write_text("x")
    page = (folder / "index.html").read_text()
    (folder / "index.html").write_text(page.replace("demain", "jamais"))
    assert conversations.verify_folder(folder, keys) == [
        "more.txt: does not belong to the export", "index.html: was changed",
    ]  # fmt: skip
    (folder / "export.json").unlink()
    assert "export.json: is missing" in conversations.verify_folder(folder, keys)
    (folder / "manifest.json").write_text("{}")
    assert conversations.verify_folder(folder, keys) == ["manifest.json: is not what was signed"]


def test_verification_needs_no_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pem = new_key()
    (tmp_path / "k.pem").write_bytes(public_pem(read_private(pem).public_key()))
    conversations.write(tmp_path / "out", {"a.txt": b"a"}, {"messages": 0}, read_private(pem))
    words = ["conversation", "verify", str(tmp_path / "out"), "--key", str(tmp_path / "k.pem")]
    assert main(words) == 0
    (tmp_path / "out" / "a.txt").write_bytes(b"b")
    assert main(words) == 1
    assert "a.txt: was changed" in capsys.readouterr().out


def test_a_page_shows_what_could_not_be_read_and_runs_nothing() -> None:
    base = {"sender": "@a:b", "origin_server_ts": 1_760_000_000_000, "event_id": "$1", "type": "m.room.message"}
    events = [
        base | {"type": "m.room.encrypted", "content": {}, "unreadable": "key_missing"},
        base | {"content": {}, "redacted": True},
        base | {"content": {"body": "scan.pdf", "url": "mxc://a/b", "msgtype": "m.file"}},
        base | {"type": "m.reaction", "content": {"m.relates_to": {"key": "👍"}}},
        base | {"type": "m.room.member", "state_key": "@c:d", "content": {"membership": "join"}},
        base | {"content": {"body": EVIL}},
    ]
    page = compose_page({"name": None, "members": [{"name": "Anna <b>"}]}, events, {"@a:b": "Dr <i>Ben</i>"}, "now")
    for text in ("illisible", "key_missing", "supprimé", "scan.pdf", "👍", "a rejoint", "Dr &lt;i&gt;Ben"):
        assert text in page
    assert "<script" not in page
    assert "<b>" not in page
    assert "default-src 'none'" in page
