"""The search of a client beside the stub homeserver: who may ask, who is found, and when their users are there."""

from __future__ import annotations

import logging
from typing import Any

import aiohttp
import pytest

from appservice.finding.answers import MARK
from bridge.model import Address
from deploy.world.stub.human import Human
from tests.matrix.make import ANNA, CLEO, DAN, Node, World, ghost

SEARCH = "/_matrix/client/v3/user_directory/search"


async def search(node: Node, who: Human | None, words: str, limit: int = 10) -> tuple[int, dict[str, Any]]:
    """What a client is answered."""
    headers = {} if who is None else {"Authorization": f"Bearer {who.token}"}
    async with aiohttp.request(
        "POST", node.clients + SEARCH, json={"search_term": words, "limit": limit}, headers=headers
    ) as answer:
        return answer.status, await answer.json()


def users(found: dict[str, Any]) -> list[str]:
    """Who was found."""
    return [one["user_id"] for one in found["results"]]


async def test_a_search_finds_who_has_no_user_yet_and_makes_them_first(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ben = await world.human("ben")
    async with world.node() as node:
        status, found = await search(node, ben, "petit médecin")
        assert (status, users(found), found["limited"]) == (200, [ghost(CLEO)], False)
        assert found["results"][0]["display_name"] == "Dr Cléo Petit — Médecin (Lyon) · application"
        assert node.matrix.ghosts.is_ready(ghost(CLEO)), "its device has keys before anybody sees it"
        assert world.stub.world.users[ghost(CLEO)].devices
        assert not node.matrix.ghosts.is_ready(ghost(ANNA))
        _, found = await search(node, ben, "moreau")
        assert found["results"][0]["display_name"] == "Dr Dan Moreau — Médecin (Lyon) · pas encore joignable"
        assert ghost(DAN) not in world.stub.world.users, "nobody is made who cannot be written to"
        _, found = await search(node, ben, "lyon", 1)
        assert (len(found["results"]), found["limited"]) == (1, True)
    assert ben.token not in caplog.text


async def test_a_colleague_with_an_account_of_their_own_is_shown_by_it_and_nobody_finds_themselves(
    world: World,
) -> None:
    ben, cleo = await world.human("ben"), await world.human("cleo")
    world.stub.world.user(cleo.mxid).profile["displayname"] = "cleo petit (chu)"
    async with world.node() as node:
        node.people._directory._people[f"rpps:{CLEO}"] = with_account(node, CLEO, cleo.mxid)  # type: ignore[attr-defined]
        _, found = await search(node, ben, "petit")
        assert users(found) == [cleo.mxid]
        assert found["results"][0]["display_name"].startswith("Dr Cléo Petit — Médecin")
        assert ghost(CLEO) not in world.stub.world.users
        _, found = await search(node, cleo, "petit")
        assert users(found) == []


def with_account(node: Node, rpps: str, account: str) -> Any:
    """The same entry with an account of their own."""
    known = node.people._directory._people[f"rpps:{rpps}"]  # type: ignore[attr-defined]
    return type(known)(
        known.id, known.name, known.profession, known.place, (Address("matrix", account), *known.addresses)
    )


async def test_who_may_not_search_at_the_homeserver_does_not_search_here(world: World) -> None:
    ben = await world.human("ben")
    async with world.node() as node:
        assert (await search(node, None, "petit"))[0] == 401
        world.stub.fault(r"POST .*user_directory", times=1, status=429)
        assert (await search(node, ben, "petit"))[0] == 429
        assert ghost(CLEO) not in world.stub.world.users
        async with aiohttp.request("OPTIONS", node.clients + SEARCH) as answer:  # a browser asks before
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
            assert answer.headers[MARK] == "1"
        world.stub.fault(r"POST .*user_directory", times=1)
        assert (await search(node, ben, "petit"))[0] == 503


async def test_nobody_reads_the_directory_out(world: World) -> None:
    ben, cleo = await world.human("ben"), await world.human("cleo")
    async with world.node() as node:
        answers = [await search(node, ben, "petit") for _ in range(70)]
        assert [status for status, _ in answers[:60]] == [200] * 60
        status, said = answers[-1]
        assert (status, said["errcode"]) == (429, "M_LIMIT_EXCEEDED")
        assert said["retry_after_ms"] > 0
        assert (await search(node, cleo, "martin"))[0] == 200


async def test_a_profile_that_is_asked_for_is_there(world: World) -> None:
    ben = await world.human("ben")
    async with world.node() as node:

        async def profile(user: str, who: Human | None = ben) -> tuple[int, dict[str, Any]]:
            headers = {} if who is None else {"Authorization": f"Bearer {who.token}"}
            async with aiohttp.request(
                "GET", f"{node.clients}/_matrix/client/v3/profile/{user}", headers=headers
            ) as answer:
                return answer.status, await answer.json()

        assert (await profile(ghost(ANNA), None))[0] == 401
        assert ghost(ANNA) not in world.stub.world.users
        status, said = await profile(ghost(ANNA))
        assert (status, said["displayname"]) == (200, "Dr Anna Martin — Médecin (Lyon)")
        assert said["fr.liaison.role"]["profession"] == "Médecin"
        assert node.matrix.ghosts.is_ready(ghost(ANNA))
        assert (await profile(ghost(DAN)))[0] == 404
        assert (await profile(ghost("10000000099")))[0] == 404
