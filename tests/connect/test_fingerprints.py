"""One id stands for one request: the same again gives the same answer, anything else is refused; no text is kept."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sqlite3
from typing import Any

import pytest

from bridge.db import Database, open_database
from bridge.errors import Refused
from bridge.model import Address, Body, File, Kind, Message, Ref
from bridge.networks.connect.fingerprints import COMPONENT, Prints, of_change, of_message
from bridge.networks.connect.wire import MembersChange
from bridge.seal import Seal
from tests.connect.make import BEN_HANDLE, Json, World, message, time_text
from tests.connect.test_files import PDF, file

FILES = [file(), file(b"Notes", "notes.txt")]
OTHER: list[Json] = [
    {"text": "Autre"},
    {"text": "Bonjour "},
    {"html": "<b>Bonjour</b>"},
    {"kind": "notice"},
    {"sender": "fay"},
    {"conversation": "chat-2"},
    {"reply_to": "p-0"},
    {"thread": "p-0"},
    {"files": []},
    {"files": FILES[:1]},
    {"files": FILES[::-1]},
    {"files": [FILES[0], file(b"Note5", "notes.txt")]},
    {"files": [FILES[0], file(b"Notes", "autre.txt")]},
    {"files": [FILES[0], file(b"Notes", "notes.txt", type="text/plain")]},
]


def first(**more: Any) -> Json:
    """The message that is repeated."""
    return message("p-1", **({"files": FILES, "to": ["siilo:dan"]} | more))


@pytest.mark.parametrize("change", OTHER, ids=lambda c: next(iter(c)))
async def test_something_else_under_the_same_id_is_refused(w: World, change: Json) -> None:
    await w.call("POST", "/messages", message("p-0", conversation="chat-0"))
    answer = await w.call("POST", "/messages", first())
    assert answer[0] == 202
    status, problem = await w.call("POST", "/messages", first(**change))
    assert (status, problem["code"], problem["field"]) == (409, "id_in_use", "id")
    assert await w.call("POST", "/messages", first()) == answer  # the first one stands
    await w.until(lambda: w.siilo.arrived("dan"))
    await asyncio.sleep(0.05)
    assert w.siilo.texts("dan") == ["Bonjour"]


@pytest.mark.parametrize(
    "change",
    [
        {"sent_at": time_text()},
        {"to": []},
        {"to": ["siilo:dan", BEN_HANDLE]},
        {"html": None},
        {"files": [FILES[0] | {"sha256": None}, FILES[1]]},
    ],
    ids=lambda c: next(iter(c)),
)
async def test_what_a_product_makes_anew_when_it_repeats_is_no_difference(w: World, change: Json) -> None:
    answer = await w.call("POST", "/messages", first())
    assert await w.call("POST", "/messages", first(**change)) == answer


async def test_many_at_once_of_which_one_is_different(w: World) -> None:
    bodies = [first(), first(text="Autre")] * 5
    answers = await asyncio.gather(*(w.call("POST", "/messages", body) for body in bodies))
    taken = {json.dumps(body["text"]) for body, (status, _) in zip(bodies, answers, strict=True) if status == 202}
    assert len(taken) == 1
    assert sorted(status for status, _ in answers) == [202] * 5 + [409] * 5


async def test_it_holds_after_a_restart(w: World) -> None:
    answer = await w.call("POST", "/messages", first())
    await w.stop_hub()
    await w.start_hub()
    assert await w.call("POST", "/messages", first()) == answer
    assert (await w.call("POST", "/messages", first(text="Autre")))[0] == 409


async def test_a_refused_message_leaves_its_id_free(w: World) -> None:
    assert (await w.call("POST", "/messages", first(to=[])))[0] == 404
    assert (await w.call("POST", "/messages", first(text="Autre")))[0] == 202


async def test_products_do_not_share_ids(w: World) -> None:
    assert (await w.call("POST", "/messages", first()))[0] == 202
    other = message("p-1", sender="dan", to=["pandalab:cleo"], text="Autre")
    assert (await w.call("POST", "/messages", other, token="siilo-token-1"))[0] == 202


async def test_members_are_changed_once(w: World) -> None:
    await w.call("POST", "/messages", message("p-1"))
    change = {"id": "p-2", "by": "cleo", "add": ["siilo:dan"]}
    path = "/conversations/chat-1/members"
    assert (await w.call("POST", path, change))[0] == 202
    assert (await w.call("POST", path, change))[0] == 202
    for other in (change | {"add": []}, change | {"remove": ["siilo:dan"]}, change | {"id": "p-1"}):
        status, problem = await w.call("POST", path, other)
        assert (status, problem["code"]) == (409, "id_in_use")
    assert (await w.call("POST", "/messages", message("p-2")))[0] == 409


async def test_a_print_tells_nothing(w: World) -> None:
    await w.call("POST", "/messages", message("p-1"))
    await w.call("POST", "/messages", message("p-2"))  # says the same
    await w.stop_hub()
    with sqlite3.connect(w.folder / "hub.db") as db:
        rows = db.execute("SELECT id, key, print FROM connect_print ORDER BY id").fetchall()
    assert [(row[0], row[1], len(row[2])) for row in rows] == [("p-1", "k1", 32), ("p-2", "k1", 32)]
    assert rows[0][2] != rows[1][2]  # nobody sees that two messages say the same


# ---- keys that rotate


BODY = Body("Bonjour", None, (File("a.pdf", "application/pdf", PDF),))
REF = Ref("pandalab", "p-1")
SAID = of_message(Message(REF, "chat-1", Address("pandalab", "cleo"), Kind.TEXT, BODY, 0))
ELSE = of_message(Message(REF, "chat-1", Address("pandalab", "cleo"), Kind.TEXT, Body("Autre"), 0))
OLD, NEW = bytes(range(32)), bytes(range(32, 64))


async def _said(db: Database, seal: Seal, said: bytes) -> bool:
    try:
        async with db.transaction("test") as tx:
            await Prints(seal).same(REF, said)(tx)
    except Refused:
        return False
    return True


async def test_a_print_of_an_older_key_still_counts(url: str) -> None:
    db = await open_database(url, [COMPONENT])
    try:
        assert await _said(db, Seal({"old": OLD}, "old"), SAID)
        both = Seal({"old": OLD, "new": NEW}, "new")
        assert await _said(db, both, SAID)
        assert not await _said(db, both, ELSE)
        gone = Seal({"new": NEW}, "new")  # nobody can tell any more: the first answer is given, as ever
        assert await _said(db, gone, SAID)
        assert await _said(db, gone, ELSE)
    finally:
        await db.close()


@pytest.mark.parametrize(
    "changed", [File("x", "application/pdf", PDF), File("a.pdf", "x/y", PDF), File("a.pdf", "application/pdf", b"x")]
)
def test_every_part_of_a_file_counts(changed: File) -> None:
    base = Message(REF, "chat-1", Address("pandalab", "cleo"), Kind.TEXT, BODY, 0)
    other = dataclasses.replace(base, body=dataclasses.replace(BODY, files=(changed,)))
    assert of_message(other) != of_message(base)
    assert of_message(dataclasses.replace(base, sent_at=9, to=("rpps:1",))) == of_message(base)


def test_the_order_of_people_is_no_difference() -> None:
    one = MembersChange(id="1", by="cleo", add=["a:1", "b:2"], remove=[])
    assert of_change("c", one) == of_change("c", one.model_copy(update={"add": ["b:2", "a:1"]}))
    assert of_change("c", one) != of_change("d", one)
