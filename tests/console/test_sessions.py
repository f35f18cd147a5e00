"""Sessions in the database: when they end, who knows them, and that a copy of the rows lets nobody in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from appservice.console import COMPONENT
from appservice.console.login.sessions import KEPT, ConsoleSessions, NewSession
from appservice.console.settings import ConsoleSettings
from bridge.config import BadConfig, validate
from bridge.db import Database, open_database
from bridge.errors import Refused
from bridge.seal import Seal
from bridge.store.store import COMPONENT as STORE
from bridge.trail.entry import COMPONENT as TRAIL

SEAL = Seal({"k1": bytes(32)}, "k1")
LEAST: dict[str, Any] = {
    "public_url": "https://console.example", "issuer": "https://login.example", "client_id": "c",
    "client_secret": "env:C", "act": ["operator"], "see": ["viewer"],
}  # fmt: skip
SETTINGS = ConsoleSettings(**LEAST)


class Clock:
    """Milliseconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1_764_460_000_000

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    made = await open_database(f"sqlite:///{tmp_path}/hub.db", [STORE, TRAIL, COMPONENT])
    yield made
    await made.close()


def somebody(login: str, *, sub: str = "u1", sid: str = "s1", acts: bool = True) -> NewSession:
    return NewSession(login, sub, sid, "anna", acts, "header.claims.signature")


async def test_a_session_ends_when_idle_and_in_any_case(db: Database) -> None:
    clock = Clock()
    sessions = ConsoleSessions(db, SEAL, SETTINGS, clock)
    secret = await sessions.begin(somebody("way1"))
    for _ in range(32):
        clock.pass_(SETTINGS.idle - 1)
        if (found := await sessions.find(secret)) is None:
            break
        assert (found.name, found.acts, found.by) == ("anna", True, "operator anna")
    assert clock.now - Clock().now == pytest.approx(SETTINGS.longest * 1000, abs=SETTINGS.idle * 1000)
    idle = await sessions.begin(somebody("way2"))
    clock.pass_(SETTINGS.idle)
    assert await sessions.find(idle) is None
    assert await sessions.find("nonsense") is None


async def test_looking_does_not_write_every_time(db: Database) -> None:
    clock = Clock()
    sessions = ConsoleSessions(db, SEAL, SETTINGS, clock)
    secret, before = await sessions.begin(somebody("way")), db.counts.copy()
    for _ in range(30):
        clock.pass_(1)
        assert await sessions.find(secret)
    assert db.counts.since(before).statements["console.seen"] == 0
    clock.pass_(SETTINGS.idle / 2)
    assert await sessions.find(secret)
    assert db.counts.since(before).statements["console.seen"] == 1


async def test_every_process_knows_a_session_and_a_copy_of_its_rows_is_worth_nothing(db: Database) -> None:
    clock = Clock()
    one, other = (ConsoleSessions(db, SEAL, SETTINGS, clock) for _ in range(2))
    secret = await one.begin(somebody("way", acts=False))
    found = await other.find(secret)
    assert found is not None
    assert not found.acts
    row = await db.one("console.session", found.session)
    assert row is not None
    assert secret not in str(dict(row))  # type: ignore[call-overload]
    for stolen in (row["id"], "way"):
        assert await other.find(stolen) is None
    assert await other.end(found) == "header.claims.signature"
    assert await one.find(secret) is None
    with pytest.raises(Refused, match="login_again"):
        await other.begin(somebody("way"))
    assert await one.used("way")
    foreign = ConsoleSessions(db, Seal({"k2": bytes([1] * 32)}, "k2"), SETTINGS, clock)
    kept = await one.find(await one.begin(somebody("way9")))
    assert kept is not None
    assert await foreign.end(kept) is None, "the seal's key is gone: the provider asks by itself"


async def test_the_providers_word_ends_a_session_or_all_of_a_person_once(db: Database) -> None:
    clock = Clock()
    sessions = ConsoleSessions(db, SEAL, SETTINGS, clock)
    first, second, other = [
        await sessions.begin(somebody(f"way{n}", sid=sid, sub=sub))
        for n, (sid, sub) in enumerate((("s1", "u1"), ("s2", "u1"), ("s3", "u2")))
    ]
    assert await sessions.ended_there("word1", clock.now + 1000, "u1", "s1") == 1
    assert [await sessions.find(one) is not None for one in (first, second, other)] == [False, True, True]
    assert await sessions.ended_there("word2", clock.now + 1000, "u1", "") == 1
    assert [await sessions.find(one) is not None for one in (first, second, other)] == [False, False, True]
    third = await sessions.begin(somebody("way4"))
    with pytest.raises(Refused, match="login_token"):
        await sessions.ended_there("word2", clock.now + 1000, "u1", "")
    assert await sessions.find(third) is not None
    assert await sessions.ended_there("word3", clock.now + 1000, "", "s9") == 0


async def test_what_is_over_is_forgotten(db: Database) -> None:
    clock = Clock()
    sessions = ConsoleSessions(db, SEAL, SETTINGS, clock)
    await sessions.begin(somebody("way1"))
    await sessions.ended_there("word1", clock.now + 1000, "u9", "")
    clock.pass_(SETTINGS.longest + KEPT / 1000 + 1)
    assert await sessions.used("way1")
    await sessions.begin(somebody("way2"))
    assert not await sessions.used("way1")
    assert await sessions.ended_there("word1", clock.now + 1000, "u9", "") == 0, "by then it is too old to count"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"public_url": "http://console.example"}, "public_url"),
        ({"public_url": "https://console.example/path"}, "no path"),
        ({"public_url": "https://user@console.example"}, "public_url"),
        ({"issuer": "http://login.example"}, "issuer"),
        ({"issuer": "https://login.example?x"}, "issuer"),
        ({"discovery": "ftp://login.example"}, "discovery"),
        ({"client_secret": "the-secret-itself"}, "client_secret"),
        ({"scopes": ["profile"]}, "openid is missing"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"act": []}, "act"),
        ({"roles": []}, "roles"),
        ({"key": "/k"}, "certificate"),
    ],
    ids=str,
)
def test_what_is_wrong_in_the_section_is_said(more: dict[str, Any], says: str) -> None:
    with pytest.raises(BadConfig, match=says) as problem:
        validate(ConsoleSettings, LEAST | more, "console")
    assert "the-secret-itself" not in str(problem.value)


@pytest.mark.parametrize(
    ("url", "netloc"),
    [
        ("https://Console.Example/", "console.example"), ("https://console.example:443", "console.example"),
        ("https://console.example:8443", "console.example:8443"), ("http://127.0.0.1:29305", "127.0.0.1:29305"),
        ("http://localhost:80/", "localhost"),
    ],
)  # fmt: skip
def test_the_host_is_as_browsers_send_it(url: str, netloc: str) -> None:
    assert ConsoleSettings(**LEAST | {"public_url": url}).netloc == netloc


def test_files_of_the_section_are_read_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadConfig, match=r"console.client_secret.*C is not set"):
        SETTINGS.prove()
    monkeypatch.setenv("C", "secret")
    with pytest.raises(BadConfig, match=r"console.ca_file: No such file"):
        ConsoleSettings(**LEAST | {"ca_file": tmp_path / "none"}).prove()
    SETTINGS.prove()
