"""Who is who, and how somebody is reached from where."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from bridge.db import open_database
from bridge.errors import Refused
from bridge.model import Address, Person, Standing
from bridge.networks.loopback import Loopback
from bridge.people.directories.flatfile import FlatFile
from bridge.people.people import _UNLISTED_KEPT, People
from bridge.served import Served
from bridge.store.store import COMPONENT
from bridge.ways import choose
from tests.core.make import PEOPLE, SEAL, ghost, person

NETWORKS = {"matrix", "pandalab", "siilo"}
ANNA, BEN, CLEO, DAN, FAY = (p.id for p in PEOPLE)
ASKER = Address("pandalab", "cleo")


def people(*more: Person, networks: Collection[str] = NETWORKS) -> People:
    """The four named people and Fay, and more."""
    served = Served(*(Loopback(name) for name in networks))
    return People(FlatFile([*PEOPLE, *more]), lambda server: server == "chu.example", ghost, served)


async def code(people: People, handle: str, origin: str = "pandalab") -> str:
    """The refusal that a handle gets."""
    with pytest.raises(Refused) as refusal:
        await people.find(handle, origin, "to.0")
    assert refusal.value.field == "to.0"
    return refusal.value.code


@pytest.mark.parametrize(
    ("handle", "origin", "who", "address"),
    [
        ("rpps:10000000002", "pandalab", BEN, "matrix:@ben:chu.example"),
        ("matrix:@ben:chu.example", "pandalab", BEN, "matrix:@ben:chu.example"),
        ("rpps:10000000003", "matrix", CLEO, "pandalab:cleo"),
        ("matrix:@rpps_10000000003:hub.example", "matrix", CLEO, "pandalab:cleo"),
        ("rpps:10000000005", "pandalab", FAY, "siilo:fay"),
        ("rpps:10000000005", "siilo", FAY, "pandalab:fay"),
        ("rpps:10000000003", "pandalab", CLEO, "pandalab:cleo"),
        ("siilo:dan", "pandalab", DAN, "siilo:dan"),
        ("matrix:@new:chu.example", "pandalab", "matrix:@new:chu.example", "matrix:@new:chu.example"),
        ("matrix:@bén:chu.example", "matrix", "matrix:@bén:chu.example", "matrix:@bén:chu.example"),
        ("matrix:@Old/User:chu.example", "pandalab", "matrix:@Old/User:chu.example", "matrix:@Old/User:chu.example"),
    ],
)
async def test_handles(handle: str, origin: str, who: str, address: str) -> None:
    found = await people().find(handle, origin, "to.0")
    assert (found.person.id, str(found.address)) == (who, address)


@pytest.mark.parametrize(
    ("handle", "refusal"),
    [
        ("", "bad_handle"),
        ("rpps:", "bad_handle"),
        (":x", "bad_handle"),
        ("rpps:1000000000x", "bad_handle"),
        ("rpps:１００００００００００", "bad_handle"),
        ("matrix:ben:chu.example", "bad_handle"),
        ("matrix:@ben", "bad_handle"),
        ("matrix:@:chu.example", "bad_handle"),
        ("matrix:@ben:", "bad_handle"),
        ("matrix:@b en:chu.example", "bad_handle"),
        ("matrix:@bén:chu.example", "bad_handle"),
        ("matrix:@ben:chu.example\n", "bad_handle"),
        ("matrix:@ben:chu.example/x", "bad_handle"),
        ("matrix:@" + "x" * 255 + ":chu.example", "bad_handle"),
        ("matrix:@Rpps_10000000003:hub.example", "bad_handle"),
        ("matrix:@rpps_10000000003:HUB.example", "bad_handle"),
        ("rpps:10000000009", "unknown_recipient"),
        ("mailto:nobody@mss.example", "unknown_recipient"),
        ("mailto:ANNA@mss.example", "not_reachable"),
        ("matrix:@x:evil.example", "untrusted_server"),
        ("matrix:@rpps_10000000009:hub.example", "unknown_recipient"),
        ("fax:0123", "unknown_network"),
        ("siilo:nobody", "unknown_recipient"),
    ],
)
async def test_handles_that_name_nobody(handle: str, refusal: str) -> None:
    assert await code(people(), handle) == refusal


@pytest.mark.parametrize("handle", ["mailto:ANNA@mss.example", "mail:Anna@MSS.example", "rpps:10000000001"])
async def test_a_mailbox_is_one_address_however_it_is_written(handle: str) -> None:
    served = people(networks={"matrix", "pandalab", "mail"})
    found = await served.find(handle, "pandalab", "to.0")
    assert (found.person.id, str(found.address)) == (ANNA, "mail:anna@mss.example")


async def test_a_network_that_is_not_served_reaches_nobody() -> None:
    small = people(networks={"matrix", "pandalab"})
    assert await code(small, "rpps:10000000004", "matrix") == "not_reachable"
    assert (await small.get(DAN)).addresses == ()
    assert [str(a) for a in (await small.get(FAY)).addresses] == ["pandalab:fay"]


async def test_a_declared_account_counts_and_moves(url: str) -> None:
    db = await open_database(url, [COMPONENT])
    async with db.transaction("test") as tx:
        await tx.run("store.declare", "siilo", "anna", ANNA, 1)
    known = people()
    await known.start(db, SEAL)
    await db.close()
    assert list(known.accounts.people()) == [ANNA]
    assert await known.reachable("rpps:10000000001")
    assert await known.who(Address("siilo", "anna")) == await known.get(ANNA)
    known.accounts.remember(Address("siilo", "anna"), CLEO, 2)  # the product says it is somebody else's now
    assert not await known.reachable("rpps:10000000001")
    assert [str(a) for a in (await known.get(CLEO)).addresses] == ["pandalab:cleo", "siilo:anna"]
    known.accounts.remember(Address("siilo", "anna"), CLEO, 2)
    assert len((await known.get(CLEO)).addresses) == 2


async def test_a_person_is_joined_anew_whenever_an_account_or_the_entry_changes() -> None:
    known, siilo = people(), Address("siilo", "anna")
    known.accounts.remember(siilo, ANNA, 1)
    assert siilo in (await known.get(ANNA)).addresses
    assert await known.get(ANNA) is await known.get(ANNA)
    for standing in (Standing.HELD, Standing.ACTIVE, Standing.REFUSED):
        known.accounts.settle(siilo, standing)
        assert (siilo in (await known.get(ANNA)).addresses) == (standing is Standing.ACTIVE)


async def test_a_directory_that_is_asked_again_may_say_something_else() -> None:
    class Register(FlatFile):
        name = "Anna"

        async def person(self, person: str) -> Person | None:
            return Person(person, self.name)

    register = Register([])
    known = People(register, lambda server: False, ghost, Served())
    assert (await known.get(ANNA)).name == "Anna"
    register.name = "Anna Petit"
    assert (await known.get(ANNA)).name == "Anna Petit"


async def test_who_can_be_written_to_from_matrix(url: str) -> None:
    db = await open_database(url, [COMPONENT])
    known = people()
    await known.start(db, SEAL)
    await db.close()
    assert [await known.reachable(p) for p in (ANNA, BEN, CLEO)] == [False, False, True]


async def test_who_has_left_the_directory_keeps_an_id() -> None:
    gone = await people().get("rpps:10000000077")
    assert (gone.name, gone.listed, gone.rpps) == ("rpps:10000000077", False, "10000000077")


async def test_strangers_of_trusted_servers_only() -> None:
    known = people()
    assert await known.who(Address("matrix", "@x:evil.example")) is None
    assert await known.who(Address("matrix", "@rpps_10000000003:hub.example")) is None  # a ghost says nothing by itself
    assert await known.who(Address("pandalab", "nobody")) is None
    stranger = await known.who(Address("matrix", "@x:chu.example"))
    assert stranger is not None
    assert (stranger.listed, stranger.rpps) == (False, None)


async def test_strangers_do_not_fill_the_memory() -> None:
    known = people()
    for n in range(_UNLISTED_KEPT + 10):
        await known.get(f"matrix:@u{n}:chu.example")
    assert len(known._unlisted) == _UNLISTED_KEPT


async def test_search_puts_those_who_can_be_reached_first() -> None:
    far = person("10000000008", "Adèle Martin"), person("10000000009", "Zoé Martin", "siilo:zoe")
    found = await people(*far).search("martin", 10, ASKER)
    assert [p.name for p in found] == ["Zoé Martin", "Adèle Martin", "Anna Martin"]
    assert [p.name for p in await people(*far).search("ADELE mart", 10, ASKER)] == ["Adèle Martin"]
    assert len(await people(*far).search("martin", 1, ASKER)) == 1
    assert await people().search("  ", 10, ASKER) == []


def test_the_own_matrix_account_comes_first_and_never_from_matrix() -> None:
    own, panda, siilo = Address("matrix", "@x:y"), Address("pandalab", "x"), Address("siilo", "x")
    assert choose([panda, own], "siilo") == own
    assert choose([own, panda], "matrix") == panda
    assert choose([own], "matrix") is None
    assert choose([panda, siilo], "pandalab") == siilo
    assert choose([panda], "pandalab") == panda
    assert choose([], "pandalab") is None


async def test_a_directory_file_with_mistakes_names_the_line(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "people.csv"
    for row, says in (
        ("123,A,", "line 3: rpps"),
        ("10000000009,,", "line 3: name"),
        ("10000000009,A,x", "line 3: products"),
        ("10000000009,A,pandalab:anna", "line 3: pandalab:anna is already somebody's, in line 2"),
        ("10000000009,A,,ben", "line 3: mail"),
        ("10000000009,A,,,ben", "line 3: matrix"),
        ("10000000009," + "A" * 200_000, "is no CSV file"),
    ):
        path.write_text(f"rpps,name,products,mail,matrix\n10000000001,Anna,pandalab:anna\n{row}\n")
        with pytest.raises(ValueError, match=says):
            FlatFile.read(path)
    path.write_text("rpps,name\n10000000001,A\n10000000001,B\n")
    with pytest.raises(ValueError, match="already somebody's, in line 2"):
        FlatFile.read(path)


def test_a_directory_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("\ufeffrpps,name\n10000000001,Hélène\n", "utf-8")
    assert FlatFile.read(path) is not None
    for raw, says in (
        (b"name;rpps\nA;10000000001\n", "line 1: no column rpps .*commas"),
        ("rpps,name\n10000000001,Hélène\n".encode("latin-1"), "not UTF-8"),
        (b"", "no column rpps"),
    ):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=says):
            FlatFile.read(path)
