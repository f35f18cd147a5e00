"""A whole hub, as `liaison run` starts it, beside a stub homeserver; its two products do not answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from appservice.process.app import Parts, running
from bridge.config import read_config
from bridge.model import Address, Body, Kind, Message, Ref
from bridge.parts.disk import FileWatch
from bridge.people.federation.participants import FederationList
from bridge.people.federation.signed import public_pem
from deploy.world.ports import free_ports
from deploy.world.stub.homeserver import StubHomeserver
from deploy.world.stub.human import Human
from tests.matrix.make import CLEO, DAN, SERVER
from tests.matrix.process.test_start import TOKEN, written
from tests.people.federation.make import KEY, participant, signed

PEOPLE = f"rpps,name,products\n{CLEO},Cléo Petit,pandalab:cleo\n{DAN},Dan Moreau,siilo:dan\n"


@dataclass
class Site:
    """``path``: the configuration. ``metrics``: the port that Prometheus reads."""

    folder: Path
    stub: StubHomeserver
    parts: Parts
    path: Path
    metrics: int

    async def read(self) -> bytes | None:
        """What Prometheus would read; None: nobody answers."""
        try:
            url = f"http://127.0.0.1:{self.metrics}/metrics"
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return await answer.read() if answer.status == 200 else None
        except aiohttp.ClientError:
            return None

    async def say(self, ref: str, text: str = "bonjour", *, by: str = "cleo", to: str = f"rpps:{DAN}") -> str:
        """Somebody writes in PandaLab; gives the message's id. Raises Refused, Unavailable."""
        origin, sender = Ref("pandalab", ref), Address("pandalab", by)
        said = Message(origin, f"chat {to}", sender, Kind.TEXT, Body(text), time.time_ns() // 1_000_000, to=(to,))
        return (await self.parts.hub.accept(said)).message

    async def human(self, name: str, *, signed: bool = True) -> Human:
        """Somebody of a trusted server; to be entered."""
        return Human(self.stub.url, *self.stub.human(name, "chu.example"), signed=signed)

    def offer(self, sequence: int, days: float, *domains: str) -> None:
        """The federation gives out another list, which ends then."""
        now, there = int(time.time()), {name: participant(name) for name in domains or ("chu.example",)}
        listed = FederationList(sequence, now, int(now + days * 86_400), "ANS", there)
        (self.folder / "list.jws").write_bytes(signed(listed))


@asynccontextmanager
async def site(
    folder: Path, webhook: str = "http://127.0.0.1:1/", mail: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[Site]:
    """Until the block is left. ``webhook``: of both products. ``mail``: the section of secure mail, if there is one."""
    port, metrics = free_ports(2)
    hook = {"webhook_url": webhook, "webhook_secrets": [f"file:{folder}/hook"]}
    products = {name: hook | {"tokens": [TOKEN[:-1] + n]} for n, name in (("1", "pandalab"), ("2", "siilo"))}
    (folder / "federation.pem").write_bytes(public_pem(KEY.public_key()))
    federation = {
        "file": str(folder / "list.jws"),
        "keys": [str(folder / "federation.pem")],
        "state": str(folder / "kept.jws"),
    }
    async with StubHomeserver(SERVER) as stub:
        room = stub.world.create_room(stub.sender, {})  # as if a hub had been here before
        stub.account_data[(stub.sender, "fr.liaison.heartbeat")] = {"room_id": room.room_id}
        networks = {"connect": {"products": products}} | ({} if mail is None else {"mail": mail})
        chosen = {
            "networks": networks, "matrix_listen": {"port": port},
            "metrics_listen": {"port": metrics}, "trust": {"federation": federation},
            "delivery": {"order_wait": "10ms", "late": "10m"},
        }  # fmt: skip
        path = Path(written(folder, stub.url, SERVER, ("as-token", "hs-token"), **(chosen | more)))
        (folder / "people.csv").write_text(PEOPLE)
        made = Site(folder, stub, None, path, metrics)  # type: ignore[arg-type]
        made.offer(1, 30.0)
        async with running(read_config(path), FileWatch(path, 3600.0)) as parts:
            made.parts = parts
            stub.appservice = f"http://127.0.0.1:{port}"
            yield made
