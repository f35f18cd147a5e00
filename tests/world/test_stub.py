"""The stub itself: two humans talk encrypted through it, and it loses what Synapse loses."""

import asyncio

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from deploy.world.stub.homeserver import StubHomeserver
from deploy.world.stub.human import Human
from deploy.world.stub.world import Device


async def test_two_humans_talk_encrypted() -> None:
    async with (
        StubHomeserver() as stub,
        Human(stub.url, *stub.human("ben")) as ben,
        Human(stub.url, *stub.human("eve", "far.example")) as eve,
    ):
        room = await ben.create_room(eve.mxid)
        assert await eve.invited() == room
        await eve.member(room, "join")
        event_id = await ben.say(room, "bonjour")
        seen = await eve.heard("bonjour")
        assert (seen.sender, seen.event["event_id"], seen.event["type"]) == (ben.mxid, event_id, "m.room.encrypted")
        await eve.say(room, "salut")
        await ben.heard("salut")


async def test_key_shared_late_makes_the_message_readable() -> None:
    async with (
        StubHomeserver() as stub,
        Human(stub.url, *stub.human("ben")) as ben,
        Human(stub.url, *stub.human("eve")) as eve,
    ):
        room = await ben.create_room(eve.mxid)
        await eve.member(room, "join")
        await ben.say(room, "plus tard", share=False)
        with pytest.raises(TimeoutError):
            await eve.heard("plus tard", 0.3)
        await ben.share(room)
        await eve.heard("plus tard")


async def test_a_refused_first_push_loses_its_to_device_part(aiohttp_server: AiohttpServer) -> None:
    bodies = []

    async def transactions(request: web.Request) -> web.Response:
        bodies.append((request.match_info["n"], await request.json()))
        return web.json_response({}, status=500 if len(bodies) == 1 else 200)

    app = web.Application()
    app.router.add_put("/_matrix/app/v1/transactions/{n}", transactions)
    address = str((await aiohttp_server(app)).make_url("/")).rstrip("/")
    async with StubHomeserver(appservice=address) as stub, Human(stub.url, *stub.human("ben")) as ben:
        await ben.call("GET", "/_matrix/client/v3/account/whoami")
        stub.world.register("rpps_10000000001", True)
        stub.world.users["@rpps_10000000001:stub.example"].devices["D"] = Device()
        await ben.create_room("@rpps_10000000001:stub.example")
        await ben.to_device("m.dummy", {"@rpps_10000000001:stub.example": {"D": {"x": 1}}})
        await stub.idle()
        await asyncio.sleep(0.05)
    numbers = [number for number, _ in bodies]
    assert numbers[:2] == ["1", "1"]
    assert bodies[0][1]["events"] == bodies[1][1]["events"]
    assert "de.sorunome.msc2409.to_device" not in bodies[1][1]


async def test_same_transaction_id_of_two_ghosts_loses_the_second() -> None:
    async with StubHomeserver() as stub:
        world = stub.world
        ghosts = [world.register(f"rpps_1000000000{n}", True).mxid for n in (1, 2)]
        room = world.create_room(ghosts[0], {"invite": [ghosts[1]]})
        world.change_membership(room.room_id, ghosts[1], ghosts[1], "join", {})
        before = len(room.events)
        async with Human(stub.url, *stub.human("ben")) as ben:
            answers = []
            for ghost in ghosts:
                path = f"{stub.url}/_matrix/client/v3/rooms/{room.room_id}/send/m.x/same?user_id={ghost}"
                headers = {"Authorization": "Bearer as-token"}
                async with ben._http.put(path, json={}, headers=headers) as answer:
                    answers.append((await answer.json())["event_id"])
        assert answers[0] == answers[1]
        assert len(room.events) == before + 1
