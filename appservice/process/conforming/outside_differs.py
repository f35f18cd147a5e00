"""Pure: what a stranger's calls say of a homeserver, judged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from appservice.finding.answers import MARK
from appservice.process.conforming import public_files
from appservice.process.conforming.calls import Outside, OutsideAnswer, calls
from appservice.process.conforming.choices import Site
from appservice.process.conforming.deviation import Deviation, differs

LEAST = "1.133"  # custom profile fields (homeserver_config/README.md)
_SOON = 14  # days
Found = Iterator[Deviation]


def judge(site: Site, seen: Outside) -> Found:
    """Every finding; when nobody answers, that alone."""
    urls = {name: url for name, (_, url) in calls(site).items()}
    host, domain = site.host, site.domain
    if seen.certificate_error:
        yield differs("outside.certificate", host=host, domain=domain, error=seen.certificate_error)
        return
    versions = seen.answers["versions"]
    if not versions.status:
        yield differs("outside.away", url=urls["versions"], error=versions.error)
        return
    if seen.days < _SOON:
        yield differs("outside.certificate_ends", host=host, days=int(seen.days))
    if seen.old_tls:
        yield differs("outside.old_tls", host=host)
    if versions.status != 200 or "versions" not in _object(versions):
        yield differs("outside.no_homeserver", url=urls["versions"], status=versions.status)
    yield from _federation(site, seen, urls)
    yield from _open(seen, urls)
    yield from _sign_on(site, seen)
    yield from _hub(seen, urls)
    yield from _public(site, seen, urls)


def points(site: Site) -> int:
    """How many things are looked at."""
    return len(calls(site)) + 3


def _object(answer: OutsideAnswer) -> dict[str, Any]:
    return answer.body if isinstance(answer.body, dict) else {}


def _federation(site: Site, seen: Outside, urls: dict[str, str]) -> Found:
    version = seen.answers["federation"]
    if version.status != 200:
        yield differs("outside.no_federation", url=urls["federation"], status=version.status)
    server = _object(version).get("server")
    said = server if isinstance(server, dict) and server.get("name") == "Synapse" else {}
    named = re.match(r"(\d+)\.(\d+)", str(said.get("version")))
    if named and [int(part) for part in named.groups()] < [int(part) for part in LEAST.split(".")]:
        yield differs("outside.old_version", version=named[0], least=LEAST)
    name = _object(seen.answers["key"]).get("server_name")
    if name is not None and name != site.domain:
        yield differs("outside.other_server", url=urls["key"], name=name, domain=site.domain)


def _open(seen: Outside, urls: dict[str, str]) -> Found:
    """What should be closed to a stranger."""
    asked = seen.answers
    if asked["profile"].status not in (0, 401, 403):
        yield differs("outside.profile")
    if asked["registration"].status in (200, 401):
        yield differs("outside.registration")
    if asked["guest"].status == 200:
        yield differs("outside.guest")
    if asked["rooms"].status == 200:
        yield differs("outside.rooms")
    if asked["admin"].status == 200 or _object(asked["admin"]).get("errcode") not in (None, "M_UNRECOGNIZED"):
        yield differs("outside.admin", url=urls["admin"])
    if asked["metrics"].status == 200:
        yield differs("outside.metrics", url=urls["metrics"])
    if asked["ready"].status in (200, 503) and ("alarms" in _object(asked["ready"])):
        yield differs("outside.hub", url=urls["ready"])


def _sign_on(site: Site, seen: Outside) -> Found:
    flows = {flow.get("type") for flow in _object(seen.answers["login"]).get("flows") or [] if isinstance(flow, dict)}
    if site.sso_client and flows:
        if "m.login.password" in flows:
            yield differs("outside.passwords")
        if "m.login.sso" not in flows:
            yield differs("outside.no_sign_on")


def _hub(seen: Outside, urls: dict[str, str]) -> Found:
    search, connect = seen.answers["search"], seen.answers["connect"]
    if search.status and MARK.lower() not in {name.lower() for name in search.headers}:
        yield differs("outside.search")
    if connect.status != 200 or "openapi" not in _object(connect):
        yield differs("outside.connect", url=urls["connect"], status=connect.status)


def _public(site: Site, seen: Outside, urls: dict[str, str]) -> Found:
    wanted = {"client": public_files.client(site), "server": public_files.server(site)}
    if site.contact:
        wanted["support"] = public_files.support(site)
    for name, right in wanted.items():
        answer = seen.answers[name]
        if answer.status != 200 or any(_object(answer).get(key) != value for key, value in right.items()):
            yield differs("outside.well_known", url=urls[name], domain=site.domain)
        elif name == "client" and {k.lower(): v for k, v in answer.headers.items()}.get(_CORS) != "*":
            yield differs("outside.cors", url=urls[name])
    if site.element:
        answer = seen.answers["element"]
        right = public_files.element(site)["default_server_config"]
        if answer.status != 200 or _object(answer).get("default_server_config") != right:
            yield differs("outside.element", url=urls["element"])


_CORS = "access-control-allow-origin"
