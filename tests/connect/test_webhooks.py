"""What the hub makes of every answer of a product. The product is a stub that answers as told; the TLS is real."""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any, Self

import pytest
import pytest_asyncio
import trustme
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from bridge.connector import Capabilities
from bridge.errors import Refused, Unavailable
from bridge.model import Body, Kind, Ref, Typing
from bridge.networks.connect.connector import ConnectConnector
from bridge.networks.connect.log.way_out import WayOut
from bridge.networks.connect.products import Product
from bridge.networks.connect.signing import Signer
from bridge.networks.connect.webhooks import Sessions, Webhook, retry_after
from bridge.parts.bucket import Bucket
from tests.connect.test_translate import BEN, DELIVERY, REPORT

NOW = 1_772_352_000.0


class Stub:
    """A product's webhook address that answers as told."""

    def __init__(self) -> None:
        self.port = 0
        self.signed: list[bytes] = []
        self.at_once = 0
        self.most_at_once = 0
        self.status = 200
        self.body: bytes = b'{"id": "mine-1"}'
        self.headers: dict[str, str] = {}
        self.delay = 0.0
        self.free = asyncio.Event()  # nothing is answered before
        self.free.set()
        self.drop = False
        self.calls: list[tuple[dict[str, str], Any]] = []
        self.refuses: set[str] = set()

    async def begin(self, serve: AiohttpServer, largest: int = 1 << 20, **more: Any) -> Self:
        """Take requests (``largest`` 0: of any size); ends with the test."""
        app = web.Application(client_max_size=largest)
        app.router.add_post("/webhook", self.answer)
        self.port = (await serve(app, **more)).port or 0
        return self

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        event = json.loads(body)
        self.calls.append((dict(request.headers), event))
        at = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
        self.signed.append(b"v1," + b64encode(hmac.digest(b"k" * 32, at + body, "sha256")))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(self.delay)
        await self.free.wait()
        self.at_once -= 1
        if self.drop and request.transport is not None:
            request.transport.abort()
        told = {m["id"] for m in event["data"].get("messages", [])}
        return web.Response(status=422 if told & self.refuses else self.status, body=self.body, headers=self.headers)


@pytest_asyncio.fixture
async def stub(aiohttp_server: AiohttpServer) -> Stub:
    return await Stub().begin(aiohttp_server)


def connector(url: str, capabilities: Capabilities = Capabilities(), **more: Any) -> ConnectConnector:  # noqa: B008
    product = Product("pandalab", "PandaLab", capabilities, Bucket(1, 1), ())
    options: dict[str, Any] = {"timeout": 1.0, "clock": lambda: NOW} | more
    webhook = Webhook(url, Signer([b"k" * 32]), Sessions(), **options)
    return ConnectConnector(product, WayOut("pandalab", webhook, None, None))


@pytest_asyncio.fixture
async def product(stub: Stub) -> AsyncIterator[ConnectConnector]:
    made = connector(f"http://127.0.0.1:{stub.port}/webhook")
    await made.start()
    yield made
    await made.stop()


async def test_the_products_id_is_the_ref(product: ConnectConnector, stub: Stub) -> None:
    assert await product.deliver(DELIVERY) == Ref("pandalab", "mine-1")
    [(headers, event)] = stub.calls
    assert headers["webhook-id"] == DELIVERY.id
    assert headers["webhook-timestamp"] == str(int(NOW))
    assert headers["webhook-signature"].startswith("v1,")
    assert headers["Content-Type"] == "application/json"
    assert (event["type"], event["data"]["message"]) == ("message.created", "m_1")


@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b"{}", b'{"id": 12}', b'{"id": ""}', b'{"id": "a b"}', b'{"id": "a\\u0000"}', b"[1]", b"\xff",
     b'{"id": "' + b"x" * 256 + b'"}', b'{"id": "x"}' + b" " * 70_000],
)  # fmt: skip
async def test_without_a_valid_id_the_webhook_id_is_the_ref(product: ConnectConnector, stub: Stub, body: bytes) -> None:
    stub.body = body
    assert await product.deliver(DELIVERY) == Ref("pandalab", "d_1")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_2xx_is_taken(product: ConnectConnector, stub: Stub, status: int) -> None:
    stub.status = status
    assert isinstance(await product.deliver(DELIVERY), Ref)


@pytest.mark.parametrize("status", [400, 410, 413, 422])
async def test_never(product: ConnectConnector, stub: Stub, status: int) -> None:
    stub.status = status
    with pytest.raises(Refused) as raised:
        await product.deliver(DELIVERY)
    assert (raised.value.code, raised.value.about) == ("product_refused", str(status))


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 504])
async def test_later(product: ConnectConnector, stub: Stub, status: int) -> None:
    stub.status, stub.headers = status, {"Location": f"http://127.0.0.1:{stub.port}/webhook"}
    with pytest.raises(Unavailable):
        await product.deliver(DELIVERY)
    assert len(stub.calls) == 1  # redirects are not followed


async def test_retry_after_is_passed_on(product: ConnectConnector, stub: Stub) -> None:
    stub.status, stub.headers = 503, {"Retry-After": "17"}
    with pytest.raises(Unavailable) as raised:
        await product.deliver(DELIVERY)
    assert raised.value.retry_after == 17


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        (formatdate(NOW + 60, usegmt=True), 60.0),
        (formatdate(NOW - 60, usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("9" * 400, None),
        ("99999999", 86_400.0),
        ("Thu, 99 Foo 2026", None),
    ],
)
def test_forms_of_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


async def test_a_product_that_hangs(product: ConnectConnector, stub: Stub) -> None:
    stub.delay = 3
    with pytest.raises(Unavailable, match="product_timed_out"):
        await product.deliver(DELIVERY)


async def test_a_connection_that_is_dropped(product: ConnectConnector, stub: Stub) -> None:
    stub.drop = True
    with pytest.raises(Unavailable, match="product_unreachable"):
        await product.deliver(DELIVERY)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/webhook", "https://no-such-host.invalid/", "http://127.0.0.1:9/"])
async def test_nobody_is_there(url: str) -> None:
    product = connector(url)
    await product.start()
    with pytest.raises(Unavailable) as raised:
        await product.deliver(DELIVERY)
    assert raised.value.__cause__ is None
    await product.stop()


async def test_before_start_and_after_stop(stub: Stub) -> None:
    product = connector(f"http://127.0.0.1:{stub.port}/webhook")
    with pytest.raises(Unavailable):
        await product.deliver(DELIVERY)
    await product.start()
    await product.deliver(DELIVERY)
    await product.stop()
    await product.stop()
    with pytest.raises(Unavailable):
        await product.deliver(DELIVERY)


async def test_two_products_share_a_session_that_the_last_one_closes(stub: Stub) -> None:
    sessions = Sessions()
    url, signer = f"http://127.0.0.1:{stub.port}/webhook", Signer([b"k" * 32])
    one, two = Webhook(url, signer, sessions), Webhook(url, signer, sessions)
    one.open()
    two.open()
    await one.close()
    assert await two.post("w", b'{"data": {}}') == stub.body
    await two.close()


async def test_members_have_a_webhook_of_their_own(product: ConnectConnector, stub: Stub) -> None:
    await product.deliver(dataclasses.replace(DELIVERY, kind=Kind.MEMBERS, body=Body()))
    assert stub.calls[0][1]["type"] == "conversation.members"


async def test_states_are_one_webhook(product: ConnectConnector, stub: Stub) -> None:
    reports = [dataclasses.replace(REPORT, message=f"m_{n}", ref=Ref("pandalab", f"p-{n}")) for n in range(5)]
    await product.report(reports)
    await product.report([])
    [(headers, event)] = stub.calls
    assert headers["webhook-id"].startswith("states_")
    assert [m["id"] for m in event["data"]["messages"]] == [f"p-{n}" for n in range(5)]


async def test_only_the_state_that_is_refused_is_lost(
    product: ConnectConnector, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    reports = [dataclasses.replace(REPORT, message=f"m_{n}", ref=Ref("pandalab", f"p-{n}")) for n in range(5)]
    stub.refuses = {"p-3"}
    await product.report(reports)
    alone = [[m["id"] for m in event["data"]["messages"]] for _, event in stub.calls]
    taken = {ident for batch in alone if "p-3" not in batch for ident in batch}
    assert taken == {"p-0", "p-1", "p-2", "p-4"}
    assert ["p-3"] in alone
    assert "m_3" in caplog.text


async def test_states_that_cannot_be_told_now_come_again(product: ConnectConnector, stub: Stub) -> None:
    stub.status = 500
    with pytest.raises(Unavailable):
        await product.report([REPORT])


async def test_typing_is_best_effort(product: ConnectConnector, stub: Stub) -> None:
    sign = Typing("pandalab", "chat-1", "c_1", BEN, True)
    await product.typing(sign)
    stub.status = 500
    await product.typing(sign)
    stub.status = 400
    await product.typing(sign)
    assert [event["type"] for _, event in stub.calls] == ["typing"] * 3


async def test_what_a_product_cannot_show_is_not_sent(stub: Stub) -> None:
    product = connector(f"http://127.0.0.1:{stub.port}/webhook", Capabilities(html=False, typing=False, receipts=False))
    await product.start()
    await product.typing(Typing("pandalab", "chat-1", "c_1", BEN, True))
    await product.report([REPORT])
    assert stub.calls == []
    await product.deliver(DELIVERY)
    assert stub.calls[0][1]["data"]["html"] is None
    await product.stop()


async def test_tls_is_checked(tmp_path: Path, aiohttp_server: AiohttpServer) -> None:
    ca, stub = trustme.CA(), Stub()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(server)
    await stub.begin(aiohttp_server, ssl=server)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    known = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    right = connector(f"https://localhost:{stub.port}/webhook", tls=known)
    stranger = connector(f"https://localhost:{stub.port}/webhook")
    other_name = connector(f"https://127.0.0.1:{stub.port}/webhook", tls=known)
    for made in (right, stranger, other_name):
        await made.start()
    assert await right.deliver(DELIVERY) == Ref("pandalab", "mine-1")
    for wrong in (stranger, other_name):
        with pytest.raises(Unavailable, match="product_certificate"):
            await wrong.deliver(DELIVERY)
    assert len(stub.calls) == 1
    for made in (right, stranger, other_name):
        await made.stop()
