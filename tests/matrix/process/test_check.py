"""What ``liaison check`` says of pings that fail; all else of it is in test_real."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from appservice.client.homeserver import MatrixRefused
from appservice.process.checking import homeserver as check
from appservice.process.checking.findings import Finding
from appservice.process.settings import MatrixSettings
from bridge.errors import Unavailable

SETTINGS = MatrixSettings(
    homeserver="http://127.0.0.1:1", server_name="hub.example", as_token="a", hs_token="b", address="http://127.0.0.1:2"
)

GHOST = "@rpps_00000000000:hub.example"


class Server:
    """A homeserver whose pings end as scripted, then well."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def call(self, *_: object, **__: object) -> dict[str, Any]:
        if self.errors:
            raise self.errors.pop(0)
        return {}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_AGAIN", 0.01)


async def ping(*errors: Exception) -> Finding:
    return await check._ping(SETTINGS, Server(*errors))  # type: ignore[arg-type]


async def test_a_ping_that_fails_while_the_homeserver_recovers_is_asked_again() -> None:
    assert (await ping(Unavailable("homeserver_502"), Unavailable("homeserver_502"))).ok


async def test_a_refused_ping_is_not_asked_again() -> None:
    finding = await ping(MatrixRefused(403, "M_FORBIDDEN"))
    assert not finding.ok
    assert "M_FORBIDDEN" in finding.mend


async def test_a_hub_that_is_not_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_PATIENCE", 0.05)
    finding = await ping(*[Unavailable("homeserver_502")] * 1000)
    assert not finding.ok
    assert "firewall" in finding.mend


class Asleep(Server):
    """Synapse after a restart while the hub was away: it pushes nothing before the next event of any room."""

    def __init__(self, borrowed: check._Borrowed) -> None:
        super().__init__()
        self.borrowed = borrowed
        self.awake = False

    async def call(self, *asked: object, **__: object) -> dict[str, Any]:
        path = str(asked[1])
        self.awake |= path.endswith("/createRoom")
        if self.awake and "/sendToDevice/" in path:
            self.borrowed.to_device = self.borrowed.extensions = True
        return {"room_id": "!woken:hub.example"}


async def test_a_homeserver_that_sleeps_since_its_restart_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_PATIENCE", 0.1)
    borrowed = check._Borrowed(GHOST)
    asleep: Any = Asleep(borrowed)
    findings = await check._extensions(SETTINGS, asleep, borrowed, GHOST, "CHECK")
    assert [f.what for f in findings if not f.ok] == []


@pytest.mark.parametrize(("sender", "status"), [(GHOST, 200), ("@ben:hub.example", 503)])
async def test_only_its_own_events_are_taken_by_the_check(sender: str, status: int) -> None:
    app, borrowed = web.Application(), check._Borrowed(GHOST)
    app.router.add_put("/t", borrowed.transaction)
    async with TestClient(TestServer(app)) as client:
        answer = await client.put("/t", json={"events": [{"type": "m.room.create", "sender": sender}]})
    assert answer.status == status
