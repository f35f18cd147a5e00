"""A small world for tests of the core: a directory of four named people, pretend networks, a real hub and database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.connector import Capabilities
from bridge.db import Database, open_database
from bridge.hub.assembly import Rules, assemble
from bridge.hub.courier import Courier
from bridge.hub.hub import Hub, now_ms
from bridge.model import Address, Person
from bridge.networks.loopback import Loopback
from bridge.parts.patience import Patience
from bridge.people.directories.flatfile import FlatFile
from bridge.people.directory import Directory
from bridge.people.trust import trusted_server
from bridge.seal import Seal
from bridge.store.store import COMPONENT, Store
from bridge.trail.entry import COMPONENT as TRAIL
from deploy.world.waiting import until

SEAL = Seal({"k1": bytes(range(32))}, "k1")
FAST = Patience(first=0.02, longest=0.1, give_up=5.0, reports=0.001)


def person(rpps: str, name: str, *addresses: str) -> Person:
    """An entry of the directory; addresses as ``network:id``."""
    return Person(f"rpps:{rpps}", name, "Médecin", "Lyon", tuple(Address(*a.split(":", 1)) for a in addresses))


PEOPLE = [
    person("10000000001", "Anna Martin", "mail:anna@mss.example"),
    person("10000000002", "Ben Durand", "matrix:@ben:chu.example"),
    person("10000000003", "Cléo Petit", "pandalab:cleo"),
    person("10000000004", "Dan Moreau", "siilo:dan"),
    person("10000000005", "Fay Roux", "pandalab:fay", "siilo:fay"),
]


def ghost(mxid: str) -> str | None:
    """The person id behind a ghost's MXID."""
    local, _, server = mxid.partition(":")
    return "rpps:" + local.removeprefix("@rpps_") if server == "hub.example" and local.startswith("@rpps_") else None


@dataclass
class World:
    """A running hub with pretend networks."""

    db: Database
    store: Store
    hub: Hub
    courier: Courier
    nets: dict[str, Loopback] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Loopback:
        try:
            return self.__dict__["nets"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    async def echo(self) -> None:
        """Play the ordering network: show everything it was given back, in order."""
        for delivery in self.nets["matrix"].delivered:
            await self.hub.sequenced(delivery.message)

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for a condition."""
        await until(true, pause=0.002)

    async def waiting(self) -> int:
        """How many deliveries wait for any network, at most ten for each."""
        return sum([len(await self.db.all("store.lanes_of", name, 0, 10)) for name in self.nets])


def networks() -> dict[str, Loopback]:
    """Matrix (orders the conversation, names its chats) and two products."""
    matrix = Capabilities(echoes=True, names_chats=True)
    return {"matrix": Loopback("matrix", matrix), "pandalab": Loopback("pandalab"), "siilo": Loopback("siilo")}


@asynccontextmanager
async def running(
    url: str, nets: dict[str, Loopback] | None = None, patience: Patience = FAST, order_wait: float = 0.2,
    clock: Callable[[], int] = now_ms, directory: Directory | None = None,
) -> AsyncIterator[World]:  # fmt: skip
    """A hub that runs until the block is left, as suddenly as a crash: nothing is told to stop."""
    nets = nets or networks()
    db = await open_database(url, [COMPONENT, TRAIL])
    rules = Rules(lambda s: trusted_server(s, ["chu.example", "*.ville.example"]), ghost, patience, order_wait)
    core = assemble(db, SEAL, directory or FlatFile(PEOPLE), rules, clock)
    for net in nets.values():
        net.hub = core.hub
    core.serve(*nets.values())
    try:
        async with core.running():
            yield World(db, core.store, core.hub, core.courier, nets)
    finally:
        await db.close()
