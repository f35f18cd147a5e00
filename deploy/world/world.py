"""A whole world on this machine: two federated homeservers, a hub beside the first, simulated products, real operators
of secure mail, one account.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.world import process
from deploy.world.certificates import Authority
from deploy.world.hub import BEN, ONE, Hub, Workers
from deploy.world.mail_space import Space
from deploy.world.product import ProductClient
from deploy.world.provider import Operator
from deploy.world.state_directory import PRODUCTS, Kept, Server, StateDirectory
from deploy.world.supervised import Supervised
from deploy.world.synapse import ROOT, Options, Synapse, closed, start_all
from deploy.world.waiting import wait_for

Say = Callable[[str], None]
TEAM = (f"rpps:{BEN}", "rpps:10001002027", "rpps:10001003040")  # ben, cleo and dan read the secretariat's mailbox


class World:
    """Everything of a demo. `async with` starts it, and stops it in order whatever happens."""

    def __init__(
        self,
        state: StateDirectory,
        kept: Kept,
        say: Say,
        *,
        mail: bool = True,
        national: bool = False,
        forked: bool = False,
        workers: Workers = ONE,
    ) -> None:
        """``mail``: with operators of secure mail, which only root can start; the rest: see `Hub`."""
        self.state = state
        self.kept = kept
        self._say = say
        self._workers = workers
        authority = Authority(state / "ca")
        self.home = _server(state, "home", (kept.home, kept.away), authority)
        self.away = _server(state, "away", (kept.away, kept.home), authority)
        self.space = Space(state, kept, TEAM) if mail else None
        servers = (self.home, self.away)
        self.hub = Hub(state, kept, servers, self.space, national=national, forked=forked, workers=workers)
        self.home.registrations.append(self.hub.registration)
        self.simulators = {name: self._simulator(name) for name in PRODUCTS}
        self.products = {name: ProductClient(name, f"http://127.0.0.1:{kept.products[name].port}") for name in PRODUCTS}
        self.ben = f"@ben:{self.away.name}"
        self.operator: Operator | None = None
        self._open = contextlib.AsyncExitStack()
        self._complete = False

    def _simulator(self, name: str) -> Supervised:
        product = self.kept.products[name]
        command: list[str | Path] = [
            sys.executable, "-m", "deploy.world.simulator", "--name", name, "--port", str(product.port),
            "--hub", self.hub.connect, "--state", self.state / f"{name}.db",
        ]  # fmt: skip
        secrets = {"SIMULATOR_TOKEN": product.token, "SIMULATOR_SECRET": product.webhook_secret}
        return Supervised(name, command, process.Launch(log=self.state / f"{name}.log", cwd=ROOT, env=secrets))

    def with_console(self) -> Self:
        """Before it starts: the hub serves the operator's console."""
        self.operator = Operator(self.state)
        self.hub.add(console=self.operator.section())
        return self

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def mail(self) -> Space:
        """The secure-mail space. Raises RuntimeError in a world without."""
        if self.space is None:
            raise RuntimeError("this world has no mail")
        return self.space

    async def _start(self) -> None:
        if self.space is not None:
            self._say("deux opérateurs de messagerie sécurisée — two operators of secure mail (Postfix, Dovecot)")
            await self.space.begin()
        for product in self.products.values():
            await self._open.enter_async_context(product)
        for simulator in self.simulators.values():
            simulator.start()
        self._say("deux serveurs Matrix fédérés — two federated homeservers (Synapse)")
        await asyncio.gather(start_all(self.home, self.away), *([self.space.ready()] if self.space else []))
        await self.hub.learn()
        if self.operator is not None:
            await self.operator.start()
        self._say(f"le hub — the hub ({'SQLite' if self._workers.database is None else 'PostgreSQL'})")
        for worker in self.hub.workers:
            worker.start()
        await asyncio.gather(self.hub.ready(), self._ben(), *(self.simulated(name) for name in PRODUCTS))
        self._say("l'annuaire : un utilisateur et des clés par personne — the directory: a user and keys for everybody")
        await asyncio.gather(self.hub.pinged(), self._declare_all())
        await self.hub.warmed()
        self._complete = True
        self.hub.process.on_start = self.tell
        self.tell()

    async def simulated(self, name: str) -> None:
        """Wait until a simulator answers. Raises TimeoutError with the end of its log."""
        try:
            await wait_for(self.products[name].answers, f"the simulator of {name}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.simulators[name].log}") from None

    async def _ben(self) -> None:
        """Register ben's account, unless an earlier run has."""
        try:
            await self.away.register_user("ben", self.kept.secrets.password, displayname="Ben Durand")
        except RuntimeError as refusal:
            if "M_USER_IN_USE" not in str(refusal):
                raise

    async def _declare_all(self) -> None:
        for name, product in self.products.items():
            known = {user["id"] for user in await product.users() if user["declared"]}
            users = self.hub.users(name).items()
            await asyncio.gather(*(product.add_user(user, rpps) for user, rpps in users if user not in known))

    def endpoints(self) -> dict[str, Any]:
        """Where everything is, and all that is needed to take part."""
        servers = [
            {
                "name": server.name,
                "url": server.url,
                "registration_shared_secret": server.registration_shared_secret,
                "ca": str(server.ca),
            }
            for server in (self.home, self.away)
        ]
        products = {
            name: {"token": known.token, "webhook_secret": known.webhook_secret, "simulator": self.products[name].url}
            for name, known in self.kept.products.items()
        }
        password = self.kept.secrets.password
        mail = {} if self.space is None else {"mail": self.space.endpoints(self.hub.named())}
        console = {} if self.operator is None else {"console": self.operator.url}
        return {
            "homeservers": servers,
            "hub": {"url": self.hub.url, "pid": self.hub.process.pid, "config": str(self.hub.config)},
            "connect": {"url": self.hub.connect, "products": products},
            "people": str(self.hub.people),
            "accounts": {"ben": {"user_id": self.ben, "password": password, "homeserver": self.away.url}},
            **mail,
            **console,
        }

    def tell(self) -> None:
        """Write endpoints.json as things are now."""
        if self._complete:
            self.state.write_json("endpoints.json", self.endpoints())

    async def watch(self) -> None:
        """Bring a homeserver back when it dies; until cancelled."""
        while True:
            for server in (self.home, self.away):
                if not server.running:
                    self._say(f"{server.name} redémarre — is started again")
                    with contextlib.suppress(RuntimeError):
                        await server.start()
            await asyncio.sleep(0.5)

    async def stop(self) -> None:
        """Stop everything in order: who writes first, who is written to last."""
        self._complete = False
        (self.state / "endpoints.json").unlink(missing_ok=True)
        await _all(simulator.stop(patience=2.0) for simulator in self.simulators.values())
        await _all(worker.stop(patience=4.0) for worker in self.hub.workers)
        await _all([*(_end(server) for server in (self.home, self.away)), *([self.space.stop()] if self.space else [])])
        if self.operator is not None:
            await self.operator.stop()
        await self._open.aclose()


def _server(state: StateDirectory, name: str, servers: tuple[Server, Server], authority: Authority) -> Synapse:
    """``servers``: this one, and the one with which alone it federates."""
    kept, other = servers
    folder, trusted = state / name, f"localhost:{other.federation_port}"
    server = Synapse(folder, authority, options=Options(settings=closed(folder, trusted)))
    server.client_port, server.federation_port = kept.client_port, kept.federation_port
    server.registration_shared_secret = kept.registration_shared_secret
    return server


async def _end(server: Synapse, patience: float = 3.0) -> None:
    """The polite way, and by force after a while: nothing here takes long for a good reason."""
    try:
        async with asyncio.timeout(patience):
            await server.stop()
    except TimeoutError:
        await server.kill()


async def _all(work: Iterable[Awaitable[None]]) -> None:
    """Do all of it, whatever happens to one."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, Exception):
            print(f"demo: {type(result).__name__}: {result}", file=sys.stderr)
