"""A hub in its own process, with encryption and durability on, beside any homeserver."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from appservice.process.app import running
from bridge.config import read_config
from bridge.db import Counts
from deploy.bench import child
from deploy.bench.product import Product
from deploy.world import process
from deploy.world.ports import free_port
from deploy.world.synapse import ROOT

PREFIX = "rpps_"
BEN = 900_000_000
OTHERS = 800_000_000
_STILL_MS = 10.0  # what a hub that has nothing to do may use between two looks


def rpps(n: int) -> str:
    """The number of the n-th professional."""
    return f"{10_000_000_000 + n}"


@dataclass
class Setup:
    """What a hub is told: where its homeserver is, and how many professionals use the product."""

    folder: Path
    homeserver: str
    server_name: str
    people: int
    unlisted: int = 0  # more people of the directory, who have no account yet
    mail: Mapping[str, Any] | None = None  # ``networks.mail``; then ben of the homeserver is professional BEN
    database: str | None = None  # its URL; None: SQLite in the folder
    members: int = 500  # of a conversation at most
    products: Mapping[str, Product] = field(default_factory=dict)  # more than the one; each has one user, ``u``
    as_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    hs_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    port: int = field(default_factory=free_port)
    connect: int = field(default_factory=free_port)

    def ghost(self, n: int) -> str:
        """The Matrix user of the n-th professional."""
        return f"@{PREFIX}{rpps(n)}:{self.server_name}"

    def registration(self) -> dict[str, Any]:
        """What the homeserver is told about the hub."""
        users = [{"exclusive": True, "regex": f"@{prefix}.*"} for prefix in (PREFIX, "mss_")]
        return {
            "id": "liaison", "url": f"http://127.0.0.1:{self.port}",
            "as_token": self.as_token, "hs_token": self.hs_token,
            "sender_localpart": "liaison-unused", "rate_limited": False, "receive_ephemeral": True,
            "org.matrix.msc3202": True, "io.element.msc4190": True,
            "namespaces": {"users": users, "aliases": [], "rooms": []},
        }  # fmt: skip

    def write(self, product: Product) -> Path:
        """Write every file of the hub; gives its configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_people()
        for name, text in (("as", self.as_token), ("hs", self.hs_token), ("seal", b64encode(os.urandom(32)).decode())):
            (self.folder / name).write_text(text)
        path = self.folder / "hub.yaml"
        path.write_text(self.configured(product))
        return path

    def configured(self, product: Product) -> str:
        """The text of the configuration."""
        return yaml.safe_dump(self._configuration(product))

    def write_people(self) -> None:
        """Write the directory, as large as it is now."""
        rows = [f"{rpps(n)},Professional {n},pandalab:u{n}," for n in range(self.people)]
        rows += [f"{rpps(n)},Professional {n},," for n in range(self.people, self.people + self.unlisted)]
        rows += [f"{rpps(OTHERS + n)},User of {name},{name}:u," for n, name in enumerate(self.products)]
        rows += [f"{rpps(BEN)},Ben Durand,,@ben:{self.server_name}"] if self.mail else []
        (self.folder / "people.csv").write_text("rpps,name,products,matrix\n" + "\n".join(rows) + "\n")

    def _configuration(self, product: Product) -> Mapping[str, Any]:
        sections = {name: _product(one) for name, one in {"pandalab": product, **self.products}.items()}
        return {
            "database": {"url": self.database or f"sqlite:///{self.folder}/hub.db"},
            "seal": {"active": "k", "keys": {"k": str(self.folder / "seal")}},
            "directory": {"flatfile": str(self.folder / "people.csv")},
            "matrix": {
                "homeserver": self.homeserver,
                "server_name": self.server_name,
                "as_token_file": str(self.folder / "as"),
                "hs_token_file": str(self.folder / "hs"),
                "address": f"http://127.0.0.1:{self.port}",
                "settle_s": 0.0,  # both for new rooms only, which are not measured
                "join_wait_s": 0.5,
            },
            "matrix_listen": {"port": self.port},
            "connect_listen": {"port": self.connect},
            "delivery": {"max_members": self.members},
            "networks": {"connect": {"products": sections}} | ({"mail": self.mail} if self.mail else {}),
            "log_level": "WARNING",
        }


def _product(product: Product) -> Mapping[str, Any]:
    return {
        "profile": "pandalab",
        "webhook_url": product.url,
        "webhook_secrets": [product.secret],
        "tokens": ["sha256:" + hashlib.sha256(product.token.encode()).hexdigest()],
        "rate_per_second": 1_000_000,
        "burst": 1_000_000,
    }


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub; ``counts`` of its database where it runs in this process."""

    setup: Setup
    pid: int
    counts: Counts | None = None

    def cpu_ms(self) -> float:
        """Processor time that the hub has used."""
        return child.cpu_ms(self.pid)

    def rss_kib(self) -> int:
        """Memory that the hub uses."""
        return child.rss_kib(self.pid)

    async def quiet(self, still: float = 0.3) -> None:
        """Wait until the hub does nothing any more."""
        before = -_STILL_MS
        while (now := self.cpu_ms()) - before >= _STILL_MS:
            before = now
            await asyncio.sleep(still)


@asynccontextmanager
async def hub(setup: Setup, product: Product, config: Path | None = None) -> AsyncIterator[Hub]:
    """Start a hub, and wait until it takes work; ``config``: it was written before.

    ``PROFILE=file`` in the environment writes a profile of it.
    """
    command: list[str | Path] = [sys.executable]
    if profile := os.environ.get("PROFILE"):
        command += ["-m", "cProfile", "-o", profile]
    command += ["-m", "appservice", "run", "-c", config or setup.write(product)]
    log = setup.folder / "hub.log"
    running = process.spawn(command, process.Launch(log=log, cwd=ROOT))
    try:
        await ready(setup.port, log)
        product.hub = f"http://127.0.0.1:{setup.connect}/connect/v1"
        yield Hub(setup, running.pid)
    finally:
        await process.end(running)


@asynccontextmanager
async def hub_in_here(setup: Setup, product: Product, config: Path | None = None) -> AsyncIterator[Hub]:
    """A hub in this process: its database can be looked at, its processor time says nothing."""
    async with running(read_config(config or setup.write(product))) as parts:
        product.hub = f"http://127.0.0.1:{setup.connect}/connect/v1"
        yield Hub(setup, os.getpid(), parts.core.db.counts)


async def ready(port: int, log: Path) -> None:
    """Wait until a hub takes work. Raises RuntimeError with the end of its log."""
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{port}/ready") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise RuntimeError(f"the hub did not start:\n{log.read_text()[-3000:]}") from None
