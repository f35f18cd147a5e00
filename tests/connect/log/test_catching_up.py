"""A product that was away, or that can receive no webhook, has all by its log: nothing missing, nothing twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bridge.model import Address, Ref
from tests.connect.make import BEN_HANDLE, DAN, TOKENS, Json, World, message, running

DAY = 86_400.0
SIILO = TOKENS["siilo"]


def pull(section: Json) -> None:
    """siilo can receive no webhook."""
    section["products"]["siilo"] |= {"webhook_url": None, "webhook_secrets": []}


def both(section: Json) -> None:
    """siilo has a webhook and a log."""
    section["products"]["siilo"] |= {"events_kept_days": 14, "webhook_timeout_s": 0.5}


@pytest_asyncio.fixture
async def pulled(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path, pull) as w:
        await w.declare()
        yield w


@pytest_asyncio.fixture
async def logged(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path, both) as w:
        await w.declare()
        yield w


async def read(w: World, **query: object) -> Json:
    """One request to siilo's log."""
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    status, page = await w.call("GET", "/events" + (f"?{asked}" if asked else ""), token=SIILO)
    assert status == 200, page
    return page


async def catch_up(w: World, limit: int = 7) -> list[Json]:
    """Read until nothing is left; the last cursor says that everything is safe."""
    page = await read(w, limit=limit)
    events = list(page["events"])
    while page["events"]:
        page = await read(w, after=page["next"], limit=limit)
        events += page["events"]
    return events


async def test_who_is_away_is_seen_with_what_lies_there_and_when_they_last_read(pulled: World) -> None:
    w = pulled
    [queue] = await w.connectors["siilo"].queues(1000)
    assert (queue.waiting, queue.oldest, queue.read) == (0, None, 0)
    began = int(time.time() * 1000)
    await write(w, 3)
    await settled(w, 3)
    [queue] = await w.connectors["siilo"].queues(2)
    assert (queue.name, queue.waiting, queue.read) == ("unread", 2, 0)  # counted up to a bound
    assert queue.oldest is not None
    assert queue.oldest >= began
    await catch_up(w)
    [queue] = await w.connectors["siilo"].queues(1000)
    assert (queue.waiting, queue.oldest) == (0, None)
    assert queue.read is not None
    first = queue.read
    assert first >= began
    w.ahead += 50
    await read(w)
    assert (await w.connectors["siilo"].queues(1))[0].read == first  # to the minute: no write for each look
    w.ahead += 60
    await read(w)
    [queue] = await w.connectors["siilo"].queues(1)
    assert queue.read is not None
    assert queue.read >= first + 60_000


async def write(w: World, n: int, chat: str = "chat-1", first: int = 0) -> list[str]:
    """cleo writes to dan; gives the texts."""
    texts = [f"{chat} {i}" for i in range(first, first + n)]
    for i, text in enumerate(texts, first):
        body = message(f"{chat}-{i}", conversation=chat, text=text, to=["siilo:dan"])
        status, answer = await w.call("POST", "/messages", body)
        assert status == 202, answer
    return texts


async def state(w: World, ident: str) -> tuple[str, str | None]:
    """What cleo's product hears of a message of hers, and why."""
    _, told = await w.call("GET", f"/messages/{ident}")
    return told["state"], told["recipients"][0]["reason"]


async def reaches(w: World, ident: str, wanted: tuple[str, str | None], pause: float = 0.05) -> None:
    """Until cleo's product hears this of a message of hers."""
    for _ in range(2_000):
        if await state(w, ident) == wanted:
            return
        await asyncio.sleep(pause)
    assert await state(w, ident) == wanted


async def settled(w: World, n: int) -> None:
    """Until so many events wait in siilo's log."""
    log = w.connectors["siilo"]._out.events
    assert log is not None
    for _ in range(5_000):
        if len(await log.waiting(0)) >= n:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(await log.waiting(0))} wait, not {n}")


def texts_of(events: list[Json], chat: str = "") -> list[str]:
    """The texts of what was said, in order."""
    said = [e["data"]["text"] for e in events if e["type"] == "message.created"]
    return [text for text in said if text.startswith(chat)]


async def test_a_product_that_was_unreachable_for_a_week_catches_up_by_its_log_alone(logged: World) -> None:
    w, days = logged, list[str]()
    await w.siilo.stop()
    for day in range(7):
        days += await write(w, 3, "chat-1", day * 3) + await write(w, 2, "chat-2", day * 2)
        w.ahead += DAY
        if day == 3:  # the hub ends in the middle, too
            await w.stop_hub()
            await w.start_hub()
    await settled(w, len(days))
    status, told = await w.call("GET", "/messages/chat-1-0")
    assert (status, told["state"]) == (200, "accepted")  # nobody has it, nobody gave up
    events = await catch_up(w)
    ids = [e["webhook-id"] for e in events]
    assert len(set(ids)) == len(ids) == len(days)
    assert sorted(texts_of(events)) == sorted(days)
    for chat in ("chat-1", "chat-2"):
        assert texts_of(events, chat) == [text for text in days if text.startswith(chat)]
    for ident in ("chat-1-0", "chat-2-13"):
        assert await state(w, ident) == ("delivered", None)
    await w.siilo.start(w.url)  # it is there again: what it has read is not sent once more
    new = await write(w, 1, "chat-1", 21)
    await w.until(lambda: w.siilo.texts("dan") == new)
    await reaches(w, "chat-1-21", ("delivered", None))
    assert [e["delivered"] for e in await catch_up(w)] == []


async def test_what_nobody_reads_is_sent_again_once_the_product_is_back(logged: World) -> None:
    w = logged
    await w.siilo.stop()
    sent = await write(w, 4) + await write(w, 3, "chat-2")
    await settled(w, 7)
    await w.siilo.start(w.url)
    await w.until(lambda: len(w.siilo.texts("dan")) == 7)
    for chat in ("chat-1", "chat-2"):
        assert [t for t in w.siilo.texts("dan") if t.startswith(chat)] == [t for t in sent if t.startswith(chat)]
    await reaches(w, "chat-2-2", ("delivered", None))
    first = next(m for m in w.siilo.arrived("dan") if m["text"] == sent[0])  # either conversation may be faster
    named = first["id"]  # the product's own id of it counts for an answer
    body = message("dan-1", conversation=first["conversation"], sender="dan", reply_to=named, to=[])
    assert (await w.call("POST", "/messages", body, token=SIILO))[0] == 202
    await w.until(lambda: w.pandalab.arrived("cleo"))
    assert w.pandalab.arrived("cleo")[0]["reply_to"] == "chat-1-0"
    everything = (await read(w, after=0))["events"]
    assert [e["delivered"] for e in everything if e["type"] == "message.created"] == [True] * 7


async def test_a_product_without_a_webhook_has_everything_by_its_log(pulled: World) -> None:
    w = pulled
    await write(w, 1)
    page = await read(w, wait=20)
    [created] = page["events"]
    assert (created["type"], created["delivered"], page["whole"]) == ("message.created", False, True)
    assert created["data"]["text"] == "chat-1 0"
    assert await state(w, "chat-1-0") == ("accepted", None)  # it has read it, nobody knows whether it has it safely
    assert (await read(w))["events"] == [created]  # without a cursor: what it has not taken
    chat = created["data"]["conversation"]
    waiting = asyncio.ensure_future(read(w, after=page["next"], wait=60))
    await reaches(w, "chat-1-0", ("delivered", None))
    answer = message("d-1", sender="dan", conversation=chat, text="Reçu", to=[], reply_to=created["webhook-id"])
    assert (await w.call("POST", "/messages", answer, token=SIILO))[0] == 202
    await w.until(lambda: w.pandalab.texts("cleo") == ["Reçu"])
    assert w.pandalab.arrived("cleo")[0]["reply_to"] == "chat-1-0"
    told = await waiting  # its own message's state is an event, too
    assert [e["type"] for e in told["events"]] == ["message.state"]
    seen = {"message": created["webhook-id"], "user": "dan", "state": "read", "at": created["timestamp"]}
    assert (await w.call("POST", "/receipts", seen, token=SIILO))[0] == 204
    assert await state(w, "chat-1-0") == ("read", None)
    assert "chat-1 0" not in (w.folder / "hub.db").read_bytes().decode("latin-1")


async def test_an_attempt_is_repeated_and_nothing_is_twice(pulled: World) -> None:
    w = pulled
    await write(w, 2)
    await settled(w, 2)
    await w.stop_hub()
    await w.start_hub()
    await write(w, 1, first=2)
    await settled(w, 3)
    events = await catch_up(w, 2)
    assert texts_of(events) == ["chat-1 0", "chat-1 1", "chat-1 2"]
    page = await read(w, after=0)  # a product that lost everything may read it all again
    assert [e["webhook-id"] for e in page["events"]] == [e["webhook-id"] for e in events]
    assert all(e["delivered"] for e in page["events"])


async def test_senders_hear_that_it_waits_and_at_last_that_nobody_fetched_it(pulled: World) -> None:
    w = pulled
    await write(w, 1)
    await settled(w, 1)
    w.ahead += 3600
    await reaches(w, "chat-1-0", ("accepted", "late"), 10.0)
    w.ahead += 15 * DAY
    await reaches(w, "chat-1-0", ("refused", "gave_up"), 10.0)
    page = await read(w, after=0)
    assert (page["events"], page["whole"]) == ([], False)
    await write(w, 1, "chat-2")
    await settled(w, 1)
    assert texts_of((await read(w))["events"]) == ["chat-2 0"]


async def test_a_cursor_that_was_never_given_passes_nothing(pulled: World) -> None:
    w = pulled
    await write(w, 1)
    await settled(w, 1)
    status, problem = await w.call("GET", "/events?after=999", token=SIILO)
    assert (status, problem["code"], problem["field"]) == (422, "unknown_cursor", "after")
    for wrong in ("after=-1", "after=x", "limit=0", "limit=501", "wait=61", "wait=1.5"):
        assert (await w.call("GET", f"/events?{wrong}", token=SIILO))[0] == 422, wrong
    assert await state(w, "chat-1-0") == ("accepted", None)
    status, problem = await w.call("GET", "/events")  # pandalab has asked for no log
    assert (status, problem["code"]) == (422, "no_event_log")


async def test_matrix_members_and_accounts_are_in_the_log_in_their_order(pulled: World) -> None:
    w = pulled
    body = message("m-1", to=["siilo:dan", BEN_HANDLE], name={"text": "RCP", "about_patient": False})
    assert (await w.call("POST", "/messages", body))[0] == 202
    await w.until(lambda: w.matrix.delivered)
    await w.hub.bind(w.matrix.delivered[0].conversation, "matrix", "!room")
    await w.matrix.write("$1", "!room", "@ben:chu.example", "Bonjour")
    await settled(w, 2)
    assert await w.hub.signs.read(Ref("matrix", "$1"), Address("siilo", "dan"), 1) is True
    change = {"id": "c-1", "by": "cleo", "add": ["pandalab:fay"]}
    assert (await w.call("POST", "/conversations/chat-1/members", change))[0] == 202
    await settled(w, 3)
    events = await catch_up(w)
    assert [e["type"] for e in events] == ["message.created", "message.created", "conversation.members"]
    assert texts_of(events) == ["Bonjour", "Bonjour"]
    status, problem = await w.call("PUT", "/users/dan2", {"rpps": DAN}, token=SIILO)
    assert status == 200, problem


async def test_an_event_is_sent_again_on_request(logged: World) -> None:
    w = logged
    await write(w, 1)
    await reaches(w, "chat-1-0", ("delivered", None))
    [event] = (await read(w, after=0))["events"]
    assert event["delivered"] is True
    path = f"/events/{event['webhook-id']}/replay"
    status, answer = await w.call("POST", path, token=SIILO)
    assert (status, answer) == (200, {"id": event["webhook-id"], "outcome": "delivered", "code": None})
    seen = [e["webhook_id"] for e in w.siilo.sim.state.events()["events"]]
    assert seen.count(event["webhook-id"]) == 2  # it came again, and was taken for the same
    assert len(w.siilo.texts("dan")) == 1
    assert (await w.call("POST", "/events/nobody/replay", token=SIILO))[1]["code"] == "unknown_event"
    assert (await w.call("POST", "/webhook/test", token=SIILO))[1]["outcome"] == "delivered"
    await w.siilo.stop()
    status, answer = await w.call("POST", path, token=SIILO)
    assert (status, answer["outcome"], answer["code"]) == (200, "failed", "product_unreachable")
    await write(w, 1, "chat-2")
    await settled(w, 1)
    [waiting] = (await read(w))["events"]
    await w.siilo.start(w.url)
    answer = (await w.call("POST", f"/events/{waiting['webhook-id']}/replay", token=SIILO))[1]
    assert answer["outcome"] == "delivered"
    assert await state(w, "chat-2-0") == ("delivered", None)


async def test_a_test_event_waits_in_the_log_of_a_product_without_a_webhook(pulled: World) -> None:
    w = pulled
    answer = (await w.call("POST", "/webhook/test", token=SIILO))[1]
    assert answer["outcome"] == "logged"
    [event] = (await read(w))["events"]
    assert (event["type"], event["webhook-id"], event["data"]) == ("webhook.test", answer["id"], {})
    status, problem = await w.call("POST", f"/events/{answer['id']}/replay", token=SIILO)
    assert (status, problem["code"]) == (422, "no_webhook")
