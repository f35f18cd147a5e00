"""`liaison directory sync`: a load that was synced says what a new load of the next day's files says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.config import BadConfig, Config, validate
from bridge.people.fhir import sync
from bridge.people.national.files.columns import ACTIVITIES, KNOW_HOWS, MAILBOXES
from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.kept.lookup import Lookup
from bridge.people.national.loads.guards import Limits
from bridge.people.national.loads.loading import Loading
from bridge.people.searching.entry import Entry
from deploy.world.annuaire.headers import ACTIVITY_HEADER, KNOW_HOW_HEADER, MAILBOX_HEADER
from deploy.world.annuaire_simulator import AnnuaireSimulator
from tests.people.fhir.made import Doctor, Site, of_service, population
from tests.people.fhir.test_delta import LATER, START, fill

HEADERS = {ACTIVITIES: ACTIVITY_HEADER, KNOW_HOWS: KNOW_HOW_HEADER, MAILBOXES: MAILBOX_HEADER}
NEXT_DAY = LATER + timedelta(hours=3)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[AnnuaireSimulator]:
    async with AnnuaireSimulator(page=30) as made:
        yield made


def config(url: str, tmp_path: Path, server: AnnuaireSimulator | None, key: str = "a-key") -> Config:
    (tmp_path / "key").write_text(f"{key}\n")
    api = {} if server is None else {"api": {"url": server.url, "key": f"file:{tmp_path}/key"}}
    return validate(
        Config,
        {
            "database": {"url": url}, "seal": {"active": "1", "keys": {"1": "env:NONE"}}, "matrix": {},
            "directory": {"kind": "national", **api},
        },
        "test",
    )  # fmt: skip


def files(folder: Path, sites: Iterable[Site], people: Sequence[Doctor], at: datetime) -> list[Path]:
    """The flat files of a day."""
    folder.mkdir()
    lines = [line for one in people for line in one.lines()] + [line for site in sites for line in of_service(site)]
    made = []
    for layout, header in HEADERS.items():
        rows = [
            "|".join(values.get(column, "") for column in header.split("|")) for of, values in lines if of == layout
        ]
        path = folder / f"{layout.name}_{at:%Y%m%d%H%M}.txt"
        path.write_text("".join(f"{row}\n" for row in [header, *rows]))
        made.append(path)
    return made


async def loaded(url: str, folder: Path, paths: list[Path]) -> None:
    loads = loads_of(url)
    assert (await Loading(loads, folder / "sort", Limits(1, 1, 0), force=True).run(paths)).state == "loaded"
    await loads.close()


async def known(url: str, ids: Iterable[str]) -> dict[str, Entry]:
    """The entries of the load in use."""
    loads = loads_of(url)
    number = await loads.current()
    assert number is not None
    lookup = Lookup(await loads.open(number), 0, [])
    found = {entry.id: entry for entry in await lookup.entries(list(ids))}
    await lookup.tables.close()
    await loads.close()
    return found


async def test_a_synced_load_is_as_the_next_days_files(
    url: str, server: AnnuaireSimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sites, people = population(80)
    fill(server, sites, people, START - timedelta(days=1))
    await loaded(url, tmp_path, files(tmp_path / "one", sites, people, START))
    settings, ids = config(url, tmp_path, server), {f"rpps:{one.rpps}" for one in people}
    assert await sync.main(settings, lambda: LATER) == 0
    assert "0 modifiées, 0 fermées" in capsys.readouterr().out
    married = replace(people[8], family="DUPONT-LÉVY", own="dupont@medecin.mssante.fr")
    moved = replace(people[3], sites=(sites[1], sites[2]), at=())
    newcomer = replace(people[9], number=9_999, family="NOUVELLE")
    fill(server, [], [married, moved, newcomer], LATER)
    server.close("Practitioner", "003-5", LATER)
    assert await sync.main(settings, lambda: NEXT_DAY) == 0
    assert "3 modifiées, 1 fermées" in capsys.readouterr().out
    synced = await known(url, ids | {f"rpps:{newcomer.rpps}"})
    assert synced["rpps:10000000005"].closed
    changed = {one.number: one for one in (married, moved, newcomer)}
    today = [changed.pop(one.number, one) for one in people if one.number != 5] + list(changed.values())
    other = f"sqlite:///{tmp_path}/other/hub.db"
    (tmp_path / "other").mkdir()
    await loaded(other, tmp_path / "other", files(tmp_path / "two", sites, today, NEXT_DAY))
    synced.pop("rpps:10000000005")
    assert synced == await known(other, synced)
    asked = server.asked["Practitioner"]
    assert await sync.main(settings, lambda: NEXT_DAY + timedelta(minutes=15)) == 0  # from where it was, no more
    assert server.asked["Practitioner"] == asked + 1


async def test_what_goes_wrong_is_said_and_changes_nothing(
    server: AnnuaireSimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    await loaded(url, tmp_path, files(tmp_path / "one", *population(3), START))

    async def synced(key: str, faults: list[str], days: int = 0) -> tuple[int, str]:
        server.faults = faults
        status = await sync.main(config(url, tmp_path, server, key), lambda: LATER + timedelta(days=days))
        return status, capsys.readouterr().out

    for asked, status, words in (
        (synced("wrong", []), 2, "401 No API key"),
        (synced("a-key", ["503"] * 3 + ["404"]), 2, "HAPI-0389"),
        (synced("a-key", [], 40), 1, "importez d'abord"),
    ):
        done, said = await asked
        assert done == status
        assert words in said
        assert "a-key" not in said


async def test_it_needs_an_api_and_a_load(
    server: AnnuaireSimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    with pytest.raises(BadConfig, match=r"directory\.api: is missing"):
        await sync.main(config(url, tmp_path, None))
    assert await sync.main(config(url, tmp_path, server)) == 1
    assert "liaison directory import" in capsys.readouterr().out
    with pytest.raises(BadConfig, match="https://"):
        validate(
            Config, {"directory": {"kind": "national", "api": {"url": "http://far.example/v2", "key": "env:K"}}}, "x"
        )
