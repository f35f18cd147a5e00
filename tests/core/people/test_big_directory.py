"""A start with many people: page by page, others have their turn meanwhile, and mailboxes are given in bulk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.db import Database, open_database
from bridge.db.pages import PAGE, pages
from bridge.model import Address, Person
from bridge.networks.loopback import Loopback
from bridge.networks.mail.leg.addressbook import AddressBook
from bridge.networks.mail.leg.ledger import COMPONENT as MAIL
from bridge.people.directories.flatfile import FlatFile
from bridge.people.people import People
from bridge.served import Served
from bridge.store.store import COMPONENT
from tests.core.make import SEAL, ghost, person

SIZE = 3 * PAGE + 7
ENTRIES = [person(f"{20_000_000_000 + n}", f"Jean Martin{n % 50}", f"pandalab:p{n}") for n in range(SIZE)]
NAMES = [(f"matrix:@u{n}:chu.example", f"Nom {n}") for n in range(SIZE)]
ACCOUNTS = [("siilo", f"s{n}", ENTRIES[n].id, 5) for n in range(0, SIZE, 2)]


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    """A database with names and accounts of many."""
    opened = await open_database(url, [COMPONENT, MAIL])
    async with opened.transaction("test") as tx:
        await tx.many("store.call", NAMES)
        await tx.many("store.declare", ACCOUNTS)
    yield opened
    await opened.close()


@asynccontextmanager
async def others() -> AsyncIterator[list[int]]:
    """How often somebody else had their turn meanwhile."""
    turns = [0]

    async def count() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(count())
    yield turns
    task.cancel()


def known() -> People:
    """People of a hub with two products."""
    return People(FlatFile(ENTRIES), lambda server: True, ghost, Served(Loopback("pandalab"), Loopback("siilo")))


async def test_a_start_reads_pages(db: Database) -> None:
    people, before = known(), db.counts.copy()
    async with others() as turns:
        await people.start(db, SEAL)
    asked = db.counts.since(before).statements
    assert asked["store.names"] == SIZE // PAGE + 1
    assert asked["claims.accounts"] == len(ACCOUNTS) // PAGE + 1
    assert turns[0] >= SIZE // PAGE + len(ACCOUNTS) // PAGE + SIZE // 500
    assert (await people.get(NAMES[-1][0])).name.startswith(f"{NAMES[-1][1]} (@")
    assert sorted(people.several) == sorted(row[2] for row in ACCOUNTS)
    assert [str(a) for a in (await people.get(ENTRIES[0].id)).addresses] == ["pandalab:p0", "siilo:s0"]


async def test_everybody_is_shown_page_by_page(db: Database) -> None:
    people = known()
    await people.start(db, SEAL)
    async with others() as turns:
        shown = [page async for page in people.shown()]
    assert turns[0] >= len(shown)
    assert max(map(len, shown)) <= 500
    assert {p.id for page in shown for p in page} == {p.id for p in ENTRIES}


async def test_who_is_declared_only_is_shown_too(db: Database) -> None:
    people = People(FlatFile([Person(ENTRIES[0].id, "Anna")]), lambda _: True, ghost, Served(Loopback("siilo")))
    await people.start(db, SEAL)
    shown = [p async for page in people.shown() for p in page]
    assert [(p.id, p.addresses) for p in shown] == [(ENTRIES[0].id, (Address("siilo", "s0"),))]


async def test_mailboxes_are_given_in_bulk(db: Database) -> None:
    book = AddressBook(db, ["hub.example"], {})
    await book.give([ENTRIES[0]])
    before = db.counts.copy()
    for first in range(0, SIZE, 500):
        await book.give([*ENTRIES[first : first + 500], ENTRIES[first]])
    await book.give(ENTRIES)
    done = db.counts.since(before)
    assert done.transactions == SIZE // 500 + 1
    assert done.statements["mail.add_box"] == SIZE // 500 + 1
    boxes = {await book.box(one) for one in ENTRIES}
    assert len(boxes) == SIZE
    assert await book.box(ENTRIES[50]) == "jean.martin0.2@hub.example"
    again = AddressBook(db, ["hub.example"], {})
    await again.start()
    assert {await again.box(one) for one in ENTRIES} == boxes
    assert db.counts.since(before).transactions == done.transactions


async def test_two_who_are_given_one_address_at_once_have_two(db: Database) -> None:
    one, two = AddressBook(db, ["hub.example"], {}), AddressBook(db, ["hub.example"], {})
    namesakes = [person("30000000001", "Léa Roux"), person("30000000002", "Léa Roux")]
    boxes = await asyncio.gather(one.box(namesakes[0]), two.box(namesakes[1]), one.box(namesakes[0]))
    assert boxes[0] == boxes[2]
    assert {boxes[0], boxes[1]} == {"lea.roux@hub.example", "lea.roux.2@hub.example"}


async def test_a_statement_in_pages(db: Database) -> None:
    read = [row["person"] async for page in pages(db, "store.names", ("",), ("person",)) for row in page]
    assert read == sorted(name for name, _ in NAMES)
