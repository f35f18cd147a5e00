"""The console of a whole hub, by hand: who gets in, what each page shows, and what comes of each act."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from pathlib import Path

import pytest

from appservice.console.pages.products import _moment
from appservice.process.checking.console import findings
from appservice.process.command import main
from bridge.config import read_config
from bridge.model import Address
from bridge.words import say as say_code
from deploy.world.waiting import until, wait_for
from tests.console.make import EVIL, PAGES, Place, text_of
from tests.matrix.operating.test_sight import say
from tests.matrix.operating.test_why import CLEO, DAN

pytestmark = [pytest.mark.real_time, pytest.mark.asyncio(loop_scope="module")]


async def test_somebody_logs_in_and_sees_every_page(place: Place) -> None:
    visitor = place.visitor()
    status, headers, _ = await visitor.ask("GET", "/waiting?network=siilo")
    assert (status, headers["Location"]) == (303, "/login?to=/waiting%3Fnetwork%3Dsiilo")
    assert "/login/start?to=/waiting%3Fnetwork%3Dsiilo" in await visitor.page(headers["Location"])
    assert await visitor.log_in("anna", "/waiting?network=siilo") == (303, "/waiting?network=siilo")
    for path in PAGES:
        page = await visitor.page(path)
        assert "<script" not in page
        assert EVIL not in page
    assert place.message in await visitor.page("/waiting?network=siilo")
    status, headers, _ = await visitor.ask("GET", "/login")
    assert (status, headers["Location"]) == (303, "/"), "already in"


async def test_a_message_is_found_by_any_of_its_names(place: Place) -> None:
    anna = await place.somebody("anna")
    for name in ("p1", place.message):
        status, headers, _ = await anna.ask("GET", f"/messages?id={name}")
        assert (status, headers["Location"]) == (303, f"/message/{place.message}")
    page = await anna.page(f"/message/{place.message}")
    conversation = re.search(r'href="(/conversation/[^"]+)"', page)
    assert conversation
    assert "p1" in page
    assert f"rpps:{DAN}" in page
    page = await anna.page(conversation[1])
    assert place.message in page
    assert "siilo:dan" in page
    assert "Nothing that the hub has is called so." in await anna.page("/messages?id=unheard-of")
    assert (await anna.ask("GET", "/message/unheard-of"))[0] == 400
    assert (await anna.ask("GET", f"/conversation/{place.message}"))[0] == 400


async def test_what_waits_is_tried_again_and_given_up(place: Place) -> None:
    anna, message = await place.somebody("anna"), await say(place.parts, "p2")
    counts = place.parts.core.courier.counts
    await until(lambda: counts.handed["siilo", "later"])
    found = (await place.act("queue", network="siilo", conversation=None, limit=10))["waiting"]
    delivery = next(one["id"] for one in found if one["message"] == message)
    shown = text_of(await anna.page(f"/delivery/{delivery}"))
    assert say_code("dropped_by_operator")[1] in shown
    status, where = await anna.post(f"/delivery/{delivery}/retry")
    assert (status, where) == (303, f"/message/{message}?done=retried")
    assert "Tried again now." in await anna.page(where)
    status, where = await anna.post("/network/retry", {"network": "siilo"})
    assert (status, where) == (303, "/waiting?network=siilo&done=retried")
    assert (await anna.post("/network/retry", {"network": "nobody"}))[0] == 400
    assert (await anna.post(f"/delivery/{delivery}/drop"))[0] == 400, "it has to be meant"
    status, where = await anna.post(f"/delivery/{delivery}/drop", {"sure": "yes"})
    assert (status, where) == (303, f"/message/{message}?done=dropped")
    assert "dropped_by_operator" in await anna.page(where)
    assert (await anna.post(f"/delivery/{delivery}/drop", {"sure": "yes"}))[0] == 400
    rows = [(r["object"], r["result"]) for r in await place.trail() if r["actor"] == "operator anna"]
    assert ("queue-retry", "asked") in rows
    assert ("queue-retry", "unknown_network") in rows
    assert ("queue-drop", "asked") in rows
    assert ("queue-drop", "no_such_delivery") in rows
    assert ("siilo", "dropped_by_operator") in rows


async def test_a_long_queue_is_turned_over_by_its_key(place: Place) -> None:
    anna, messages = await place.somebody("anna"), {await say(place.parts, f"long{n}") for n in range(60)}
    seen, path, turns = set[str](), "/waiting?network=siilo", 0
    while path:
        page = await anna.page(path)
        seen |= set(re.findall(r'<td[^>]*><a href="/message/([^"]+)"', page))
        more = re.search(r'class="button" href="(/waiting[^"]+)"', page)
        path, turns = more[1].replace("&amp;", "&") if more else "", turns + 1
    assert messages <= seen
    assert turns == 2
    assert "There is more: choose a network." in await anna.page("/waiting")


async def test_links_are_revoked_and_restored_and_claims_decided(place: Place) -> None:
    anna = await place.somebody("anna")
    status, where = await anna.post("/links/revoke", {"address": "siilo:dan"})
    assert (status, where) == (303, f"/people?who={DAN}&done=changed")
    assert "revoked" in await anna.page(where)
    assert (await anna.post("/links/restore", {"address": "siilo:dan"}))[0] == 303
    assert "/links/revoke" in await anna.page(f"/people?who={DAN}")
    assert (await anna.post("/links/revoke", {"address": "nonsense"}))[0] == 400
    cleo = await place.parts.core.people.get(f"rpps:{CLEO}")
    await place.parts.hub.claims.declare(Address("siilo", "cleo"), cleo)
    assert "siilo:cleo" in await anna.page("/claims")
    assert "Identities to decide: 1" in text_of(await anna.page("/"))
    form = {"product": "siilo", "rpps": CLEO, "decision": "accept"}
    assert await anna.post("/claims", form) == (303, "/claims?done=decided")
    assert "siilo:cleo" not in await anna.page("/claims")
    assert "operator anna" in await anna.page("/claims?state=active")
    for decision in ("accept", "drop"):
        form = {"product": "siilo", "rpps": DAN, "decision": decision}
        assert (await anna.post("/claims", form))[0] == 400, "there is no such claim, or decision"
    assert (await anna.post("/claims", {"product": "siilo"}))[0] == 400
    assert (await anna.post("/identity/accept", {"user": "@ben:a.example", "key": "k", "sure": "yes"}))[0] in (400, 503)
    page = await anna.page(f"/people?who=pandalab:cleo&to=rpps:{DAN}")
    assert "May write: yes" in text_of(page)


async def test_a_token_and_a_secret_are_made_anew_and_shown_once(place: Place) -> None:
    anna, path = await place.somebody("anna"), "/product/pandalab"
    made = list[str]()
    for what, choice, says in (
        ("token", "used", "until this one is used for the first time"), ("token", "now", "are good until"),
        ("secret", "day", "sign until"),
    ):  # fmt: skip
        known = re.findall(r'name="known" value="([^"]*)"', await anna.page(path))[what == "secret"]
        form = {"known": known, "overlap": choice, "sure": "yes"}
        assert (await anna.post(f"{path}/{what}", form | {"overlap": "for ever"}))[0] == 400
        assert (await anna.post(f"{path}/{what}", {"known": known, "overlap": choice}))[0] == 400, "it has to be meant"
        status, page = await anna.post(f"{path}/{what}", form)
        assert (status, says in text_of(page)) == (200, True), page
        found = re.search(r"<textarea[^>]*readonly[^>]*>((?:liaison_|whsec_)[^<]+)</textarea>", page)
        assert found, page
        made.append(unescape(found[1]))
        status, page = await anna.post(f"{path}/{what}", form)
        assert (status, "keys_changed" in page, made[-1] in page) == (400, True, False), "sent once more"
    assert "not used yet" not in await anna.page(path), "the first token was never used, and is good no more"
    assert (await anna.post("/product/nobody/token", {"known": "", "overlap": "now", "sure": "yes"}))[0] == 400
    rows = [row for row in await place.trail() if row["actor"] == "operator anna"]
    assert [(r["object"], r["details"]["what"]) for r in rows if r["kind"] == "credential"] == [
        ("pandalab", "token"), ("pandalab", "token"), ("pandalab", "secret"),
    ]  # fmt: skip
    said = [(r["object"], r["result"]) for r in rows if str(r["object"]).startswith("product-")]
    assert said.count(("product-token", "asked")) == 5
    assert said.count(("product-token", "keys_changed")) == 2
    everywhere = str(rows) + "".join([await anna.page(one) for one in PAGES])
    assert not [one for one in made if one in everywhere or one.partition("_")[2] in everywhere]
    on_disk = b"".join(one.read_bytes() for one in Path(place.path).parent.glob("hub.db*"))
    assert not [one for one in made if one.encode() in on_disk]


async def test_events_are_counted_and_sent_again(place: Place) -> None:
    anna, message, path = await place.somebody("anna"), await say(place.parts, "again1"), "/product/pandalab"

    async def taken() -> list[str]:
        return [one["webhook_id"] for one in place.pandalab.state.events()["events"]]

    found = (await place.act("queue", network="siilo", conversation=None, limit=1000))["waiting"]
    delivery = [one["id"] for one in found if one["message"] == message]
    for one in delivery:
        await anna.post(f"/delivery/{one}/drop", {"sure": "yes"})
    ids = await wait_for(taken, "its product hears that the message was given up")
    page = await anna.page(f"{path}?event={ids[0]}")
    span = {"sure": "yes"} | dict(re.findall(r'name="(after|upto)" value="([0-9]+)"', page.partition('class="act"')[2]))
    assert int(span["upto"]) == int(span["after"]) + 1
    assert f"Events that would go again: 1. From no. {span['upto']} to no. {span['upto']}" in text_of(page)
    for form in ({"after": "0", "upto": "1"}, span | {"after": "-1"}, span | {"upto": "9" * 20}):
        assert (await anna.post(f"{path}/again", form))[0] == 400
    status, where = await anna.post(f"{path}/again", span)
    assert (status, where) == (303, f"{path}?done=again")
    assert "The events go again" in await anna.page(where)

    async def twice() -> bool:
        return (await taken()).count(ids[0]) == 2

    await wait_for(twice, "the product has it once more")
    assert "There is nothing to send again." in await anna.page(f"{path}?since=2100-01-01T00:00")
    assert "Events that would go again" in await anna.page(f"{path}?since=2020-01-01T00:00:00")
    assert _moment("2026-11-30T10:00+02:00") == _moment("2026-11-30T08:00") == 1_796_025_600_000
    assert "events_kept_days" in await anna.page("/product/siilo")
    for query, code in (
        ("since=2020-01-01T00:00&after=1", "console_one_start"), ("since=yesterday", "console_no_number"),
        ("after=-1;", "console_no_number"), ("event=unheard-of", "unknown_event"),
    ):  # fmt: skip
        status, _, page = await anna.ask("GET", f"{path}?{query}")
        assert (status, code in page) == (400, True), query
    rows = [row for row in await place.trail() if row["result"] == "sent_again"]
    assert [(r["actor"], r["subject"], r["details"]["events"]) for r in rows] == [("operator anna", "pandalab", 1)]


async def test_the_command_does_the_same(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    async def liaison(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = await asyncio.to_thread(main, ["product", "-c", place.path, *arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    status, shown = await liaison()
    assert (status, "siilo.example" in shown, "webhooks: 127.0.0.1 answers" in shown) == (0, False, True)
    status, token = await liaison("token", "siilo", "--by", "operator ann")
    assert (status, token.startswith("liaison_")) == (0, True)
    assert (await liaison("token", "siilo", "--overlap", "0", "--by", "operator ann"))[0] == 0
    status, secret = await liaison("secret", "siilo", "--overlap", "2h")
    assert (status, secret.startswith("whsec_")) == (0, True)
    assert (await liaison("secret", "siilo", "--overlap", "soon"))[0] == 2
    assert (await liaison("secret", "nobody"))[0] == 1
    status, shown = await liaison("list")
    assert "not used yet" not in shown, "it was never used, and the next one has come"
    assert token.split()[0] not in shown
    status, counted = await liaison("again", "pandalab", "--since", "2020-01-01T00:00")
    assert (status, "events go again (after 0, up to" in counted) == (0, True)
    assert "events go again (after 0, up to" in (await liaison("again", "pandalab", "--after", "0"))[1]
    assert (await liaison("again", "siilo", "--after", "0"))[0] == 1
    assert (await liaison("again", "pandalab", "--since", "yesterday"))[0] == 2
    status, done = await liaison("again", "pandalab", "--after", "0", "--yes", "--by", "operator ann")
    assert status == 0
    rows = [row for row in await place.trail() if row["actor"] == "operator ann"]
    assert [(row["kind"], row["object"] or row["subject"]) for row in rows if row["kind"] == "credential"] == [
        ("credential", "siilo"), ("credential", "siilo"),
    ]  # fmt: skip
    assert len([row for row in rows if row["result"] == "sent_again"]) == int("are on their way" in done)


async def test_the_trail_is_searched(place: Place) -> None:
    anna = await place.somebody("anna")
    await place.parts.chainer.catch_up()
    page = await anna.page("/audit?kind=login")
    assert "operator anna" in page
    assert "<code>message</code></td>" not in page
    assert place.message in await anna.page(f"/audit?about={place.message}")
    assert "link_revoked" in await anna.page("/audit?about=siilo:dan"), "by an address, of which the trail has a hash"
    assert "Nothing in the trail." in await anna.page("/audit?day=2020-01-01")
    assert (await anna.ask("GET", "/audit?day=tomorrow"))[0] == 400


async def test_each_reads_in_their_language(place: Place) -> None:
    anna = await place.somebody("anna")
    anna.language = "fr-FR,en;q=0.5"
    assert 'lang="fr"' in await anna.page("/")
    anna.language = "de"
    assert 'lang="fr"' in await anna.page("/")
    status, headers, _ = await anna.ask("GET", "/language?is=en&to=/trust")
    assert (status, headers["Location"]) == (303, "/trust")
    assert 'lang="en"' in await anna.page("/trust")


async def test_the_provider_ends_the_session(place: Place) -> None:
    """Back-channel logout, by the provider itself: its own page, in the same browser."""
    anna = await place.somebody("anna")
    root = f"{place.provider.local_issuer}/protocol/openid-connect/logout"
    _, _, page = await anna.ask("GET", root)
    action, secret = (re.search(f'{name}="([^"]+)"', page) for name in ("action", 'name="xsrf" value'))
    assert action, page
    assert secret, page
    await anna.ask("POST", action[1], {"xsrf": secret[1], "logout": "yes"})

    async def out() -> bool:
        return (await anna.ask("GET", "/"))[0] == 303

    await wait_for(out, "the end of the session")
    assert [row["result"] for row in await place.trail() if row["kind"] == "login"][-1] == "ended_there"


async def test_the_check_looks_at_section_and_provider(place: Place) -> None:
    section = read_config(Path(place.path)).console
    assert section is not None
    assert await findings(None) == []
    said = [one.what for one in await findings(section)]
    assert f"console: the provider {place.provider.local_issuer} answers" in said
    for change, what in (
        ({"issuer": place.provider.local_issuer + "/"}, "console.issuer: no discovery document of"),
        ({"ca_file": "/nowhere"}, "console.ca_file: No such file"),
        ({"acts": []}, "console: acts: there is no such option"),
    ):
        found = [one.what for one in await findings(section | change) if not one.ok]
        assert any(one.startswith(what) for one in found), found
