"""Who may call, and how often: tokens and their rotation, client certificates over real TLS or told by a proxy."""

from __future__ import annotations

import hashlib
import ssl
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
import trustme
from pytest_aiohttp import AiohttpServer

from bridge.connector import Capabilities
from bridge.networks.connect import ConnectSettings, build
from bridge.networks.connect.products import Product, Tokens
from bridge.parts.bucket import Bucket
from tests.connect.make import TOKENS, Json, World, digest, running, section

OPERATIONS = [
    ("POST", "/messages"), ("GET", "/messages/x"), ("PUT", "/users/x"), ("GET", "/users/x"), ("GET", "/people?q=ab"),
    ("GET", "/conversations/x"), ("POST", "/conversations/x/members"), ("POST", "/receipts"), ("POST", "/typing"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_everything_needs_a_token(w: World, method: str, path: str) -> None:
    for token in (None, "wrong", digest(TOKENS["pandalab"]), TOKENS["pandalab"] + "x"):
        status, problem = await w.call(method, path, token=token)
        assert (status, problem["code"]) == (401, "unknown_token")
        assert w.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer pandalab-token-1", 404),
        ("bearer pandalab-token-1", 404),
        ("BEARER  pandalab-token-1 ", 404),
        ("Basic pandalab-token-1", 401),
        ("pandalab-token-1", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("Bearer é", 401),
        ("Bearer " + "x" * 600, 401),
    ],
)
async def test_forms_of_the_header(w: World, header: str, status: int) -> None:
    got, _ = await w.call("GET", "/users/nobody", token=None, headers={"Authorization": header})
    assert got == status


async def test_a_wrong_token_does_not_use_up_the_rate(tmp_path: Path) -> None:
    def slow(configured: Json) -> None:
        configured["products"]["pandalab"] |= {"rate_per_second": 0.01, "burst": 1}

    async with running(tmp_path, slow) as w:
        for _ in range(5):
            assert (await w.call("GET", "/users/x", token="wrong"))[0] == 401
        assert (await w.call("GET", "/users/x"))[0] == 404


async def test_two_tokens_are_valid_during_a_rotation(tmp_path: Path) -> None:
    def both(configured: Json) -> None:
        configured["products"]["pandalab"]["tokens"].append(digest("pandalab-token-2"))

    async with running(tmp_path, both) as w:
        await w.declare()
        for token in ("pandalab-token-1", "pandalab-token-2"):
            assert (await w.call("GET", "/users/cleo", token=token))[0] == 200
        await w.stop_hub()
        w.section["products"]["pandalab"]["tokens"].pop(0)  # the old one is taken out
        await w.start_hub()
        assert (await w.call("GET", "/users/cleo", token="pandalab-token-1"))[0] == 401
        assert (await w.call("GET", "/users/cleo", token="pandalab-token-2"))[0] == 200


def _product(name: str, *tokens: str) -> Product:
    digests = tuple(hashlib.sha256(token.encode()).digest() for token in tokens)
    return Product(name, name, Capabilities(), Bucket(1, 1), digests)


def test_the_owner_of_a_token() -> None:
    one, two = _product("one", "a", "b"), _product("two", "c")
    tokens = Tokens([one, two])
    owners = [found and found[0] for found in map(tokens.owner, ("a", "b", "c", "d", "", "\udcff"))]
    assert owners == [one, one, two, None, None, None]


def test_hashes_are_in_no_repr() -> None:
    assert hashlib.sha256(b"a").hexdigest()[:8] not in repr(_product("one", "a"))
    assert repr(hashlib.sha256(b"a").digest())[2:10] not in repr(_product("one", "a"))


def _fingerprint(pem: bytes) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).hexdigest()


def _client(ca: trustme.CA, certificate: trustme.LeafCert | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


async def test_a_client_certificate_over_tls(aiohttp_server: AiohttpServer) -> None:
    ca = trustme.CA()
    right, other = ca.issue_cert("pandalab.example"), ca.issue_cert("other.example")
    configured = section({"pandalab": 9, "siilo": 9})
    fingerprint = _fingerprint(right.cert_chain_pems[0].bytes())
    configured["products"]["pandalab"]["client_certificate_sha256"] = [fingerprint]
    api, connectors = build(ConnectSettings.model_validate(configured))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(server)
    ca.configure_trust(server)
    server.verify_mode = ssl.CERT_OPTIONAL  # products without one use the same port
    url = (await aiohttp_server(api.application(), ssl=server)).make_url("/connect/v1/users/x")

    async def status(product: str, certificate: trustme.LeafCert | None) -> int:
        headers = {"Authorization": f"Bearer {TOKENS[product]}"}
        async with (
            aiohttp.ClientSession() as client,
            client.get(url, headers=headers, ssl=_client(ca, certificate)) as answer,
        ):
            return answer.status

    started = 503  # the token and the certificate were right; no hub is there in this test
    assert await status("pandalab", right) == started
    assert await status("pandalab", other) == 403
    assert await status("pandalab", None) == 403
    assert await status("siilo", None) == started
    assert list(connectors) == ["pandalab", "siilo"]


def _certified(trusted: bool, der: bytes) -> Callable[[Json], None]:
    def change(configured: Json) -> None:
        configured["client_certificate_from_proxy"] = trusted
        configured["products"]["pandalab"]["client_certificate_sha256"] = [hashlib.sha256(der).hexdigest()]

    return change


@pytest.mark.parametrize(
    ("trusted", "header", "status"),
    [
        (True, f":{b64encode(b'certificate').decode()}:", 404),
        (True, f":{b64encode(b'another').decode()}:", 403),
        (True, "::", 403),
        (True, ":é:", 403),
        (False, f":{b64encode(b'certificate').decode()}:", 403),
    ],
)
async def test_a_client_certificate_told_by_the_proxy(tmp_path: Path, trusted: bool, header: str, status: int) -> None:
    async with running(tmp_path, _certified(trusted, b"certificate")) as w:
        got, problem = await w.call("GET", "/users/nobody", headers={"Client-Cert": header})
        assert got == status
        if got == 403:
            assert problem["code"] == "client_certificate"


async def test_a_product_that_asks_too_often_waits(tmp_path: Path) -> None:
    def slow(section: Json) -> None:
        section["products"]["pandalab"] |= {"rate_per_second": 0.5, "burst": 3}

    async with running(tmp_path, slow) as w:
        assert [(await w.call("GET", "/users/x"))[0] for _ in range(3)] == [404, 404, 404]
        status, problem = await w.call("GET", "/users/x")
        assert (status, problem["code"], w.headers["Retry-After"]) == (429, "rate_limited", "2")
        assert (await w.call("GET", "/users/x", token=TOKENS["siilo"]))[0] == 404  # the other product does not
