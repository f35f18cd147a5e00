"""What products ask of the hub, and what they are answered when they ask wrongly."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bridge.errors import Unavailable
from tests.connect.make import BEN, BEN_HANDLE, CLEO, GUS, TOKENS, Json, World, message, running, time_text

SIILO = TOKENS["siilo"]


async def test_a_message_is_accepted(w: World) -> None:
    status, answer = await w.call("POST", "/messages", message("p-1"))
    assert status == 202
    assert answer == {"id": "p-1", "message": answer["message"], "conversation": "chat-1", "state": "accepted"}
    assert w.headers["Cache-Control"] == "no-store"
    await w.until(lambda: w.matrix.delivered)


async def test_the_same_id_is_one_message_and_one_answer(w: World) -> None:
    first = await w.call("POST", "/messages", message("p-1"))
    many = await asyncio.gather(*(w.call("POST", "/messages", message("p-1")) for _ in range(10)))
    assert all(again == first for again in many)
    await w.call("POST", "/messages", message("p-2", text="Deux"))
    await w.until(lambda: len(w.matrix.delivered) == 2)
    assert [d.body.text for d in w.matrix.delivered] == ["Bonjour", "Deux"]


async def test_products_may_use_the_same_ids(w: World) -> None:
    _, one = await w.call("POST", "/messages", message("p-1"))
    status, other = await w.call("POST", "/messages", message("p-1", sender="dan"), token=SIILO)
    assert status == 202
    assert one["message"] != other["message"]


async def test_the_state_of_a_message(w: World) -> None:
    await w.call("POST", "/messages", message("p-1"))
    await w.until(lambda: w.pandalab.sim.state.events()["taken"])
    status, answer = await w.call("GET", "/messages/p-1")
    assert status == 200
    assert (answer["id"], answer["conversation"], answer["sender"], answer["state"]) == (
        "p-1", "chat-1", "cleo", "delivered",
    )  # fmt: skip
    [recipient] = answer["recipients"]
    assert (recipient["person"], recipient["state"], recipient["reason"]) == (f"rpps:{BEN}", "delivered", None)


async def test_a_product_sees_its_own_messages_and_conversations_only(w: World) -> None:
    await w.call("POST", "/messages", message("p-1"))
    for path in ("/messages/p-1", "/conversations/chat-1", "/users/cleo"):
        status, problem = await w.call("GET", path, token=SIILO)
        assert (status, problem["field"]) == (404, "id")
    change = {"id": "x", "by": "dan", "add": ["siilo:dan"]}
    status, _ = await w.call("POST", "/conversations/chat-1/members", change, token=SIILO)
    assert status == 404


async def test_a_product_speaks_for_its_own_users_only(w: World) -> None:
    status, problem = await w.call("POST", "/messages", message("p-1", sender="cleo"), token=SIILO)
    assert (status, problem["code"], problem["field"]) == (403, "unknown_sender", "sender")
    assert "RPPS" in problem["detail"]


async def test_others_do_not_write_into_a_conversation(w: World) -> None:
    await w.call("POST", "/messages", message("p-1"))
    status, problem = await w.call("POST", "/messages", message("p-2", sender="fay", to=[]))
    assert (status, problem["code"], problem["field"]) == (403, "not_a_member", "sender")


async def test_users_are_declared_and_seen(w: World) -> None:
    status, made = await w.call("PUT", "/users/gus", {"rpps": GUS})
    assert (status, made["id"], made["person"], made["name"]) == (200, "gus", f"rpps:{GUS}", "Gus Noël")
    assert await w.call("PUT", "/users/gus", {"rpps": GUS}) == (200, made)
    assert await w.call("GET", "/users/gus") == (200, made)
    status, problem = await w.call("PUT", "/users/gus", {"rpps": "99999999999"})
    assert (status, problem["code"], problem["field"]) == (422, "unknown_rpps", "rpps")


@pytest.mark.parametrize("user", ["a/b", "a%2Fb", "a?b", "é", "..a", "a#b", "a+b@c", "\"'<>", "%"])
async def test_ids_in_paths(w: World, user: str) -> None:
    status, answer = await w.call("PUT", f"/users/{quote(user, safe='')}", {"rpps": GUS})
    if user.isascii():
        assert (status, answer["id"]) == (200, user)
        assert (await w.call("GET", f"/users/{quote(user, safe='')}"))[0] == 200
    else:
        assert (status, answer["field"]) == (422, "id")


async def test_people_are_found(w: World) -> None:
    status, answer = await w.call("GET", "/people?q=durand&limit=5")
    assert status == 200
    [found] = answer["people"]
    assert (found["person"], found["name"], found["networks"]) == (f"rpps:{BEN}", "Ben Durand", ["matrix"])
    assert "@ben" not in json.dumps(answer)  # no addresses
    assert (await w.call("GET", "/people?q=nobody"))[1] == {"people": [], "next": None}
    assert (found["ways"], found["ways_text"]) == (["application"], {"fr": "application", "en": "application"})


async def test_people_are_found_a_page_at_a_time_and_narrowed(w: World) -> None:
    async def find(query: str) -> tuple[list[str], str | None]:
        status, answer = await w.call("GET", f"/people?{query}")
        assert status == 200, answer
        return [one["name"] for one in answer["people"]], answer["next"]

    whole, end = await find("q=1000000&limit=50")  # by the beginning of the number
    assert end is None
    pages, cursor = await find("q=1000000&limit=2")
    while cursor is not None:
        more, cursor = await find(f"q=1000000&limit=2&cursor={cursor}")
        pages += more
    assert pages == whole
    assert len(whole) > 2
    _, cursor = await find("q=1000000&limit=2")
    status, problem = await w.call("GET", f"/people?q=10000&limit=2&cursor={cursor}")
    assert (status, problem["field"]) == (422, "cursor")
    assert (await find("q=1000000&kind=service"))[0] == []
    assert set((await find("q=1000000&kind=person"))[0]) == set(whole[:20])


async def test_contacts_are_those_of_ones_own_conversations(w: World) -> None:
    await w.call("POST", "/messages", message("p-1"))
    headers, url = {"Authorization": f"Bearer {TOKENS['pandalab']}"}, "/connect/v1/people/contacts.vcf?user=cleo"
    async with w.client.get(w.url + url, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/vcard")
        names = [line for line in (await answer.text()).splitlines() if line.startswith("FN:")]
    assert [name[:6] for name in names] == ["FN:Ben"]
    for query, field, code in (("", "user", 422), ("?user=nobody", "user", 403), ("?user=%C3%A9", "user", 422)):
        status, problem = await w.call("GET", f"/people/contacts.vcf{query}")
        assert (status, problem["field"]) == (code, field)


@pytest.mark.parametrize(
    ("query", "field"),
    [("", "q"), ("q=x", "q"), ("q=" + "x" * 101, "q"), ("q=a%00b", "q"), ("q=%0A%0A", "q"), ("q=ab&limit=0", "limit"),
     ("q=ab&user=%C3%A9", "user"), ("q=ab&kind=x", "kind"), ("q=ab&cursor=x", "cursor"), ("q=ab&cursor=", "cursor"),
     ("town=lyon", "q"), ("q=ab&town=" + "x" * 101, "town"), ("q=ab&profession=a%00b", "profession"),
     ("q=ab&limit=51", "limit"), ("q=ab&limit=x", "limit"), ("q=ab&limit=", "limit"), ("q=ab&limit=٣", "limit")],
)  # fmt: skip
async def test_bad_searches(w: World, query: str, field: str) -> None:
    status, problem = await w.call("GET", f"/people?{query}")
    assert (status, problem["field"]) == (422, field)


async def test_conversations_and_members(w: World) -> None:
    await w.call("POST", "/messages", message("p-1"))
    change = {"id": "p-2", "by": "cleo", "add": ["siilo:dan"]}
    for _ in range(2):
        answer = await w.call("POST", "/conversations/chat-1/members", change)
        assert answer == (202, {"id": "p-2", "conversation": "chat-1"})
    status, chat = await w.call("GET", "/conversations/chat-1")
    assert status == 200
    assert {(m["name"], m["network"]) for m in chat["members"]} == {
        ("Cléo Petit", "pandalab"), ("Ben Durand", "matrix"), ("Dan Moreau", "siilo"),
    }  # fmt: skip
    change = {"id": "p-3", "by": "cleo", "remove": ["siilo:dan", "rpps:99999999999"]}
    assert (await w.call("POST", "/conversations/chat-1/members", change))[0] == 202
    assert len((await w.call("GET", "/conversations/chat-1"))[1]["members"]) == 2


async def test_receipts(w: World) -> None:
    await w.call("POST", "/messages", message("s-1", sender="dan", to=["pandalab:cleo"]), token=SIILO)
    await w.until(lambda: w.pandalab.texts("cleo"))
    mine = w.pandalab.arrived("cleo")[0]["id"]
    receipt = {"message": mine, "user": "cleo", "state": "read", "at": time_text()}
    assert (await w.call("POST", "/receipts", receipt | {"user": "fay"}))[0] == 204  # not hers: ignored
    assert (await w.call("GET", "/messages/s-1", token=SIILO))[1]["state"] == "delivered"
    assert (await w.call("POST", "/receipts", receipt | {"state": "delivered"}))[0] == 204
    assert (await w.call("POST", "/receipts", receipt))[0] == 204
    assert (await w.call("GET", "/messages/s-1", token=SIILO))[1]["state"] == "read"
    status, problem = await w.call("POST", "/receipts", receipt | {"message": "unknown"})
    assert (status, problem["field"]) == (404, "message")


@pytest.mark.parametrize("user", ["nobody", "dan"])
async def test_signs_are_of_declared_users_only(w: World, user: str) -> None:
    await w.call("POST", "/messages", message("p-1"))
    receipt = {"message": "p-1", "user": user, "state": "read", "at": time_text()}
    typing = {"conversation": "chat-1", "user": user, "typing": True}
    for path, sign in (("/receipts", receipt), ("/receipts", receipt | {"message": "x"}), ("/typing", typing)):
        status, problem = await w.call("POST", path, sign)
        assert (status, problem["code"], problem["field"]) == (403, "unknown_sender", "user")
    assert (await w.call("POST", "/typing", typing | {"user": "fay", "conversation": "x"}))[0] == 204  # best effort


async def test_an_id_that_names_a_message_of_somebody_else_is_refused(w: World) -> None:
    await w.call("POST", "/messages", message("s-1", sender="dan", to=["pandalab:cleo"]), token=SIILO)
    await w.until(lambda: w.pandalab.texts("cleo"))
    theirs = w.pandalab.arrived("cleo")[0]["id"]
    receipt = {"message": theirs, "user": "cleo", "state": "read", "at": time_text()}
    assert (await w.call("POST", "/receipts", receipt))[0] == 204  # the hub has noted it
    status, problem = await w.call("POST", "/messages", message(theirs, sender="cleo", to=["siilo:dan"]))
    assert (status, problem["code"], problem["field"]) == (409, "id_in_use", "id")


async def test_health_needs_no_token(w: World) -> None:
    assert await w.call("GET", "/health", token=None) == (200, {"status": "ok"})


INVALID: list[tuple[Json, str]] = [
    ({"id": ""}, "id"),
    ({"id": "a b"}, "id"),
    ({"id": "a\n"}, "id"),
    ({"id": "a\u0000"}, "id"),
    ({"id": "é"}, "id"),
    ({"id": "x" * 256}, "id"),
    ({"id": 12}, "id"),
    ({"id": None}, "id"),
    ({"text": "a\u0000b"}, "text"),
    ({"text": "a\u001bb"}, "text"),
    ({"text": ["a"]}, "text"),
    ({"html": "\u0000"}, "html"),
    ({"kind": "shout"}, "kind"),
    ({"to": "matrix:@ben:chu.example"}, "to"),
    ({"to": [BEN_HANDLE, "nobody"]}, "to.1"),
    ({"to": [BEN_HANDLE] * 201}, "to"),
    ({"reply_to": ""}, "reply_to"),
    ({"thread": 1}, "thread"),
    ({"sent_at": 1772352000}, "sent_at"),
    ({"sent_at": "1772352000"}, "sent_at"),
    ({"sent_at": "2026-03-01"}, "sent_at"),
    ({"sent_at": "2026-02-30T00:00:00Z"}, "sent_at"),
    ({"sent_at": "2026-03-01T08:00:00"}, "sent_at"),
    ({"colour": "blue"}, "colour"),
]


@pytest.mark.parametrize(("change", "field"), INVALID)
async def test_a_problem_names_the_field(w: World, change: Json, field: str) -> None:
    status, problem = await w.call("POST", "/messages", message("p-1", **change))
    assert (status, problem["field"]) == (422, field)
    assert w.headers["Content-Type"] == "application/problem+json"
    assert problem["errors"][0]["field"] == field
    assert " / " in problem["errors"][0]["message"]  # French / English
    assert problem["status"] == 422


async def test_every_wrong_field_is_named(w: World) -> None:
    status, problem = await w.call("POST", "/messages", {"id": "p-1", "kind": "x"})
    assert status == 422
    assert {e["field"] for e in problem["errors"]} == {"conversation", "sender", "text", "sent_at", "kind"}


@pytest.mark.parametrize(
    ("change", "field", "code", "status"),
    [
        ({"to": ["rpps:99999999999"]}, "to.0", "unknown_recipient", 422),
        ({"to": [BEN_HANDLE, "matrix:@eve:evil.example"]}, "to.1", "untrusted_server", 403),
        ({"to": []}, "to", "unknown_conversation", 404),
        ({"text": ""}, "text", "empty", 422),
        ({"text": " \n\t\u00a0", "html": "<b>Bonjour</b>"}, "text", "empty", 422),
        ({"text": "x" * 163_841}, "text", "too_long", 422),
        ({"sent_at": time_text(datetime.now(UTC) + timedelta(hours=1))}, "sent_at", "sent_in_future", 422),
    ],
)
async def test_what_cannot_be(w: World, change: Json, field: str, code: str, status: int) -> None:
    got, problem = await w.call("POST", "/messages", message("p-1", **change))
    assert (got, problem["field"], problem["code"]) == (status, field, code)
    assert problem["type"] == f"urn:liaison:problem:{code}"


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 400, "bad_json"),
        (b"{", 400, "bad_json"),
        (b"\xff\xfe", 400, "bad_json"),
        (b'{"id": "\xff"}', 400, "bad_json"),
        (b'{"id": "\\ud800"}', 400, "bad_json"),
        (b'{"id": NaN}', 422, "invalid"),
        (b"[" * 100_000, 400, "bad_json"),
        (b'{"a":' * 30_000, 400, "bad_json"),
        (b"[]", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b'"text"', 422, "invalid"),
        (b"9" * 10_000, 400, "bad_json"),
        (b'{"id": ' + b"9" * 5_000 + b"}", 400, "bad_json"),
        (json.dumps({f"k{n}": n for n in range(5_000)}).encode(), 422, "invalid"),
    ],
)
async def test_bytes_that_are_no_message(w: World, data: bytes, status: int, code: str) -> None:
    got, problem = await w.call("POST", "/messages", data=data)
    assert (got, problem["code"]) == (status, code)
    assert len(problem.get("errors", [])) <= 20


async def test_a_body_that_is_too_large(w: World) -> None:
    status, problem = await w.call("POST", "/receipts", data=b" " * (256 * 1024 + 1))
    assert (status, problem["code"]) == (413, "too_large")
    assert "262144" in problem["detail"]


async def test_a_key_that_is_given_twice(w: World) -> None:
    body = json.dumps(message("p-1"))[:-1] + ', "text": "Autre"}'
    assert (await w.call("POST", "/messages", data=body.encode()))[1]["code"] == "duplicate_key"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "application/xml"]
)
async def test_other_types_of_body(w: World, kind: str) -> None:
    status, problem = await w.call("POST", "/messages", data=b"{}", headers={"Content-Type": kind})
    assert (status, problem["code"]) == (415, "wrong_type")


async def test_a_body_without_end_is_cut(w: World) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 65_536

    headers = {"Authorization": f"Bearer {TOKENS['pandalab']}", "Content-Type": "application/json"}
    async with w.client.post(w.url + "/connect/v1/typing", data=endless(), headers=headers) as answer:
        assert answer.status == 413


async def test_a_body_that_never_comes(tmp_path: Path) -> None:
    async with running(tmp_path, lambda s: s.update(body_timeout_s=0.1)) as w:
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
        writer.write(
            f"POST /connect/v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS['pandalab']}\r\n"
            "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{".encode()
        )
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "unknown_path"),
        ("GET", "/", 404, "unknown_path"),
        ("GET", "/users/a/b", 404, "unknown_path"),
        ("DELETE", "/messages", 405, "bad_method"),
        ("POST", "/people", 405, "bad_method"),
        ("OPTIONS", "/users/cleo", 405, "bad_method"),
    ],
)
async def test_there_is_nothing_there(w: World, method: str, path: str, status: int, code: str) -> None:
    got, problem = await w.call(method, path)
    assert (got, problem["code"]) == (status, code)
    if status == 405:
        assert w.headers["Allow"] == {"/messages": "POST", "/people": "GET", "/users/cleo": "DELETE, GET, PUT"}[path]


async def test_a_hub_that_cannot_now_says_when(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise Unavailable("disk_full", 7)

    monkeypatch.setattr(w.hub, "accept", full)
    status, problem = await w.call("POST", "/messages", message("p-1"))
    assert (status, problem["code"], w.headers["Retry-After"]) == (503, "unavailable", "7")
    assert "disk" not in json.dumps(problem)


async def test_a_stopped_product_is_answered_503(w: World) -> None:
    await w.connectors["pandalab"].stop()
    status, _ = await w.call("POST", "/messages", message("p-1"))
    assert status == 503
    assert (await w.call("GET", "/users/dan", token=SIILO))[0] == 200


async def test_a_bug_is_found_by_its_id_and_tells_nothing(
    w: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("Madame Durand")

    monkeypatch.setattr(w.hub, "accept", broken)
    with caplog.at_level(logging.DEBUG):
        status, problem = await w.call("POST", "/messages", message("p-1", text="Madame Durand"))
    assert (status, problem["code"]) == (500, "internal_error")
    assert problem["instance"].removeprefix("urn:uuid:") in caplog.text
    assert "RuntimeError" in caplog.text
    assert "test_api.py" in caplog.text  # where
    assert "Durand" not in caplog.text
    assert "Durand" not in json.dumps(problem)


async def test_nothing_that_is_written_is_logged(w: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await w.call("POST", "/messages", message("p-1", text="Madame Durand", to=["siilo:dan"]))
        await w.call("POST", "/messages", message("p-2", text="Madame Durand\u0000"))
        await w.until(lambda: w.siilo.texts())
    for secret in ("Madame", TOKENS["pandalab"], CLEO):
        assert secret not in caplog.text
