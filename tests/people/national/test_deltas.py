"""Changes between two files, written into the load in use: the same as if they had been in the files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.errors import Unavailable
from bridge.model import MAIL, Address
from bridge.people.national.files.records import DirectoryRecord
from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.kept.lookup import Lookup
from bridge.people.national.kept.tables import Loads
from bridge.people.national.loads.deltas import Applied, Change, Delta, listed
from bridge.people.national.loads.guards import Limits
from bridge.people.national.loads.loading import Loading
from bridge.people.national.national import National
from bridge.people.national.status import origins_of, status_of
from tests.people.national.test_records import BOX, DOCTOR, SERVICE, line, written

ANNA, BEN, NEW = "rpps:10001000001", "rpps:10001001014", "rpps:10001002027"
BEN_ROW = line("A", Identification_nationale="810001001014", Nom="DURAND", Prénom="BEN", Libellé_prof="Infirmier")
MOVED = (
    DirectoryRecord("A", "LE GOFF", "ANNE-MARIE", "DR", "10", "Médecin", site="1x", structure="CHU X", town="BREST"),
    DirectoryRecord("M", "LE GOFF", "ANNE-MARIE", box="PER", address="anne@chu-x.mssante.fr"),
)
ADDED = (DirectoryRecord("A", "ZYGMUNT", "CLEO", "MME", "21", "Pharmacien", structure="PHARMACIE Z", town="DIE"),)
CHANGES: list[Change] = [(ANNA, MOVED), (NEW, ADDED), (BEN, None), ("rpps:10009999990", None)]


@pytest_asyncio.fixture
async def loads(url: str, tmp_path: Path) -> AsyncIterator[Loads]:
    found = loads_of(url)
    files = [written(tmp_path, kind, lines, time="202511010230") for kind, lines in texts()]
    assert (await Loading(found, tmp_path / "work", Limits()).run(files)).state == "loaded"
    yield found
    await found.close()


def texts() -> list[tuple[str, list[str]]]:
    return [("A", [DOCTOR, BEN_ROW]), ("M", [BOX, SERVICE])]


async def applied(loads: Loads, changes: list[Change], generated: str = "202511011200") -> Applied:
    return await Delta(loads, "FHIR", generated).apply(listed(changes))


async def found(loads: Loads, *groups: list[str]) -> list[str]:
    tables = await loads.open(await loads.current() or 0)
    lookup = await Lookup.at(tables)
    entries = [entry.id for entry in await lookup.holding(groups, 10)]
    await tables.close()
    return entries


async def test_a_delta_is_searched_like_a_file_and_taken_up_by_a_running_hub(
    url: str, loads: Loads, tmp_path: Path
) -> None:
    hub = National(loads_of(url))
    assert (await hub.person(ANNA) or pytest.fail("she is there")).place == "CH EXEMPLE, Vandoeuvre les Nancy"
    assert await applied(loads, CHANGES) == Applied(changed=2, closed=1)
    await hub.refresh()
    anna = await hub.person(ANNA)
    assert anna is not None
    assert (anna.place, [a.id for a in anna.addresses]) == ("CHU X, Brest", ["anne@chu-x.mssante.fr"])
    assert await hub.at(Address(MAIL, "anne.legoff@ch.mssante.fr")) is None
    assert await hub.at(Address(MAIL, "anne@chu-x.mssante.fr")) is anna
    assert [p.active for p in [await hub.person(BEN)] if p] == [False]
    for query, ids in (
        ("le goff brest", [ANNA]),
        ("zygmunt pharmacien die", [NEW]),
        ("zygmutn", [NEW]),
        ("durand", []),
    ):
        assert [p.id for p in await hub.search(query, 5)] == ids, query
    await hub.close()
    assert await found(loads, ["fgoff"], ["tbrest"]) == [ANNA]
    assert await found(loads, ["fgoff"], ["tnancy"]) == await found(loads, ["fdurand"]) == []
    assert await found(loads, ["fzyg*"], ["tdie"]) == await found(loads, ["i10001002027"]) == [NEW]
    assert await found(loads, ["f*", "o*"]) == ["mail:cardio@ch.mssante.fr", ANNA, NEW], "reached first, then by id"


async def test_words_are_counted_and_near_after_a_delta_as_before(loads: Loads) -> None:
    await applied(loads, CHANGES)
    tables = await loads.open(await loads.current() or 0)
    lookup = await Lookup.at(tables)
    assert await lookup.count(["fgoff", "tnancy", "tbrest", "fdurand", "fzygmunt"]) == {
        "fgoff": 1,
        "tbrest": 1,
        "fzygmunt": 1,
    }
    assert await lookup.begins("fzy", 5) == ["fzygmunt"]
    assert await lookup.near("fzygmutn", 3) == ["fzygmunt"]
    assert "anne@chu-x.mssante.fr" in [box async for page in lookup.mailboxes() for box in page]
    standing, origins = await origins_of(tables, ANNA)
    assert standing == "active 202511011200"
    assert {(origin.source, origin.generated) for origin in origins} == {("FHIR", "202511011200")}
    await tables.close()
    status = await status_of(loads)
    assert status is not None
    assert [delta["name"] for delta in status.deltas.values()] == ["FHIR"]


async def test_the_same_delta_again_and_an_older_one_change_nothing(loads: Loads) -> None:
    await applied(loads, CHANGES)
    assert await applied(loads, CHANGES) == Applied(same=3)
    older: list[Change] = [(ANNA, ADDED), (BEN, ADDED)]
    assert await applied(loads, older, "202511010900") == Applied()
    back: list[Change] = [(BEN, ADDED), (ANNA, ADDED)]
    assert await applied(loads, back, "202511011300") == Applied(changed=2)
    assert await found(loads, ["fzygmunt"]) == [ANNA, BEN, NEW]


@pytest.mark.parametrize(("file", "place"), [("202511011000", "BREST"), ("202511020230", "VANDOEUVRE LES NANCY")])
async def test_a_file_replaces_what_was_said_before_it_and_nothing_later(
    loads: Loads, tmp_path: Path, file: str, place: str
) -> None:
    await applied(loads, CHANGES)
    files = [written(tmp_path, kind, [*lines, lines[0]], time=file) for kind, lines in texts()]
    assert (await Loading(loads, tmp_path / "work", Limits(), force=True).run(files)).state == "loaded"
    tables = await loads.open(await loads.current() or 0)
    origins = (await origins_of(tables, ANNA))[1]
    assert [origin.record.town for origin in origins if origin.record.kind == "A"] == [place]
    assert {origin.source for origin in origins} <= {
        "FHIR",
        *(path.name for path in files),
        f"{files[1].name} (absent)",
    }
    assert (await origins_of(tables, BEN))[0].partition(" ")[0] == ("closed" if place == "BREST" else "active")
    await tables.close()


async def test_a_delta_needs_a_load_and_waits_for_an_import(loads: Loads, tmp_path: Path) -> None:
    async with loads.alone():
        with pytest.raises(Unavailable, match="directory_in_use"):
            await applied(loads, CHANGES)
    empty = loads_of(f"sqlite:///{tmp_path}/empty/hub.db")
    with pytest.raises(Unavailable, match="directory_empty"):
        await applied(empty, CHANGES)
    await empty.close()
