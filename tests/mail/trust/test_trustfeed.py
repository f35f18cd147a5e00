"""The live list: what is accepted, what is kept, how old it may be, and what a peer's certificate may do."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.db import Row as TableRow
from bridge.db import open_database
from bridge.networks.mail.trust import dn
from bridge.networks.mail.trust.decision import WHY, explain
from bridge.networks.mail.trust.kept_list import Shelf
from bridge.networks.mail.trust.noted import NotedLists
from bridge.networks.mail.trust.trustfeed import Trust
from bridge.networks.mail.trust.trustlist import Difference
from bridge.store.store import COMPONENT as CORE
from bridge.trail.entry import COMPONENT as TRAIL
from deploy.world.trust import Authority, Row
from deploy.world.waiting import PATIENCE
from tests.mail.trust.make import ANNA, BEN, EVE, ROWS, Clock, Place, at, authority, certificate, foreign, many


def trust(place: Place, clock: Clock | None = None) -> Trust:
    return Trust(place.settings, clock=clock or Clock(), jitter=lambda: 0.5)


def stale(live: Trust) -> bool:
    return live.stale


def age(place: Place, clock: Clock, hours: float) -> None:
    """The file says that it was written so long ago."""
    os.utime(place.list, (clock.now - hours * 3600,) * 2)


async def test_nothing_is_known_before_the_first_list(tmp_path: Path) -> None:
    live = trust(Place(tmp_path))
    await live.start()
    await live.stop()
    assert (live.list, live.stale, live.trouble) == (None, True, "unreadable")
    assert live.age_s == float("inf")
    assert not live.knows("anna.sante.example")
    verdict = live.judge(certificate(ANNA).der)
    assert (verdict.code, verdict.later) == ("list_missing", True)


async def test_a_list_from_a_file(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(ROWS)
    live = trust(place)
    heard: list[Difference] = []
    live.changed.append(heard.append)
    await live.start()
    await live.stop()
    assert live.trouble is None
    assert not stale(live)
    assert live.allows("ben.sante.example", dn.parse(BEN))
    assert not live.allows("ben.sante.example", dn.parse(ANNA))
    assert [one.pairs_added for one in heard] == [3]


async def test_a_new_list_counts_at_once(tmp_path: Path) -> None:
    place = Place(tmp_path, max_drop=1.0)
    place.publish(ROWS, at(hours=2))
    live = trust(place)
    await live.refresh()
    assert live.judge(certificate(ANNA).der).ok
    place.publish([ROWS[2], Row("eve.sante.example", EVE)], at(hours=1))
    db = await open_database(f"sqlite:///{tmp_path}/hub.db", [CORE, TRAIL])
    NotedLists(live, db, lambda: 5)
    found = await live.refresh()
    assert found is not None
    assert found.domains_removed == {"anna.sante.example"}
    noted: list[TableRow] = []
    while not noted:
        await asyncio.sleep(0)
        noted = await db.all("trail.next", 10)
    assert [(row["kind"], row["subject"], row["details"]) for row in noted] == [
        ("list_changed", "mail", '{"domains":2,"gone":1,"new":1}')
    ]
    await db.close()
    assert found.domains_added == {"eve.sante.example"}
    assert live.judge(certificate(ANNA).der).code == "dn_not_listed"
    assert live.judge(certificate(EVE).der).ok
    assert await live.refresh() is None
    assert live.trouble is None


async def test_a_listener_with_a_bug_stops_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(ROWS)
    live = trust(place)
    heard: list[Difference] = []

    def fails(_: Difference) -> None:
        raise KeyError("bug")

    live.changed += [fails, heard.append]
    assert await live.refresh()
    assert live.knows("anna.sante.example")
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("rows", "hours", "code"),
    [(ROWS, 3, "rollback"), (ROWS, -1, "future"), (many(87), 1, "mass_drop")],
    ids=["rollback", "future", "12 % gone"],
)
async def test_a_well_signed_list_that_is_not_used(tmp_path: Path, rows: list[Row], hours: int, code: str) -> None:
    place = Place(tmp_path)
    place.publish(many(100), at(hours=2))
    live = trust(place)
    await live.refresh()
    before = live.list
    place.publish(rows, at(hours=hours))
    assert await live.refresh() is None
    assert live.trouble == code
    assert live.list is before


async def test_a_list_that_loses_a_little_passes(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(many(100), at(hours=2))
    live = trust(place)
    await live.refresh()
    place.publish(many(91), at(hours=1))
    assert await live.refresh()


async def test_a_held_list_passes_when_a_person_says_so(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(many(100), at(hours=2))
    live = trust(place)
    await live.refresh()
    place.publish(many(50), at(hours=1))
    await live.refresh()
    held = live.held
    assert held is not None
    shelf = Shelf(place.settings.state)
    assert shelf.read("held.xml") == place.list.read_bytes()
    shelf.allow("0" * 64)
    assert await live.refresh() is None
    shelf.allow(held)
    assert await live.refresh()
    assert (live.held, live.trouble, shelf.read("held.xml"), shelf.allowed()) == (None, None, None, "")


async def test_the_held_list_is_forgotten_when_the_usual_one_returns(tmp_path: Path) -> None:
    place = Place(tmp_path)
    usual = place.publish(many(100), at(hours=2))
    live = trust(place)
    await live.refresh()
    place.publish(many(50), at(hours=1))
    await live.refresh()
    place.list.write_bytes(usual)
    await live.refresh()
    assert (live.held, live.trouble, Shelf(place.settings.state).read("held.xml")) == (None, None, None)


async def test_a_revoked_signer(tmp_path: Path) -> None:
    space = Authority(key="ec")
    place = Place(tmp_path, crls=[str(tmp_path / "organisations.crl")])
    (tmp_path / "ca.pem").write_bytes(space.bundle)
    first, second = space.signer(), space.signer()
    place.publish(ROWS, at(hours=2), by=first)
    place.crl.write_bytes(space.crl())
    live = trust(place)
    assert await live.refresh()
    space.revoke(first)
    place.crl.write_bytes(space.crl())
    place.publish(many(9), at(hours=1), by=first)
    assert await live.refresh() is None
    assert live.trouble == "signer_revoked"
    place.publish(many(9), at(hours=1), by=second)
    assert await live.refresh()


async def test_old_then_stale_then_fresh(tmp_path: Path) -> None:
    place, clock = Place(tmp_path), Clock()
    place.publish(ROWS)
    live = trust(place, clock)
    await live.refresh()
    clock.now += 27 * 3600
    assert (live.old, live.stale) == (True, False)
    assert live.judge(certificate(ANNA).der).ok
    clock.now += 46 * 3600
    assert stale(live)
    verdict = live.judge(certificate(ANNA).der)
    assert (verdict.code, verdict.later) == ("list_stale", True)
    age(place, clock, 1)
    assert await live.refresh() is None
    assert not stale(live)
    assert live.judge(certificate(ANNA).der).ok


async def test_a_file_that_nobody_renews_becomes_stale(tmp_path: Path) -> None:
    place, clock = Place(tmp_path), Clock()
    place.publish(ROWS)
    age(place, clock, 100)
    live = trust(place, clock)
    await live.refresh()
    await live.refresh()
    assert live.trouble is None
    assert stale(live)


async def test_the_journal_tells_what_changed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for count, hours in ((10, 3), (12, 2), (13, 1)):
        place.publish(many(count), at(hours=hours))
        await _load_and_refresh(place)
    lines = [json.loads(line) for line in (place.settings.state / "journal.jsonl").read_text().splitlines()]
    assert [(line["rows"], line["pairs_added"]) for line in lines] == [(10, 10), (12, 2), (13, 1)]
    assert "contact" not in json.dumps(lines)


async def _load_and_refresh(place: Place) -> None:
    live = trust(place)
    await live.start()
    await live.refresh()
    await live.stop()


async def test_verdicts(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(ROWS)
    live = trust(place)
    await live.refresh()
    ok = live.judge(certificate(BEN).der)
    assert ok.dn == dn.parse(BEN)
    assert ok.domains == {"anna.sante.example", "ben.sante.example"}
    assert "example" not in repr(ok)
    assert live.judge(b"garbage").code == "certificate_unreadable"
    assert live.judge(b"").code == "certificate_unreadable"
    assert live.judge(certificate(EVE).der).code == "dn_not_listed"
    assert live.judge(authority().expired(ANNA, key="ec").der).code == "certificate_expired"
    early = authority().issue(ANNA, key="ec", valid=(timedelta(days=1), timedelta(days=9)))
    assert live.judge(early.der).code == "certificate_not_yet_valid"
    other = ANNA.replace("OU=1750000001", "OU=1750000002")
    assert live.judge(certificate(other).der).code == "dn_not_listed"


async def test_verdicts_with_crl(tmp_path: Path) -> None:
    space, clock = Authority(key="ec"), Clock()
    place = Place(tmp_path, crls=[str(tmp_path / "organisations.crl")], crl_grace="1h")
    (tmp_path / "ca.pem").write_bytes(space.bundle)
    place.publish(ROWS, by=space.signer())
    anna, ben = space.issue(ANNA, key="ec"), space.issue(BEN, key="ec")
    space.revoke(anna)
    live = trust(place, clock)
    await live.refresh()
    assert live.judge(ben.der).code == "revocation_unknown"
    place.crl.write_bytes(space.crl(lasts=timedelta(hours=2)))
    await live.refresh()
    verdict = live.judge(anna.der)
    assert (verdict.code, verdict.revoked, verdict.later) == ("certificate_revoked", True, False)
    assert live.judge(ben.der).ok
    assert live.judge(foreign().issue(BEN, key="ec").der).code == "revocation_unknown"
    clock.now += 4 * 3600
    assert live.judge(ben.der).code == "revocation_unknown"
    assert live.judge(anna.der).code == "certificate_revoked"


async def test_https_with_a_pinned_authority_and_conditional_get(tmp_path: Path) -> None:
    web_ca = trustme.CA()
    leaf = web_ca.issue_cert("127.0.0.1")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf.configure_cert(tls)
    web_ca.cert_pem.write_to_path(str(tmp_path / "web.pem"))
    place = Place(tmp_path)
    data, asked = place.publish(ROWS), list[dict[str, str]]()

    async def serve(request: web.Request) -> web.Response:
        asked.append(dict(request.headers))
        if request.headers.get("If-None-Match") == '"1"':
            return web.Response(status=304)
        return web.Response(body=data, headers={"ETag": '"1"', "Last-Modified": "Fri, 28 Feb 2025 15:42:07 GMT"})

    app = web.Application()
    app.router.add_get("/list.xml", serve)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=tls)
    url = str(server.make_url("/list.xml"))
    clock = Clock()
    live = trust(Place(tmp_path, url=url, tls_authority=tmp_path / "web.pem"), clock)
    assert await live.refresh()
    clock.now += 80 * 3600
    assert stale(live)
    assert await live.refresh() is None
    assert not stale(live)
    assert "If-None-Match" not in asked[0]
    assert asked[1]["If-Modified-Since"].startswith("Fri, 28 Feb")
    again = trust(Place(tmp_path, url=url, tls_authority=tmp_path / "web.pem"), clock)
    await again.start()
    await again.refresh()
    await again.stop()
    assert again.knows("anna.sante.example")
    assert asked[-1]["If-None-Match"] == '"1"'
    await again.stop()
    wrong = trust(Place(tmp_path, url=url, state=tmp_path / "other"), clock)
    assert await wrong.refresh() is None
    assert wrong.trouble == "unreachable"
    await server.close()


@pytest.mark.parametrize(("status", "code"), [(404, "answered_404"), (302, "answered_302"), (500, "answered_500")])
async def test_other_answers(tmp_path: Path, status: int, code: str) -> None:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/elsewhere"}, body=b"no")

    app = web.Application()
    app.router.add_get("/", serve)
    async with TestServer(app) as server:
        live = trust(Place(tmp_path, url=str(server.make_url("/"))))
        await live.refresh()
    assert live.trouble == code


async def test_it_goes_on_refreshing(tmp_path: Path) -> None:
    place = Place(tmp_path, refresh=0.02, max_drop=1.0)
    place.publish(ROWS, at(hours=3))
    live = trust(place)
    await live.start()
    came = asyncio.Event()
    live.changed.append(lambda _: came.set())
    place.list.write_bytes(b"garbage")
    await asyncio.sleep(0.1)
    assert live.knows("anna.sante.example")
    place.publish([Row("eve.sante.example", EVE)], at(hours=1))
    async with asyncio.timeout(PATIENCE):
        await came.wait()
    await live.stop()
    await live.stop()
    assert live.knows("eve.sante.example")


async def test_questions_are_answered_while_a_list_is_verified(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(many(10), at(hours=2))
    live = trust(place)
    await live.refresh()
    place.publish(many(3000), at(hours=1))
    answers = 0
    renewing = asyncio.create_task(live.refresh())
    while not renewing.done():
        assert live.judge(certificate(ANNA).der).ok
        answers += 1
        await asyncio.sleep(0)
    assert (await renewing) is not None
    assert answers > 10


def test_an_authority_file_without_certificates(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "ca.pem").write_bytes(b"nothing")
    with pytest.raises(ValueError):
        trust(place)


def test_every_reason_is_said_in_both_languages() -> None:
    assert all(french and english and french != english for french, english in WHY.values())
    assert explain("answered_404") == ("Refusé (answered_404).", "Refused (answered_404).")
