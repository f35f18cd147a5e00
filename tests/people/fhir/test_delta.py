"""Reads of a simulated API: what has changed is what the flat files say, whatever the server does on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from bridge.people.fhir.api import AnswerRefused, Api, NoAnswer
from bridge.people.fhir.delta import DeltaReader, TooOld
from bridge.people.national.files.columns import Layout
from bridge.people.national.files.merging import entry_of
from bridge.people.national.files.records import DirectoryRecord, to_lines
from bridge.people.searching.entry import Entry
from deploy.world.annuaire_simulator import AnnuaireSimulator
from tests.people.fhir.made import LABELS, Doctor, Site, of_service, population

START = datetime(2026, 11, 1, tzinfo=UTC)
LATER = START + timedelta(days=1)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[AnnuaireSimulator]:
    async with AnnuaireSimulator(page=20) as made:
        yield made


def fill(server: AnnuaireSimulator, sites: Iterable[Site], people: Iterable[Doctor], at: datetime = START) -> None:
    for site in sites:
        server.put(site.resource(), at)
    for one in people:
        for resource in one.resources():
            server.put(resource, at)


async def read(
    server: AnnuaireSimulator, since: datetime = START, until: datetime = LATER, key: str = "a-key"
) -> dict[str, Entry | None]:
    """What the reader makes of it: entries by id, None for closed ones."""
    async with Api(server.url, key, rate=10_000, pause=0.01) as api:
        seen = [one async for one in DeltaReader(api, LABELS).changed(since, until)]
    return {one.ident: None if one.records is None else entry_of(one.ident, to_lines(one.records)) for one in seen}


def flat(sites: Iterable[Site], people: Iterable[Doctor]) -> dict[str, Entry | None]:
    """What the flat files say of the same."""
    found: dict[str, list[DirectoryRecord]] = {}
    lines = [line for one in people for line in one.lines()] + [line for site in sites for line in of_service(site)]
    for layout, values in lines:
        record = row(layout, values)
        assert record is not None
        found.setdefault(record[0], []).append(record[1])
    return {ident: entry_of(ident, to_lines(records)) for ident, records in found.items()}


def row(layout: Layout, values: dict[str, str]) -> tuple[str, DirectoryRecord] | None:
    """A line of a file with these columns."""
    assert not set(values) - set(layout.columns)
    binding = layout.bind("|".join(layout.columns))
    return binding.record("|".join(values.get(column, "") for column in layout.columns))


async def test_everybody_is_as_in_the_flat_files(server: AnnuaireSimulator) -> None:
    sites, people = population(250)
    fill(server, sites, people)
    assert await read(server) == flat(sites, people)


async def test_a_change_of_one_place_reads_its_people_and_nobody_else(server: AnnuaireSimulator) -> None:
    sites, people = population(120)
    fill(server, sites, people)
    moved = replace(people[3], sites=(sites[0],), at=())
    married = replace(people[8], family="DUPONT-LÉVY")
    newcomer = replace(people[9], number=9_999, own="new@medecin.mssante.fr")
    *_, role = moved.resources()
    server.put(role, LATER)  # a role alone has changed
    server.put(next(married.resources()), LATER)
    fill(server, [], [newcomer], LATER)
    server.close("Practitioner", "003-5", LATER)
    asked = server.asked["Practitioner"]
    seen = await read(server, LATER, LATER + timedelta(minutes=15))
    assert seen.pop("rpps:10000000005") is None
    expected = flat([], [married, newcomer])
    assert {ident: seen[ident] for ident in expected} == expected
    assert set(seen) == {*expected, f"rpps:{moved.rpps}"}
    assert server.asked["Practitioner"] - asked == 2  # who has changed, and these whole


@pytest.mark.parametrize("fault", ["429", "500", "503", "html", "broken", "expired"])
async def test_the_result_is_the_same_whatever_the_server_does_on_the_way(
    server: AnnuaireSimulator, fault: str
) -> None:
    sites, people = population(60)
    fill(server, sites, people)
    server.faults = (
        ["", fault, *[""] * 8, "", fault] if fault == "expired" else ["", "", fault, fault, fault, "", fault] * 3
    )
    assert await read(server) == flat(sites, people)
    assert not server.faults


async def test_a_server_that_stays_away_is_given_up_with_the_reason(server: AnnuaireSimulator) -> None:
    fill(server, *population(5))
    server.faults = ["503"] * 50
    with pytest.raises(NoAnswer, match="503 HAPI-0389"):
        await read(server)
    assert server.asked["Practitioner"] == 6


async def test_a_refusal_is_said_in_the_servers_own_words_and_not_tried_again(server: AnnuaireSimulator) -> None:
    with pytest.raises(AnswerRefused, match="401 No API key") as refused:
        await read(server, key="wrong")
    assert refused.value.status == 401
    assert server.asked["Practitioner"] == 1
    async with Api(server.url, "a-key", rate=10_000) as api:
        with pytest.raises(AnswerRefused, match="HAPI-0302: Unknown resource type 'Nurse'"):
            [page async for page in api.pages("Nurse", [])]
        with pytest.raises(AnswerRefused, match="Parameter _summary not found"):
            [page async for page in api.pages("Practitioner", [("_summary", "count")])]
        assert "a-key" not in repr(api)


async def test_the_key_goes_to_no_other_server(server: AnnuaireSimulator) -> None:
    server.faults = ["elsewhere"]
    with pytest.raises(NoAnswer, match=r"another server: elsewhere\.example"):
        await read(server)


async def test_pages_that_are_always_forgotten_end_the_read(server: AnnuaireSimulator) -> None:
    fill(server, *population(60))
    server.faults = ["", "expired"] * 20
    with pytest.raises(NoAnswer, match="forgets"):
        await read(server)


async def test_changes_of_longer_ago_than_the_server_keeps_need_a_file(server: AnnuaireSimulator) -> None:
    with pytest.raises(TooOld):
        await read(server, START - timedelta(days=31), START)
    assert not server.asked


async def test_calls_keep_to_the_rate(server: AnnuaireSimulator) -> None:
    """Twenty calls of several tasks at 20 a second, of which 8 at once, take what the other twelve have to wait."""
    loop = asyncio.get_running_loop()
    async with Api(server.url, "a-key", rate=20) as api:
        slept: list[float] = []

        async def ask() -> None:
            began = loop.time()
            [page async for page in api.pages("Organization", [("_id", "1")])]
            slept.append(loop.time() - began)

        await asyncio.gather(*(ask() for _ in range(20)))
        assert max(slept) > 11 / 20  # never sooner, however quick the machine
        assert api.calls == 20
