"""The client for vendors, against a real hub: every request, repetition, webhooks, and what it does not know."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from bridge.networks.connect.signing import Signer, read_secret
from deploy.world.waiting import wait_for
from liaison.connect import (
    Attachment,
    Connect,
    ConnectError,
    Draft,
    MessageCreated,
    MessageStates,
    Name,
    NoAnswer,
    NotGenuine,
    Refused,
    Retries,
    Unknown,
    Webhooks,
)
from liaison.connect.events import to_event
from liaison.connect.reading import read, time_text, to_time
from liaison.connect.transport import retry_after
from tests.connect.make import CLEO, SECRETS, TOKENS, World, running

QUICK = Retries(first=0.001, longest=0.01, within=5.0)
SECRET = SECRETS["pandalab"]


@pytest_asyncio.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path) as world:
        await world.declare()
        yield world


def texts(w: World) -> list[str]:
    """The messages of dan; reactions have no text."""
    return [one["text"] for one in w.siilo.arrived("dan") if "text" in one]


async def test_every_request_of_a_product(w: World) -> None:
    """One story of cleo (pandalab) and dan (siilo), in which pandalab is this client."""
    w.pandalab.sim.able("edit", "removal", "reaction")
    w.siilo.sim.able("edit", "removal", "reaction")
    async with Connect(w.url, TOKENS["pandalab"], retries=QUICK) as hub:
        user = await hub.declare("cleo", CLEO)
        assert (user.id, user.state, user.name, user.contested_by) == ("cleo", "active", "Cléo Petit", ())
        assert await hub.user("cleo") == user
        found = await hub.people("moreau", user="cleo", limit="5")
        assert [(one.person, one.networks) for one in found.items] == [("rpps:10000000004", ("siilo",))]
        said = Draft(
            "chat-7", "cleo", "Bonjour", to=("siilo:dan",), html="<b>Bonjour</b>", urgent=True,
            name=Name(text="RCP", about_patient=False), files=(Attachment("bilan.pdf", "application/pdf", b"%PDF"),),
        )  # fmt: skip
        sent = await hub.send(said)
        assert await hub.send(said) == sent, "the same draft is one message"
        await w.until(lambda: w.siilo.texts("dan"))
        [got] = w.siilo.arrived("dan")
        assert (got["text"], got["priority"], got["files"][0]["name"]) == ("Bonjour", "urgent", "bilan.pdf")
        talk = await hub.conversation("chat-7")
        assert {one.name for one in talk.members} == {"Cléo Petit", "Dan Moreau"}
        assert talk.name == Name(text="RCP", about_patient=False)
        assert talk.carried is not None
        assert talk.carried.files
        assert (await hub.members("chat-7", "cleo", add=["matrix:@ben:chu.example"])).conversation == "chat-7"
        await hub.rename("chat-7", "cleo", None)
        await hub.edit(said.id, "chat-7", "cleo", "Bonsoir")
        reaction = await hub.react(said.id, "chat-7", "cleo", "👍")
        await hub.remove(reaction.id, "chat-7", "cleo")
        await w.until(lambda: texts(w) == ["Bonsoir"] and not w.siilo.arrived("dan")[0].get("reactions"))
        reply = await hub.reply(said.id, Draft("chat-7", "cleo", "Et ?"))
        assert await hub.typing("chat-7", "cleo")
        w.siilo.sim.read("dan", got["id"])

        async def seen() -> bool:
            status = await hub.message(said.id)
            return {one.name: one.state for one in status.recipients}["Dan Moreau"] == "read"

        await wait_for(seen, "dan to have read")
        await w.until(lambda: texts(w) == ["Bonsoir", "Et ?"])
        assert w.siilo.arrived("dan")[-1]["reply_to"] == got["id"]
        assert (await hub.message(reply.id)).sender == "cleo"
        assert "FN:Dan Moreau" in await hub.contacts("cleo")
        abilities = await hub.declare_abilities("edit", version="4.2", threads=False)
        assert (abilities.version, abilities.kinds, abilities.threads) == ("4.2", ("edit",), False)
        assert await hub.abilities() == abilities


async def test_what_arrives_is_answered_and_read_by_its_own_id(w: World) -> None:
    await w.matrix.write("m-1", "!r", "@ben:chu.example", "Bonjour", ["pandalab:cleo"])
    await w.until(lambda: w.pandalab.arrived("cleo"))
    [got] = w.pandalab.arrived("cleo")
    async with Connect(w.url, TOKENS["pandalab"], retries=QUICK) as hub:
        await hub.delivered(got["id"], "cleo")
        await hub.read(got["id"], "cleo")
        await w.until(lambda: w.matrix.told and w.matrix.told[-1].states[0].state == "read")


async def test_refusals_name_the_field(w: World) -> None:
    async with Connect(w.url, TOKENS["pandalab"], retries=QUICK) as hub:
        with pytest.raises(Refused, match=r"422 unknown_recipient|422 \w+ \(to\.0\)") as refused:
            await hub.send(Draft("chat-1", "cleo", "x", to=("rpps:99999999999",)))
        assert (refused.value.status, refused.value.field) == (422, "to.0")
        assert refused.value.detail
        with pytest.raises(Refused) as invalid:
            await hub.send(Draft("chat 1", "cleo", "x"))
        assert [field for field, _ in invalid.value.errors] == ["conversation"]
        with pytest.raises(Refused, match="404"):
            await hub.user("nobody")
        assert not await hub.typing("chat-1", "nobody")
    async with Connect(w.url, "wrong", retries=QUICK) as hub:
        with pytest.raises(Refused, match="401"):
            await hub.abilities()


# ---- repetition


Script = list[Callable[[web.Request], web.StreamResponse]]


def says(status: int, body: Any = None, **headers: str) -> Callable[[web.Request], web.StreamResponse]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: web.json_response(body, status=status, headers=named)


def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize("trouble", [says(503), says(429, Retry_After="0"), says(408), says(500), hangs_up])
async def test_a_message_is_repeated_as_it_was(aiohttp_server: AiohttpServer, trouble: Any) -> None:
    bodies: list[Any] = []
    script: Script = [trouble, trouble, says(202, {"id": "p", "message": "m", "conversation": "c", "new": 1})]

    async def answer(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return script.pop(0)(request)

    app = web.Application()
    app.router.add_post("/connect/v1/messages", answer)
    server = await aiohttp_server(app)
    async with Connect(str(server.make_url("/")), "t", retries=QUICK) as hub:
        assert (await hub.send(Draft("c", "cleo", "x"))).message == "m"
    assert len(bodies) == 3
    assert bodies[0] == bodies[1] == bodies[2]


async def test_it_gives_up_in_the_end_and_says_why(aiohttp_server: AiohttpServer) -> None:
    app = web.Application()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=503)

    app.router.add_get("/connect/v1/capabilities", answer)
    server = await aiohttp_server(app)
    async with Connect(str(server.make_url("/")), "t", retries=Retries(0.001, 0.01, 0.05)) as hub:
        with pytest.raises(NoAnswer, match="503"):
            await hub.abilities()
    with pytest.raises(NoAnswer, match="closed"):
        await hub.abilities()


async def test_a_long_wait_that_the_hub_asks_for_is_no_reason_to_hammer(aiohttp_server: AiohttpServer) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(1)
        return web.Response(status=429, headers={"Retry-After": "600"})

    app = web.Application()
    app.router.add_get("/connect/v1/capabilities", answer)
    server = await aiohttp_server(app)
    async with Connect(str(server.make_url("/")), "t", retries=QUICK) as hub:
        with pytest.raises(NoAnswer, match="429"):
            await hub.abilities()
    assert asked == [1]


async def test_the_log_is_read_page_by_page(aiohttp_server: AiohttpServer) -> None:
    queries = []
    typing = {"type": "typing", "timestamp": "2026-03-01T08:00:00Z", "webhook-id": "e1", "data": {"x": 1}}
    new = typing | {"type": "new.event", "webhook-id": "e2"}

    async def answer(request: web.Request) -> web.Response:
        queries.append(dict(request.query))
        page = [new] if request.query.get("after") is None else []
        return web.json_response({"events": page, "next": "c1"})

    app = web.Application()
    app.router.add_get("/connect/v1/events", answer)
    server = await aiohttp_server(app)
    async with Connect(str(server.make_url("/")), "t", retries=QUICK) as hub:
        pages = []
        async for page in hub.follow():
            pages.append(page)
            if len(pages) == 2:
                break
    assert [[one.id for one in page.events] for page in pages] == [["e2"], []]
    assert queries == [{"wait": "25"}, {"after": "c1", "wait": "25"}]


@pytest.mark.parametrize(
    ("said", "wait"), [("12", 12.0), ("", None), (None, None), ("x", None), ("999999", 3600.0),
                       ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)  # fmt: skip
def test_retry_after(said: str | None, wait: float | None) -> None:
    assert retry_after(said) == wait


# ---- webhooks


def signed(body: bytes, at: int | None = None, secret: str = SECRET) -> dict[str, str]:
    """As the hub itself signs."""
    at = int(time.time()) if at is None else at
    signature = Signer([read_secret(secret)]).sign("wh_1", at, body)
    return {"Webhook-Id": "wh_1", "Webhook-Timestamp": f"{at}", "Webhook-Signature": signature}


def created(**more: Any) -> dict[str, Any]:
    sender = {"person": "rpps:1", "name": "Ben", "new": True}
    data = {
        "message": "m",
        "conversation": "c",
        "order": 3,
        "recipients": ["cleo"],
        "sender": sender,
        "text": "Bonjour",
    }
    return {"type": "message.created", "timestamp": "2026-03-01T08:00:00Z", "new": 1,
            "data": data | {"sent_at": "2026-03-01T08:00:00.000Z", "kind": "brand_new"} | more}  # fmt: skip


def test_a_genuine_webhook_is_read_and_what_is_new_in_it_ignored() -> None:
    body = json.dumps(created(surprise=[1])).encode()
    event = Webhooks([SECRETS["siilo"], SECRET]).read(signed(body), body)
    assert isinstance(event.data, MessageCreated)
    assert (event.id, event.data.text, event.data.kind, event.data.sender.name) == (
        "wh_1",
        "Bonjour",
        "brand_new",
        "Ben",
    )
    assert event.raw["data"]["surprise"] == [1]
    assert "Bonjour" not in repr(event)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Webhook-Signature": "v1,AAAA"}, "bad_signature"),
        ({"Webhook-Signature": "v1,é"}, "bad_signature"),
        ({"Webhook-Id": "another"}, "bad_signature"),
        ({"Webhook-Id": ""}, "bad_signature"),
        ({"Webhook-Timestamp": "x"}, "bad_time"),
        ({"Webhook-Timestamp": "²"}, "bad_time"),
        ({"Webhook-Timestamp": ""}, "bad_time"),
    ],
)
def test_what_is_not_genuine(headers: dict[str, str], reason: str) -> None:
    body = json.dumps(created()).encode()
    with pytest.raises(NotGenuine, match=reason) as problem:
        Webhooks([SECRET]).read(signed(body) | headers, body)
    assert problem.value.status == 401
    assert isinstance(problem.value, ConnectError)


@pytest.mark.parametrize("off", [-301, 301])
def test_a_clock_that_is_five_minutes_off(off: int) -> None:
    body = json.dumps(created()).encode()
    with pytest.raises(NotGenuine, match="bad_time"):
        Webhooks([SECRET]).read(signed(body, int(time.time()) + off), body)
    late = Webhooks([SECRET], clock=lambda: time.time() + off)
    assert late.read(signed(body, int(time.time()) + off), body).id == "wh_1"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"type": "x"}', b"\xff", json.dumps({**created(), "timestamp": "now"}).encode(),
     json.dumps(created(order="3")).encode(), json.dumps(created(order=True)).encode(),
     json.dumps(created(recipients="x")).encode(), json.dumps(created(sender=[])).encode(),
     json.dumps(created(files=[{"name": "a", "type": "b/c", "size": 1, "sha256": "0", "content": "?"}])).encode()],
)  # fmt: skip
def test_what_no_hub_says(body: bytes) -> None:
    with pytest.raises(NotGenuine, match="bad_body") as problem:
        Webhooks([SECRET]).read(signed(body), body)
    assert problem.value.status == 400


def test_an_event_that_nobody_knew_is_no_error() -> None:
    event = to_event("e", {"type": "brand.new", "timestamp": "2026-03-01T08:00:00Z", "data": {"a": 1}})
    assert (event.type, event.data) == ("brand.new", Unknown())


async def test_every_webhook_that_the_hub_sends_is_known(w: World) -> None:
    w.pandalab.sim.write("cleo", {"text": "Bonjour", "to": ["siilo:dan"]})
    await w.until(lambda: "delivered" in w.pandalab.states().values())
    for product in w.products.values():
        for one in product.sim.state.events()["events"]:
            assert not isinstance(to_event(one["webhook_id"], one["body"]).data, Unknown), one["type"]
    kinds = {type(to_event("x", e["body"]).data) for e in w.pandalab.sim.state.events()["events"]}
    assert MessageStates in kinds


def test_files_are_checked() -> None:
    content = {"name": "a.pdf", "type": "application/pdf", "size": 4, "content": "JVBERg==", "sha256": "0" * 64}
    event = to_event("e", created(files=[content]))
    assert isinstance(event.data, MessageCreated)
    assert event.data.files[0].content == b"%PDF"
    assert not event.data.files[0].intact()
    whole = Attachment("a.pdf", "application/pdf", b"%PDF")
    event = to_event("e", created(files=[whole.wire() | {"size": 4}]))
    assert isinstance(event.data, MessageCreated)
    assert event.data.files[0].intact()
    assert "pdf" not in repr(event.data.files[0]).replace("application/pdf", "")


def test_times_have_an_offset() -> None:
    assert time_text(to_time("2026-03-01T09:00:00+01:00")) == "2026-03-01T08:00:00.000Z"
    for wrong in ("2026-03-01T09:00:00", "x", None):
        with pytest.raises(ValueError, match="time"):
            to_time(wrong)
    assert Draft("c", "s", sent_at=datetime(2026, 3, 1, tzinfo=UTC)).wire()["sent_at"] == "2026-03-01T00:00:00.000Z"
    with pytest.raises(ValueError, match="Name: not an object"):
        read(Name, [])
    with pytest.raises(ValueError, match="text: is missing"):
        read(Name, {})


def test_secrets_are_never_said() -> None:
    with pytest.raises(ValueError, match="whsec_ and base64") as wrong:
        Webhooks(["whsec_sécret"])
    assert "sécret" not in str(wrong.value)
    with pytest.raises(ValueError, match="at least one"):
        Webhooks([])
    assert "Bonjour" not in repr(Draft("c", "s", "Bonjour"))


def test_it_needs_nothing_of_the_hub() -> None:
    """A vendor who has aiohttp has all that is needed."""
    told = (
        "import sys, liaison.connect; "
        "print({m.partition('.')[0] for m in sys.modules} & {'bridge', 'appservice', 'pydantic', 'orjson'})"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
