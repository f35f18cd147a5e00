"""Files from product to product through the hub: whole, in order, within limits, refused visibly."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.networks.connect.files import room_for
from bridge.words import WORDS
from deploy.world.product import ProductClient
from deploy.world.simulator import Faults
from tests.connect.make import BEN_HANDLE, TOKENS, Json, World, message, running

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"\n%%EOF\n"


def file(content: bytes = PDF, name: str = "bilan.pdf", **more: Any) -> Json:
    """A file as a product sends it."""
    return {"name": name, "type": "application/pdf", "content": b64encode(content).decode()} | more


def sized(size: int) -> bytes:
    """A PDF of invented content, of so many bytes."""
    return (b"%PDF-1.7\n" + random.Random(size).randbytes(size))[:size]


def to_dan(ident: str, *files: Json, **more: Any) -> Json:
    """A message with files from cleo to dan."""
    return message(ident, **({"to": ["siilo:dan"], "files": list(files)} | more))


def capable(product: str, **capabilities: Any) -> Callable[[Json], None]:
    """The configuration of a product that carries less."""

    def change(section: Json) -> None:
        section["products"][product]["capabilities"] = capabilities

    return change


async def test_five_megabytes_go_from_product_to_product_byte_exact(w: World) -> None:
    content = sized(5_000_000)
    async with (
        ProductClient("pandalab", f"http://127.0.0.1:{w.pandalab.port}") as pandalab,
        ProductClient("siilo", f"http://127.0.0.1:{w.siilo.port}") as siilo,
    ):
        sent = await pandalab.write(
            "cleo", "Voici", to=["siilo:dan"], files=[("Compte rendu é.pdf", "application/pdf", content)]
        )
        got = await siilo.wait_text("dan", "Voici")
        [one] = got["files"]
        assert (one["name"], one["type"], one["size"]) == ("Compte rendu é.pdf", "application/pdf", 5_000_000)
        assert one["sha256"] == hashlib.sha256(content).hexdigest()
        assert await siilo.download(one["id"]) == content
        await pandalab.wait_state(sent["id"], "delivered")


async def test_a_file_needs_no_text(w: World) -> None:
    assert (await w.call("POST", "/messages", to_dan("p-1", file(), text="")))[0] == 202
    await w.until(lambda: w.siilo.arrived("dan"))
    [got] = w.siilo.arrived("dan")
    assert (got["text"], [f["name"] for f in got["files"]]) == ("", ["bilan.pdf"])


async def test_several_files_keep_their_order(w: World) -> None:
    names = [f"{n}.txt" for n in range(20)]
    files = [file(name.encode(), name, type="Text/Plain") for name in names]
    assert (await w.call("POST", "/messages", to_dan("p-1", *files)))[0] == 202
    await w.until(lambda: w.siilo.arrived("dan"))
    listed = w.siilo.arrived("dan")[0]["files"]
    assert [f["name"] for f in listed] == names
    assert {f["type"] for f in listed} == {"text/plain"}
    documents = [w.siilo.sim.state.document(f["id"]) for f in listed]
    assert [d.content for d in documents if d] == [name.encode() for name in names]


async def test_nothing_of_a_file_stays_when_it_is_delivered(w: World) -> None:
    marker = b"Madame-Durand-" * 50
    await w.call("POST", "/messages", to_dan("p-1", file(marker, "Durand.pdf")))
    await w.until(lambda: w.siilo.arrived("dan"))
    await w.until(lambda: _status(w) == "delivered" if w.pandalab.sim.state.events()["taken"] else False)
    await w.stop_hub()
    for kept in w.folder.glob("hub.db*"):
        assert b"Madame-Durand-" not in kept.read_bytes()
        assert b"Durand.pdf" not in kept.read_bytes()


def _status(w: World) -> str:
    events = w.pandalab.sim.state.events()["events"]
    states = [e["body"]["data"]["messages"][0]["state"] for e in events if e["type"] == "message.state"]
    return states[-1] if states else ""


async def test_a_file_survives_the_end_of_the_hub_and_of_the_product(w: World) -> None:
    content = sized(300_000)
    w.siilo.sim.set_faults(Faults(down=True))
    w.pandalab.sim.write("cleo", {"text": "Voici", "to": ["siilo:dan"], "files": [file(content)]})
    await w.until(lambda: len(w.siilo.sim.state.events()["events"]) >= 2)
    await w.stop_hub()
    await w.siilo.stop()
    await w.start_hub()
    await w.siilo.start(w.url)
    await w.until(lambda: w.siilo.arrived("dan"))
    found = w.siilo.sim.state.document(w.siilo.arrived("dan")[0]["files"][0]["id"])
    assert found is not None
    assert found.content == content


async def test_lost_answers_make_no_second_file(w: World) -> None:
    w.siilo.sim.set_faults(Faults(lose_answer=0.7))
    for n in range(5):
        w.pandalab.sim.write("cleo", {"text": f"{n}", "conversation": "c", "to": ["siilo:dan"], "files": [file()]})
    await w.until(lambda: len(w.siilo.texts("dan")) == 5)
    assert w.siilo.texts("dan") == list("01234")
    assert len(w.siilo.sim.state.files()) == 5


async def test_a_product_may_escape_slashes(w: World) -> None:
    """Some languages write every / of JSON as \\/ unless told otherwise: the limits leave room for it."""
    content = b"\xff" * 3_000_000  # base64: slashes only
    body = json.dumps(to_dan("p-1", file(content[:30_000]))).replace("/", "\\/").encode()
    assert (await w.call("POST", "/messages", data=body))[0] == 202
    usual = b64encode(sized(3_000_000)).replace(b"/", b"\\/")
    assert len(usual) < room_for(3_000_000)


# ---- what is refused


WRONG: list[tuple[Json, str, str]] = [
    ({"content": "%%%="}, "content", "invalid"),
    ({"content": "QUJD QUJD"}, "content", "invalid"),
    ({"content": "QUJD\nQUJD"}, "content", "invalid"),
    ({"content": "QUI"}, "content", "invalid"),
    ({"content": "QUJD="}, "content", "invalid"),
    ({"content": "QUJD===="}, "content", "invalid"),
    ({"content": "===="}, "content", "invalid"),
    ({"content": "-_-_"}, "content", "invalid"),
    ({"content": "é==="}, "content", "invalid"),
    ({"content": ""}, "content", "invalid"),
    ({"content": None}, "content", "invalid"),
    ({"content": 12}, "content", "invalid"),
    ({"content": ["QUJD"]}, "content", "invalid"),
    ({"sha256": "0" * 64}, "sha256", "wrong_sha256"),
    ({"sha256": hashlib.sha256(PDF).hexdigest().upper()}, "sha256", "invalid"),
    ({"sha256": "abc"}, "sha256", "invalid"),
    ({"name": ""}, "name", "invalid"),
    ({"name": "../../etc/passwd"}, "name", "invalid"),
    ({"name": "C:\\bilan.pdf"}, "name", "invalid"),
    ({"name": "a\u0000.pdf"}, "name", "invalid"),
    ({"name": "a\r\nX-Header: b"}, "name", "invalid"),
    ({"name": "x" * 256}, "name", "invalid"),
    ({"name": "é" * 128}, "name", "bad_file_name"),
    ({"name": ".."}, "name", "bad_file_name"),
    ({"name": "   "}, "name", "bad_file_name"),
    ({"name": "fdp\u202egpj.exe"}, "name", "bad_file_name"),
    ({"name": "a\u2028b"}, "name", "bad_file_name"),
    ({"name": "a\u0085b"}, "name", "bad_file_name"),
    ({"name": 1}, "name", "invalid"),
    ({"type": ""}, "type", "invalid"),
    ({"type": "pdf"}, "type", "invalid"),
    ({"type": "text/plain; charset=utf-8"}, "type", "invalid"),
    ({"type": "text/plain\r\nX: y"}, "type", "invalid"),
    ({"url": "https://x.example/a.pdf"}, "url", "invalid"),
]


@pytest.mark.parametrize(("change", "field", "code"), WRONG)
async def test_a_problem_names_the_part_of_the_file(w: World, change: Json, field: str, code: str) -> None:
    status, problem = await w.call("POST", "/messages", to_dan("p-1", file(), file() | change))
    assert (status, problem["field"], problem["code"]) == (422, f"files.1.{field}", code)
    assert " / " in problem["detail"]


async def test_base64_is_named_as_what_is_wrong(w: World) -> None:
    _, problem = await w.call("POST", "/messages", to_dan("p-1", file() | {"content": "%"}))
    assert problem["errors"] == [
        {"field": "files.0.content", "message": "doit être en base64, sur une ligne / must be base64 on one line"}
    ]


async def test_too_many_files(w: World) -> None:
    status, problem = await w.call("POST", "/messages", to_dan("p-1", *[file(b"x")] * 21))
    assert (status, problem["field"]) == (422, "files")


async def test_a_refused_file_is_in_no_log(w: World, caplog: pytest.LogCaptureFixture) -> None:
    changes: list[Json] = [{}, {"content": "Durand"}, {"name": "Durand/x"}, {"sha256": "0" * 64}]
    with caplog.at_level("DEBUG"):
        for n, change in enumerate(changes):
            await w.call("POST", "/messages", to_dan(f"p-{n}", file() | {"name": "Durand.pdf"} | change))
        await w.until(lambda: w.siilo.arrived("dan"))
    assert "Durand" not in caplog.text


# ---- limits


async def test_a_product_without_files_is_told_so(tmp_path: Path) -> None:
    async with running(tmp_path, capable("pandalab", files=False)) as w:
        await w.declare()
        status, problem = await w.call("POST", "/messages", to_dan("p-1", file()))
        assert (status, problem["code"], problem["field"]) == (422, "files_not_carried", "files")
        status, problem = await w.call("POST", "/messages", to_dan("p-1", file(sized(300_000))))
        assert (status, problem["code"]) == (413, "too_large")
        assert (await w.call("POST", "/messages", to_dan("p-1")))[0] == 202


async def test_more_than_the_product_may_send(tmp_path: Path) -> None:
    async with running(tmp_path, capable("pandalab", max_files=1_000)) as w:
        await w.declare()
        status, problem = await w.call("POST", "/messages", to_dan("p-1", file(b"x" * 500), file(b"y" * 501)))
        assert (status, problem["code"], problem["field"]) == (413, "files_too_large", "files")
        assert "1000 bytes" in problem["detail"]
        assert (await w.call("POST", "/messages", to_dan("p-1", file(b"x" * 500), file(b"y" * 500))))[0] == 202


async def test_more_than_is_read(tmp_path: Path) -> None:
    async with running(tmp_path, capable("pandalab", max_files=100_000)) as w:
        await w.declare()
        status, problem = await w.call("POST", "/messages", to_dan("p-1", file(sized(1_000_000))))
        assert (status, problem["code"]) == (413, "files_too_large")
        status, problem = await w.call("POST", "/receipts", data=b" " * 300_000)  # no other request has more room
        assert (status, problem["code"]) == (413, "too_large")


async def test_a_recipient_without_files_is_a_visible_refusal(tmp_path: Path) -> None:
    async with running(tmp_path, capable("siilo", files=False)) as w:
        await w.declare()
        _, conversation, _ = w.pandalab.sim.write("cleo", {"to": ["siilo:dan"], "files": [file()]})
        await w.until(lambda: w.pandalab.states() == {"": "refused"})
        [outcome] = w.pandalab.sim.state.messages()["sent"][0]["outcome"]
        assert (outcome["name"], outcome["reason"]) == ("Dan Moreau", "files_not_carried")
        assert outcome["reason_text"]["fr"] == WORDS["files_not_carried"][0]
        w.pandalab.sim.write("cleo", {"text": "Suite", "conversation": conversation})
        await w.until(lambda: w.siilo.texts("dan") == ["Suite"])


async def test_a_recipient_of_small_files_gets_no_large_ones(tmp_path: Path) -> None:
    async with running(tmp_path, capable("siilo", max_files=1_000)) as w:
        await w.declare()
        _, conversation, _ = w.pandalab.sim.write("cleo", {"to": ["siilo:dan"], "files": [file(b"x" * 1_001)]})
        await w.until(lambda: w.pandalab.states() == {"": "refused"})
        [outcome] = w.pandalab.sim.state.messages()["sent"][0]["outcome"]
        assert outcome["reason"] == "files_too_large"
        assert outcome["reason_text"]["en"] == WORDS["files_too_large"][1]
        w.pandalab.sim.write("cleo", {"text": "Petit", "conversation": conversation, "files": [file(b"x" * 1_000)]})
        await w.until(lambda: w.siilo.texts("dan") == ["Petit"])


async def test_others_get_the_file_that_one_network_cannot_carry(w: World) -> None:
    w.pandalab.sim.write("cleo", {"text": "Voici", "to": ["siilo:dan", BEN_HANDLE], "files": [file()]})
    await w.until(lambda: w.pandalab.states() == {"Voici": "refused"})
    await w.until(lambda: w.siilo.texts("dan") == ["Voici"])
    outcome = {o["name"]: o["reason"] for o in w.pandalab.sim.state.messages()["sent"][0]["outcome"]}
    assert outcome["Ben Durand"] == "files_not_carried"


# ---- memory


def narrow(section: Json) -> None:
    """Files of 1 MB, and room for four of them: two of each product."""
    for product in section["products"].values():
        product["capabilities"] = {"max_files": 1_000_000}
    section["max_bodies_bytes"] = 4 * (256 * 1024 + room_for(1_000_000))


async def _unfinished(w: World, product: str, size: int) -> asyncio.StreamWriter:
    """A request that says its size and then stops."""
    _, writer = await asyncio.open_connection("127.0.0.1", w.port)
    writer.write(
        f"POST /connect/v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS[product]}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n{{".encode()
    )
    await writer.drain()
    return writer


async def test_large_bodies_share_a_room(tmp_path: Path) -> None:
    async with running(tmp_path, narrow) as w:
        await w.declare()
        body = json.dumps(to_dan("p-1", file(sized(1_000_000)))).encode()
        room = w.api._reader.room
        waiting = [await _unfinished(w, "pandalab", len(body)) for _ in range(2)]
        await w.until(lambda: room.taken["pandalab"] == 2 * len(body))
        status, problem = await w.call("POST", "/messages", data=body)
        assert (status, problem["code"], w.headers["Retry-After"]) == (503, "unavailable", "2")
        assert (await w.call("POST", "/messages", message("p-2")))[0] == 202  # what is small needs no room
        other = to_dan("s-1", file(sized(1_000_000)), sender="dan", to=["pandalab:cleo"])
        assert (await w.call("POST", "/messages", other, token=TOKENS["siilo"]))[0] == 202  # half is for the others
        for writer in waiting:
            writer.close()
            await writer.wait_closed()
        await w.until(lambda: room.taken.total() == 0)
        assert (await w.call("POST", "/messages", data=body))[0] == 202


async def test_a_body_of_unknown_length_takes_room_as_it_comes(tmp_path: Path) -> None:
    async with running(tmp_path, narrow) as w:
        await w.declare()
        room = w.api._reader.room
        body = json.dumps(to_dan("p-1", file(sized(1_000_000)))).encode()
        go_on = asyncio.Event()

        async def slowly() -> Any:
            yield body[:400_000]
            await go_on.wait()
            yield body[400_000:]

        headers = {"Authorization": f"Bearer {TOKENS['pandalab']}", "Content-Type": "application/json"}
        asked = asyncio.create_task(
            w.client.post(w.url + "/connect/v1/messages", data=slowly(), headers=headers).__aenter__()
        )
        await w.until(lambda: room.taken["pandalab"] == 400_000)
        go_on.set()
        answer = await asked
        assert answer.status == 202
        answer.release()
        await w.until(lambda: room.taken.total() == 0)


async def test_many_large_bodies_at_once_all_arrive_in_the_end(tmp_path: Path) -> None:
    async with running(tmp_path, narrow) as w:
        await w.declare()

        async def send(n: int) -> None:
            body = to_dan(f"p-{n}", file(sized(900_000 + n)), conversation=f"c-{n}")
            while (answer := await w.call("POST", "/messages", body))[0] == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert answer[0] == 202

        await asyncio.gather(*(send(n) for n in range(12)))
        await w.until(lambda: len(w.siilo.arrived("dan")) == 12)
        assert sorted(f["size"] for f in w.siilo.sim.state.files()) == [900_000 + n for n in range(12)]
        assert w.api._reader.room.taken.total() == 0
