"""The homeserver's policy module asks who somebody is, and tells whom people do not want: the hub refuses these."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from appservice.arriving.policies import Policies, Unwanted
from appservice.client.homeserver import MatrixRefused
from appservice.process.app import running
from appservice.process.settings import MatrixSettings
from appservice.rooms.doors import declined
from bridge.config import BadConfig, read_config
from bridge.hub.hub import now_ms
from bridge.model import MATRIX, Accepted, Address, Report
from deploy.world.ports import free_port
from deploy.world.waiting import until
from tests.matrix.make import ANNA, PEOPLE, SERVER, SPACE, Node, World, entry, ghost, meet
from tests.matrix.process.test_start import written

TOKEN = "a-token-of-the-module"
DORA, EMIL = "10000000006", "10000000007"
NATIVE = f"@dora:{SERVER}"
MORE = [
    *PEOPLE,
    entry(DORA, "Dr Dora Faure", f"matrix:{NATIVE}", f"mail:dora@{SPACE}", "siilo:dora"),
    entry(EMIL, "Dr Emil Roux", f"mail:emil@{SPACE}"),
]


async def became(node: Node, accepted: Accepted, by: str = "product") -> set[tuple[str, str | None]]:
    """What the sender is told in the end, by their network: state and reason of each recipient."""
    told = getattr(node, by).told

    def final() -> list[Report]:
        mine = [r for r in told if r.message == accepted.message]
        return [r for r in mine if not {"accepted", "sent"} & {s.state for s in r.states}]

    await until(final, "a report")
    return {(s.state, s.reason) for s in final()[-1].states}


REFUSED = {("refused", "not_taken")}


class Module:
    """What the module does: it asks, with its token."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session, self._base = session, base

    async def asks(self, user: str, token: str = TOKEN) -> tuple[int, Any]:
        url = f"{self._base}/_liaison/policy/v1/people/{user}"
        async with self._session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            return answer.status, await answer.json() if answer.status == 200 else None

    async def tells(self, user: str, body: Any, token: str = TOKEN) -> int:
        url = f"{self._base}/_liaison/policy/v1/users/{user}/blocked"
        async with self._session.put(url, json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
            return answer.status

    async def refused(self, body: Any, token: str = TOKEN) -> int:
        url = f"{self._base}/_liaison/policy/v1/refused"
        async with self._session.post(url, json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
            return answer.status


@pytest.fixture
def module(aiohttp_server: AiohttpServer) -> Any:
    @asynccontextmanager
    async def beside(node: Node, token: str | None = TOKEN) -> AsyncIterator[Module]:
        unwanted = Unwanted(node.db, node.hub, now_ms)
        await unwanted.load()
        app = web.Application()
        Policies(token, node.people, node.matrix.names, unwanted).routes(app)
        server = await aiohttp_server(app)
        async with aiohttp.ClientSession() as session:
            yield Module(session, str(server.make_url("")).rstrip("/"))

    return beside


async def test_who_is_behind_a_user(world: World, module: Any) -> None:
    world.people = MORE
    async with world.node() as node, module(node) as asking:
        both = {
            "users": sorted([NATIVE, ghost(DORA)]),
            "servers": sorted([SERVER, SPACE]),
            "groups": ["network:mail", "network:matrix", "network:siilo", "profession:médecin"],
        }
        assert await asking.asks(ghost(DORA)) == (200, both)
        assert await asking.asks(NATIVE) == (200, both), "the same person, whichever of her users is asked about"
        assert (await asking.asks(ghost(EMIL)))[1]["servers"] == [SPACE]
        assert await asking.asks("@nobody:evil.example") == (404, None)
        assert await asking.asks("rubbish") == (404, None)
        assert await asking.asks(NATIVE, "another token") == (403, None)
    async with world.node() as node, module(node, None) as asking:
        assert (await asking.asks(NATIVE))[0] == 404, "without a token there is no door"


@pytest.mark.parametrize(
    ("user", "body"),
    [
        ("@ben:other.example", {"users": []}), ("ben", {"users": []}), (f"@ben:{SERVER}", []), (f"@ben:{SERVER}", {}),
        (f"@ben:{SERVER}", {"users": "x"}), (f"@ben:{SERVER}", {"users": [1]}),
        (f"@ben:{SERVER}", {"users": ["@a:b"] * 2001}),
    ],
)  # fmt: skip
async def test_what_is_no_list_is_refused(world: World, module: Any, user: str, body: Any) -> None:
    async with world.node() as node, module(node) as asking:
        assert await asking.tells(user, body) == 400
        assert await asking.tells(f"@ben:{SERVER}", {"users": []}, "wrong") == 403
        assert await asking.tells(f"@ben:{SERVER}", {"users": ["rubbish"]}) == 200, "what is no user names nobody"


async def test_a_block_stops_mails_and_messages_of_products(world: World, module: Any) -> None:
    """ben ignores their ghosts in his client: they hear one neutral word, by product and by mail."""
    world.people = MORE
    async with world.node() as node, module(node) as telling:
        chat = await meet(world, node, server=None)
        ben = chat.ben
        assert await telling.tells(ben.mxid, {"users": [ghost(ANNA), ghost(EMIL)]}) == 200
        refused = await node.write(chat.chat, "n’arrive pas", by="anna")
        assert await became(node, refused) == REFUSED
        mailed = await node.post(f"emil@{SPACE}", "non plus", to=(f"matrix:{ben.mxid}",), chat="m1")
        assert await became(node, mailed, "mail") == REFUSED
        assert await telling.tells(ben.mxid, {"users": [ghost(EMIL)]}) == 200  # Anna is wanted again
        await node.write(chat.chat, "arrive", by="anna")
        await ben.heard("arrive")
        assert "n’arrive pas" not in {seen.text for seen in ben.seen}
    async with world.node() as node, module(node) as telling:  # after a start it still holds
        mailed = await node.post(f"emil@{SPACE}", "encore", to=(f"matrix:{ben.mxid}",), chat="m2")
        assert await became(node, mailed, "mail") == REFUSED
        assert await telling.tells(ben.mxid, {"users": []}) == 200
        await node.post(f"emil@{SPACE}", "enfin", to=(f"matrix:{ben.mxid}",), chat="m3")
        await ben.member(await ben.invited(), "join")
        await ben.heard("enfin")


async def test_a_block_of_a_native_account_holds_for_the_person(world: World, module: Any) -> None:
    """She is blocked by her Matrix account, and writes by mail."""
    world.people = MORE
    async with world.node() as node, module(node) as telling:
        ben = await world.human("ben")
        assert await telling.tells(ben.mxid, {"users": [NATIVE]}) == 200
        mailed = await node.post(f"dora@{SPACE}", "bonjour", to=(f"matrix:{ben.mxid}",))
        assert await became(node, mailed, "mail") == REFUSED


async def test_what_the_module_has_refused_is_in_the_trail(world: World, module: Any) -> None:
    """As counts by reason and server: nobody's name."""
    good = {"code": "not_accepting", "server": "chu.example:8448", "count": 3}
    async with world.node() as node, module(node) as telling:
        assert await telling.refused({"refused": [good, {"code": "public_room", "server": "", "count": 1}]}) == 200
        rows = await node.db.all("trail.next", 10)
        found = [(row["kind"], row["result"], row["details"]) for row in rows if row["actor"] == "homeserver"]
        assert found == [
            ("policy_refused", "not_accepting", '{"count":3,"domain":"chu.example:8448"}'),
            ("policy_refused", "public_room", '{"count":1}'),
        ]
        odd_ones: list[Any] = [{"code": "Mme DURAND"}, {"server": "a b"}, {"server": 1}, {"count": 0}, {"count": True}]
        for odd in odd_ones:
            assert await telling.refused({"refused": [good | odd]}) == 400
        bodies: list[Any] = [{}, [], {"refused": "x"}, {"refused": [1]}, {"refused": [good] * 2001}]
        for body in bodies:
            assert await telling.refused(body) == 400
        assert await telling.refused({"refused": []}, "wrong") == 403


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({}, "not_invited"),
        ({"fr.liaison.reason": "not_accepting"}, "not_taken"),
        ({"fr.liaison.reason": "not_now"}, "not_taken"),
        ({"fr.liaison.reason": "server_not_listed"}, "untrusted_server"),
        ({"fr.liaison.reason": "list_ended"}, "untrusted_server"),
        ({"fr.liaison.reason": ["odd"]}, "not_invited"),
    ],
)
def test_what_a_sender_hears_of_a_refused_invitation(answer: dict[str, Any], code: str) -> None:
    assert declined(MatrixRefused(403, "M_FORBIDDEN", answer)) == code
    assert declined(MatrixRefused(403, "M_INVITE_BLOCKED", answer)) == "not_taken"


async def test_a_refused_invitation_reaches_whoever_writes(world: World) -> None:
    """ben wants no invitations, says the homeserver: alone no room is made, with others he is left out."""
    world.people = MORE
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        world.stub.fault(r"POST .*/createRoom", status=403, errcode="M_INVITE_BLOCKED")
        alone = await node.post(f"emil@{SPACE}", "bonjour", to=(f"matrix:{ben.mxid}",), chat="m1")
        assert await became(node, alone, "mail") == REFUSED
        world.stub.fault(r"POST .*/invite", status=403, errcode="M_INVITE_BLOCKED")  # ben, who comes first
        both = await node.write("g", "à vous deux", to=(f"matrix:{ben.mxid}", f"matrix:{eve.mxid}"))
        await eve.member(await eve.invited(), "join")
        await eve.heard("à vous deux")
        assert await became(node, both) == {("refused", "not_taken"), ("delivered", None)}


def test_the_token_is_a_file(tmp_path: Path) -> None:
    given: dict[str, Any] = {"homeserver": "http://h", "server_name": SERVER, "as_token": "a", "hs_token": "h"}
    assert MatrixSettings(**given).read_policy_token() is None
    path = tmp_path / "token"
    with pytest.raises(BadConfig, match="policy_token"):
        MatrixSettings(**given, policy_token_file=path).read_policy_token()
    path.write_text(TOKEN)
    assert MatrixSettings(**given, policy_token_file=path).read_policy_token() == TOKEN


async def test_a_configured_hub_answers_the_module_and_knows_what_it_was_told(tmp_path: Path) -> None:
    """As `liaison run` puts it together: on the port for the homeserver, with the token of the file; blocks stay."""
    (tmp_path / "policy").write_text(TOKEN + "\n")
    port, user = free_port(), f"@ben:{SERVER}"
    matrix = {
        "homeserver": "http://127.0.0.1:1", "server_name": SERVER, "as_token": "as", "hs_token": "hs",
        "policy_token_file": str(tmp_path / "policy"),
    }  # fmt: skip
    config = read_config(Path(written(tmp_path, matrix=matrix, matrix_listen={"port": port})))
    async with aiohttp.ClientSession() as session, running(config):
        asking = Module(session, f"http://127.0.0.1:{port}")
        assert (await asking.asks(ghost(ANNA)))[1]["users"] == [ghost(ANNA)]
        assert (await asking.asks(ghost(ANNA), "hs"))[0] == 403, "the homeserver's own token is another one"
        assert await asking.tells(user, {"users": [ghost(ANNA)]}) == 200
    async with running(config) as parts:
        assert parts.core.people.accounts.blocks(Address(MATRIX, user), f"rpps:{ANNA}")
