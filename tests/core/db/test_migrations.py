"""A database of each earlier version is brought up to date and works; a migration that was released is never edited."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.db import open_database
from deploy.world.stub.homeserver import StubHomeserver
from deploy.world.waiting import until
from tests.core.db import versions
from tests.core.db.versions import COMPONENTS, FROZEN, HERE, digest, migration_files, recorded
from tests.core.make import World, running
from tests.core.store.test_reading import COVERED, WAITS, rows
from tests.matrix.make import hub, settings
from tests.migrated import Databases

CLEO = "@rpps_10000000003:stub.example"
VERSIONS = [
    {c.name: min(number, max(recorded(c))) for c in COMPONENTS}
    for number in range(1, max(max(recorded(c), default=0) for c in COMPONENTS) + 1)
]


def test_every_migration_has_a_database_of_its_version() -> None:
    for component in COMPONENTS:
        assert set(recorded(component)) == set(migration_files(component)), (
            "python -m tests.core.db.versions records it"
        )


def test_no_released_migration_is_edited() -> None:
    now = {f"{c.name}/{path.name}": digest(path) for c in COMPONENTS for path in migration_files(c).values()}
    edited = [name for name, known in FROZEN.items() if now.get(name) != known]
    assert edited == [], "write a new migration; if this one was never released: python -m tests.core.db.versions"


def test_numbers_have_no_gap() -> None:
    for component in COMPONENTS:
        assert list(migration_files(component)) == list(range(1, len(migration_files(component)) + 1))


@pytest.fixture(scope="module", params=VERSIONS, ids=str)
def was(request: pytest.FixtureRequest) -> dict[str, int]:
    """An earlier version of every component."""
    version: dict[str, int] = request.param
    return version


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def upgraded(
    request: pytest.FixtureRequest, was: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a database of that version that was brought up to date, of each kind."""
    folder = tmp_path_factory.mktemp("old")
    if request.param == "sqlite":
        asyncio.run(upgrade(made := f"sqlite:///{folder}/hub.db", folder, was))
        yield made
        return
    databases: Databases = request.getfixturevalue("databases")
    asyncio.run(upgrade(made := databases.empty(), folder, was))
    yield made
    databases.drop(made)


async def upgrade(url: str, folder: Path, was: dict[str, int]) -> None:
    await versions.make(url, folder / "components", was)
    await (await open_database(url, COMPONENTS)).close()


@pytest.fixture
def url(request: pytest.FixtureRequest, upgraded: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a copy of it: what a version needs is made and migrated once for all that is looked at."""
    if upgraded.startswith("sqlite"):
        shutil.copy(upgraded.removeprefix("sqlite:///"), tmp_path / "hub.db")
        yield f"sqlite:///{tmp_path}/hub.db"
        return
    databases: Databases = request.getfixturevalue("databases")
    yield (copy := databases.copy(upgraded))
    databases.drop(copy)


async def test_every_row_survives_and_the_core_goes_on(url: str) -> None:
    """Every row is there; what waited is delivered, what stood open is covered, what is new goes its way."""
    async with running(url) as w:
        assert await rows(w.db, "SELECT id FROM message")
        await w.until(lambda: any(d.body.text == "En attente, de Ben" for d in w.pandalab.delivered))
        await w.until(lambda: any(d.body.text == "En attente, de Cléo" for d in w.matrix.delivered))
        assert w.pandalab.delivered[0].chat == "two-legs"
        await w.until(lambda: w.courier.idle)  # what waited has left
        await covered_by_the_next_receipt(w)
        await w.pandalab.write("new", "two-legs", "cleo", "Nouveau")
        await w.until(lambda: any(d.body.text == "Nouveau" for d in w.matrix.delivered))


async def covered_by_the_next_receipt(w: World) -> None:
    """What stood open for somebody who has been given it is covered by their next receipt, and nothing else is."""
    last = "SELECT id FROM message m WHERE pos = (SELECT MAX(pos) FROM message x WHERE x.conversation = m.conversation)"
    people = ("rpps:10000000003", "pandalab"), ("rpps:10000000004", "siilo"), ("matrix:@ben:stub.example", "matrix")
    for person, network in people:
        found = [message for (message,) in await rows(w.db, last)]
        messages = [m for m in found if not await rows(w.db, WAITS, m, network)]  # nobody can have read the others
        stood = [bool(await rows(w.db, COVERED, message, person, network)) for message in messages]
        async with w.db.transaction("test") as tx:
            news = [await w.store.outcomes.read_up_to(tx, message, person, network, 5) for message in messages]
        assert news == stood
        assert not any([await rows(w.db, COVERED, message, person, network) for message in messages])


async def test_a_whole_hub_starts_and_has_its_keys(url: str, was: dict[str, int]) -> None:
    rows = json.loads((HERE / f"e2ee-{was['e2ee']:04}.json").read_text())["e2ee_ghost"]
    async with StubHomeserver("stub.example") as stub, hub(url, settings(stub.url), lambda _: True) as node:
        devices = {row["user_id"]: row["device_id"] for row in rows}
        assert CLEO in devices
        assert {user: node.matrix.engine.device_of(user) for user in devices} == devices
        await until(lambda: "En attente, de Ben" in node.texts())
