"""The client for vendors: files, lists, the log and new secrets; and that it does all that the contract has."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.errors import Refused as HubRefuses
from bridge.model import Body, File, StoredFile
from bridge.networks.connect.contract.openapi import written
from deploy.world.waiting import PATIENCE, until
from liaison.connect import (
    Attachment,
    Card,
    Connect,
    Draft,
    Event,
    FileIn,
    Location,
    MessageCreated,
    NotGenuine,
    Poll,
    PollAnswer,
    Refused,
    Tried,
    Webhooks,
    new_id,
)
from liaison.connect.client import sha256_of
from liaison.connect.drafts import now
from liaison.connect.events import DATA
from liaison.connect.reading import read
from liaison.kit.colleagues import Said
from liaison.kit.hub import Product, SmallHub, serve, small_hub
from liaison.kit.people import BEN, GAEL, USERS
from liaison.kit.shelf import MemoryShelf

ROOT = Path(__file__).resolve().parents[2]
METHODS = {
    "upload": "upload", "file": "download", "send": "send", "message": "message", "edit": "edit", "remove": "remove",
    "react": "react", "abilities": "abilities", "declare_abilities": "declare_abilities", "declare": "declare",
    "user": "user", "confirm": "confirm", "people": "people", "contacts": "contacts", "conversation": "conversation",
    "members": "members", "list_members": "members_of", "leave": "leave", "rename": "rename", "receipt": "read",
    "typing": "typing", "list_users": "users", "list_conversations": "conversations", "list_messages": "messages_of",
    "events": "events", "replay": "replay", "try_webhook": "try_webhook", "credentials": "credentials",
    "end_user": "end_user", "export_user": "export", "give_picture": "picture",
    "rotate_token": "rotate_token", "rotate_secret": "rotate_secret",
    "block": "block", "unblock": "unblock", "blocked": "blocked",
    "portray": "portray", "give_topic": "topic", "history": "history",
    "be_absent": "be_absent", "absence": "absence", "be_back": "be_back",
    "vote": "vote", "end_poll": "end_poll", "handle": "handle",
}  # fmt: skip
"""Operation of the contract -> method of the client. Whoever adds an operation adds a method, or says why not below."""
NONE = {"health"}  # asked by monitors
NEWER = 6  # operations, and webhooks, that the contract may have gained before the client knows them
PDF = b"%PDF-1.4 bilan"
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mPQz58PAAIOAT6YYHeAAAAAAElFTkSuQmCC")


def test_the_client_does_all_that_the_contract_has() -> None:
    document = json.loads(written())
    every = [one for path in document["paths"].values() for one in path.values()]
    operations = {one["operationId"] for one in every if "operationId" in one}
    newer = operations - NONE - set(METHODS)
    assert len(newer) <= NEWER, newer
    for method in METHODS.values():
        assert callable(getattr(Connect, method))
    assert len(set(document["webhooks"]) - set(DATA)) <= NEWER


@dataclass
class Vendor:
    """A product in a few lines, and the hub that it belongs to."""

    hub: SmallHub
    client: Connect
    webhooks: Webhooks
    events: list[Event] = field(default_factory=list)
    rejected: int = 0

    async def take(self, request: web.Request) -> web.Response:
        try:
            event = self.webhooks.read(request.headers, await request.read())
        except NotGenuine as problem:
            self.rejected += 1
            return web.json_response({}, status=problem.status)
        self.events.append(event)
        return web.json_response({"id": f"v-{len(self.events)}"})

    def messages(self) -> list[MessageCreated]:
        return [one.data for one in self.events if isinstance(one.data, MessageCreated)]


@pytest.fixture
async def v() -> AsyncIterator[Vendor]:
    made: list[Vendor] = []

    async def hook(request: web.Request) -> web.Response:
        return await made[0].take(request)

    app = web.Application()
    app.router.add_post("/webhook", hook)
    async with serve(app, "127.0.0.1", 0) as url:
        product = Product(url + "/webhook")
        async with small_hub(product) as hub, Connect(hub.url, product.token) as client:
            vendor = Vendor(hub, client, Webhooks([product.secret]))
            made.append(vendor)
            await client.declare("cleo", USERS[0].rpps)
            yield vendor


async def test_files_go_and_come_by_themselves(v: Vendor) -> None:
    uploaded = await v.client.upload(Attachment("bilan é.pdf", "application/pdf", PDF))
    assert (uploaded.name, uploaded.size) == ("bilan é.pdf", len(PDF))
    await v.client.send(Draft("c", "cleo", "Le bilan", to=(BEN.person.id,), files=(uploaded,)))
    await until(lambda: v.hub.colleagues.delivered)
    [file] = v.hub.colleagues.delivered[0].body.files
    assert (file.name, file.sha256) == ("bilan é.pdf", uploaded.sha256)
    await v.client.declare_abilities(files_by_url=True)
    said = Said("", to=("product:cleo",), body=Body("Le mien", files=(File("mien.pdf", "application/pdf", PDF * 9),)))
    await v.hub.colleagues.say("ben", "b-1", said)
    await until(lambda: v.messages())
    [came] = v.messages()[0].files
    assert came.id is not None
    assert came.content is None
    whole = await v.client.download(came.id)
    assert came.intact(whole)
    assert await v.client.download(came.id, start=5) == whole[5:]
    with pytest.raises(Refused, match="404"):
        await v.client.download("f_none")


async def test_a_large_file_is_uploaded_from_the_disk(v: Vendor, tmp_path: Path) -> None:
    large = tmp_path / "irm.dcm"
    large.write_bytes(bytes(range(256)) * 4096)
    uploaded = await v.client.upload_from(large, "application/dicom")
    assert (uploaded.name, uploaded.size, uploaded.sha256) == ("irm.dcm", 256 * 4096, sha256_of(large))


@pytest.mark.parametrize("damaged", [False, True])
async def test_a_download_goes_on_where_it_broke(tmp_path: Path, damaged: bool) -> None:
    whole, asked = bytes(range(256)) * 4096, list[str | None]()

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Range"))
        match len(asked):
            case 1:  # it breaks off
                response = web.StreamResponse()
                response.content_length = len(whole)
                await response.prepare(request)
                await response.write(whole[:300_000])
                assert request.transport is not None
                request.transport.close()
                return response
            case 2:
                return web.Response(status=503)
        start = int((asked[-1] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        return web.Response(status=206, body=(b"?" if damaged else b"") + whole[start + damaged :])

    app = web.Application()
    app.router.add_get("/connect/v1/files/f_1", answer)
    digest = hashlib.sha256(whole).hexdigest()
    came = FileIn(id="f_1", name="irm.dcm", type="application/dicom", size=len(whole), sha256=digest)
    place = tmp_path / "came.dcm"
    async with serve(app, "127.0.0.1", 0) as url, Connect(url, "t") as client:
        if damaged:
            with pytest.raises(ValueError, match="not the one"):
                await client.download_to(came, place)
            return
        await client.download_to(came, place)
    assert place.read_bytes() == whole
    assert asked[0] is None
    assert asked[1] == asked[2]
    assert asked[1] != "bytes=0-"


async def test_what_is_not_there_is_not_downloaded(v: Vendor, tmp_path: Path) -> None:
    none = FileIn(id="f_none", name="x", type="a/b", size=1, sha256="0")
    with pytest.raises(Refused, match="404"):
        await v.client.download_to(none, tmp_path / "x")


def test_a_message_holds_a_place_a_poll_or_a_card() -> None:
    poll = Poll(question="Quel jour ?", answers=(PollAnswer(id="a", text="Mardi"), PollAnswer(id="b", text="Jeudi")))
    for held, kind, name in (
        (Location(lat=48.8, lon=2.3, label="Urgences"), "location", "location"),
        (poll, "poll", "poll"),
        (Card(name="Cléo Petit", vcard="BEGIN:VCARD\nEND:VCARD"), "contact", "contact"),
    ):
        said = Draft("c", "cleo", "Ici", holds=held, mentions=("rpps:1",), everybody=True).wire()
        assert (said["kind"], said["mentions"], said["everybody"]) == (kind, ["rpps:1"], True)
        assert read(type(held), said[name]) == held, "it comes as it went"
        assert not any(word in repr(held) for word in ("Urgences", "Quel", "Petit"))
    assert "kind" not in Draft("c", "cleo", "Ici").wire()


def test_the_client_alone_is_a_distribution_of_its_own() -> None:
    """What `pip install ./liaison` takes in, and needs."""
    alone = tomllib.loads((ROOT / "liaison/pyproject.toml").read_text())
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert alone["project"]["version"] == whole["project"]["version"]
    needed = [one for one in whole["project"]["dependencies"] if one.startswith("aiohttp>")]
    assert alone["project"]["dependencies"] == needed
    taken = alone["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert set(taken) == {"__init__.py", "py.typed", "connect"}


async def test_lists_go_page_by_page_and_people_leave(v: Vendor) -> None:
    await v.client.declare("dan", USERS[1].rpps)
    assert {one.id for one in (await v.client.users()).items} == {"cleo", "dan"}
    sent = await v.client.send(Draft("c", "cleo", "Bonjour", to=(BEN.person.id, GAEL.person.id)))
    await until(lambda: len(v.hub.colleagues.delivered) >= 1)
    [talk] = (await v.client.conversations("cleo")).items
    assert (talk.id, talk.carried) == ("c", None)
    members = await v.client.members_of("c")
    assert {one.name for one in members.items} == {USERS[0].name, BEN.name, GAEL.name}
    [said] = (await v.client.messages_of("c")).items
    assert (said.id, said.message, said.own, said.sender.name) == (sent.id, sent.message, True, USERS[0].name)
    with pytest.raises(Refused, match="no_history"):  # this hub has no Matrix
        await v.client.history("c", "cleo")
    await v.client.block("cleo", GAEL.person.id)
    assert [one.person for one in (await v.client.blocked("cleo")).items] == [GAEL.person.id]
    await v.client.unblock("cleo", GAEL.person.id)
    assert (await v.client.blocked("cleo")).items == ()
    end = now() + timedelta(days=3)
    away = await v.client.be_absent("cleo", end, substitute=GAEL.person.id, words="En congé", to="both")
    assert (away.substitute and away.substitute.name, away.words, away.to) == (GAEL.name, "En congé", "both")
    assert await v.client.absence("cleo") == away
    await v.client.be_back("cleo")
    with pytest.raises(Refused, match="not_absent"):
        await v.client.absence("cleo")
    await v.client.picture("c", "cleo", PNG)
    await v.client.topic("c", "cleo", "Sortie de jeudi")
    await until(lambda: any("Sortie de jeudi" in one.body.text for one in v.hub.colleagues.delivered))
    for shown in (PNG, None):
        await v.client.portray("cleo", shown)
    with pytest.raises(Refused, match="bad_picture"):
        await v.client.portray("cleo", PDF)
    exported = await v.client.export("cleo")
    assert (exported.user.id, [one.id for one in exported.conversations], exported.next) == ("cleo", ["c"], None)
    await v.client.leave("c", "cleo")
    assert (await v.client.conversations("cleo")).items == ()
    assert (await v.client.end_user("cleo")).state in ("ending", "ended")


async def _created(v: Vendor) -> list[Event]:
    """The new messages that the log has."""
    return [one for one in (await v.client.events("0")).events if one.type == "message.created"]


async def test_the_log_has_what_was_sent_and_sends_it_again(v: Vendor) -> None:
    tried = await v.client.try_webhook()
    assert tried.outcome == "delivered"
    assert [type(one.data) for one in v.events] == [Tried]
    await v.hub.colleagues.say("ben", "b-1", Said("Bonjour", to=("product:cleo",)))
    await until(lambda: v.messages())
    async with asyncio.timeout(PATIENCE):  # the hub notes it once the product's answer has come back
        while not (found := await _created(v)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    page, created = await v.client.events("0"), found[0]
    assert page.whole
    assert page.next
    assert (await v.client.events(page.next)).events == ()
    assert (await v.client.replay(created.id)).outcome == "delivered"
    assert [one.id for one in v.events].count(created.id) == 2


async def test_a_product_changes_its_token_and_its_secret(v: Vendor) -> None:
    made = await v.client.rotate_token()
    assert made.value not in repr(made)
    assert (await v.client.user("cleo")).id == "cleo", "with the new one"
    secret = await v.client.rotate_secret()
    v.webhooks = Webhooks([secret.value])
    assert (await v.client.try_webhook()).outcome == "delivered"
    assert v.rejected == 0
    known = await v.client.credentials()
    assert known["tokens"]
    assert len(known["webhook_secrets"]) == 2


async def test_the_kits_shelf_keeps_whole_files_only() -> None:
    shelf = MemoryShelf()

    async def pieces() -> Any:
        yield b"ab"
        yield b"c"

    kept = await shelf.put(pieces(), 3)
    assert b"".join([one async for one in shelf.open(kept, 1)]) == b"bc"
    with pytest.raises(HubRefuses, match="wrong_size"):
        await shelf.put(pieces(), 4)
    with pytest.raises(HubRefuses, match="file_not_fetched"):
        await anext(aiter(shelf.open(StoredFile(new_id(), 1, "x"))))
