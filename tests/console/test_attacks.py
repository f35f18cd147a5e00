"""The console attacked: each way in that an attacker would try, against the real pages and a real provider."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from appservice.console.console import Console
from appservice.console.settings import ConsoleSettings
from bridge.config import read_config, validate
from deploy.world.provider import CONSOLE, SECRET
from tests.console.make import EVIL, PAGES, Place, Visitor
from tests.matrix.operating.test_why import CLEO, DAN
from tests.matrix.process.test_start import TOKEN

pytestmark = [pytest.mark.real_time, pytest.mark.asyncio(loop_scope="module")]
SESSION, WAY = "__Host-console", "__Host-console-way"


def acts(place: Place) -> Iterator[str]:
    """Every path to which a form is sent, as the application itself lists them."""
    config = read_config(Path(place.path))
    console = Console(
        validate(ConsoleSettings, config.console, "console"), place.parts.core.db, place.parts.core.seal, {}, 1.0, "fr"
    )
    for route in console.application.router.routes():
        if route.method == "POST" and route.resource is not None:
            yield route.resource.canonical.replace("{id}", "d_0")


def session_of(visitor: Visitor) -> str:
    return visitor.jar[visitor.place.url].get(SESSION, "")


async def refusals(place: Place) -> list[tuple[str, Any]]:
    return [(row["actor"], row["result"]) for row in await place.trail() if row["kind"] == "policy_refused"]


# ---- whose session it is


async def test_a_session_that_an_attacker_has_set_is_never_somebodys(place: Place) -> None:
    attacker, victim = place.visitor(), place.visitor()
    victim.jar[place.url] = {SESSION: "chosen-by-the-attacker"}
    assert (await victim.log_in("anna"))[0] == 303
    assert session_of(victim) not in ("", "chosen-by-the-attacker")
    attacker.jar[place.url] = {SESSION: "chosen-by-the-attacker"}
    assert (await attacker.ask("GET", "/"))[0] == 303
    before = session_of(victim)
    assert (await victim.log_in("ben"))[0] == 303
    attacker.jar[place.url] = {SESSION: before}
    assert (await attacker.ask("GET", "/"))[0] == 303, "the session before has ended"


async def test_nobody_is_logged_in_as_the_attacker(place: Place) -> None:
    """Login CSRF: the attacker's own way back, opened in the victim's browser."""
    attacker, victim = place.visitor(), place.visitor()
    back = await attacker.present(await attacker.begin(), "ben")
    await victim.begin()
    status, _, page = await victim.ask("GET", back)
    assert (status, "login_way" in page, session_of(victim)) == (403, True, "")
    status, _, page = await place.visitor().ask("GET", back)
    assert (status, "login_way" in page) == (403, True), "without any cookie"


async def test_a_code_is_good_once(place: Place) -> None:
    visitor = place.visitor()
    back = await visitor.present(await visitor.begin(), "anna")
    thief = visitor.copy()
    assert (await visitor.ask("GET", back))[0] == 303
    status, _, page = await thief.ask("GET", back)
    assert (status, "login_again" in page, session_of(thief)) == (403, True, "")
    other = place.visitor()
    await other.begin()
    code = parse_qs(urlsplit(back).query)["code"][0]
    state = parse_qs(urlsplit(await other.begin()).query)["state"][0]
    status, _, page = await other.ask("GET", "/login/back?" + urlencode({"code": code, "state": state}))
    assert (status, "login_code" in page) == (403, True), "its verifier is another one"


async def test_cookies_are_of_this_host_by_tls_alone(place: Place) -> None:
    visitor = place.visitor()
    status, headers, _ = await visitor.ask("GET", await visitor.present(await visitor.begin(), "anna"))
    assert status == 303
    lines = headers.getall("Set-Cookie")  # type: ignore[attr-defined]
    assert len(lines) == 2
    for line in lines:
        assert line.startswith((f"{SESSION}=", f"{WAY}="))
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
        assert "Domain" not in line


# ---- what a token of the provider must be


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ({"alg": "none"}, "alg"),
        ({"alg": "HS256"}, "alg"),
        ({"key": "foreign"}, "InvalidSignatureError"),
        ({"set": {"aud": "somebody-else"}}, "InvalidAudienceError"),
        ({"set": {"aud": [CONSOLE, "other"]}}, "azp"),
        ({"set": {"azp": "other"}}, "azp"),
        ({"set": {"iss": "http://127.0.0.1:1"}}, "InvalidIssuerError"),
        ({"set": {"nonce": "another"}}, "nonce"),
        ({"drop": ["nonce"]}, "nonce"),
        ({"set": {"exp": 1_700_000_000}}, "ExpiredSignatureError"),
        ({"drop": ["exp"]}, "MissingRequiredClaimError"),
        ({"drop": ["sub"]}, "MissingRequiredClaimError"),
        ({"set": {"sub": "u2"}}, "userinfo"),
    ],
    ids=str,
)
async def test_a_token_that_is_not_the_providers_for_us_lets_nobody_in(
    place: Place, token: dict[str, Any], why: str
) -> None:
    visitor = place.visitor()
    await place.provider.spoil(token=token)
    try:
        status, page = await visitor.log_in("anna")
    finally:
        await place.provider.spoil(token={})
    assert (status, session_of(visitor)) == (403, "")
    assert "login_token" in page
    assert why in page
    last = [row for row in await place.trail() if row["kind"] == "login"][-1]
    assert (last["actor"], last["result"], last["details"]["why"]) == (None, "login_token", why)


async def test_an_answer_without_a_token_or_about_somebody_else_lets_nobody_in(place: Place) -> None:
    for spoiled, status in (({"token": {"absent": True}}, 503), ({"userinfo": {"set": {"sub": "u1"}}}, 403)):
        visitor = place.visitor()
        await place.provider.spoil(token={}, userinfo={})
        await place.provider.spoil(**spoiled)
        try:
            assert (await visitor.log_in("ben"))[0] == status
        finally:
            await place.provider.spoil(token={}, userinfo={})
        assert session_of(visitor) == ""


async def test_who_has_no_role_stays_outside(place: Place) -> None:
    visitor = place.visitor()
    status, page = await visitor.log_in("eve")
    assert (status, "login_role" in page, session_of(visitor)) == (403, True, "")
    last = [row for row in await place.trail() if row["kind"] == "login"][-1]
    assert (last["actor"], last["result"]) == (None, "login_role")


# ---- acts


async def test_who_may_only_look_does_nothing(place: Place) -> None:
    ben, every = await place.somebody("ben"), sorted(acts(place))
    assert len(every) >= 12
    assert '<form class="act"' not in "".join([await ben.page(path) for path in PAGES])
    before = await refusals(place)
    whole = {
        "network": "siilo", "product": "siilo", "rpps": CLEO, "decision": "accept", "address": "siilo:dan",
        "user": "@ben:a.example", "key": "k", "sure": "yes", "known": "", "overlap": "now", "after": "0", "upto": "9",
    }  # fmt: skip
    done = [path for path in every if path not in ("/logout", "/login/ended")]
    for path in done:
        status, page = await ben.post(path, whole)
        assert (status, "console_only_looks" in page) == (403, True), path
    assert (await refusals(place))[len(before) :] == [("operator ben", "console_only_looks")] * len(done)
    assert [row for row in await place.trail() if row["actor"] == "operator ben" and row["kind"] == "operator"] == []


async def test_without_a_session_nothing_is_done(place: Place) -> None:
    nobody = place.visitor()
    for path in acts(place):
        if path != "/login/ended":
            status, _, page = await nobody.ask("POST", path, {"csrf": "0"}, Origin=place.url)
            assert (status, "console_logged_out" in page) == (403, True), path
    for path in PAGES:
        assert (await nobody.ask("GET", path))[0] == 303, path


async def test_another_sites_form_does_nothing(place: Place) -> None:
    anna, other = await place.somebody("anna"), await place.somebody("anna")
    own, foreign = await anna.csrf(), await other.csrf()
    assert own != foreign
    for path in acts(place):
        if path == "/login/ended":
            continue
        for form, headers in (
            ({}, {"Origin": place.url}),
            ({"csrf": ""}, {"Origin": place.url}),
            ({"csrf": foreign}, {"Origin": place.url}),
            ({"csrf": own}, {}),
            ({"csrf": own}, {"Origin": "null"}),
            ({"csrf": own}, {"Origin": "https://evil.example"}),
            ({"csrf": own}, {"Origin": place.url, "Sec_Fetch_Site": "cross-site"}),
            ({"csrf": own}, {"Origin": place.url, "Sec_Fetch_Site": "same-site"}),
            ({"csrf": own}, {"Origin": place.url, "Content_Type": "text/plain"}),
        ):
            status, _, page = await anna.ask("POST", path, form, **headers)
            assert (status, "console_foreign_form" in page) == (403, True), (path, form, headers)
    assert (await anna.ask("GET", "/"))[0] == 200, "not even logged out"
    for path in acts(place):
        assert (await anna.ask("GET", path))[0] in (404, 405, 200), "a link does nothing"
    assert (await refusals(place))[-1] == ("operator anna", "console_foreign_form")


# ---- where a page leads, and what it says


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "/%5cevil.example",
        "javascript:alert(1)", "/\r\nSet-Cookie: a=b", "/%0d%0aSet-Cookie:a=b", "/ok\x00", "", "evil.example",
        "///evil.example", "/\t/evil.example", "https:evil.example", " //evil.example", "/@evil.example//x\\y",
    ],
)  # fmt: skip
async def test_no_address_leads_to_another_site(place: Place, to: str) -> None:
    visitor, query = place.visitor(), urlencode({"to": to, "is": "fr"})
    status, headers, _ = await visitor.ask("GET", f"/language?{query}")
    where = headers["Location"]
    assert status == 303
    assert where.startswith("/")
    assert not where.startswith(("//", "/\\"))
    assert urlsplit(where).netloc == ""
    assert "a" not in visitor.jar[place.url]
    page = await visitor.page(f"/login?{query}")
    assert 'href="/login/start?to=/' in page
    assert 'evil.example"' not in page.replace("to=/%5cevil.example", "").replace("to=/%255cevil.example", "")


async def test_a_login_leads_back_to_this_console_alone(place: Place) -> None:
    visitor = place.visitor()
    assert await visitor.log_in("anna", "https://evil.example/") == (303, "/")
    assert await visitor.log_in("anna", "/waiting") == (303, "/waiting")


async def test_everything_that_others_have_said_is_escaped(place: Place) -> None:
    mallory = await place.somebody("mallory")
    assert session_of(mallory)
    page = await mallory.page("/")
    assert "operator___anna___Set-Cookie__a_b" in page
    assert "a" not in mallory.jar[place.url]
    query = urlencode({"x": EVIL})[2:]
    for path in (
        f"/messages?id={query}", f"/people?who={query}&to={query}", f"/audit?about={query}",
        f"/waiting?network={query}",
        f"/audit?kind={query}", f"/claims?state={query}", f"/audit?day={query}", f"/?done={query}", f"/message/{query}",
        f"/conversation/{query}", f"/delivery/{query}", f"/{query}", f"/login?to=/{query}", f"/people?who={CLEO}",
        f"/waiting?after={query}", f"/product/{query}", f"/product/pandalab?event={query}",
    ):  # fmt: skip
        _, _, page = await mallory.ask("GET", path)
        assert "<script" not in page, path
        assert "onerror" not in page, path
    assert "&lt;script&gt;alert" in await mallory.page(f"/people?who={CLEO}")


async def test_no_page_has_a_text_or_a_secret(place: Place) -> None:
    anna = await place.somebody("anna")
    secrets = ["le patient", SECRET, "whsec_", TOKEN[7:], "as-SECRET", "hs-SECRET", session_of(anna)]
    for path in (*PAGES, f"/people?who={DAN}", "/nothing", "/delivery/none"):
        _, headers, page = await anna.ask("GET", path)
        assert not [one for one in secrets if one in page + str(headers)], path


# ---- the frame


async def test_every_answer_forbids_frames_scripts_and_copies(place: Place) -> None:
    anna, nobody = await place.somebody("anna"), place.visitor()
    for who, path in ((anna, "/"), (nobody, "/"), (nobody, "/login"), (nobody, "/console.css"), (anna, "/nothing")):
        _, headers, _ = await who.ask("GET", path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert headers["Server"] == "liaison"


async def test_another_hosts_name_leads_nowhere(place: Place) -> None:
    visitor = place.visitor()
    for host in ("evil.example", f"evil.example:{urlsplit(place.url).port}", "127.0.0.1", "127.0.0.1:1"):
        for path in ("/", "/login", "/login/start"):
            status, headers, page = await visitor.ask("GET", path, Host=host)
            assert (status, "Location" in headers, "evil" in page) == (421, False, False), (host, path)
    _, headers, _ = await visitor.ask("GET", "/login/start", X_Forwarded_Host="evil.example", Forwarded="host=evil")
    assert parse_qs(urlsplit(headers["Location"]).query)["redirect_uri"] == [f"{place.url}/login/back"]


async def test_what_is_no_request_of_a_page(place: Place) -> None:
    anna = await place.somebody("anna")
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
        assert (await anna.ask(method, "/"))[0] == 405
    assert (await anna.ask("GET", "/../settings.py"))[0] == 404
    assert (await anna.ask("GET", "/console.css/../console.py"))[0] in (404, 405)
    assert (await anna.ask("HEAD", "/"))[0] == 200
    assert (await anna.post("/logout", {"x": "y" * 20_000}))[0] in (403, 413)
    assert (await anna.ask("GET", "/waiting?after=9999999999999999999999"))[0] == 400
    assert (await anna.ask("GET", "/waiting?after=-1;DROP"))[0] == 400


# ---- out


async def test_a_session_ends_where_its_person_says_so(place: Place) -> None:
    anna, ben = await place.somebody("anna"), await place.somebody("ben")
    thief = anna.copy()
    status, where = await anna.post("/logout")
    assert status == 303
    asked = parse_qs(urlsplit(where).query)
    assert asked["post_logout_redirect_uri"] == [f"{place.url}/login/out"]
    assert jwt.decode(asked["id_token_hint"][0], options={"verify_signature": False})["sub"] == "u1"
    assert (await thief.ask("GET", "/"))[0] == 303, "a copy of the cookie is worth nothing"
    assert (await ben.ask("GET", "/"))[0] == 200
    assert (await place.visitor().ask("GET", "/login/out"))[0] == 200


async def test_a_forged_word_of_the_provider_ends_nobodys_session(place: Place) -> None:
    anna, event = await place.somebody("anna"), "http://schemas.openid.net/event/backchannel-logout"
    whole: dict[str, Any] = {
        "iss": place.provider.local_issuer, "aud": CONSOLE, "iat": int(time.time()), "jti": "1", "sub": "u1",
        "events": {event: {}},
    }  # fmt: skip
    forged = [jwt.encode(whole, SECRET * 3, "HS256"), jwt.encode(whole, "", "none"), "no token", ""]
    for token in forged:
        status, _, _ = await place.visitor().ask("POST", "/login/ended", {"logout_token": token})
        assert status == 400
    assert (await anna.ask("GET", "/"))[0] == 200
