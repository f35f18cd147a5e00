"""Puts the hub together from its parts: the process does it here, and so does every test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.config import BadConfig
from bridge.connector import Connector
from bridge.db import Database
from bridge.errors import said
from bridge.files import Files
from bridge.hub.courier import Courier
from bridge.hub.hub import Hub, now_ms
from bridge.parts.patience import Patience
from bridge.people.directory import Directory
from bridge.people.people import People
from bridge.seal import Seal
from bridge.served import Served
from bridge.store.store import Store
from bridge.vouching import Proof


@dataclass(frozen=True, slots=True)
class Rules:
    """What the hub is told about the world around it.

    ``trusted`` says whether a Matrix server may take part, ``ghost`` gives the person id behind a ghost's MXID.
    ``professional`` gives the RPPS number of a trusted server's user by the rule for that server, ``demanded`` the
    proof that a product's accounts need to be believed (None: it takes no part).
    ``order_wait`` and ``early_wait``, for which a correction waits for what it is about, are in seconds.
    """

    trusted: Callable[[str], bool] = lambda server: False
    ghost: Callable[[str], str | None] = lambda mxid: None
    patience: Patience = field(default_factory=Patience)
    order_wait: float = 10.0
    early_wait: float = 600.0
    max_members: int = 200
    professional: Callable[[str], str | None] = lambda mxid: None
    demanded: Callable[[str], Proof | None] = lambda network: Proof.WORD


@dataclass(frozen=True, slots=True)
class Core:
    """A hub without its networks: make their connectors with ``hub``, :meth:`serve` them, then start."""

    db: Database
    seal: Seal
    served: Served
    people: People
    store: Store
    courier: Courier
    hub: Hub

    def serve(self, *connectors: Connector) -> None:
        """Serve these networks, before the start. Raises ValueError for a second connector of one network."""
        self.served.add(*connectors)

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """Networks take messages in while the block runs. Raises BadConfig for what a network cannot listen on."""
        await self.people.start(self.db, self.seal)
        await self.store.start()
        await self.hub.start()
        begun: list[Connector] = []
        try:
            for name, connector in self.served.items():
                begun.append(connector)
                try:
                    await connector.start()
                except OSError as error:  # a port or socket that is not to be had
                    raise BadConfig(f"networks.{name}: {said(error)}") from None
            yield
        finally:
            for connector in begun:
                await connector.stop()
            await self.hub.stop()

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """The courier brings everything to its leg while the block runs; its failure ends the block."""
        async with asyncio.TaskGroup() as group:
            courier = group.create_task(self.courier.run())
            await asyncio.sleep(0)  # it takes wake-ups from now on
            try:
                yield
            finally:
                courier.cancel()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Both; nothing is finished first when the block is left."""
        async with self.started(), self.delivering():
            yield


def assemble(
    db: Database, seal: Seal, directory: Directory, rules: Rules, clock: Callable[[], int] = now_ms,
    files: Files | None = None,
) -> Core:  # fmt: skip
    """The hub, still without networks. ``clock`` gives milliseconds since 1970; ``files``: where files lie."""

    def refused(message: str, network: str) -> None:
        hub.writing.refused(message, network)

    served = Served()
    people = People(directory, rules.trusted, rules.ghost, served)
    store = Store(db, seal, people, files)
    courier = Courier(store, served, rules.patience, clock, people.holds, refused)
    courier.blocked = people.accounts.blocks
    courier.closed = people.accounts.closed
    people.professional, people.accounts.demanded = rules.professional, rules.demanded
    hub = Hub(
        store, people, courier, served,
        max_members=rules.max_members, waits=(rules.order_wait, rules.early_wait), clock=clock,
    )  # fmt: skip
    return Core(db, seal, served, people, store, courier, hub)
