"""Files by themselves: uploaded, named by messages, named by webhooks, fetched whole and in parts, forgotten."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from bridge.errors import Refused, Unavailable
from bridge.networks.connect.shelf.address import check, query, wanted
from bridge.seal import Seal
from tests.connect.make import TOKENS, Json, World, message

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 2000
NAMED = {"Content-Type": "application/pdf", "Content-Disposition": "attachment; filename*=UTF-8''r%C3%A9sultat.pdf"}
SEAL = Seal({"k1": bytes(range(32)), "k0": bytes(32)}, "k1")


async def ask(w: World, method: str, path: str, token: str | None = "pandalab", **more: Any) -> tuple[int, Any, bytes]:
    headers = {"Authorization": f"Bearer {TOKENS[token]}"} if token else {}
    headers |= more.pop("headers", {})
    url = w.url + (path if path.startswith("/connect") else "/connect/v1" + path)
    async with w.client.request(method, url, headers=headers, **more) as answer:
        return answer.status, answer.headers, await answer.read()


async def upload(w: World, data: bytes = PDF, headers: Json | None = None, token: str = "pandalab") -> Json:
    async with w.client.post(
        w.url + "/connect/v1/files",
        data=data,
        headers={"Authorization": f"Bearer {TOKENS[token]}"} | (headers or NAMED),
    ) as answer:
        return {"status": answer.status, **await answer.json(content_type=None)}


async def by_url(w: World) -> None:
    said = {"files_by_url": True, "version": "7"}
    status, answer = await w.call("PUT", "/capabilities", said, token=TOKENS["siilo"])
    assert (status, answer["files_by_url"], answer["max_files"]) == (200, True, 100_000_000)


async def told(w: World, ident: str) -> Json:
    """The file of the message, as the webhook names it."""
    await w.until(lambda: any(m["text"] == ident for m in w.siilo.arrived("dan")))
    [file] = next(m for m in w.siilo.arrived("dan") if m["text"] == ident)["files"]
    return dict(file)


async def sent(w: World, ident: str, *files: Json) -> tuple[int, Json]:
    return await w.call("POST", "/messages", message(ident, to=["siilo:dan"], text=ident, files=list(files)))


async def test_an_uploaded_file_is_named_by_messages_and_fetched_by_its_address(w: World) -> None:
    await by_url(w)
    kept = await upload(w)
    digest = hashlib.sha256(PDF).hexdigest()
    assert (kept["status"], kept["name"], kept["type"]) == (201, "résultat.pdf", "application/pdf")
    assert (kept["size"], kept["sha256"]) == (len(PDF), digest)
    assert (await sent(w, "m1", {"id": kept["id"]}))[0] == 202
    assert (await sent(w, "m1", {"id": kept["id"]}))[0] == 202  # the same again
    other = await upload(w, PDF + b"x")
    assert (await sent(w, "m1", {"id": other["id"]}))[0] == 409
    file = await told(w, "m1")
    assert (file["name"], file["size"], file["sha256"], file.get("content")) == ("résultat.pdf", len(PDF), digest, None)
    status, headers, data = await ask(w, "GET", file["url"], None)
    assert (status, data) == (200, PDF)
    assert (headers["Content-Type"], headers["ETag"], headers["Cache-Control"]) == (
        "application/pdf", f'"{digest}"', "no-store",
    )  # fmt: skip
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''r%C3%A9sultat.pdf"
    assert (await ask(w, "GET", f"/files/{file['id']}", "siilo"))[2] == PDF
    assert list(w.store.kept.values()) == [PDF, PDF + b"x"]  # no second copy for anybody


async def test_a_product_that_fetches_nothing_gets_what_was_uploaded_in_the_webhook(w: World) -> None:
    kept = await upload(w)
    await sent(w, "m2", {"id": kept["id"]})
    file = await told(w, "m2")
    assert (file["sha256"], "url" in file) == (hashlib.sha256(PDF).hexdigest(), False)


async def test_a_broken_transfer_goes_on_where_it_was(w: World) -> None:
    await by_url(w)
    await sent(w, "m3", {"id": (await upload(w))["id"]})
    url = (await told(w, "m3"))["url"]
    for given, status, wanted_bytes in (
        ("bytes=0-0", 206, PDF[:1]), ("bytes=100-", 206, PDF[100:]), ("bytes=-7", 206, PDF[-7:]),
        ("bytes=100000-300000", 206, PDF[100_000:300_001]), ("bytes=1-2,4-5", 200, PDF), ("pages=1", 200, PDF),
    ):  # fmt: skip
        got = await ask(w, "GET", url, None, headers={"Range": given})
        assert (got[0], got[2]) == (status, wanted_bytes), given
    over = {"Range": f"bytes={len(PDF)}-"}
    assert (await ask(w, "GET", url, None, headers=over))[0] == 416
    other = {"Range": "bytes=5-9", "If-Range": '"another"'}
    assert (await ask(w, "GET", url, None, headers=other))[0] == 200
    w.store.away = Refused("file_not_fetched")
    assert (await ask(w, "GET", url, None))[0] == 422
    w.store.away = None


async def test_what_breaks_in_the_midst_is_seen_to_break(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await by_url(w)
    await sent(w, "m4", {"id": (await upload(w))["id"]})
    url = (await told(w, "m4"))["url"]
    whole = w.store.open

    async def torn(*given: Any) -> Any:
        async for piece in whole(*given):
            yield piece
            raise Refused("file_damaged")

    monkeypatch.setattr(w.store, "open", torn)
    with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
        await ask(w, "GET", url, None)


async def test_nobody_fetches_what_is_not_theirs(w: World) -> None:
    await by_url(w)
    kept = await upload(w)
    await sent(w, "m5", {"id": kept["id"]})
    file = await told(w, "m5")
    path, given = urlsplit(file["url"]).path, urlsplit(file["url"]).query
    assert (await ask(w, "GET", path, "pandalab"))[0] == 404
    assert (await ask(w, "GET", path, None))[0] == 401
    assert (await ask(w, "GET", f"{path}?{given}x", None))[0] == 401
    assert (await ask(w, "GET", f"/files/{kept['id']}?{given}", None))[0] == 401  # the address of another file
    assert (await ask(w, "GET", f"/files/{kept['id']}", "siilo"))[0] == 404
    assert (await ask(w, "GET", f"/files/{kept['id']}", "pandalab"))[2] == PDF  # its own, to look again
    body = message("s1", sender="dan", conversation="x", to=["pandalab:cleo"], text="", files=[{"id": kept["id"]}])
    status, problem = await w.call("POST", "/messages", body, token=TOKENS["siilo"])
    assert (status, problem["code"], problem["field"]) == (404, "unknown_file", "files.0.id")


@pytest.mark.parametrize("kinds", [["removal"], []])
async def test_what_is_taken_back_cannot_be_fetched_any_more(w: World, kinds: list[str]) -> None:
    """Also by a product that shows no removals, and reads of them in words."""
    await by_url(w)
    said = {"files_by_url": True, "kinds": kinds}
    await w.call("PUT", "/capabilities", said, token=TOKENS["siilo"])
    await sent(w, "m6", {"id": (await upload(w))["id"]})
    file = await told(w, "m6")
    body = {k: v for k, v in message("r6").items() if k not in ("text", "to")}
    assert (await w.call("POST", "/messages/m6/removals", body))[0] == 202
    for _ in range(400):
        if (await ask(w, "GET", file["url"], None))[0] == 404:
            break
        await asyncio.sleep(0.02)
    assert (await ask(w, "GET", f"/files/{file['id']}", "siilo"))[0] == 404


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Disposition": 'attachment; filename="a/b"'}, 422, "bad_file_name"),
        ({"Content-Encoding": "gzip"}, 415, "wrong_encoding"),
        ({"Content-Disposition": 'attachment; filename="b.bin"', "Content-Type": "application/x-b"}, 201, None),
        ({}, 201, None),
    ],
)
async def test_headers_of_an_upload(w: World, headers: Json, status: int, code: str | None) -> None:
    answer = await upload(w, b"12345", {"X": "y"} | headers)
    assert (answer["status"], answer.get("code")) == (status, code)


async def test_the_limit_is_said_before_the_upload(w: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
    head = f"POST /connect/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS['pandalab']}\r\n"

    async def asked(*more: str) -> str:
        writer.write((head + "\r\n".join(more) + "\r\n\r\n").encode())
        return (await reader.readuntil(b"\r\n\r\n")).decode()

    assert (await asked("Content-Length: 5", "Expect: 100-continue")).startswith("HTTP/1.1 100 ")
    writer.write(b"12345")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201 ")
    await reader.readuntil(b"}")
    answer = await asked("Content-Length: 25000001", "Expect: 100-continue")
    assert answer.startswith("HTTP/1.1 413 ")
    assert b"25000000 bytes" in await reader.readuntil(b"}")
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
    writer.write((head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 411 ")
    writer.close()
    assert len(w.store.kept) == 1


async def test_an_upload_that_breaks_off_leaves_nothing(w: World) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", w.port)
    head = f"POST /connect/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS['pandalab']}\r\n"
    writer.write(head.encode() + b"Content-Length: 500000\r\n\r\n" + bytes(300_000))
    await writer.drain()
    writer.transport.abort()
    assert (await upload(w))["status"] == 201
    assert list(w.store.kept.values()) == [PDF]


async def test_files_that_nobody_names_are_forgotten(w: World) -> None:
    kept = await upload(w)
    db = w.shelf._db
    w.shelf._clock = lambda: 4e9  # long after
    assert (await ask(w, "GET", f"/files/{kept['id']}", "pandalab"))[0] == 404
    assert len(await db.all("shelf.one", kept["id"], 0)) == 1
    await upload(w)
    assert await db.all("shelf.one", kept["id"], 0) == []


async def test_where_the_store_is_away_small_files_travel_as_before_and_uploads_wait(w: World) -> None:
    await by_url(w)
    w.store.away = Unavailable("homeserver_away")
    assert (await upload(w))["status"] == 503
    whole = {"name": "a.pdf", "type": "application/pdf", "content": "JVBERi0="}
    assert (await sent(w, "m7", whole))[0] == 202
    file = await told(w, "m7")
    assert (file["size"], "url" in file) == (5, False)


def test_an_address_is_good_for_its_file_and_time_only() -> None:
    given = dict(pair.split("=") for pair in query(SEAL, "f_1", 1000).split("&"))
    check(SEAL, "f_1", given, 999)
    check(Seal({"k1": bytes(range(32)), "k2": b"2" * 32}, "k2"), "f_1", given, 999)  # after a rotation
    for ident, change, now in (("f_2", {}, 999), ("f_1", {"expires": "1001"}, 999), ("f_1", {"signature": "é"}, 999),
                               ("f_1", {"expires": ""}, 999), ("f_1", {}, 1000)):  # fmt: skip
        with pytest.raises(Refused):
            check(SEAL, ident, given | change, now)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None), ("bytes=0-", (0, 10)), ("bytes=3-5", (3, 6)), ("bytes=3-99", (3, 10)), ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)), ("bytes=5-3", None), ("bytes=-", None), ("bytes=a-b", None), ("items=0-1", None),
    ],
)  # fmt: skip
def test_ranges(header: str | None, found: tuple[int, int] | None) -> None:
    assert wanted(header, 10) == found


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0", "bytes=11-12"])
def test_ranges_that_are_not_there(header: str) -> None:
    with pytest.raises(Refused):
        wanted(header, 10)
