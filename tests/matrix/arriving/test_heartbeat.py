"""The homeserver is made to deliver after an outage, and an operator hears when nothing arrives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from appservice.arriving import heartbeat
from appservice.arriving.heartbeat import Heartbeat
from appservice.arriving.transactions import HEARTBEAT as TYPE
from bridge.errors import Unavailable
from deploy.world.waiting import until
from tests.matrix.make import Node, World


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_AFTER", 0.01)


class Server:
    """A scripted homeserver: answers pings, keeps the account data, shows heartbeats back unless told not to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.away = False
        self.mute = False
        self.data: dict[str, Any] = {}
        self.beat: Heartbeat

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None, **_: Any) -> dict[str, Any]:
        """As :meth:`appservice.client.homeserver.Homeserver.call`."""
        self.calls.append(f"{method} {path.rsplit('/v3/', 1)[-1]}")
        if self.away:
            raise Unavailable("homeserver_away")
        if path.endswith("/whoami"):
            return {"user_id": "@liaison-x:hub.example"}
        if TYPE in path and "account_data" in path:
            self.data |= body or {}
            return dict(self.data)
        if path.endswith("/createRoom"):
            return {"room_id": "!beat"}
        if f"/send/{TYPE}/" in path and not self.mute:
            self.beat.arrived({"content": body})
        return {}

    def count(self, word: str) -> int:
        """How many calls so far hold this word."""
        return sum(word in call for call in self.calls)


async def run(server: Server, back: list[float]) -> asyncio.Task[None]:
    async def noted() -> None:
        back.append(asyncio.get_running_loop().time())

    server.beat = Heartbeat(server, "liaison", noted, every=0.05)  # type: ignore[arg-type]
    return asyncio.create_task(server.beat.run())


async def test_two_heartbeats_at_the_start_then_only_pings() -> None:
    server, back = Server(), list[float]()
    task = await run(server, back)
    await until(lambda: server.count("ping") >= 4)
    task.cancel()
    assert len(back) == 1
    assert server.count("send/") == 2
    assert server.count("createRoom") == 1


async def test_the_room_is_found_again() -> None:
    server, back = Server(), list[float]()
    server.data = {"room_id": "!old"}
    task = await run(server, back)
    await until(lambda: server.count("send/") >= 1)
    task.cancel()
    assert server.count("createRoom") == 0
    assert any("!old" in call or "%21old" in call for call in server.calls)


async def test_after_an_outage_those_who_wait_are_told(caplog: pytest.LogCaptureFixture) -> None:
    server, back = Server(), list[float]()
    task = await run(server, back)
    await until(lambda: len(back) == 1 and server.count("send/") == 2)
    server.away = True
    await until(lambda: "ALARM" in caplog.text)
    server.away = False
    await until(lambda: len(back) == 2 and server.count("send/") == 4)
    task.cancel()


async def test_a_heartbeat_that_does_not_come_back_is_an_alarm(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_BACK", 0.05)
    server, back = Server(), list[float]()
    server.mute = True
    task = await run(server, back)
    await until(lambda: "nothing arrives from Matrix" in caplog.text)
    server.mute = False
    await until(lambda: server.count("send/") >= 2)
    task.cancel()


async def test_only_the_last_heartbeat_counts() -> None:
    beat = Heartbeat(Server(), "liaison", asyncio.Event().wait)  # type: ignore[arg-type]
    beat._nonce = "b"
    for content in ({"nonce": "a"}, {}, None, "b", {"nonce": None}):
        beat.arrived({"content": content})
        assert not beat._seen.is_set()
    beat.arrived({"content": {"nonce": "b"}})
    assert beat._seen.is_set()


async def test_readiness_says_that_the_homeserver_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_FIRST", 0.02)
    monkeypatch.setattr(heartbeat, "_LONGEST", 0.05)

    async def ready(node: Node) -> tuple[int, dict[str, Any]]:
        async with ClientSession() as session, session.get(f"{node.url}/ready") as answer:
            return answer.status, await answer.json()

    async with world.node(ping_s=0.05) as node:
        await until(lambda: world.stub.calls.get("_ping", 0) > 1)
        assert (await ready(node))[0] == 200
        world.stub.fault("POST .*/ping", 1_000_000, status=502)
        await until(lambda: node.matrix.trouble())
        status, said = await ready(node)
        lost = "the homeserver does not answer or cannot reach the hub: homeserver_error; see `liaison check`"
        assert (status, said["error"]) == (503, lost)
        assert said["alarms"] >= 0
        world.stub._faults.clear()
        await until(lambda: not node.matrix.trouble())
        assert (await ready(node))[0] == 200


async def test_with_a_hub_lanes_go_on_at_once_when_the_homeserver_is_back(world: World) -> None:
    async with world.node(ping_s=0.2) as node:
        ben = await world.human("ben", "chu.example")
        world.stub.fault("PUT .*/send/|POST .*/ping", 6, status=502)
        await node.write("own", "bonjour", to=(f"matrix:{ben.mxid}",))
        room = await ben.invited()
        await ben.member(room, "join")
        await ben.heard("bonjour")


async def test_a_homeserver_that_is_away_since_the_start_is_told_once_and_its_return(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeat, "_FIRST", 0.01)
    monkeypatch.setattr(heartbeat, "_LONGEST", 0.04)
    server, back = Server(), list[float]()
    server.away = True
    task = await run(server, back)
    await until(lambda: server.count("ping") >= 2)
    assert "ALARM" not in caplog.text  # it may be starting, too
    await until(lambda: server.count("ping") >= 8)
    assert caplog.text.count("ALARM the homeserver does not answer or cannot reach the hub: homeserver_away") == 1
    server.away = False
    await until(lambda: bool(back))
    await until(lambda: "answers and reaches the hub again" in caplog.text)
    task.cancel()
