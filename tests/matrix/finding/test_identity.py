"""The identity server beside the stub homeserver: whom it answers, what it tells, what it never does."""

from __future__ import annotations

from typing import Any

import aiohttp

from deploy.world.stub.human import Human
from tests.matrix.finding.test_hashes import hashed
from tests.matrix.make import ANNA, PEOPLE, SERVER, Node, World, entry, ghost

BOX = "10000000005"
WITH_BOX = [
    *PEOPLE,
    entry(BOX, "Dr Bruno Vidal", "mail:bruno.vidal@hopital.example"),
    entry("10000000006", "Dr Ève Roux"),
]


async def ask(node: Node, method: str, path: str, token: str = "", **body: Any) -> tuple[int, dict[str, Any]]:
    """One request of a client."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{node.clients}/_matrix/identity{path}"
    async with aiohttp.request(method, url, headers=headers, json=body if method == "POST" else None) as answer:
        return answer.status, await answer.json()


async def registered(node: Node, who: Human) -> str:
    """The token of a user here."""
    status, said = await ask(
        node,
        "POST",
        "/v2/account/register",
        access_token=who.token,
        matrix_server_name=SERVER,
        token_type="Bearer",
        expires_in=3600,
    )
    assert status == 200, said
    return str(said["token"])


async def test_a_mailbox_is_somebody_whose_user_is_there(world: World) -> None:
    ben = await world.human("ben")
    world.people = WITH_BOX
    async with world.node() as node:
        token = await registered(node, ben)
        assert await ask(node, "GET", "/v2/account", token) == (200, {"user_id": ben.mxid})
        status, details = await ask(node, "GET", "/v2/hash_details", token)
        assert (status, details["algorithms"]) == (200, ["sha256"])
        pepper = details["lookup_pepper"]
        known, unknown = (hashed(f"{name}@hopital.example", pepper) for name in ("bruno.vidal", "nobody"))
        looked = {"addresses": [known, unknown], "algorithm": "sha256", "pepper": pepper}
        assert await ask(node, "POST", "/v2/lookup", token, **looked) == (200, {"mappings": {known: ghost(BOX)}})
        assert node.matrix.ghosts.is_ready(ghost(BOX))
        assert not node.matrix.ghosts.is_ready(ghost(ANNA))
        for wrong, errcode in (
            ({"algorithm": "none"}, "M_INVALID_PARAM"), ({"pepper": "x"}, "M_INVALID_PEPPER"),
            ({"addresses": "x"}, "M_INVALID_PARAM"), ({"addresses": ["x"] * 21}, "M_TOO_LARGE"),
        ):  # fmt: skip
            status, said = await ask(node, "POST", "/v2/lookup", token, **(looked | wrong))
            assert (status, said["errcode"]) == (400, errcode)
        assert said["error"]
        answers = [
            await ask(node, "POST", "/v2/lookup", token, **(looked | {"addresses": ["A" * 43] * 20})) for _ in range(4)
        ]
        assert (answers[0][0], answers[-1][0], answers[-1][1]["errcode"]) == (200, 429, "M_LIMIT_EXCEEDED")
        assert (await ask(node, "POST", "/v2/account/logout", token))[0] == 200
        assert (await ask(node, "POST", "/v2/lookup", token, **looked))[1]["errcode"] == "M_UNAUTHORIZED"


async def test_only_users_of_its_own_homeserver_are_answered(world: World) -> None:
    ben, marie = await world.human("ben"), await world.human("marie", "chu.example")
    async with world.node() as node:
        for token, server, expected in (
            ("nonsense", SERVER, (401, "M_UNAUTHORIZED")), (marie.token, SERVER, (401, "M_UNAUTHORIZED")),
            (marie.token, "chu.example", (403, "M_FORBIDDEN")), (None, SERVER, (403, "M_FORBIDDEN")),
        ):  # fmt: skip
            status, said = await ask(
                node, "POST", "/v2/account/register", access_token=token, matrix_server_name=server
            )
            assert (status, said["errcode"]) == expected
        for method, path in (
            ("GET", "/v2/account"),
            ("GET", "/v2/hash_details"),
            ("POST", "/v2/lookup"),
            ("POST", "/v2/store-invite"),
        ):
            assert (await ask(node, method, path, "nonsense"))[0] == 401
        assert ben.token


async def test_nothing_is_bound_and_what_it_does_not_know_is_said(world: World) -> None:
    ben = await world.human("ben")
    async with world.node() as node:
        assert "v1.1" in (await ask(node, "GET", "/versions"))[1]["versions"]
        assert await ask(node, "GET", "/v2") == (200, {})
        assert await ask(node, "GET", "/v2/terms") == (200, {"policies": {}})
        for method, path in (
            ("POST", "/v2/3pid/bind"),
            ("POST", "/v2/validate/email/requestToken"),
            ("POST", "/v2/3pid/unbind"),
        ):
            status, said = await ask(node, method, path)
            assert (status, said["errcode"]) == (403, "M_FORBIDDEN")
            assert said["error"].startswith("Les adresses viennent de l'annuaire")
        token = await registered(node, ben)
        status, said = await ask(
            node,
            "POST",
            "/v2/store-invite",
            token,
            medium="email",
            address="x@y.example",
            room_id="!r",
            sender=ben.mxid,
        )
        assert (status, said["errcode"]) == (403, "M_FORBIDDEN")
        assert node.matrix.names.voice in said["error"]
        assert (await ask(node, "GET", "/v2/pubkey/ed25519:0"))[1]["errcode"] == "M_UNRECOGNIZED"
