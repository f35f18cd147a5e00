"""The national directory as the hub asks it, with what a site says itself, while loads take each other's place."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.config import BadConfig, validate
from bridge.model import MAIL, Address, Person
from bridge.people.directories.watched import WatchedFile
from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.loads.guards import Limits
from bridge.people.national.loads.loading import Loading
from bridge.people.national.national import National
from bridge.people.national.progress import Progress
from bridge.people.people import People
from bridge.served import Served
from tests.people.national.test_records import BOX, DOCTOR, SERVICE, line, written

BEN = {"Identification_nationale": "0331234567", "Nom": "DURAND", "Prénom": "BEN"}
BEN_BOX = line("M", Type_de="PER", Adresse="ben@ch.mssante.fr", Libellé_Prof="Infirmier", **BEN)
SHARED = [
    line(
        "M", Type_de="PER", Adresse="cabinet@pro.mssante.fr", Identification_nat=f"81000100{n}", Nom=name, Prénom="EVE"
    )
    for n, name in (("2027", "ROUX"), ("3040", "FAURE"))
]
MAILBOXES = [BOX, SERVICE, BEN_BOX, *SHARED]
CARDIO_BOX = ["cardio@ch.mssante.fr"]
PEOPLE = """rpps,name,profession,place,mail,products
10001000001,Anne-Marie Le Goff,,"CHU de Nancy, Nancy",,pandalab:anna
10009999990,Zoé Ajoutée,Sage-femme,Die,zoe@local.mss.example,
"""
CARDIO = Person(
    "mail:cardio@ch.mssante.fr", "CARDIOLOGIE – CH EXEMPLE", "", "Vandoeuvre", (Address(MAIL, "cardio@ch.mssante.fr"),)
)


@pytest_asyncio.fixture
async def national(url: str, tmp_path: Path) -> AsyncIterator[National]:
    (tmp_path / "people.csv").write_text(PEOPLE)
    found = National(loads_of(url), WatchedFile(tmp_path / "people.csv"))
    yield found
    await found.close()


async def load(url: str, folder: Path, day: int, activities: list[str], boxes: list[str]) -> None:
    texts = {"A": activities, "M": boxes}
    paths = [written(folder, kind, lines, time=f"202511{day:02d}0230") for kind, lines in texts.items()]
    loads = loads_of(url)
    done = await Loading(loads, folder / "work", Limits(), force=True).run(paths)
    await loads.close()
    assert done.state == "loaded"


async def test_people_and_services_are_found_by_id_address_and_words(
    national: National, url: str, tmp_path: Path
) -> None:
    assert [p.name for p in await national.search("zoe", 5)] == ["Zoé Ajoutée"]
    await load(url, tmp_path, 1, [DOCTOR], MAILBOXES)
    await national.refresh()
    anna = await national.person("rpps:10001000001")
    assert anna is not None
    assert (anna.name, anna.profession, anna.place) == (
        "Anne-Marie Le Goff",
        "Médecin, Cardiologie",
        "CHU de Nancy, Nancy",
    )
    assert [str(a) for a in anna.addresses] == ["pandalab:anna", "mail:anne.legoff@ch.mssante.fr"]
    for address in anna.addresses:
        assert await national.at(address) is anna, "the hub compares people by identity"
    assert await national.person(CARDIO.id) == await national.at(CARDIO.addresses[0]) == CARDIO
    ben = await national.at(Address(MAIL, "ben@ch.mssante.fr"))
    assert ben is not None
    assert (ben.id, ben.name, ben.rpps, ben.listed) == ("mail:ben@ch.mssante.fr", "Ben Durand", None, True)
    assert await national.person("mail:anne.legoff@ch.mssante.fr") is None, "she is known by her number"
    assert await national.at(Address(MAIL, "cabinet@pro.mssante.fr")) is None, (
        "two people have it: nobody in particular"
    )
    for query, names in (
        ("le goff cardio", ["Anne-Marie Le Goff"]), ("durand", ["Ben Durand"]), ("zoe", ["Zoé Ajoutée"]),
        ("cardiologie ch exemple", ["CARDIOLOGIE – CH EXEMPLE"]), ("10001000001", ["Anne-Marie Le Goff"]),
        ("le goff nancy", ["Anne-Marie Le Goff"]), ("fuare eve", ["Eve Faure"]), ("nobody", []),
    ):  # fmt: skip
        assert [p.name for p in await national.search(query, 5)][:1] == names, query
    assert [p.id async for page in national.everyone() for p in page] == ["rpps:10001000001", "rpps:10009999990"]
    boxes = [box async for page in national.mailboxes() for box in page]
    known = ["anne.legoff@ch.mssante.fr", "ben@ch.mssante.fr", "cabinet@pro.mssante.fr", *CARDIO_BOX]
    assert set(boxes) == {"zoe@local.mss.example", *known}


async def test_a_new_load_is_taken_up_while_others_still_read_the_old_one(
    national: National, url: str, tmp_path: Path
) -> None:
    await load(url, tmp_path, 1, [DOCTOR], MAILBOXES)
    assert await national.person(CARDIO.id) == CARDIO
    told = list[object]()
    national.follow(told.append)
    renamed = [one.replace("CARDIOLOGIE", "CARDIOLOGIE B") for one in MAILBOXES]
    loading = asyncio.create_task(load(url, tmp_path, 2, [DOCTOR], renamed))
    while not loading.done():  # nothing of the hub waits for it, and nobody sees half of it
        found = await asyncio.gather(
            *(national.search("cardiologie ch exemple", 3) for _ in range(3)), national.refresh()
        )
        names = [{p.name for p in some or () if p.id == CARDIO.id} for some in found[:3]]
        assert all(some in ({CARDIO.name}, {"CARDIOLOGIE B – CH EXEMPLE"}) for some in names)
    await loading
    await national.refresh()
    seen = await national.person(CARDIO.id)
    assert seen is not None
    assert seen.name == "CARDIOLOGIE B – CH EXEMPLE"
    before = seen
    assert told
    await national.refresh()
    assert await national.person(CARDIO.id) is before


async def test_whoever_has_closed_keeps_a_name_and_cannot_be_written_to(url: str, tmp_path: Path) -> None:
    national = National(loads_of(url))
    for day in (1, 2, 3):
        await load(url, tmp_path, day, [DOCTOR] if day == 1 else [], [SERVICE] if day > 1 else [BOX, SERVICE])
    closed = await national.person("rpps:10001000001")
    assert closed is not None
    assert (closed.name, closed.addresses, closed.active) == ("Anne-Marie Le Goff", (), False)
    assert await national.at(Address(MAIL, "anne.legoff@ch.mssante.fr")) == closed
    assert await national.search("le goff", 5) == []
    people = People(national, lambda _: False, lambda _: None, Served())
    assert (await people.get("rpps:10001000001")).name == "Anne-Marie Le Goff"
    assert await people.unreachable("rpps:10001000001") == "recipient_inactive"
    assert (await people.get(CARDIO.id)).listed
    assert not (await people.get("mail:other@ch.mssante.fr")).listed
    await national.close()


def test_progress_is_one_line_on_a_terminal_and_one_for_each_stage_elsewhere() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    times = iter(range(100))
    for out, lines in ((Terminal(), 1), (io.StringIO(), 2)):
        progress = Progress(out, lambda: float(next(times)))
        for step in (("look", 0, 10), ("look", 5, 10), ("index", 1200, 0), ("index", 2400, 0)):
            progress(*step)
        progress.end()
        text = out.getvalue()
        assert "lecture / reading" in text
        assert ("[###############...............]  50%" in text) == out.isatty()
        assert text.count("\n") == 2, lines


def test_a_hub_has_a_csv_file_or_the_national_directory() -> None:
    from bridge.config import DirectorySettings

    assert validate(DirectorySettings, {"kind": "national"}, "directory").flatfile is None
    with pytest.raises(BadConfig, match="directory: flatfile: is missing"):
        validate(DirectorySettings, {}, "directory")
    assert datetime.now(UTC).tzinfo is UTC
