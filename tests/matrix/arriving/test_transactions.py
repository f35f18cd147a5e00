"""The doorbell: what is answered, what is kept, and that nothing blocks it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from appservice.arriving.transactions import Transaction, parse
from appservice.arriving.web import Asked, Web
from bridge.errors import Unavailable
from deploy.world.waiting import until
from tests.core.store.test_reading import rows
from tests.matrix.make import ANNA, CLEO, DAN, Cut, Node, World, ghost, meet

HS = {"Authorization": "Bearer hs-token"}


async def put(node: Node, body: Any, txn: str = "1", headers: dict[str, str] = HS) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    url = f"{node.url}/_matrix/app/v1/transactions/{txn}"
    async with aiohttp.ClientSession() as session, session.put(url, data=data, headers=headers) as answer:
        return answer.status, orjson.loads(await answer.read())


async def get(node: Node, path: str, method: str = "GET") -> int:
    async with aiohttp.ClientSession(headers=HS) as session, session.request(method, node.url + path) as answer:
        return answer.status


def event(event_id: str, **more: Any) -> dict[str, Any]:
    base = {"event_id": event_id, "room_id": "!r", "sender": "@x:y", "type": "m.x", "content": {}}
    return base | more


async def dead(node: Node) -> list[str]:
    return [why for _, why in sorted(await rows(node.db, "SELECT number, why FROM matrix_dead"))]


def test_every_name_of_every_part_is_understood() -> None:
    message = {"to_user_id": "@a:b"}
    for name in ("to_device", "de.sorunome.msc2409.to_device"):
        assert parse(orjson.dumps({name: [message]})).to_device == [message]
    for name in ("device_lists", "org.matrix.msc3202.device_lists"):
        lists = parse(orjson.dumps({name: {"changed": ["@a:b", 3], "left": ["@c:d"]}}))
        assert (lists.changed, lists.left) == (["@a:b"], ["@c:d"])
    for name in (
        "device_one_time_keys_count",
        "org.matrix.msc3202.device_one_time_keys_count",
        "org.matrix.msc3202.device_one_time_key_counts",
    ):
        assert parse(orjson.dumps({name: {"@a:b": {"D": {"x": 1}}}})).counts == {"@a:b": {"D": {"x": 1}}}
    for name in ("device_unused_fallback_key_types", "org.matrix.msc3202.device_unused_fallback_key_types"):
        assert parse(orjson.dumps({name: {"@a:b": {"D": []}}})).fallback == {"@a:b": {"D": []}}
    for name in ("ephemeral", "de.sorunome.msc2409.ephemeral"):
        assert parse(orjson.dumps({name: [{"type": "m.typing"}, 7]})).ephemeral == [{"type": "m.typing"}]


@pytest.mark.parametrize("body", [{}, {"events": None}, {"events": {}, "ephemeral": 3, "device_lists": []}])
def test_odd_parts_are_left_out(body: Any) -> None:
    parsed = parse(orjson.dumps(body))
    assert (list(parsed.events), list(parsed.ephemeral), list(parsed.changed)) == ([], [], [])


async def test_only_the_homeserver_may_ring(world: World) -> None:
    async with world.node() as node:
        assert (await put(node, {"events": []}))[0] == 200
        assert await put(node, {"events": []}, headers={"Authorization": "Bearer wrong"}) == (
            403,
            {"errcode": "M_FORBIDDEN", "error": "wrong token"},
        )
        assert (await put(node, {"events": []}, headers={}))[0] == 401
        assert (await put(node, {"events": []}, headers={"Authorization": "Basic hs-token"}))[0] == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b"\xff\xfe"])
async def test_what_is_no_transaction_is_set_aside_and_answered(world: World, body: bytes) -> None:
    async with world.node() as node:
        assert await put(node, body) == (200, {})
        assert await dead(node) == ["bad_json"]


async def test_what_is_too_big_is_set_aside_and_answered(world: World) -> None:
    async with world.node(max_body=2000) as node:
        assert await put(node, {"events": [event("$1", content={"x": "y" * 300_000})]}) == (200, {})
        assert await dead(node) == ["too_big"]


async def test_an_event_that_is_none_does_not_stop_the_others(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        odd: list[Any] = [7, {}, {"event_id": "$x"}, event("$y", content=[]), event("$z", sender=None)]
        assert (await put(node, {"events": odd}, "900"))[0] == 200
        assert await dead(node) == ["bad_event"] * 5
        await chat.ben.say(chat.room, "encore là")
        await node.got("encore là")


async def test_poison_goes_to_the_dead_letters_and_the_lane_moves_on(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        poison = event("$poison", room_id=chat.room, type="m.room.power_levels", state_key="", content={"users": {}})
        work = node.matrix._inbox._work

        async def broken(item: Any, what: Any) -> None:
            if item.event_id == "$poison":
                raise KeyError("secret text")
            await work(item, what)

        node.matrix._inbox._work = broken
        await put(node, {"events": [poison]}, "901")
        await chat.ben.say(chat.room, "après le poison")
        await node.got("après le poison")
        [(event_id, why)] = await rows(node.db, "SELECT event_id, why FROM matrix_dead")
        assert (event_id, why.split(" ")[0]) == ("$poison", "KeyError")
        assert "secret" not in why
        assert not await node.db.all("matrix.inbox", 0, 1000)


async def test_an_event_counts_once_however_often_it_comes(world: World) -> None:
    world.stub.record = True
    async with world.node() as node:
        chat = await meet(world, node)
        await world.stub.idle()
        bodies = list(world.stub.pushed)
        for number, body in enumerate(bodies):
            assert (await put(node, body, f"again{number}"))[0] == 200
        await asyncio.gather(*(put(node, bodies[-1], "same") for _ in range(5)))
        await until(lambda: node.matrix.idle)
    async with world.node() as node:
        for number, body in enumerate(bodies):
            assert (await put(node, body, f"later{number}"))[0] == 200
        await until(lambda: node.matrix.idle)
        await chat.ben.say(chat.room, "une fois")
        await node.got("une fois")
        assert node.texts() == ["une fois"]


async def test_a_database_that_is_away_is_the_only_reason_to_refuse(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        real = node.matrix._transactions._write
        failures = 2

        async def away(*args: Any) -> Any:
            nonlocal failures
            if failures:
                failures -= 1
                raise Unavailable("database", 1.0)
            return await real(*args)

        node.matrix._transactions._write = away  # type: ignore[method-assign, assignment]
        await chat.ben.say(chat.room, "trois essais")
        await node.got("trois essais")
        assert failures == 0


async def test_a_commit_whose_answer_was_lost_loses_nothing(world: World) -> None:
    """The homeserver repeats the transaction; its events are known by then, and worked on all the same."""
    async with world.node() as node:
        chat = await meet(world, node)
        cut: Any = Cut(node.db, "matrix.transaction")
        node.matrix._transactions._db = cut
        for n in range(3):
            await chat.ben.say(chat.room, f"sans réponse {n}")
        await node.got("sans réponse 2")
        assert cut.left == 0
        assert node.texts()[1:] == [f"sans réponse {n}" for n in range(3)]


async def test_events_are_sealed_on_disk(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        node.matrix._inbox._work = _never
        await chat.ben.raw(chat.room, "m.room.message", {"msgtype": "m.text", "body": "en-clair-secret"})
        await world.stub.idle()
    raw = b"".join(path.read_bytes() for path in world.folder.glob("hub.db*"))
    assert b"en-clair-secret" not in raw


async def _never(*_: Any) -> None:
    await asyncio.sleep(3600)


async def test_queries_are_answered_for_exact_reachable_ghosts_only(world: World) -> None:
    async with world.node() as node:
        users = "/_matrix/app/v1/users/"
        assert await get(node, users + ghost(ANNA)) == 200
        assert ghost(ANNA) in world.stub.world.users
        for wrong in (ghost(DAN), ghost("1"), ghost(ANNA) + ".evil", "@rpps_1000000000x:stub.example", ghost("9" * 11)):
            assert await get(node, users + wrong) == 404
        assert await get(node, "/_matrix/app/v1/rooms/%23x:y") == 404
        assert await get(node, "/_matrix/app/v1/ping", "POST") == 200
        assert await get(node, "/health") == 200
        assert await get(node, "/ready") == 200


async def test_rooms_do_not_wait_for_one_another(world: World) -> None:
    async with world.node() as node:
        one, two = await meet(world, node), await meet(world, node, "eve", CLEO)
        work = node.matrix._inbox._work
        gate = asyncio.Event()

        async def slow(item: Any, what: Any) -> None:
            if item.room == one.room:
                await gate.wait()
            await work(item, what)

        node.matrix._inbox._work = slow
        await one.ben.say(one.room, "bloqué")
        await two.ben.say(two.room, "libre")
        await node.got("libre")
        assert "bloqué" not in node.texts()
        gate.set()
        await node.got("bloqué")


class Taken:
    """Takes everything and keeps nothing."""

    async def take(self, raw: bytes) -> Transaction:
        return parse(raw)


async def test_a_second_connection_beside_one_in_use_is_no_restart(aiohttp_server: AiohttpServer) -> None:
    news = list[str]()
    doors = Web(
        "hs-token",
        Taken(),  # type: ignore[arg-type]
        Asked(exists, trouble=lambda: "", rang=lambda _: None, new_peer=lambda: news.append("new")),
        max_body=1000,
    )
    app = web.Application()
    doors.routes(app)
    doors.open()
    url = (await aiohttp_server(app)).make_url("/_matrix/app/v1/transactions/own")

    async def suspected(session: aiohttp.ClientSession) -> bool:
        before = len(news)
        async with session.put(url, data=b'{"events": []}', headers=HS) as answer:
            assert answer.status == 200
            await answer.read()
        return len(news) > before

    async with aiohttp.ClientSession() as first, aiohttp.ClientSession() as second:
        assert await suspected(first)
        assert not await suspected(second)
        assert not await suspected(first)
    await until(lambda: all(peer.is_closing() for peer in doors._peers), "the end of both")
    async with aiohttp.ClientSession() as third:
        assert await suspected(third)


async def exists(_: str) -> bool:
    return False
