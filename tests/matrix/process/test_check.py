"""How ``liaison check`` asks the homeserver to reach us; what it finds is in test_mistakes and stories."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from appservice.client.homeserver import Homeserver
from appservice.process.checking import pushes, whose
from appservice.process.checking.findings import Finding, lines
from appservice.process.checking.homeserver import check
from appservice.process.checking.probe import Probe
from appservice.process.settings import MatrixSettings
from bridge.config import MatrixListenSettings
from bridge.db.looking import Looked
from deploy.world.certificates import Authority
from deploy.world.ports import free_port
from deploy.world.stub.homeserver import StubHomeserver

GHOST = "@rpps_00000000000:stub.example"


@pytest.fixture
async def stub() -> AsyncIterator[StubHomeserver]:
    async with StubHomeserver(appservice=f"http://127.0.0.1:{free_port()}") as made:
        yield made


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushes, "_AGAIN", 0.01)


def settings(stub: StubHomeserver, address: str | None = None) -> MatrixSettings:
    return MatrixSettings(
        homeserver=stub.url, server_name="stub.example", as_token="as-token", hs_token="hs-token",
        address=address or str(stub.appservice),
    )  # fmt: skip


async def way(stub: StubHomeserver) -> list[Finding]:
    """What is found of the way to us, and nothing else."""
    found = settings(stub)
    listen = MatrixListenSettings(port=pushes.port_of(found.address))
    async with Homeserver(stub.url, "as-token") as homeserver:
        probe = Probe(GHOST, "CHECK", "@mss_x:stub.example")
        await homeserver.call("POST", "/_matrix/client/v3/register", registered("rpps_00000000000"))
        await homeserver.call("PUT", "/_matrix/client/v3/devices/CHECK", {}, user=GHOST)
        asked = pushes.Way(found, homeserver, listen, probe)
        async with pushes.borrow(asked) as borrowed:
            return await pushes.look(asked, borrowed)


def registered(name: str) -> dict[str, object]:
    return {"type": "m.login.application_service", "username": name, "inhibit_login": True}


async def test_a_ping_that_fails_while_the_homeserver_recovers_is_asked_again(stub: StubHomeserver) -> None:
    stub.fault("POST .*/ping", 2, status=502)
    assert (await way(stub))[0].ok


async def test_a_refused_ping_is_not_asked_again(stub: StubHomeserver) -> None:
    stub.fault("POST .*/ping", 1, status=403)
    [finding] = await way(stub)
    assert not finding.ok


async def test_a_hub_that_is_not_reached_is_named(stub: StubHomeserver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushes, "_PATIENCE", 0.05)
    stub.fault("POST .*/ping", 1000, status=502)
    [finding] = await way(stub)
    assert not finding.ok
    assert "firewall" in finding.mend


async def test_only_its_own_events_are_taken_by_the_check() -> None:
    for sender, status in ((GHOST, 200), ("@ben:hub.example", 503)):
        application, borrowed = web.Application(), pushes.Borrowed(GHOST)
        application.router.add_put("/t", borrowed.transaction)
        async with TestClient(TestServer(application)) as client:
            answer = await client.put("/t", json={"events": [{"type": "m.room.create", "sender": sender}]})
        assert answer.status == status


async def test_nothing_of_a_check_is_left_for_the_hub(stub: StubHomeserver) -> None:
    found = await check(settings(stub))
    assert [str(one) for one in found if not one.ok] == []
    await stub.idle()
    assert not any(room.members("join") for room in stub.world.rooms.values())
    assert stub.world.user(GHOST).devices == {}


async def test_a_homeserver_that_sleeps_is_woken(stub: StubHomeserver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synapse after a restart while the hub was away pushes nothing before the next event of any room."""
    monkeypatch.setattr(pushes, "_PATIENCE", 0.1)
    push, awake = stub._put, []

    async def sleeping(number: int, body: dict[str, object]) -> bool:
        awake.extend([1] if body["events"] else [])
        return await push(number, body) if awake else False

    monkeypatch.setattr(stub, "_put", sleeping)
    assert [str(one) for one in await way(stub) if not one.ok] == []


@pytest.mark.parametrize(("address", "port"), [("http://h", 80), ("https://h/x", 443), ("http://h:29300", 29300)])
def test_the_port_of_an_address(address: str, port: int) -> None:
    assert pushes.port_of(address) == port


@pytest.mark.parametrize(
    ("call", "how", "mend"),
    [
        ("GET .*/preview_url", {"status": 400}, "url_preview_enabled: false"),
        ("GET .*/profile/.*mss_", {"status": 403}, "limit_profile_requests_to_users_who_share_rooms: false"),
        ("GET .*/profile/.*00000000000", {"status": 200, "body": b"{}"}, "require_auth_for_profile_requests: true"),
        ("POST .*/report", {"status": 429}, "rate_limited: false"),
        ("GET .*/state/m.room.encryption", {"status": 404}, "encryption_enabled_by_default_for_room_type: invite"),
        ("GET .*use_state_after", {"status": 200, "body": b"{}"}, "msc4222_enabled: true"),
    ],
)
async def test_a_setting_is_seen_by_what_the_homeserver_does(
    stub: StubHomeserver, call: str, how: dict[str, object], mend: str
) -> None:
    stub.fault(call, 99, **how)
    found = await check(settings(stub))
    assert any(mend in one.mend for one in found if not one.ok), list(lines(found))


async def test_a_trusted_server_that_is_not_reached_is_named(stub: StubHomeserver) -> None:
    stub.fault("GET .*/profile/.*none.invalid", 9, status=502)
    found = await check(settings(stub), trusted=["none.invalid", "*.example"])
    [one] = [one for one in found if not one.ok]
    assert ("none.invalid" in one.what, "does it federate" in one.mend) == (True, True)


@pytest.mark.parametrize(("ours", "says"), [(None, "is empty"), ("b", "of another hub")])
async def test_a_database_that_is_not_the_one_of_before_is_a_question(
    stub: StubHomeserver, ours: str | None, says: str
) -> None:
    seen = Looked(hub=ours)
    assert await whose.findings(settings(stub), seen) == []
    stub.account_data[(stub.sender, "fr.liaison.life")] = {"hub": "a", "generation": 3}
    [one] = await whose.findings(settings(stub), seen)
    assert says in one.what
    assert "liaison adopt" in one.mend
    assert await whose.findings(settings(stub), Looked(hub="a")) == []


async def test_the_borrowed_address_speaks_tls_where_the_hub_would(stub: StubHomeserver, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue(tmp_path, "localhost")
    port = free_port()
    listen = MatrixListenSettings(port=port, certificate=certificate, key=key)
    trusted = ssl.create_default_context(cafile=authority.path)
    async with Homeserver(stub.url, "as-token") as homeserver:
        asked = pushes.Way(settings(stub), homeserver, listen, Probe(GHOST, "CHECK", "@mss_x:stub.example"))
        async with pushes.borrow(asked) as borrowed, aiohttp.ClientSession() as session:
            url = f"https://localhost:{port}/_matrix/app/v1/ping"
            async with session.post(url, ssl=trusted, headers={"Authorization": "Bearer hs-token"}) as answer:
                assert answer.status == 200
            assert borrowed is not None
            assert borrowed.tokens == {"hs-token"}
            async with pushes.borrow(asked) as taken:  # the hub, or another program, has the port
                assert taken is None
