"""Invitations judged with what the hub knows, what is kept on disk and what people have chosen; and the settings."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.people.federation.signed import new_key, public_pem, read_private
from liaison_policy.contact import CONTACT, IGNORED, MSC4155, Default, Who, read
from liaison_policy.ghosts import Ghosts
from liaison_policy.hub import HubAway, HubLine
from liaison_policy.identities import Identities
from liaison_policy.invitations import Blocks, Homeserver, Invitations
from liaison_policy.memory import Memory
from liaison_policy.reasons import Refusal
from liaison_policy.refusals import Refusals
from liaison_policy.servers import Servers
from liaison_policy.settings import BadSettings, configured

HOME = "home.example"
BEN, ADA = f"@ben:{HOME}", "@ada:away.example"
DOCTOR, BOX, DUTY = f"@rpps_10000000001:{HOME}", f"@mss_anna=40mss-a.test:{HOME}", f"@rpps_function_cardio:{HOME}"
GHOSTS = Ghosts(HOME)


class FarHub:
    """A hub that answers as it is told; ``told`` is what it has heard."""

    def __init__(self) -> None:
        self.people: dict[str, Any] = {}
        self.told: dict[str, Any] = {}
        self.refused: list[Any] = []
        self.asked = 0
        self.status = 200
        self.body: bytes | None = None
        far = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                far.asked += 1
                user = self.path.rpartition("/")[2].replace("%40", "@").replace("%3A", ":").replace("%3D", "=")
                found = far.people.get(user)
                good = self.headers["Authorization"] == "Bearer a-token-of-sixteen"
                self._answer(far.status if good and found is not None else 404 if good else 403, found)

            def do_PUT(self) -> None:
                user = self.path.split("/")[-2].replace("%40", "@").replace("%3A", ":")
                far.told[user] = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))["users"]
                self._answer(far.status, {})

            def do_POST(self) -> None:
                far.refused += orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))["refused"]
                self._answer(far.status, {})

            def _answer(self, status: int, body: Any) -> None:
                data = far.body if far.body is not None else orjson.dumps(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Desk:
    """The parts of the module beside one hub; ``now`` is the time, ``data`` the account data of ben."""

    def __init__(self, folder: Path, far: FarHub, site: Default = Default.ALLOW) -> None:
        self.now, self.moment = 1_800_000_000.0, 0.0
        self.data: dict[str, Any] = {}
        self.shared: set[str] = set()
        self.memory = Memory(folder / "state/policy.db")
        self.memory.prepare()
        self.line = HubLine(far.url, "a-token-of-sixteen", 5.0, 10.0, lambda: self.moment)
        self.blocks = Blocks(self.memory, self.line, threaded)
        self.again(site)

    def again(self, site: Default = Default.ALLOW) -> None:
        """As after a start."""
        self.identities = Identities(GHOSTS, self.memory, self.line, 900, threaded, lambda: self.now)
        home = Homeserver(HOME, self._account_data, self._share)
        servers = Servers(HOME, ["away.example"], None)
        self.invitations = Invitations(home, servers, GHOSTS, self.identities, site, ["@ext_*"], lambda: self.now)

    async def _account_data(self, user: str, kind: str) -> Mapping[str, Any] | None:
        assert user == BEN
        found: Mapping[str, Any] | None = self.data.get(kind)
        return found

    async def _share(self, user: str, others: frozenset[str]) -> bool:
        return bool(others & self.shared)

    async def answer(self, inviter: str, invited: str = BEN) -> str:
        try:
            await self.invitations.check(inviter, invited)
        except Refusal as refusal:
            return refusal.reason.code
        return ""


async def threaded(call: Callable[..., Any], *args: Any) -> Any:
    return call(*args)


@pytest.fixture
def far() -> Iterator[FarHub]:
    made = FarHub()
    yield made
    made.stop()


@pytest.fixture
def desk(tmp_path: Path, far: FarHub) -> Desk:
    return Desk(tmp_path, far)


KNOWN = {"users": [ADA, DOCTOR], "servers": ["Away.example", "mss-a.test"], "groups": ["profession:médecin"]}


async def test_a_person_is_the_same_by_each_of_her_users(desk: Desk, far: FarHub) -> None:
    far.people = {DOCTOR: KNOWN, ADA: KNOWN}
    desk.data = {IGNORED: {"ignored_users": {ADA: {}}}}
    assert await desk.answer(DOCTOR) == await desk.answer(ADA) == "not_accepting"
    desk.data = {MSC4155: {"blocked_servers": ["MSS-A.test"]}}
    assert await desk.answer(DOCTOR) == "not_accepting"
    desk.data = {MSC4155: {"blocked_servers": [HOME]}}
    assert await desk.answer(DOCTOR) == "", "the hub's own server is not hers"
    desk.data = {CONTACT: {"block": {"groups": ["Profession:médecin"]}}}
    assert await desk.answer(DOCTOR) == "not_accepting"
    assert far.asked == 2, "once for each user"


async def test_the_hub_is_asked_only_if_it_matters(desk: Desk, far: FarHub) -> None:
    assert await desk.answer(DOCTOR) == ""
    desk.data = {CONTACT: {"default": "block"}}
    assert await desk.answer(DOCTOR) == "not_accepting"
    assert await desk.answer(BEN, DOCTOR) == "", "whom a ghost's person wants to hear is the hub's to say"
    assert await desk.answer(BEN, ADA) == "", "and of another server's user that server's"
    assert await desk.answer(BEN, BEN) == ""
    assert far.asked == 0


async def test_what_the_hub_said_last_counts_while_it_is_away(desk: Desk, far: FarHub) -> None:
    far.people = {DOCTOR: KNOWN}
    desk.data = {IGNORED: {"ignored_users": {ADA: {}}}}
    assert await desk.answer(DOCTOR) == "not_accepting"
    far.status = 503
    desk.now += 1000
    desk.again()
    assert await desk.answer(DOCTOR) == "not_accepting"
    assert await desk.answer(BOX) == "", "it is left alone for a while, and nothing is known of that one"
    assert far.asked == 2
    far.status, desk.moment = 200, 11.0
    far.people = {DOCTOR: {"users": [DOCTOR]}}  # she has no account of her own any more
    assert await desk.answer(DOCTOR) == ""
    assert far.asked == 3


@pytest.mark.parametrize("body", [b"", b"[]", b"rubbish", b'{"users": 1, "servers": [2], "groups": null}'])
async def test_an_odd_answer_tells_nothing_new(desk: Desk, far: FarHub, body: bytes) -> None:
    far.people, far.body = {BOX: {}}, body
    desk.data = {MSC4155: {"blocked_servers": ["mss-a.test"]}}
    assert await desk.answer(BOX) == "not_accepting", "its name says the domain"


async def test_a_stranger_and_somebody_known(desk: Desk, far: FarHub) -> None:
    far.people = {DOCTOR: KNOWN}
    desk.data = {CONTACT: {"default": "known"}}
    assert await desk.answer(DOCTOR) == "not_accepting"
    desk.shared = {ADA}
    assert await desk.answer(DOCTOR) == "", "known by her own account"


@pytest.mark.parametrize(
    ("inviter", "invited", "code"),
    [
        ("@eve:x.org", BEN, "server_not_listed"),
        (BEN, "@eve:x.org", "server_not_listed"),
        ("@ext_leo:" + HOME, BEN, "external_user"),
    ],
)
async def test_servers_and_accounts_come_first(desk: Desk, inviter: str, invited: str, code: str) -> None:
    assert await desk.answer(inviter, invited) == code


async def test_who_has_chosen_nothing_is_as_the_site_says(tmp_path: Path, far: FarHub) -> None:
    desk = Desk(tmp_path, far, Default.BLOCK)
    assert await desk.answer(ADA) == "not_accepting"
    assert await desk.answer(ADA, DOCTOR) == "", "ghosts choose nothing: the hub knows whom they hear"


async def test_a_broken_choice_is_said_without_its_content(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.data = {CONTACT: {"default": "Mme DURAND"}}
    assert await desk.answer(ADA) == ""
    assert CONTACT in caplog.text
    assert "DURAND" not in caplog.text


@pytest.mark.parametrize(
    ("user", "who"),
    [
        (ADA, Who(frozenset({ADA}), frozenset({"away.example"}))),
        (DOCTOR, Who(frozenset({DOCTOR}), groups=frozenset({"kind:professional"}))),
        (BOX, Who(frozenset({BOX}), frozenset({"mss-a.test"}), frozenset({"kind:mailbox"}))),
        (DUTY, Who(frozenset({DUTY}), groups=frozenset({"function:cardio", "kind:function"}))),
        ("@rpps_1:other.example", Who(frozenset({"@rpps_1:other.example"}), frozenset({"other.example"}))),
        (f"@mss_=ff:{HOME}", Who(frozenset({f"@mss_=ff:{HOME}"}), groups=frozenset({"kind:mailbox"}))),
    ],
)
def test_what_a_name_tells(user: str, who: Who) -> None:
    assert GHOSTS.who(user) == who


# ---- blocks


async def test_the_hub_hears_of_blocks_once_it_is_there(desk: Desk, far: FarHub, tmp_path: Path) -> None:
    blocked = read({IGNORED: {"ignored_users": {ADA: {}}}})
    far.status = 503
    await desk.blocks.chosen(BEN, blocked)
    assert desk.memory.untold() == [(BEN, [ADA])]
    far.told.clear()
    far.status = 200
    await desk.blocks.deliver()
    assert not far.told, "it is left alone for a while"
    desk.moment = 11.0
    await desk.blocks.deliver()
    assert far.told == {BEN: [ADA]}
    far.told.clear()
    await desk.blocks.chosen(BEN, blocked)
    assert not far.told, "the same choice is not told again"
    Memory(tmp_path / "state/policy.db").prepare()  # a start: the hub may have been put back to an older day
    await desk.blocks.deliver()
    assert far.told == {BEN: [ADA]}
    await desk.blocks.chosen(BEN, read({}))
    assert far.told == {BEN: []}
    assert desk.memory.untold() == []


async def test_a_choice_that_changes_while_it_is_told_is_told_again(desk: Desk) -> None:
    desk.memory.block(BEN, frozenset({ADA}))
    desk.memory.block(BEN, frozenset({DOCTOR}))
    desk.memory.told(BEN, [ADA])
    assert desk.memory.untold() == [(BEN, [DOCTOR])]


async def test_a_disk_that_fails_is_loud_and_stops_nobody(
    desk: Desk, far: FarHub, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise sqlite3.OperationalError("disk I/O error")

    for name in ("identity", "learn", "block", "untold"):
        monkeypatch.setattr(Memory, name, fail)
    far.people = {DOCTOR: KNOWN}
    desk.data = {IGNORED: {"ignored_users": {ADA: {}}}}
    assert await desk.answer(DOCTOR) == "not_accepting"
    await desk.blocks.chosen(BEN, read(desk.data))
    await desk.blocks.deliver()
    assert caplog.text.count("ALARM") == 4


def test_what_is_kept_is_for_the_homeserver_alone(desk: Desk, tmp_path: Path) -> None:
    assert (tmp_path / "state/policy.db").stat().st_mode & 0o777 == 0o600


def test_a_wrong_token_is_a_hub_that_does_not_answer(far: FarHub) -> None:
    line = HubLine(far.url, "another-token-of-it", 5.0, 10.0, lambda: 0.0)
    with pytest.raises(HubAway, match="403"):
        line.person(DOCTOR)
    assert line.resting


async def test_what_is_refused_is_counted_for_the_hub(desk: Desk, far: FarHub) -> None:
    refusals = Refusals(desk.line, threaded)
    for code, server in (("not_accepting", "Away.example"), ("not_accepting", "away.example"), ("public_room", "")):
        refusals.count(Refusal(code, server))
    far.status = 503
    await refusals.deliver()
    far.status, desk.moment = 200, 11.0
    far.refused.clear()
    refusals.count(Refusal("public_room"))
    await refusals.deliver()
    await refusals.deliver()
    assert far.refused == [
        {"code": "not_accepting", "server": "away.example", "count": 2},
        {"code": "public_room", "server": "", "count": 2},
    ]
    for n in range(1_100):
        refusals.count(Refusal("server_not_listed", f"h{n}.example"))
    far.refused.clear()
    await refusals.deliver()
    assert len(far.refused) == 1_001, "a flood of names does not fill the memory"
    assert sum(one["count"] for one in far.refused) == 1_100
    alone = Refusals(None, threaded)
    alone.count(Refusal("public_room"))
    await alone.deliver()


# ---- settings


def good(folder: Path) -> dict[str, Any]:
    (folder / "list.pem").write_bytes(public_pem(read_private(new_key()).public_key()))
    (folder / "token").write_text("a-token-of-sixteen\n")
    return {
        "state": str(folder / "state"),
        "federation": {"list": str(folder / "list.jws"), "keys": [str(folder / "list.pem")]},
        "hub": {"url": "http://127.0.0.1:29300/", "token_file": str(folder / "token")},
    }


def test_settings_with_their_files(tmp_path: Path) -> None:
    made = configured(good(tmp_path))
    assert made.settings.hub is not None
    assert (made.token, made.settings.hub.url, len(made.keys)) == ("a-token-of-sixteen", "http://127.0.0.1:29300", 1)
    assert made.rules.versions == {"10", "11", "12"}
    logging.getLogger(__name__).debug("%s", made.settings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": None}, "state"),
        ({"colour": "blue"}, "colour"),
        ({"federation": {"list": "/x", "keys": []}}, "federation.keys"),
        ({"federation": {"list": "/x", "keys": ["/nowhere.pem"]}}, "federation.keys.0: No such file"),
        ({"federation": {"list": "/x", "keys": ["/dev/null"]}}, "no public key"),
        ({"hub": {"url": "hub", "token_file": "/x"}}, "hub.url"),
        ({"hub": {"url": "http://h", "token_file": "/nowhere"}}, "hub.token_file: cannot be read"),
        ({"hub": {"url": "http://h", "token_file": "/dev/null"}}, "16 characters"),
        ({"rooms": {"patterns": ["("]}}, "rooms.patterns.0"),
        ({"rooms": {"versions": []}}, "rooms.versions"),
        ({"contact": "sometimes"}, "contact"),
        ({"when_it_fails": "shrug"}, "when_it_fails"),
    ],
)
def test_a_mistake_in_the_settings_is_one_line(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettings, match=words) as bad:
        configured(good(tmp_path) | change)
    assert "\n" not in str(bad.value)
