"""Every message is in its room exactly once: lost answers, crashes, early echoes, long absences, refusals."""

from __future__ import annotations

import asyncio

from bridge.model import State
from deploy.world.waiting import until
from tests.matrix.make import Node, World, ghost, meet

SENDS = r"PUT .*/send/m\.room\.encrypted/.*user_id="


def encrypted(world: World, room: str, sender: str) -> list[str]:
    return [
        e["event_id"]
        for e in world.stub.world.rooms[room].events
        if e["type"] == "m.room.encrypted" and e["sender"] == sender
    ]


async def reason(node: Node, message: str) -> str | None:
    await until(lambda: any(r.message == message and r.states[0].state is State.REFUSED for r in node.product.told))
    return next(r for r in reversed(node.product.told) if r.message == message).states[0].reason


async def test_an_answer_that_is_lost_costs_no_second_event(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        world.stub.fault(SENDS, times=3)
        await node.write(chat.chat, "une fois", by="anna")
        await node.write(chat.chat, "puis deux", by="anna")
        await chat.ben.heard("puis deux")
        texts = [s.text for s in chat.ben.seen]
        assert texts == ["une fois", "puis deux"]


async def test_a_crash_after_the_send_costs_no_second_event(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        world.stub.fault(SENDS, times=1)
        world.stub.fault(SENDS, times=10_000, status=503)
        await node.write(chat.chat, "survit", by="anna")
        await until(lambda: world.stub._faults[1].times < 10_000)
        world.stub.appservice = None  # not even the echo arrives
    world.stub._faults.clear()
    async with world.node() as node:
        await node.write(chat.chat, "ensuite", by="anna")
        await chat.ben.heard("ensuite")
        assert [s.text for s in chat.ben.seen] == ["survit", "ensuite"]


async def test_a_repeat_is_the_same_bytes_under_the_same_id(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        world.stub.fault(SENDS, times=2, status=502)
        await node.write(chat.chat, "patience", by="anna")
        await chat.ben.heard("patience")
        assert len(encrypted(world, chat.room, ghost("10000000001"))) == 1
        indexes = [s.event["content"]["session_id"] for s in chat.ben.seen]
        assert len(set(indexes)) == 1


async def test_the_echo_may_be_faster_than_the_answer(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        real, gate = node.homeserver.call, asyncio.Event()

        async def slow(method: str, path: str, *args: object, **more: object) -> object:
            answer = await real(method, path, *args, **more)  # type: ignore[arg-type]
            if "/send/m.room.encrypted/" in path:
                await gate.wait()
            return answer

        node.homeserver.call = slow  # type: ignore[method-assign, assignment]
        await node.write(chat.chat, "rapide", by="anna")
        await chat.ben.heard("rapide")
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        rows = await node.db.all("matrix.outbox", "", 1000)
        assert [r["event_id"] for r in rows] == encrypted(world, chat.room, ghost("10000000001"))
        assert [r["content"] for r in rows] == [""]
        gate.set()


async def test_after_a_day_the_room_is_searched_before_anything_is_sent(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        world.stub.fault(SENDS, times=1)
        world.stub.fault(SENDS, times=10_000, status=503)
        await node.write(chat.chat, "hier", by="anna")
        await until(lambda: world.stub._faults[1].times < 10_000)
        world.stub.appservice = None
    world.stub._faults.clear()
    world.stub._txns.clear()  # the homeserver has forgotten the transaction id
    world.stub._queue.events.clear()
    async with world.node(resend_look_s=0) as node:
        await node.write(chat.chat, "aujourd'hui", by="anna")
        await chat.ben.heard("aujourd'hui")
        assert [s.text for s in chat.ben.seen] == ["hier", "aujourd'hui"]


async def test_rows_are_gone_once_the_room_has_moved_on(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        for number in range(6):
            await node.write(chat.chat, f"message {number}", by="anna")
        await chat.ben.heard("message 5")
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        assert len(await node.db.all("matrix.outbox", "", 1000)) <= 2
        assert not node.matrix._outbox._ciphers
        node.matrix._outbox._clock = lambda: 1 << 50
        await node.matrix._outbox.clean()
        assert not await node.db.all("matrix.outbox", "", 1000)


async def test_too_large_is_told_to_the_sender(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        world.stub.fault(SENDS, times=1, status=413)
        accepted = await node.write(chat.chat, "énorme", by="anna")
        assert await reason(node, accepted.message) == "too_large"
        await node.write(chat.chat, "petit", by="anna")
        await chat.ben.heard("petit")


async def test_a_limit_is_obeyed(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        world.stub.fault(SENDS, times=2, status=429, retry_after_ms=120)
        before = asyncio.get_running_loop().time()
        await node.write(chat.chat, "doucement", by="anna")
        await chat.ben.heard("doucement")
        assert asyncio.get_running_loop().time() - before >= 0.24
        assert len(encrypted(world, chat.room, ghost("10000000001"))) == 1


async def test_a_wrong_token_loses_nothing(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        world.stub.as_token = "changed"
        await node.write(chat.chat, "attend", by="anna")
        await asyncio.sleep(0.2)
        world.stub.as_token = "as-token"
        await chat.ben.heard("attend")


async def test_many_messages_both_ways_stay_in_order(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        world.stub.fault(SENDS, times=5)

        async def out() -> None:
            for number in range(30):
                await node.write(chat.chat, f"sortie {number}", by="anna")

        async def back() -> None:
            for number in range(30):
                await chat.ben.say(chat.room, f"entrée {number}")

        await asyncio.gather(out(), back())
        await chat.ben.heard("sortie 29")
        await node.got("entrée 29")
        assert [s.text for s in chat.ben.seen] == [f"sortie {n}" for n in range(30)]
        assert node.texts()[1:] == [f"entrée {n}" for n in range(30)]
