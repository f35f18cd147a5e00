"""A hub with two simulated products, pandalab (cleo, fay) and siilo (dan), and a pretend Matrix with ben."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bridge.connector import Capabilities, Remembered
from bridge.db import open_database
from bridge.files import Files
from bridge.hub.assembly import Rules, assemble
from bridge.hub.duty.desk import DutyDesk
from bridge.hub.hub import Hub
from bridge.kinds import EVERYWHERE, KINDS
from bridge.model import Address, Delivery, Kind, Member, Person
from bridge.networks.connect import ConnectApi, ConnectConnector, ConnectSettings, build
from bridge.networks.connect.fingerprints import COMPONENT as PRINTS
from bridge.networks.connect.shelf import COMPONENT as SHELF
from bridge.networks.loopback import Loopback
from bridge.parts.patience import Patience
from bridge.people.directories.flatfile import FlatFile
from bridge.people.directories.functions import WithFunctions
from bridge.people.duty.kept_rota import KeptRota
from bridge.people.trust import trusted_server
from bridge.seal import Seal
from bridge.store.store import COMPONENT
from bridge.trail.entry import COMPONENT as TRAIL
from deploy.world.ports import free_port
from deploy.world.simulator import Simulator
from deploy.world.simulator.web import application
from deploy.world.stub.memory_store import MemoryStore
from deploy.world.waiting import until

Json = dict[str, Any]

ANNA, BEN, CLEO, DAN, FAY, GUS = (f"1000000000{n}" for n in range(1, 7))
TOKENS = {"pandalab": "pandalab-token-1", "siilo": "siilo-token-1"}
SECRETS = {"pandalab": "whsec_" + "QUJD" * 11, "siilo": "whsec_" + "REVG" * 11}
PATIENCE = Patience(first=0.02, longest=0.1, give_up=20.0, reports=0.001)
BEN_HANDLE = "matrix:@ben:chu.example"


def person(rpps: str, name: str, *addresses: str) -> Person:
    """An entry of the directory; addresses as ``network:id``."""
    return Person(f"rpps:{rpps}", name, "Médecin", "Lyon", tuple(Address(*a.split(":", 1)) for a in addresses))


PEOPLE = [
    person(ANNA, "Anna Martin", "mail:anna@mss.example"),
    person(BEN, "Ben Durand", BEN_HANDLE),
    person(CLEO, "Cléo Petit"),
    person(DAN, "Dan Moreau"),
    person(FAY, "Fay Roux"),
    person(GUS, "Gus Noël"),
]


def digest(token: str) -> str:
    """A token as the configuration holds it."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def time_text(at: datetime | None = None) -> str:
    """A time, now by default, as the API wants it."""
    return (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")


def message(ident: str, **more: Any) -> Json:
    """A body for ``POST /messages``, from cleo to ben unless told otherwise."""
    body = {"id": ident, "conversation": "chat-1", "sender": "cleo", "text": "Bonjour", "sent_at": time_text()}
    return body | {"to": [BEN_HANDLE]} | more


class Room(Loopback):
    """A pretend Matrix that can be read again."""

    async def past(
        self, chat: str, reader: Member, since: int, before: str, limit: int
    ) -> tuple[list[Remembered], str | None]:
        """See :class:`bridge.connector.Remembers`."""
        said = [d for d in self.delivered if KINDS[d.kind].said and reader in d.members and d.created_at >= since]
        end = int(before) if before else len(said)
        page = [self._remembered(one) for one in said[max(0, end - limit) : end][::-1]]
        return page, str(end - limit) if end > limit else None

    def _remembered(self, one: Delivery) -> Remembered:
        sender = Address(*one.sender.id.split(":", 1))
        files = tuple(file.name for file in one.body.files)
        return Remembered(self._refs[one.id].id, sender, one.kind, one.created_at, one.body, None, files)


@dataclass
class Served:
    """A simulated product and where it is."""

    name: str
    port: int
    state: Path
    sim: Simulator = field(init=False, repr=False)
    runner: web.AppRunner | None = None

    async def start(self, hub: str) -> None:
        """Start, or start again."""
        self.sim = Simulator(self.name, hub, TOKENS[self.name], [SECRETS[self.name]], state=self.state, seed=7)
        self.runner = await serve(application(self.sim), self.port)

    async def stop(self) -> None:
        """End; what it has is on disk."""
        if self.runner:
            runner, self.runner = self.runner, None
            await runner.cleanup()

    def arrived(self, user: str | None = None) -> list[Json]:
        """What arrived, in order."""
        return self.sim.state.messages(user)["arrived"]

    def texts(self, user: str | None = None) -> list[str]:
        """The texts that arrived, in order."""
        return [m["text"] for m in self.arrived(user)]

    def states(self) -> dict[str, str]:
        """The states of what was sent, by text."""
        return {m.get("text", ""): m["state"] for m in self.sim.state.messages()["sent"]}


@dataclass
class World:
    """Everything; the hub can be stopped suddenly and started again on the same port."""

    folder: Path
    section: Json
    port: int
    products: dict[str, Served]
    client: aiohttp.ClientSession
    hub: Hub = field(init=False, repr=False)
    api: ConnectApi = field(init=False, repr=False)
    shelf: Any = field(init=False, repr=False)
    connectors: dict[str, ConnectConnector] = field(init=False, repr=False)
    matrix: Room = field(init=False, repr=False)
    ahead: float = 0.0  # s, by which the hub's clock is
    rota: Path | None = None  # with it there are functions, and somebody may be absent
    store: MemoryStore = field(default_factory=MemoryStore, repr=False)
    _running: AsyncExitStack | None = None

    @property
    def url(self) -> str:
        """Where the hub is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pandalab(self) -> Served:
        """The product of cleo and fay."""
        return self.products["pandalab"]

    @property
    def siilo(self) -> Served:
        """The product of dan."""
        return self.products["siilo"]

    async def start_hub(self) -> None:
        """Open the database of before and serve."""
        self._running = stack = AsyncExitStack()
        seal = Seal({"k1": bytes(range(32))}, "k1")
        db = await open_database(f"sqlite:///{self.folder}/hub.db", [COMPONENT, TRAIL, PRINTS, SHELF])
        stack.push_async_callback(db.close)
        rules = Rules(lambda server: trusted_server(server, ["chu.example"]), patience=PATIENCE)
        files = Files(self.store)
        rota = None if self.rota is None else KeptRota(self.rota)
        directory = FlatFile(PEOPLE) if rota is None else WithFunctions(FlatFile(PEOPLE), rota)
        core = assemble(db, seal, directory, rules, self._now, files)
        self.hub = core.hub
        self.api, self.connectors = build(
            ConnectSettings.model_validate(self.section), seal, self.hub, db, files, clock=self.clock
        )
        self.shelf = self.api._shelf
        self.matrix = Room(
            "matrix",
            Capabilities(names_chats=True, kinds=EVERYWHERE | {Kind.EDIT, Kind.REMOVAL, Kind.REACTION}),
            self.hub,
        )
        core.serve(self.matrix, *self.connectors.values())
        if rota is not None:
            core.serve(DutyDesk(core.hub, core.store, core.people, seal, rota, self._now, pause=0.05))
        await stack.enter_async_context(core.running())
        runner = await serve(self.api.application(), self.port)
        stack.push_async_callback(runner.cleanup)

    def clock(self) -> float:
        """Seconds since 1970, as the hub has it."""
        return time.time() + self.ahead

    def _now(self) -> int:
        return int(self.clock() * 1000)

    async def stop_hub(self) -> None:
        """End in the middle of everything."""
        if self._running:
            running, self._running = self._running, None
            await running.aclose()

    async def call(
        self, method: str, path: str, body: object = None, *, token: str | None = TOKENS["pandalab"],
        data: bytes | None = None, headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Json]:  # fmt: skip
        """One request to the API; gives the status and the body. ``data`` is sent as it is."""
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        whole = None if data is None else io.BytesIO(data)  # sent in parts
        async with self.client.request(
            method, self.url + "/connect/v1" + path, data=whole, headers=sent | dict(headers or {})
        ) as answer:
            self.headers = answer.headers
            if answer.status == 204:
                return 204, {}
            return answer.status, await answer.json(content_type=None)

    async def declare(self) -> None:
        """Make cleo and fay at pandalab, dan at siilo."""
        for product, user, rpps in (("pandalab", "cleo", CLEO), ("pandalab", "fay", FAY), ("siilo", "dan", DAN)):
            served = self.products[product]
            post = await served.sim.outbox.wait(served.sim.add_user(user, rpps), 5)
            assert post["status"] == 200, post

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for a condition."""
        await until(true)


async def serve(app: web.Application, port: int, **more: Any) -> web.AppRunner:
    """Serve on the loopback interface."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, **more).start()
    return runner


def section(ports: Mapping[str, int], **more: Any) -> Json:
    """The configuration of the two products."""
    products = {
        name: {
            "profile": name,
            "webhook_url": f"http://127.0.0.1:{port}/webhook",
            "webhook_secrets": [SECRETS[name]],
            "webhook_timeout_s": 5,
            "tokens": [digest(TOKENS[name])],
            "rate_per_second": 10_000,
            "burst": 10_000,
        }
        for name, port in ports.items()
    }
    return {"products": products, **more}


@asynccontextmanager
async def running(
    folder: Path, change: Callable[[Json], None] = lambda _: None, rota: Path | None = None
) -> AsyncIterator[World]:
    """A world with a running hub and simulators; ``change`` may change the configuration, ``rota`` is a file."""
    ports = {name: free_port() for name in TOKENS}
    configured = section(ports)
    change(configured)
    products = {name: Served(name, port, folder / f"{name}.db") for name, port in ports.items()}
    async with aiohttp.ClientSession() as client:
        w = World(folder, configured, free_port(), products, client, rota=rota)
        try:
            await w.start_hub()
            for served in products.values():
                await served.start(w.url)
            yield w
        finally:
            for served in products.values():
                await served.stop()
            await w.stop_hub()
