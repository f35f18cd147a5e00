"""What a stranger sees, judged: each answer that should not be is found, and a conforming homeserver gives none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appservice.process.conforming import public_files
from appservice.process.conforming.calls import Outside, OutsideAnswer, calls, look
from appservice.process.conforming.choices import Site, site
from appservice.process.conforming.deviation import Deviation, lines
from appservice.process.conforming.outside_differs import judge
from deploy.world.ports import free_port

SSO = {"sso_issuer": "https://psc.example/", "sso_client": "chu"}
SITE = site({"domain": "chu.example", "contact": "it@chu.example", "element": "chat.chu.example", **SSO})
OLD = {"server": {"name": "Synapse", "version": "1.99.0"}}
PASSWORD = {"type": "m.login.password"}
OPEN = {"Access-Control-Allow-Origin": "*"}
ANSWERS = {
    "versions": OutsideAnswer(200, {"versions": ["v1.15"]}),
    "profile": OutsideAnswer(401, {"errcode": "M_MISSING_TOKEN"}),
    "registration": OutsideAnswer(403, {"errcode": "M_FORBIDDEN"}),
    "guest": OutsideAnswer(403, {"errcode": "M_GUEST_ACCESS_FORBIDDEN"}),
    "rooms": OutsideAnswer(401, {"errcode": "M_MISSING_TOKEN"}),
    "login": OutsideAnswer(200, {"flows": [{"type": "m.login.sso"}, {"type": "m.login.token"}]}),
    "federation": OutsideAnswer(200, {"server": {"name": "Synapse", "version": "1.163.2"}}),
    "key": OutsideAnswer(200, {"server_name": "chu.example"}),
    "admin": OutsideAnswer(404),
    "metrics": OutsideAnswer(404),
    "ready": OutsideAnswer(404),
    "search": OutsideAnswer(200, {}, {"Liaison-Finding": "1"}),
    "connect": OutsideAnswer(200, {"openapi": "3.1.0"}),
    "client": OutsideAnswer(200, public_files.client(SITE), OPEN),
    "server": OutsideAnswer(200, public_files.server(SITE), OPEN),
    "support": OutsideAnswer(200, public_files.support(SITE), OPEN),
    "element": OutsideAnswer(200, public_files.element(SITE)),
}


def judged(one: Site = SITE, **change: Any) -> list[Deviation]:
    outside = {name: change.pop(name) for name in ("certificate_error", "days", "old_tls") if name in change}
    return list(judge(one, Outside({**ANSWERS, **change}, **outside)))


def test_what_conforms_has_no_finding() -> None:
    assert set(calls(SITE)) == set(ANSWERS)
    assert judged() == []
    assert judged(site({"domain": "chu.example"})) == []  # whoever has no Element of its own is not asked for it


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"certificate_error": "certificate has expired"}, "outside.certificate"),
        ({"versions": OutsideAnswer(error="ClientConnectorDNSError")}, "outside.away"),
        ({"days": 3.5}, "outside.certificate_ends"),
        ({"old_tls": True}, "outside.old_tls"),
        ({"versions": OutsideAnswer(502)}, "outside.no_homeserver"),
        ({"versions": OutsideAnswer(200, ["no", "object"])}, "outside.no_homeserver"),
        ({"federation": OutsideAnswer(404)}, "outside.no_federation"),
        ({"federation": OutsideAnswer(200, OLD)}, "outside.old_version"),
        ({"key": OutsideAnswer(200, {"server_name": "b.example"})}, "outside.other_server"),
        ({"profile": OutsideAnswer(200, {"displayname": "Anna"})}, "outside.profile"),
        ({"profile": OutsideAnswer(404, {"errcode": "M_NOT_FOUND"})}, "outside.profile"),
        ({"registration": OutsideAnswer(401, {"flows": []})}, "outside.registration"),
        ({"guest": OutsideAnswer(200, {"user_id": "@1:chu.example"})}, "outside.guest"),
        ({"rooms": OutsideAnswer(200, {"chunk": []})}, "outside.rooms"),
        ({"admin": OutsideAnswer(401, {"errcode": "M_MISSING_TOKEN"})}, "outside.admin"),
        ({"admin": OutsideAnswer(200, {"server_version": "1"})}, "outside.admin"),
        ({"metrics": OutsideAnswer(200)}, "outside.metrics"),
        ({"ready": OutsideAnswer(503, {"alarms": 2})}, "outside.hub"),
        ({"login": OutsideAnswer(200, {"flows": [{"type": "m.login.sso"}, PASSWORD]})}, "outside.passwords"),
        ({"login": OutsideAnswer(200, {"flows": [{"type": "m.login.application_service"}]})}, "outside.no_sign_on"),
        ({"search": OutsideAnswer(200, {})}, "outside.search"),
        ({"connect": OutsideAnswer(502)}, "outside.connect"),
        ({"client": OutsideAnswer(404)}, "outside.well_known"),
        ({"client": OutsideAnswer(200, {"m.homeserver": {"base_url": "https://x/"}}, OPEN)}, "outside.well_known"),
        ({"client": OutsideAnswer(200, public_files.client(SITE))}, "outside.cors"),
        ({"server": OutsideAnswer(200, {"m.server": "x:443"})}, "outside.well_known"),
        ({"support": OutsideAnswer(error="ClientConnectorError")}, "outside.well_known"),
        ({"element": OutsideAnswer(200, {"default_server_config": {}})}, "outside.element"),
    ],
)  # fmt: skip
def test_what_a_stranger_should_not_see_is_found(change: dict[str, Any], reason: str) -> None:
    seen = judged(**change)
    assert [one.reason for one in seen] == [reason]
    for language in ("fr", "en"):
        assert len([*lines(seen, language, 1)]) == 4


def test_a_site_with_passwords_may_offer_them() -> None:
    flows = OutsideAnswer(200, {"flows": [PASSWORD]})
    assert judged(site({"domain": "chu.example"}), login=flows) == []


def test_a_domain_with_a_path_of_its_own_is_asked_where_servers_ask() -> None:
    asked = calls(SITE)
    assert asked["server"] == ("GET", "https://chu.example/.well-known/matrix/server")
    assert asked["versions"] == ("GET", "https://matrix.chu.example/_matrix/client/versions")
    assert asked["element"] == ("GET", "https://chat.chu.example/config.json")


async def test_where_nobody_listens_it_says_so() -> None:
    here = f"127.0.0.1:{free_port()}"
    seen = await look(replace(SITE, element=""), here)
    assert {answer.status for answer in seen.answers.values()} == {0}
    [one] = judge(SITE, seen)
    assert (one.reason, one.seen["error"]) == ("outside.away", "ClientConnectorError")
