"""Imports on both databases: swapped in at once, resumed wherever they are killed, held where somebody has to look."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from bridge.errors import Unavailable
from bridge.people.national.files import runs
from bridge.people.national.kept import in_schemas, postings
from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.kept.tables import Bulk, Loads, Todo
from bridge.people.national.loads import building
from bridge.people.national.loads.guards import Limits
from bridge.people.national.loads.loading import Imported, Loading
from bridge.people.national.status import origins_of, status_of
from deploy.world.annuaire.files import Country, write
from deploy.world.postgres import Postgres
from tests.people.national.test_records import BOX, DOCTOR, SERVICE, line, written

OTHER = {"Identification_nationale": "810001001014", "Nom": "DURAND", "Prénom": "BEN"}
ROOT = Path(__file__).resolve().parents[3]
SMALL = Country(people=60, boxes=30)


@pytest_asyncio.fixture
async def loads(url: str) -> AsyncIterator[Loads]:
    found = loads_of(url)
    yield found
    await found.close()


class Days:
    """Files of one day after the other, imported."""

    def __init__(self, loads: Loads, folder: Path) -> None:
        self.loads = loads
        self.folder = folder

    async def load(self, day: int, texts: dict[str, list[str]], *, end: str = "\n", force: bool = False) -> Imported:
        paths = [written(self.folder, kind, lines, end, f"202511{day:02d}0230") for kind, lines in texts.items()]
        return await Loading(self.loads, self.folder / "work", Limits(), force=force).run(paths)

    async def standing(self, ident: str) -> tuple[str, list[str]]:
        """Whether somebody is active, and the addresses with their source."""
        tables = await self.loads.open(await self.loads.current() or 0)
        standing, origins = await origins_of(tables, ident)
        await tables.close()
        return standing, [f"{o.record.address} {o.source[:12]} {o.generated}" for o in origins if o.record.address]


@pytest.fixture
def days(loads: Loads, tmp_path: Path) -> Days:
    return Days(loads, tmp_path)


ANNA, BEN, CARDIO = "rpps:10001000001", "rpps:10001001014", "mail:cardio@ch.mssante.fr"


async def test_somebody_who_vanishes_is_absent_first_and_closed_after_two_loads_and_then_forgotten(days: Days) -> None:
    ben = line("A", **OTHER, Libellé_profession="Infirmier")
    assert (await days.load(1, {"A": [DOCTOR, ben], "M": [BOX, SERVICE]}, force=True)).tally.added == 3
    loaded = await days.load(2, {"A": [DOCTOR], "M": [SERVICE]}, force=True)
    assert (loaded.tally.absent, loaded.tally.changed, loaded.tally.boxes_gone) == (1, 1, 1)
    assert await days.standing(BEN) == ("absent 202511020230", [])
    box = "anne.legoff@ch.mssante.fr"
    assert await days.standing(ANNA) == ("active 202511010230", [f"{box} Extraction_C 202511020230"])
    assert (await days.load(3, {"A": [DOCTOR], "M": [SERVICE]}, force=True)).tally.closed == 1
    assert [await days.standing(one) for one in (BEN, ANNA)] == [
        ("closed 202511030230", []), ("active 202511010230", []),
    ]  # fmt: skip
    assert (await days.load(4, {"A": [DOCTOR, ben], "M": [SERVICE]}, force=True)).tally.people == 3
    assert (await days.standing(BEN))[0] == "active 202511040230"
    for day in (5, 6, 30):
        await days.load(
            day, {"A": [DOCTOR], "M": [SERVICE, SERVICE.replace("CARDIOLOGIE", f"SERVICE {day}")]}, force=True
        )
    assert (await days.standing(BEN))[0] == "closed 202511060230"


async def test_the_same_day_again_changes_nothing_and_a_file_alone_keeps_what_others_have_said(days: Days) -> None:
    await days.load(1, {"A": [DOCTOR], "M": [BOX, SERVICE]})
    assert (await days.load(1, {"A": [DOCTOR], "M": [SERVICE, BOX]})).state == "unchanged"
    again = await days.load(2, {"A": [DOCTOR]})
    assert (again.state, again.number) == ("unchanged", 1)
    loaded = await days.load(3, {"M": [BOX, SERVICE, line("M", **OTHER, Type_de="PER", Adresse="ben@ch.mssante.fr")]})
    assert (loaded.state, loaded.tally.added, loaded.tally.changed, loaded.tally.absent) == ("loaded", 1, 0, 0)
    tables = await days.loads.open(2)
    assert [o.record.kind for o in (await origins_of(tables, ANNA))[1]] == ["A", "M"]
    await tables.close()
    status = await status_of(days.loads)
    assert status is not None
    assert {kind: read.generated for kind, read in status.reads.items()} == {"A": "202511020230", "M": "202511030230"}
    assert not status.outdated


@pytest.mark.parametrize(
    ("day", "change", "end", "codes"),
    [
        (1, lambda lines: lines[1:], "\n", {"same_time"}),
        (0, lambda lines: lines, "\n", {"goes_back"}),
        (2, lambda lines: [*lines, DOCTOR[:-40]], "", {"truncated"}),
        (2, lambda lines: lines[:1700], "\n", {"fewer_lines"}),
        (2, lambda lines: lines[:1900], "\n", {"removes"}),
        (2, lambda lines: [one.replace("Médecin", "Dentiste") for one in lines], "\n", {"changes"}),
        (2, lambda lines: [*lines, *["|" * 3] * 300], "\n", {"odd_lines"}),
        (2, lambda lines: [], "\n", {"empty", "fewer_lines"}),
    ],
    ids=["same time", "goes back", "truncated", "short", "removes", "changes", "odd", "empty"],
)  # fmt: skip
async def test_a_load_that_somebody_has_to_look_at_is_held_and_can_be_forced(
    tmp_path: Path, day: int, change: object, end: str, codes: set[str]
) -> None:
    days = Days(loads_of(f"sqlite:///{tmp_path}/hub.db"), tmp_path)
    everybody = [DOCTOR.replace("10001000001", f"1{n:010d}") for n in range(2000)]
    await days.load(1, {"A": everybody})
    assert callable(change)
    held = await days.load(day or 1, {"A": change(everybody)}, end=end) if day else await goes_back(days, everybody)
    assert (held.state, {hold.code for hold in held.holds}) == ("held", codes)
    assert await days.loads.current() == 1
    if day:
        forced = await days.load(day, {"A": change(everybody)}, end=end, force=True)
        assert (forced.state, await days.loads.current()) == ("loaded", 2)
    await days.loads.close()


async def goes_back(days: Days, lines: list[str]) -> Imported:
    path = written(days.folder, "A", [*lines, DOCTOR], time="202510310230")
    return await Loading(days.loads, days.folder / "work", Limits()).run([path])


async def test_only_one_import_at_a_time(loads: Loads, tmp_path: Path) -> None:
    async with loads.alone():
        with pytest.raises(Unavailable, match="directory_in_use"):
            await Loading(loads, tmp_path, Limits()).run(write(tmp_path / "files", SMALL))


@pytest.mark.postgres
async def test_a_writer_whose_lock_was_lost_writes_nothing_beside_the_next_one(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_schemas, "_WAITS", "50ms")
    url = await postgres.create_database()
    first, second = in_schemas.SchemaLoads(url), in_schemas.SchemaLoads(url)
    note: tuple[Bulk, Todo] = {}, [("put", [("inputs", "x")])]
    async with first.alone():
        draft = await first.draft()
        await draft.write(*note)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1"
        server = await asyncpg.connect(url)
        await server.fetch(cut, in_schemas._LOCK)
        async with first._fence.writing(first._connections):  # what it has begun is not over
            await _refused(second.alone().__aenter__())
        async with second.alone():
            other = await second.draft()
            await other.write(*note)
            for late in (draft.write(*note), draft.change(["make-gone"]), first.publish(1), first.draft()):
                await _refused(late)
            await second.publish(1)
        await _refused(draft.write(*note))  # nor once the next one is done
    await _refused(other.write(*note))
    async with first.alone():  # it begins anew
        await draft.write(*note)
        await _refused(other.write(*note))
    await server.close()
    for one in (draft, other, first, second):
        await one.close()


async def _refused(late: Awaitable[object]) -> None:
    with pytest.raises(Unavailable, match="directory_in_use"):
        await late


IMPORT = """
import asyncio, sys
from pathlib import Path
from bridge.people.national.files import runs
from bridge.people.national.loads import building
from bridge.people.national.loads.guards import Limits
from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.loads.loading import Loading
from bridge.people.national.kept import postings
postings.PART, runs._RUN, building._PAGE, building._ROWS = 20, 25, 7, 6

async def main(url, folder, *paths):
    loads = loads_of(url)
    print((await Loading(loads, Path(folder), Limits()).run([Path(p) for p in paths])).state)
    await loads.close()

asyncio.run(main(*sys.argv[1:]))
"""


def killed(url: str, folder: Path, paths: list[Path], at: str) -> int:
    """An import in a process of its own, killed at a failpoint: its status."""
    command = [sys.executable, "-c", IMPORT, url, str(folder), *map(str, paths)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LIAISON_FAILPOINT": at}
    return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode


async def everybody(loads: Loads) -> list[tuple[object, ...]]:
    """All that a load holds, in order."""
    tables = await loads.open(await loads.current() or 0)
    rows = [(ident, kept) async for ident, kept in building.pages(tables)]
    words = [(row["number"], row["word"]) for row in await tables.all("words-page", 0, 100_000)]
    await tables.close()
    return [*rows, *words]


_KILLS = ["directory.part.before-commit:2", "directory.rows.after-commit:4", "directory.before-publish:1"]


async def test_an_import_that_is_killed_anywhere_goes_on_and_ends_with_the_same(
    loads: Loads, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, size in (
        (postings, "PART", 20),
        (runs, "_RUN", 25),
        (building, "_PAGE", 7),
        (building, "_ROWS", 6),
    ):
        monkeypatch.setattr(module, name, size)
    first, second = write(tmp_path / "files", SMALL), write(tmp_path / "files", SMALL, day=1)
    limits, work = Limits(), tmp_path / "work"
    assert (await Loading(loads, work, limits).run(first)).state == "loaded"
    before = await everybody(loads)
    for kill in _KILLS if url.startswith("sqlite") else _KILLS[:1]:
        assert killed(url, work, second, kill) == -signal.SIGKILL, kill
        assert await everybody(loads) == before, "the load in use is another one"
    assert (await Loading(loads, work, limits).run(second)).state == "loaded"
    fresh = loads_of(f"sqlite:///{tmp_path}/other/hub.db")
    for paths in (first, second):
        assert (await Loading(fresh, tmp_path / "other", limits).run(paths)).state == "loaded"
    assert await everybody(loads) == await everybody(fresh)
    await fresh.close()
    assert (await Loading(loads, work, limits).run(second)).state == "unchanged"


@pytest.mark.long
async def test_an_import_that_is_killed_at_any_moment_goes_on(tmp_path: Path) -> None:
    url, work = f"sqlite:///{tmp_path}/hub.db", tmp_path / "work"
    paths = write(tmp_path / "files", Country(people=30_000, boxes=8000))
    kills = 0
    for moment in range(1, 60):
        command = [
            sys.executable,
            "-c",
            IMPORT.replace("= 20, 25, 7, 6", "= 2000, 2500, 700, 300"),
            url,
            str(work),
            *map(str, paths),
        ]
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "PYTHONPATH": str(ROOT)})
        try:
            async with asyncio.timeout(0.3 + moment * 0.05):
                assert await process.wait() == 0
        except TimeoutError:
            process.kill()
            await process.wait()
            kills += 1
            continue
        break
    assert kills > 3
    loads, plain = loads_of(url), loads_of(f"sqlite:///{tmp_path}/plain/hub.db")
    await Loading(plain, tmp_path / "plain", Limits()).run(paths)
    assert len(await everybody(loads)) == len(await everybody(plain))
    for one in (loads, plain):
        await one.close()


def test_runs_are_sorted_once(tmp_path: Path) -> None:
    found = runs.Runs(tmp_path / "runs")
    from bridge.people.national.files.flatfiles import sources

    text = sources(write(tmp_path / "files", SMALL))[0]
    assert found.sort(text) == found.sort(text)
    ids = [ident for ident, _ in found.people()]
    assert ids == sorted(set(ids))
    found.clear()
    assert list(found.people()) == []
