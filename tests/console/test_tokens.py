"""Tokens of a provider, one fault each; roles and names out of claims. The keys are made here, nothing is asked."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from appservice.console.frame import language_of, own_path
from appservice.console.login.provider import OpenIdProvider
from appservice.console.login.tokens import SigningKey, named, read_identity, read_logout, role
from appservice.console.settings import ConsoleSettings
from bridge.errors import Refused, Unavailable
from tests.console.test_sessions import LEAST, SETTINGS

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
KEYS = {
    "rsa": SigningKey(RSA.public_key()),
    "ec": SigningKey(EC.public_key()),
    "pss": SigningKey(RSA.public_key(), "PS256"),
}
EVENT = "http://schemas.openid.net/event/backchannel-logout"
NOW = int(time.time())
DAYS = 10 * 86_400  # tokens are made when tests are collected, and read whenever their turn comes
IDENTITY: dict[str, Any] = {
    "iss": "https://login.example", "aud": "c", "sub": "u1", "exp": NOW + DAYS, "iat": NOW, "nonce": "n",
}  # fmt: skip
LOGOUT: dict[str, Any] = {
    "iss": "https://login.example", "aud": "c", "iat": NOW, "jti": "j", "sid": "s", "events": {EVENT: {}},
}  # fmt: skip


async def key(name: str) -> SigningKey:
    if name not in KEYS:
        raise Refused("login_token", about="kid")
    return KEYS[name]


def signed(claims: dict[str, Any], name: str = "rsa", alg: str = "RS256") -> str:
    whole = {k: v for k, v in claims.items() if v is not None}
    return jwt.encode(whole, RSA if name == "rsa" else EC, alg, headers={"kid": name})


async def test_a_good_token_is_read() -> None:
    for token in (signed(IDENTITY), signed(IDENTITY, "ec", "ES256"), signed(IDENTITY, "rsa", "PS256")):
        assert (await read_identity(token, SETTINGS, key, "n"))["sub"] == "u1"
    both = signed(IDENTITY | {"aud": ["c", "d"], "azp": "c"})
    assert (await read_identity(both, SETTINGS, key, "n"))["azp"] == "c"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (signed(IDENTITY | {"iat": NOW + DAYS - 1}), "ImmatureSignatureError"),
        (signed(IDENTITY | {"exp": NOW - 61}), "ExpiredSignatureError"),
        (signed(IDENTITY | {"sub": ""}), "sub"),
        (signed(IDENTITY | {"sub": "u" * 256}), "sub"),
        (signed(IDENTITY | {"nonce": ""}), "nonce"),
        (signed(IDENTITY | {"aud": []}), "MissingRequiredClaimError"),
        (signed(IDENTITY | {"iss": "https://login.example/"}), "InvalidIssuerError"),
        (signed(IDENTITY, "rsa", "RS384"), "alg"),
        (jwt.encode(IDENTITY, RSA, "RS256", headers={"kid": "other"}), "kid"),
        (jwt.encode(IDENTITY, RSA, "RS256", headers={"kid": "ec"}), "TypeError"),
        (jwt.encode(IDENTITY, RSA, "RS256", headers={"kid": "pss"}), "alg"),
        (signed(IDENTITY)[:-4] + "AAAA", "InvalidSignatureError"),
        ("", "DecodeError"),
        ("a.b.c", "DecodeError"),
    ],
)
async def test_one_fault_is_enough(token: str, why: str) -> None:
    with pytest.raises(Refused, match="login_token") as refused:
        await read_identity(token, SETTINGS, key, "n")
    assert refused.value.about == why


async def test_a_login_is_as_strong_as_is_asked() -> None:
    strong = ConsoleSettings(**LEAST | {"acr": ["eidas2", "eidas3"]})
    assert await read_identity(signed(IDENTITY | {"acr": "eidas3"}), strong, key, "n")
    for weak in ("eidas1", None, ["eidas2"]):
        with pytest.raises(Refused, match=r"login_weak|login_token"):
            await read_identity(signed(IDENTITY | {"acr": weak}), strong, key, "n")


@pytest.mark.parametrize(
    "change",
    [
        {"events": {}}, {"events": None}, {"events": EVENT}, {"nonce": "n"}, {"iat": NOW - 700}, {"jti": None},
        {"sid": None}, {"sid": 5}, {"iss": "https://evil.example"}, {"aud": "d"}, {"sid": "", "sub": ""},
    ],
    ids=lambda change: "-".join(change),  # a time would name the test otherwise in each process
)  # fmt: skip
async def test_a_word_about_an_end_has_to_be_one(change: dict[str, Any]) -> None:
    assert (await read_logout(signed(LOGOUT), SETTINGS, key, NOW))["sid"] == "s"
    with pytest.raises(Refused, match="login_token"):
        await read_logout(signed(LOGOUT | change), SETTINGS, key, NOW)


async def test_an_identity_token_is_no_word_about_an_end() -> None:
    with pytest.raises(Refused, match="login_token"):
        await read_logout(signed(IDENTITY), SETTINGS, key, NOW)
    with pytest.raises(Refused, match="login_token"):
        await read_identity(signed(LOGOUT), SETTINGS, key, "n")


@pytest.mark.parametrize(
    ("claims", "acts"),
    [
        ({"groups": ["operator"]}, True), ({"groups": "operator"}, True), ({"groups": ["viewer"]}, False),
        ({"groups": ["viewer", "operator"]}, True), ({"groups": []}, None), ({}, None), ({"groups": None}, None),
        ({"groups": {"operator": 1}}, None), ({"groups": [["operator"]]}, None), ({"groups": "operators"}, None),
        ({"groups": "op"}, None), ({"groups": [1, None]}, None),
    ],
    ids=str,
)  # fmt: skip
def test_roles(claims: dict[str, Any], acts: bool | None) -> None:
    if acts is None:
        with pytest.raises(Refused, match="login_role"):
            role(claims, SETTINGS)
    else:
        assert role(claims, SETTINGS) is acts


def test_a_role_may_lie_inside_another_claim() -> None:
    inside = ConsoleSettings(**LEAST | {"roles_claim": "realm_access.roles"})
    assert role({"realm_access": {"roles": ["operator"]}}, inside)
    for other in ({"realm_access": ["operator"]}, {"realm_access.roles": ["operator"]}, {"roles": ["operator"]}):
        with pytest.raises(Refused, match="login_role"):
            role(other, inside)


def test_names() -> None:
    assert named({"preferred_username": "anna@chu.example", "sub": "u1"}, SETTINGS) == "anna@chu.example"
    assert named({"preferred_username": "a:b\r\n<c>", "sub": "u1"}, SETTINGS) == "a_b___c_"
    assert named({"preferred_username": ["x"], "sub": "f:1:2"}, SETTINGS) == "f_1_2"
    assert len(named({"preferred_username": "a" * 500, "sub": "u1"}, SETTINGS)) == 64


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/", "/"), ("/waiting?network=siilo&after=3", None), ("/message/$abc:chu.example", None), ("//e.example", "/"),
        ("/\\e", "/"), ("e", "/"), ("", "/"), ("/é", "/"), ("/a\nb", "/"), ("/a b", "/"), ("/" + "a" * 3000, "/"),
    ],
)  # fmt: skip
def test_own_paths(path: str, own: str | None) -> None:
    assert own_path(path) == (path if own is None else own)


def test_languages() -> None:
    class Asked:
        def __init__(self, accepts: str, cookie: str = "") -> None:
            self.headers, self.cookies = {"Accept-Language": accepts}, {"language": cookie}

    for accepts, cookie, house, language in (
        ("en-GB,en;q=0.9", "", "both", "en"), ("fr-CH, en", "", "en", "fr"), ("de,en;q=0.5", "", "fr", "en"),
        ("", "", "both", "fr"), ("*", "", "en", "en"), ("fr", "en", "fr", "en"), ("fr", "xx", "en", "fr"),
    ):  # fmt: skip
        assert language_of(Asked(accepts, cookie), house) == language  # type: ignore[arg-type]


async def test_a_provider_that_fails_is_not_asked_by_everybody(
    aiohttp_server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"issuer": "https://evil.example"} if len(asked) > 1 else {}, status=200)

    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", answer)
    server = await aiohttp_server(app)
    monkeypatch.setenv("C", "secret")
    provider = OpenIdProvider(ConsoleSettings(**LEAST | {"issuer": f"http://127.0.0.1:{server.port}"}))
    for _ in range(5):
        with pytest.raises(Unavailable, match="login_provider"):
            await provider.address("state", "nonce", "verifier")
    assert len(asked) == 1
    assert len([line for line in caplog.messages if line.startswith("ALARM")]) == 1


async def test_no_secret_and_no_key_goes_in_the_clear(
    aiohttp_server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that does not know of the proxy before it names itself by http."""
    said: dict[str, Any] = {}
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response(said) if "well-known" in request.path else web.Response(status=502)

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    server = await aiohttp_server(app)
    monkeypatch.setenv("C", "secret")
    settings = ConsoleSettings(**LEAST | {"issuer": (issuer := f"http://127.0.0.1:{server.port}")})
    good = {"authorization_endpoint": f"{issuer}/auth?a=b", "token_endpoint": issuer, "jwks_uri": f"{issuer}/keys"}
    for name in (*good, "userinfo_endpoint", "end_session_endpoint"):
        said.clear()
        said.update({"issuer": issuer, **good, name: "http://login.example/x"})
        with pytest.raises(Unavailable, match="login_provider"):
            await OpenIdProvider(settings).document()
    assert "the address of its userinfo_endpoint is not secure" in caplog.text
    said.clear()
    said.update({"issuer": issuer, **good})
    provider = OpenIdProvider(settings)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await provider.key("k")
    assert asked.count("/keys") == 1  # whoever comes may come often
