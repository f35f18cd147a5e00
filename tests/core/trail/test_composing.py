"""A batch of rows says of each recipient what a row by itself would say, however many of them share a message."""

from __future__ import annotations

import orjson
import pytest

from bridge.db import Database, open_database
from bridge.store.store import COMPONENT
from bridge.trail.aliases import Aliases
from bridge.trail.chain import compose_body
from bridge.trail.composing import bodies_of
from bridge.trail.entry import COMPONENT as TRAIL
from bridge.trail.entry import TrailEntry, TrailKind, note

ALIASES = Aliases(bytes(32))
CLEO, DAN, BOX, BEN, ODD = "rpps:3", "rpps:4", "mail:anna@MSS.example", "matrix:@ben:chu.example", 'siilo:"é\\'
WHERE = {
    CLEO: ("pandalab", "cleo"), DAN: ("pandalab", "dan"), BOX: ("mail", "anna@MSS.example"),
    BEN: ("matrix", "@ben:chu.example"), ODD: ("siilo", '"é\\'),
}  # fmt: skip
DOMAINS = {"pandalab": "pandalab", "siilo": "siilo", "mail": "mail:mss.example", "matrix": "matrix:chu.example"}
LATER = 1_700_000_000_009


async def written(db: Database) -> None:
    """A message of ben to everybody, with two ends; one whose rows are gone; a fact that is no message's."""
    async with db.transaction("test") as tx:
        await tx.run("store.add_conversation", "c_1", 1)
        for person, (network, address) in WHERE.items():
            await tx.run("store.add_member", "c_1", person, network, address, 1)
        row = ("m_1", "c_1", "matrix", "$event", "!room", "matrix:@bo:chu.example", "@bo:chu.example", "text", 1, 1)
        await tx.run("store.add_message", *row)
        for message in ("m_1", "m_gone"):
            pairs = [(person, network) for person, (network, _) in WHERE.items()]
            await tx.run("store.add_recipients", message, orjson.dumps(pairs).decode(), LATER)
        await note(tx, TrailEntry(TrailKind.OPERATOR, "operator", BOX, None, "done", {"n": 1}), 7)
    async with db.transaction("test") as tx:
        await tx.run("store.delivered", "m_1", "pandalab", LATER + 1)
        await tx.one("store.failed", "m_1", BOX, "mail", LATER + 2, "mail_no_such_box")


def one(at: int, message: str, person: str, result: str, **more: str) -> str:
    """The body of one row by itself."""
    there = message == "m_1"
    network = WHERE[person][0]
    details = {"to": DOMAINS[network] if there else network, **more}
    if there:
        details["from"] = "matrix:chu.example"
    actor = ALIASES.of("matrix:@bo:chu.example") if there else None
    return compose_body((at, "message", actor, message, ALIASES.of(person), result, details))


async def test_rows_that_are_composed_together_are_those_that_each_would_be(url: str) -> None:
    db = await open_database(url, [COMPONENT, TRAIL])
    await written(db)
    rows = await db.all("trail.next", 100)
    bodies = await bodies_of(db, ALIASES, rows)
    await db.close()
    accepted = [one(LATER, "m_1", person, "accepted", conversation="c_1") for person in WHERE]
    unknown = [one(LATER, "m_gone", person, "accepted") for person in WHERE]
    fact = compose_body((7, "operator", "operator", ALIASES.of(BOX), None, "done", {"n": 1}))
    ends = [one(LATER + 1, "m_1", person, "delivered") for person in (CLEO, DAN)]
    refused = one(LATER + 2, "m_1", BOX, "refused", reason="mail_no_such_box")
    assert sorted(bodies) == sorted([*accepted, *unknown, fact, *ends, refused])
    assert [orjson.loads(body)[3] for body in bodies] == [
        row["subject"] if row["kind"] == "message" else ALIASES.of(row["subject"]) for row in rows
    ]


@pytest.mark.parametrize("people", [2, 40])
async def test_a_message_is_read_once_for_all_its_recipients(people: int, url: str) -> None:
    db = await open_database(url, [COMPONENT, TRAIL])
    await written(db)
    async with db.transaction("test") as tx:
        pairs = [(f"rpps:{n}", "pandalab") for n in range(100, 100 + people)]
        await tx.run("store.add_recipients", "m_1", orjson.dumps(pairs).decode(), 1)
    rows = await db.all("trail.next", 100)
    before = db.counts.statements.copy()
    await bodies_of(db, ALIASES, rows)
    assert db.counts.statements - before == {"trail.messages": 1, "trail.reached": 1}
    await db.close()
