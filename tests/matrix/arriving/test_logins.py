"""What the homeserver's login module asks of the hub, without a homeserver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from appservice.arriving.logins import Logins
from appservice.client.names import Names
from bridge.errors import Refused
from bridge.hub.hub import now_ms
from bridge.hub.links import LOGIN
from bridge.model import MATRIX, Address, Standing
from bridge.people.directories.flatfile import FlatFile
from bridge.people.revocations import Why
from tests.core.make import PEOPLE, World, running
from tests.core.make import person as entry

NAMES = Names("rpps_", "hub.example")
CLEO, GONE = "10000000003", "10000000008"
TOKEN = {"Authorization": "Bearer secret"}


async def asked(client: AiohttpClient, w: World, token: str | None = "secret") -> TestClient[Any, Any]:
    """A client of the routes."""
    app = web.Application()
    Logins(token, w.db, w.hub.following._people, w.hub.following, NAMES, now_ms).routes(app)
    return await client(app)


async def trail(w: World) -> list[tuple[str, str | None, str | None, str | None]]:
    """What is noted of logins and links: kind, subject, object, result."""
    rows = await w.db.all("trail.next", 100)
    return [(r["kind"], r["subject"], r["object"], r["result"]) for r in rows if r["kind"] in ("login", "link_made")]


async def tell(client: TestClient[Any, Any], accounts: dict[str, str], **more: bool) -> dict[str, str]:
    """The states of accounts, as the homeserver asks."""
    got = await client.post("/_liaison/login/v1/accounts", json={"accounts": accounts} | more, headers=TOKEN)
    return {user: one["state"] for user, one in (await got.json())["accounts"].items()}


async def test_numbers_and_accounts(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    directory = FlatFile([*PEOPLE, replace(entry(GONE, "Gil Noir"), active=False)])
    async with running(f"sqlite:///{tmp_path}/hub.db", directory=directory) as w:
        client = await asked(aiohttp_client, w)
        for rpps, state in ((CLEO, "active"), (GONE, "struck_off"), ("10000000099", "unknown"), ("1", "unknown")):
            got = await client.get(f"/_liaison/login/v1/professionals/{rpps}", headers=TOKEN)
            assert (await got.json())["state"] == state
        got = await client.get(f"/_liaison/login/v1/professionals/{CLEO}", headers=TOKEN)
        assert (await got.json())["shown"] == "Cléo Petit — Médecin (Lyon)"
        account = NAMES.account(CLEO)
        lies = {NAMES.account("10000000001"): CLEO, "@ps_x:hub.example": "x", f"@ps_8{CLEO}:evil.example": CLEO}
        assert await tell(client, {account: CLEO} | lies) == {account: "active"} | dict.fromkeys(lies, "unknown")
        [link] = [one for one in await w.hub.links.of(f"rpps:{CLEO}") if one.address.network == MATRIX]
        assert (link.address.id, link.proof, link.standing) == (account, LOGIN, Standing.ACTIVE)
        assert (await w.hub.facts.identify(Address(MATRIX, account), "sender")).id == f"rpps:{CLEO}"


async def test_what_the_operator_takes_back_no_login_gives_again(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as w:
        client, account = await asked(aiohttp_client, w), Address(MATRIX, NAMES.account(CLEO))
        await tell(client, {account.id: CLEO})
        kept = ("link_made", f"rpps:{CLEO}", str(account), None)
        assert await trail(w) == [kept]
        await w.hub.links.revoke(account, "operator lea")
        assert await tell(client, {account.id: CLEO}) == {account.id: "revoked"}
        with pytest.raises(Refused, match="account_revoked"):
            await w.hub.facts.identify(account, "sender")


async def test_what_a_closure_takes_back_a_login_gives_again(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as w:
        client, account = await asked(aiohttp_client, w), Address(MATRIX, NAMES.account(CLEO))
        await tell(client, {account.id: CLEO})
        await w.hub.links.take_back(account, f"rpps:{CLEO}", "", Why.INACTIVE)
        assert await tell(client, {account.id: CLEO}) == {account.id: "active"}
        with pytest.raises(Refused, match="account_revoked"):
            await w.hub.facts.identify(account, "sender")
        await tell(client, {account.id: CLEO}, login=True)
        assert (await w.hub.facts.identify(account, "sender")).id == f"rpps:{CLEO}"


async def test_nobody_is_written_to_in_an_account_that_has_ended(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as w:
        client, account = await asked(aiohttp_client, w), NAMES.account(CLEO)
        await tell(client, {account: CLEO})
        for user in (account, "@ps_x:hub.example"):
            got = await client.post("/_liaison/login/v1/ended", json={"account": user}, headers=TOKEN)
            assert got.status == 200
        member = await w.hub.following._people.find(f"rpps:{CLEO}", "siilo", "to")
        assert str(member.address) == "pandalab:cleo"
        assert await tell(client, {account: CLEO}) == {account: "active"}
        assert await w.hub.facts.who(Address(MATRIX, account)) is None
        assert (await client.post("/_liaison/login/v1/ended", json={"account": 1}, headers=TOKEN)).status == 400
        assert (await client.post("/_liaison/login/v1/ended", json={})).status == 403


async def test_a_conversation_is_offered_to_the_new_account(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """Messages of products go to it from then on."""
    async with running(f"sqlite:///{tmp_path}/hub.db") as w:
        client, account = await asked(aiohttp_client, w), NAMES.account(CLEO)
        await tell(client, {account: CLEO})
        member = await w.hub.following._people.find(f"rpps:{CLEO}", "siilo", "to")
        assert member.address == Address(MATRIX, account)
        again = w.hub.following._people.accounts.changes
        await tell(client, {account: CLEO})
        assert w.hub.following._people.accounts.changes == again, "nothing is done twice"


async def test_logins_and_refusals_are_in_the_trail(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as w:
        client, account = await asked(aiohttp_client, w), NAMES.account(CLEO)
        opened = {"accounts": {account: CLEO, "@ps_x:hub.example": "x"}, "login": True}
        assert (await client.post("/_liaison/login/v1/accounts", json=opened, headers=TOKEN)).status == 200
        for body in ({"code": "weak_acr", "rpps": None}, {"code": "struck_off", "rpps": GONE}):
            assert (await client.post("/_liaison/login/v1/refused", json=body, headers=TOKEN)).status == 200
        wrong: list[Any] = [{}, {"code": "Dr Martin"}, {"code": 1}, {"code": "x", "rpps": 1}]
        for body in wrong:
            assert (await client.post("/_liaison/login/v1/refused", json=body, headers=TOKEN)).status == 400
        assert (await trail(w))[1:] == [
            ("login", f"rpps:{CLEO}", f"matrix:{account}", "opened"), ("login", None, None, "weak_acr"),
            ("login", f"rpps:{GONE}", None, "struck_off"),
        ]  # fmt: skip


async def test_an_account_outlives_a_restart(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    account = NAMES.account(CLEO)
    async with running(f"sqlite:///{tmp_path}/hub.db") as w:
        await tell(await asked(aiohttp_client, w), {account: CLEO})
    async with running(f"sqlite:///{tmp_path}/hub.db") as w:
        assert (await w.hub.facts.identify(Address(MATRIX, account), "sender")).id == f"rpps:{CLEO}"
        assert await w.hub.claims.all_rivals() == {}, "an account of one's own is no rival of a product's"


async def test_strangers_and_nonsense_learn_nothing(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as w:
        client = await asked(aiohttp_client, w)
        for headers in ({}, {"Authorization": "Bearer secre"}, {"Authorization": "Basic secret"}):
            assert (await client.get(f"/_liaison/login/v1/professionals/{CLEO}", headers=headers)).status == 403
            assert (await client.post("/_liaison/login/v1/accounts", json={}, headers=headers)).status == 403
        many = {"accounts": {str(n): CLEO for n in range(501)}}
        wrong: list[Any] = [{}, [], {"accounts": []}, {"accounts": {"a": 1}}, many]
        for body in wrong:
            got = await client.post("/_liaison/login/v1/accounts", json=body, headers=TOKEN)
            assert got.status == 400
        closed = await asked(aiohttp_client, w, None)
        assert (await closed.get(f"/_liaison/login/v1/professionals/{CLEO}", headers=TOKEN)).status == 404
