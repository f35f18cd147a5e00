"""What a read receipt covers: its thread, or everything up to an event that need not be a message."""

from __future__ import annotations

import asyncio

import pytest

from appservice.arriving.receipts import thread_of
from bridge.errors import Unavailable
from bridge.model import Address, Ref
from deploy.world.stub.world import Room
from deploy.world.waiting import PATIENCE, until
from tests.matrix.arriving.test_gaps import lost
from tests.matrix.make import Chat, Node, World, meet


async def _says(node: Node, chat: Chat, text: str, thread: str | None = None) -> str:
    """Anna writes; gives the event that Ben sees."""
    root = None if thread is None else Ref("pandalab", thread)
    await node.write(chat.chat, text, by="anna", ref=text, thread=root)
    return str((await chat.ben.heard(text)).event["event_id"])


async def _read(node: Node, *texts: str) -> set[str]:
    """Which of these messages count as read."""
    found = {text: await node.hub.facts.status(Ref("pandalab", text)) for text in texts}
    return {text for text, status in found.items() if status and status.states[0].state == "read"}


async def _becomes(node: Node, expected: set[str], *texts: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while await _read(node, *texts) != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert await _read(node, *texts) == expected


def _said(room: Room) -> list[str]:
    """The messages of a room as its homeserver has them."""
    return [event["event_id"] for event in room.events if event["type"] == "m.room.encrypted"]


_ALL = ("racine", "fil 1", "suite", "fil 2")


async def _thread(node: Node, chat: Chat) -> dict[str, str]:
    """Main timeline and a thread, interleaved."""
    events = {"racine": await _says(node, chat, "racine")}
    for text, root in (("fil 1", "racine"), ("suite", None), ("fil 2", "racine")):
        events[text] = await _says(node, chat, text, root)
    return events


async def test_a_threaded_receipt_covers_its_thread_only(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        events = await _thread(node, chat)
        await chat.ben.receipt(chat.room, events["fil 2"], events["racine"])
        await _becomes(node, {"fil 1", "fil 2"}, *_ALL)
        await _says(node, chat, "fil 3", "racine")
        await chat.ben.receipt(chat.room, events["suite"], "main")
        await _becomes(node, {*_ALL}, *_ALL, "fil 3")


async def test_the_main_timeline_does_not_cover_threads(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        events = await _thread(node, chat)
        await chat.ben.receipt(chat.room, events["suite"], "main")
        await _becomes(node, {"racine", "suite"}, *_ALL)


async def test_a_receipt_without_a_thread_covers_everything_before(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        events = await _thread(node, chat)
        await chat.ben.receipt(chat.room, events["suite"])
        await _becomes(node, {"racine", "fil 1", "suite"}, *_ALL)


@pytest.mark.parametrize(
    ("upto", "expected"), [("fil 2", {"fil 1", "fil 2"}), ("suite", {"racine", "suite"})], ids=["thread", "main"]
)
async def test_our_own_server_keeps_the_thread_to_itself(world: World, upto: str, expected: set[str]) -> None:
    async with world.node() as node:
        chat = await meet(world, node, server=None)
        events = await _thread(node, chat)
        await chat.ben.receipt(chat.room, events[upto], "main" if upto == "suite" else events["racine"])
        await _becomes(node, expected, *_ALL)


async def test_what_the_homeserver_does_not_say_is_not_claimed(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        events = await _thread(node, chat)
        world.stub.fault("GET .*/context/", times=99, status=403)
        await chat.ben.receipt(chat.room, events["fil 2"], events["racine"])
        await _becomes(node, {"fil 2"}, *_ALL)


async def test_a_receipt_waits_for_a_database_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its primary changes, say: nobody sends the receipt again. Those that can be handed on do not wait for it."""
    async with world.node() as node:
        chat = await meet(world, node)
        event, last = await _says(node, chat, "un"), await _says(node, chat, "deux")
        real, tried = node.hub.signs.read, list[str]()

        async def read(ref: Ref, reader: Address, at: int) -> bool:
            tried.append(ref.id)
            if ref.id == event and last not in tried:
                raise Unavailable("database", 1.0, alone=True)
            return await real(ref, reader, at)

        monkeypatch.setattr(node.hub.signs, "read", read)
        await chat.ben.receipt(chat.room, event)
        await until(lambda: bool(tried))
        await chat.ben.receipt(chat.room, last)
        await _becomes(node, {"un", "deux"}, "un", "deux")
        await until(lambda: tried[-1] == event)
        assert set(tried) == {event, last}


@pytest.mark.parametrize("thread", [None, "main"])
async def test_what_is_read_while_the_hub_is_away_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch, thread: str | None
) -> None:
    """The homeserver pushes no receipt a second time: it is asked, and tells the threads of its own users, too."""
    monkeypatch.setattr("appservice.arriving.gaps._SILENT_AFTER", 0.05)
    async with world.node() as node:
        chat = await meet(world, node, server=None)
        events = await _thread(node, chat)
    monkeypatch.setattr(
        world.stub, "_ephemeral", lambda event, by: None
    )  # as Synapse: it is pushed to nobody, and never
    await chat.ben.receipt(chat.room, events["suite"], thread)
    async with world.node() as node:
        await _becomes(node, {"racine", "suite"} | ({"fil 1"} if thread is None else set()), *_ALL)


@pytest.mark.parametrize("server", ["chu.example", None], ids=["away", "home"])
async def test_a_reader_may_be_quicker_than_the_hub(world: World, server: str | None) -> None:
    """The room has the message, its answer and its echo are still on their way: the receipt waits for one of them."""
    async with world.node() as node:
        chat = await meet(world, node, server=server)
        await _thread(node, chat)
        answer = asyncio.Event()
        world.stub.fault("PUT .*/send/m.room.encrypted/", late=answer)
        room = world.stub.world.rooms[chat.room]
        before = _said(room)
        with lost(world):
            await node.write(chat.chat, "vite", by="anna", ref="vite")
            await until(lambda: _said(room) != before)
            await chat.ben.receipt(chat.room, _said(room)[-1])
            await until(lambda: node.matrix._receipts._came.known())
            answer.set()
        await _becomes(node, {"vite"}, "vite")


async def test_a_room_without_threads_is_asked_about_once_and_read_as_a_whole(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node, server=None)
        texts = [f"n{number}" for number in range(4)]
        events = [await _says(node, chat, text) for text in texts]
        await chat.ben.receipt(chat.room, events[1], "main")
        await _becomes(node, {"n0", "n1"}, *texts)
        await chat.ben.receipt(chat.room, events[3], "main")
        await _becomes(node, {*texts}, *texts)
        assert world.stub.calls["_threads"] == 1
        assert "_context" not in world.stub.calls
        root = await _says(node, chat, "racine")
        await _says(node, chat, "fil", "n3")  # now there is a thread
        await chat.ben.receipt(chat.room, root, "main")
        await _becomes(node, {"racine"}, "racine", "fil")


@pytest.mark.parametrize("server", ["chu.example", None], ids=["away", "home"])
async def test_a_receipt_about_no_message_covers_what_came_before(world: World, server: str | None) -> None:
    async with world.node() as node:
        chat = await meet(world, node, server=server)
        texts = ("un", "deux", "trois")
        for text in texts[:2]:
            await _says(node, chat, text)
        state = f"/_matrix/client/v3/rooms/{chat.room}/state/m.room.pinned_events"
        pinned = (await chat.ben.call("PUT", state, {"pinned": []}))["event_id"]
        await _says(node, chat, "trois")
        await chat.ben.receipt(chat.room, pinned)
        await _becomes(node, {"un", "deux"}, *texts)
        asked = world.stub.calls["_context"]
        await chat.ben.receipt(chat.room, pinned)
        await world.stub.idle()
        await asyncio.sleep(0.1)
        assert world.stub.calls["_context"] == asked


async def test_a_receipt_about_our_own_status_is_about_the_messages_before(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await _says(node, chat, "lisez-moi")
        mine = await chat.ben.say(chat.room, "bien")
        status = await chat.ben.event(
            lambda e: e["type"].startswith("com.beeper") and e["content"]["m.relates_to"]["event_id"] == mine
        )
        await chat.ben.receipt(chat.room, status["event_id"])
        await _becomes(node, {"lisez-moi"}, "lisez-moi")


async def test_a_receipt_waits_for_nobody_who_writes(world: World) -> None:
    """A homeserver that is slow to answer delays neither messages nor typing."""
    async with world.node() as node:
        chat = await meet(world, node)
        events = await _thread(node, chat)
        world.stub.fault("GET .*/context/", delay=600.0, status=502)
        await chat.ben.receipt(chat.room, events["fil 2"], events["racine"])
        await chat.ben.say(chat.room, "vite")
        await node.got("vite")
        await chat.ben.typing(chat.room)
        await until(lambda: node.product.signs)


def test_the_thread_of_an_event_follows_its_relations() -> None:
    def event(kind: str | None = None, to: str = "$t") -> dict[str, object]:
        return {"content": {"m.relates_to": {"rel_type": kind, "event_id": to}} if kind else {}}

    others = {"$t": event("m.thread", "$root"), "$m": event(), "$loop": event("m.reference", "$loop")}
    assert thread_of(event("m.thread", "$root"), others) == "$root"
    assert thread_of(event("m.annotation", "$t"), others) == "$root"
    assert thread_of(event("m.replace", "$m"), others) == "main"
    assert thread_of({"content": {"m.relates_to": {"m.in_reply_to": {"event_id": "$t"}}}}, others) == "main"
    assert thread_of(event("m.replace", "$elsewhere"), others) is None
    assert thread_of(event("m.reference", "$loop"), others) is None
    assert thread_of(event() | {"unsigned": {"redacted_because": {}}}, others) is None
