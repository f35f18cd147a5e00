"""A real hub process between a stub homeserver with an encrypted human and two simulated products: to be killed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from deploy.world import process
from deploy.world.ports import free_ports
from deploy.world.simulator import Simulator, outbox
from deploy.world.simulator.web import application
from deploy.world.stub.homeserver import StubHomeserver
from deploy.world.stub.human import Human, Seen
from deploy.world.waiting import PATIENCE, until
from tests.clock import CLOCK

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
SERVER = "stub.example"
BEN = f"matrix:@ben:{SERVER}"
CLEO, DAN = "10000000003", "10000000004"
SPARE = 2000  # people of the directory without an account: each may be declared once
AS_TOKEN, HS_TOKEN = "as-secret-5dd1f0", "hs-secret-a2c9e7"
TOKENS = {"pandalab": "pandalab-secret-token-81f3", "siilo": "siilo-secret-token-44b0"}
WEBHOOKS = {"pandalab": "whsec_" + "QUJD" * 11, "siilo": "whsec_" + "REVG" * 11}
SEAL_KEY = b64encode(bytes(range(32))).decode()


def spare(n: int) -> str:
    """The RPPS number of a spare person."""
    return f"{20_000_000_000 + n}"


def configuration(folder: Path, ports: dict[str, int], homeserver: str, database: str) -> Json:
    """The hub's whole file; secrets in files beside it."""
    listed = [f"{CLEO},Cléo Petit,pandalab:cleo", f"{DAN},Dan Moreau,siilo:dan"]
    listed += [f"{spare(n)},Spare {n}," for n in range(SPARE)]
    (folder / "people.csv").write_text("rpps,name,products\n" + "\n".join(listed) + "\n")
    (folder / "seal").write_text(SEAL_KEY)
    (folder / "as").write_text(AS_TOKEN)
    (folder / "hs").write_text(HS_TOKEN)
    return {
        "database": {"url": database},
        "seal": {"active": "k1", "keys": {"k1": str(folder / "seal")}},
        "directory": {"flatfile": str(folder / "people.csv")},
        "delivery": {"first_retry": 0.05, "longest_retry": 0.2, "gather_reports": 0.01, "order_wait": 60},
        "matrix": {
            "homeserver": homeserver,
            "server_name": SERVER,
            "as_token_file": str(folder / "as"),
            "hs_token_file": str(folder / "hs"),
            "address": f"http://127.0.0.1:{ports['matrix']}",
            "settle_s": 0.0,  # nobody here needs a moment after joining
            "join_wait_s": 0.5,
        },
        "matrix_listen": {"port": ports["matrix"]},
        "connect_listen": {"port": ports["connect"]},
        "networks": {"connect": {"products": {name: _product(name, ports[name]) for name in TOKENS}}},
        "log_level": "DEBUG",
    }


def _product(name: str, port: int) -> Json:
    return {
        "profile": name,
        "webhook_url": f"http://127.0.0.1:{port}/webhook",
        "webhook_secrets": [WEBHOOKS[name]],
        "tokens": ["sha256:" + hashlib.sha256(TOKENS[name].encode()).hexdigest()],
        "rate_per_second": 100_000,
        "burst": 100_000,
    }


def _environment(failpoint: str, seen: Path | None) -> dict[str, str]:
    return {"LIAISON_FAILPOINT": failpoint, "LIAISON_FAILPOINTS_SEEN": str(seen or "")}


class Zygote:
    """A process that has imported the hub; hubs forked from it start in a tenth of the time. Use it as a context."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.zygote"]
        self._process = process.spawn(command, process.Launch(pipes=True, cwd=ROOT, env=_environment("none:0", None)))

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # closes its input, which ends it, and waits
            pass

    def ask(self, order: Json) -> int | None:
        """Give one line, read one line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        answer: int | None = json.loads(self._process.stdout.readline())
        return answer


class Forked:
    """A hub that the zygote has made."""

    def __init__(self, zygote: Zygote, args: list[str], env: dict[str, str], log: Path) -> None:
        self._zygote = zygote
        self._status: int | None = None
        self.pid = int(zygote.ask({"start": {"args": args, "env": env, "log": str(log), "cwd": str(ROOT)}}) or 0)

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        if self._status is None:
            self._status = self._zygote.ask({"poll": self.pid})
        return self._status

    def kill(self) -> None:
        """SIGKILL."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Until it is gone."""
        while self.poll() is None:
            time.sleep(0.001)


@dataclass
class Rig:
    """Everything around the hub, in this process; the hub itself is a child that is started and killed."""

    folder: Path
    stub: StubHomeserver
    ben: Human
    eve: Human
    sims: dict[str, Simulator]
    ports: dict[str, int]
    kills: int = 0
    hub: subprocess.Popen[bytes] | Forked | None = None
    rooms: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)  # more, of a hub that is forked
    _seen: dict[str, Seen] = field(default_factory=dict)
    _looks: dict[tuple[str, str | None], tuple[int, dict[str, list[Json]]]] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """Everything that the hub ever wrote to its outputs."""
        return self.folder / "hub.log"

    def start(self, failpoint: str = "", seen: Path | None = None) -> None:
        """Start the hub as an operator does; ``failpoint`` is ``name:n``."""
        command: list[str | Path] = [sys.executable, "-m", "appservice", *self.arguments]
        self.hub = process.spawn(command, process.Launch(log=self.log, cwd=ROOT, env=_environment(failpoint, seen)))

    def start_quickly(self, zygote: Zygote, failpoint: str = "") -> None:
        """Start the same program from a process that has imported it already."""
        self.hub = Forked(zygote, self.arguments, _environment(failpoint, None) | self.environ, self.log)

    @property
    def arguments(self) -> list[str]:
        """Of the hub's command."""
        return ["run", "-c", str(self.folder / "hub.yaml")]

    @property
    def dead(self) -> bool:
        """Whether the hub has died of its failpoint. Raises AssertionError if it ended in any other way."""
        assert self.hub is not None
        status = self.hub.poll()
        assert status in (None, -signal.SIGKILL), f"the hub ended with {status}\n{self.log.read_text()[-4000:]}"
        return status is not None

    async def died(self, left: Callable[[], int]) -> bool:
        """Wait for the failpoint to kill the hub; False if it has done all there was to do and lives.

        Raises TimeoutError if it does nothing of it for :data:`PATIENCE`.
        """
        loop = asyncio.get_running_loop()
        least, since = left() + 1, loop.time()
        while now_left := left():
            if now_left < least:
                least, since = now_left, loop.time()
            elif loop.time() - since > PATIENCE:
                raise TimeoutError(f"{now_left} things are left, and the hub does nothing")
            with suppress(TimeoutError):
                await until(lambda: self.dead, patience=1.0)  # `left` looks at every message: seldom
                break
        self.kills += self.dead
        return self.dead

    async def ready(self) -> None:
        """Wait until the hub takes work."""
        url = f"http://127.0.0.1:{self.ports['matrix']}/ready"
        async with AsyncExitStack() as stack:
            stack.enter_context(CLOCK.real())  # a busy hub may be slow with an answer
            await stack.enter_async_context(asyncio.timeout(PATIENCE))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return
                assert not self.dead
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        """End the hub where it stands."""
        if self.hub is not None:
            self.hub.kill()
            self.hub.wait()
            self.hub = None

    def timeline(self, room: str) -> list[Seen]:
        """The encrypted messages of a room in its order, as ben can read them."""
        events = self.stub.world.rooms[room].events
        return [self._decrypted(room, event) for event in events if event["type"] == "m.room.encrypted"]

    def _decrypted(self, room: str, event: Json) -> Seen:
        known = self._seen.get(event["event_id"])
        if known is None:
            known = Seen(room, event)
            if event["sender"] == self.ben.mxid or self.ben._read(known):
                self._seen[event["event_id"]] = known
        return known

    def arrived(self, product: str, user: str) -> list[Json]:
        """What a product's user was given, in order."""
        return self._messages(product, user)["arrived"]

    def statuses(self, product: str) -> dict[str, str]:
        """What a product's users know of the messages that they sent, by text."""
        return {m["text"]: m["state"] for m in self._messages(product, None)["sent"]}

    def _messages(self, product: str, user: str | None) -> dict[str, list[Json]]:
        """What a product has; read once for as long as nothing changes, since the looks are many."""
        state = self.sims[product].state
        changes = state.changes
        if (product, user) not in self._looks or self._looks[product, user][0] != changes:
            self._looks[product, user] = changes, state.messages(user)
        return self._looks[product, user][1]


@asynccontextmanager
async def rig(folder: Path, database: str | None = None) -> AsyncIterator[Rig]:
    """The world without its hub: call :meth:`Rig.start`."""
    names = ["matrix", "connect", *TOKENS]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    outbox._LONGEST = 0.2
    async with AsyncExitStack() as stack:
        appservice = f"http://127.0.0.1:{ports['matrix']}"
        stub = StubHomeserver(SERVER, as_token=AS_TOKEN, hs_token=HS_TOKEN, appservice=appservice)
        stub.retry_most = 0.1
        await stack.enter_async_context(stub)
        ben = await stack.enter_async_context(Human(stub.url, *stub.human("ben")))
        eve = await stack.enter_async_context(Human(stub.url, *stub.human("eve")))
        sims = {name: await simulator(stack, name, ports) for name in TOKENS}
        made = configuration(folder, ports, stub.url, database or f"sqlite:///{folder}/hub.db")
        (folder / "hub.yaml").write_text(yaml.safe_dump(made))
        world = Rig(folder, stub, ben, eve, sims, ports)
        joiner = asyncio.create_task(_join_everything(ben))
        try:
            yield world
        finally:
            joiner.cancel()
            world.kill()


async def simulator(stack: AsyncExitStack, name: str, ports: dict[str, int]) -> Simulator:
    """One of the products, until the stack ends."""
    made = Simulator(name, f"http://127.0.0.1:{ports['connect']}", TOKENS[name], [WEBHOOKS[name]], seed=1)
    runner = web.AppRunner(application(made), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", ports[name]).start()
    return made


async def _join_everything(ben: Human) -> None:
    while True:
        room = await ben.invited(1e9)
        with suppress(RuntimeError):
            await ben.member(room, "join")
