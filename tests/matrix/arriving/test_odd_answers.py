"""A homeserver, or a proxy before it, that answers oddly for a while ends nothing for ever and loses no message."""

from __future__ import annotations

import pytest

from appservice.arriving import heartbeat
from bridge.parts import endless
from deploy.world.waiting import until
from tests.core.store.test_reading import rows
from tests.matrix.make import World, meet

HTML = b"<html><body>Bad gateway, but 200</body></html>"
ODD = {
    "a page": HTML,
    "nothing": b"",
    "an empty object": b"{}",
    "a list": b"[1, null]",
    "a word": b'"ok"',
    "an error": b'{"errcode": "M_UNKNOWN"}',
    "other types": b'{"user_id": 7, "room_id": [], "event_id": {}, "next_batch": 1, "device_keys": [], "chunk": {},'
    b' "one_time_keys": 3, "to_device": [], "device_lists": 5, "joined_rooms": {}, "list": 1, "capabilities": []}',
}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long pauses."""
    monkeypatch.setattr(heartbeat, "_AFTER", 0.01)
    monkeypatch.setattr(endless, "_FIRST", 0.01)
    monkeypatch.setattr(endless, "_LONGEST", 0.05)


TELLING = ("state", "send", "keys/query", "keys/claim", "sync", "messages")  # calls whose answers hold something
SILENT = ("join", "sendToDevice", "keys/upload", "devices", "profile")  # an empty object says that these were done
SERVICE = (r"/account/whoami", r"/account_data/", r"POST .*/register")


def answer(world: World, odd: bytes) -> None:
    """Let each kind of call of the hub be answered so twice; people's own calls are answered as they should be."""
    silent = () if odd.startswith(b"{") and b"errcode" not in odd else SILENT
    for call in (*(rf"/{name}[/?].*user_id=" for name in (*TELLING, *silent)), *SERVICE):
        world.stub.fault(call, times=2, status=200, body=odd)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_every_call_may_be_answered_oddly_and_messages_arrive_once(world: World, odd: bytes) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        answer(world, odd)
        await node.write(chat.chat, "vers la salle", by="anna")
        await chat.ben.heard("vers la salle", 60)
    answer(world, odd)
    async with world.node() as node:
        await chat.ben.say(chat.room, "après")
        await node.got("après")
        await node.write(chat.chat, "encore", by="anna")
        await chat.ben.heard("encore", 60)
        said = [seen.text for seen in chat.ben.seen if seen.text in ("vers la salle", "encore")]
        assert said == ["vers la salle", "encore"]
        assert node.texts().count("après") == 1
        assert await rows(node.db, "SELECT why FROM matrix_dead") == set()


async def test_the_heartbeat_outlives_an_answer_that_names_nobody(world: World) -> None:
    world.stub.fault(r"/account/whoami", times=3, status=200, body=b'{"device_id": "X"}')
    async with world.node():
        await until(lambda: world.stub.calls.get("_get_data", 0) >= 1)
        await until(lambda: any("heartbeat" in e["type"] for r in world.stub.world.rooms.values() for e in r.events))
