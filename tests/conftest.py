"""What every test may ask for; servers start when the first test asks."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from xdist.scheduler import LoadFileScheduling

import tests.clock
from bridge.db.sqlite import Sqlite
from bridge.people.directories.flatfile import FlatFile
from deploy.world.forking.template import LEAN
from deploy.world.postgres import Postgres, memory
from deploy.world.synapse import Synapse
from tests import migrated, watch
from tests.peers import world

# Without byte code on the disk every process that a test starts compiles all that it imports: half of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Homeservers of the tests, also of what a test starts, compute what they answer and nothing beside.
os.environ[LEAN] = "1"

# Files that take a minute or so: first, so that no worker is left with one at the end.
_LONGEST = (
    "tests/trials/test_trial.py", "tests/trials/test_mail_trial_small.py", "tests/matrix/stories/test_real.py",
    "tests/bench/test_bench.py", "tests/demo/test_story.py", "tests/demo/test_up.py", "tests/faults/test_kills.py",
    "tests/connect/test_openapi.py", "tests/mail/correspondence/test_correspondence.py", "tests/peers/test_servers.py",
    "tests/policy/test_story.py", "tests/login/test_login.py", "tests/homeserver/test_readme.py",
    "tests/test_walkthrough.py", "tests/e2ee/test_real.py",
)  # fmt: skip
# Files that share servers which take seconds to start: one worker has them all.
_TOGETHER = ("tests/trials/", "tests/matrix/stories/", "tests/policy/")
# Objects, more than there were, after which Python looks for rings of garbage: as the hub has it.
_RINGS = 10_000
# The tests of databases, which make each of them anew.
_ANEW = "tests/core/db/"


def pytest_configure() -> None:
    """Files of tests lie in memory where there is room: a commit waits for no disk, and costs the system less."""
    if (folder := memory()) is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays: it is not looked through for rings of garbage again and again meanwhile."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What is here now stays: Python need not look through it for rings of garbage, again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_RINGS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; the order is the same in every worker."""
    places = {path: n for n, path in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their place: what is compressed, say, may hold the time, and every worker has to agree."""
    return argname if isinstance(val, bytes) else None


class ByServers(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a whole file to one worker, and all files that share servers to one, too."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((start for start in _TOGETHER if path.startswith(start)), path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByServers:
    """See :class:`ByServers`."""
    return ByServers(config, log)


@pytest.fixture(autouse=True)
def _time(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nobody waits for a time in which nothing happens (see :mod:`tests.clock`)."""
    alone = all(request.node.get_closest_marker(name) is None for name in ("peers", "long", "real_time"))
    with tests.clock.CLOCK.put_forward() if alone else nullcontext():
        yield


@pytest.fixture(autouse=True)
def _migrated_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases are migrated once in a run (see :mod:`tests.migrated`)."""
    if not request.node.nodeid.startswith(_ANEW):
        migrated.remember(monkeypatch)


@pytest.fixture(autouse=True)
def _writer_held_for_statements_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test may see a transaction of SQLite that waits for anything but its statements (see :mod:`tests.watch`)."""
    held: list[str] = []
    monkeypatch.setattr(Sqlite, "transaction", watch.transactions(Sqlite.transaction, held.append))
    for question in ("person", "at", "search"):
        monkeypatch.setattr(FlatFile, question, watch.far_away(getattr(FlatFile, question)))
    yield
    allowed = request.node.get_closest_marker("looks_inside") is not None
    assert allowed or not held, f"something else was awaited inside of these transactions: {held}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole run; take a database of your own with `create_database()`."""
    server = Postgres(in_memory=True)
    try:
        with tests.clock.CLOCK.real():
            asyncio.run(server.start())
        yield server
    finally:
        asyncio.run(server.stop())


@pytest.fixture(scope="session")
def databases(postgres: Postgres) -> Iterator[migrated.Databases]:
    """Makes databases on the server of the run."""
    made = migrated.Databases(postgres)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of each kind with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/hub.db"
        return
    databases: migrated.Databases = request.getfixturevalue("databases")
    made = databases.empty() if request.node.nodeid.startswith(_ANEW) else databases.migrated()
    yield made
    databases.drop(made)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def homeservers() -> AsyncIterator[tuple[Synapse, Synapse]]:
    """Two federated homeservers without a hub for the whole run; make users of your own."""
    async with world.federation() as servers:
        yield servers


@pytest_asyncio.fixture
async def new_client() -> AsyncIterator[world.NewClient]:
    """Start clients for new users; they end with the test."""
    async with world.clients() as start:
        yield start
