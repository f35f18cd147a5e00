"""One homeserver of many processes and one of a single one, federated, for all tests of this folder."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
import yaml

from appservice.process.registration import registration
from deploy.world.certificates import Authority
from deploy.world.ports import free_port
from deploy.world.postgres import Postgres, memory
from deploy.world.scaled.server import ScaledSynapse
from deploy.world.synapse import Synapse, start_all
from tests.matrix.make import Node, hub
from tests.matrix.servers import Servers


@dataclass
class Scaled(Servers):
    """The first of the two has many processes."""

    home: ScaledSynapse


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scaled(postgres: Postgres) -> AsyncIterator[Scaled]:
    """Started once. The process of the hub hears of the others by way of ``home.relay``."""
    with tempfile.TemporaryDirectory(prefix="liaison-scaled-", dir=memory()) as folder:
        authority = Authority(Path(folder))
        home = ScaledSynapse(Path(folder) / "home", authority, postgres, late=("hub-1",))
        made = Scaled(home, Synapse(Path(folder) / "away", authority), free_port())
        path = Path(folder) / "registration.yaml"
        path.write_text(yaml.safe_dump(registration(made.settings(), "as-real", "hs-real")))
        home.registrations.append(path)
        try:
            await start_all(home, made.away)
            yield made
        finally:
            await asyncio.gather(home.close(), made.away.kill())


@pytest_asyncio.fixture(loop_scope="session")
async def node(scaled: Scaled, tmp_path: Path) -> AsyncIterator[Node]:
    """A hub on the first server, with a fresh database beside old ghosts."""
    async with hub(f"sqlite:///{tmp_path}/hub.db", scaled.settings(), scaled.trusted, scaled.port) as made:
        yield made
