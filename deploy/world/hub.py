"""The hub of a demo world: its files, its process, and how to know that it is ready."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from appservice.process.registration import registration, to_yaml
from appservice.process.settings import MatrixSettings
from bridge.networks.connect.contract.operations import PREFIX
from deploy.world import process
from deploy.world.annuaire.from_people import files
from deploy.world.forking.forked import Program
from deploy.world.mail_space import Space
from deploy.world.state_directory import PRODUCTS, Kept, StateDirectory
from deploy.world.supervised import Supervised
from deploy.world.synapse import ROOT, Synapse
from deploy.world.waiting import PATIENCE, wait_for

PEOPLE = ROOT / "deploy/people.csv"
BEN = "10001001014"  # has an account of his own on the second homeserver
PROGRAM = Program(sys.executable, "appservice.process.command", ("appservice.process.service",), ROOT)
_HOST = "127.0.0.1"

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Workers:
    """How many processes one hub is, and on which database: PostgreSQL where there are several.

    ``release`` is the folder, with a ``.venv``, of the release that they begin with, where it is not this one.
    """

    count: int = 1
    database: str | None = None
    release: Path = ROOT


ONE = Workers()


class Hub:
    """One hub beside the first homeserver, as `liaison run` starts it: on SQLite, or as many workers on PostgreSQL."""

    def __init__(
        self,
        state: StateDirectory,
        kept: Kept,
        servers: tuple[Synapse, Synapse],
        space: Space | None = None,
        *,
        national: bool = False,
        forked: bool = False,
        workers: Workers = ONE,
    ) -> None:
        """``servers``: the hub's own homeserver and the other one; with ``space`` it takes part in secure mail.

        ``national``: its people come from files of the national directory, only their accounts from a list of its own.
        ``forked``: it starts in a tenth of the time (see :mod:`deploy.world.forking`), for who kills it often.
        """
        self._national = national
        self._database = workers.database or f"sqlite:///{state / 'hub.db'}"
        self._state = state
        home, away = servers
        self.config = state / "hub.yaml"
        self.people = state / "people.csv"
        self.registration = state / "registration.yaml"
        self.url = f"http://{_HOST}:{kept.matrix_port}"
        self.connect = f"http://{_HOST}:{kept.connect_port}"
        self._kept = kept
        self._home = home
        self._space = space
        self._rows = _people(f"@ben:{away.name}")
        self._settings = _matrix(state, kept, home, self.url)
        self._write(state, [home.name, away.name])
        self._forked = forked
        self.workers = [self._worker(n, workers.release) for n in range(workers.count)]
        self.process = self.workers[0]

    def _worker(self, n: int, release: Path) -> Supervised:
        python = sys.executable if release == ROOT else str(release / ".venv/bin/python")
        run: list[str | Path] = ["run", "-c", self.config]
        launch = process.Launch(log=self._state / f"hub{n or ''}.log", cwd=release)
        if self._forked:
            return Supervised("hub", run, launch, replace(PROGRAM, python=python, cwd=release))
        return Supervised("hub", [python, "-m", "appservice", *run], launch)

    async def upgrade(self, n: int) -> None:
        """Start this release beside one worker of an earlier one, then end that one."""
        old, self.workers[n] = self.workers[n], self._worker(n, ROOT)
        self.workers[n].on_start = old.on_start
        if old is self.process:
            self.process = self.workers[n]
        self.workers[n].start()
        await old.stop(patience=30.0)

    def _write(self, state: StateDirectory, servers: Sequence[str]) -> None:
        own = self._kept.secrets
        for name, secret in (("as", own.as_token), ("hs", own.hs_token), ("seal", own.seal_key)):
            state.write(f"secrets/{name}", secret + "\n")
        for name, product in self._kept.products.items():
            state.write(f"secrets/webhook-{name}", product.webhook_secret + "\n")
        state.write("people.csv", _csv(_accounts(self._rows) if self._national else self._rows))
        settings = MatrixSettings(**self._settings)
        made = registration(settings, own.as_token, own.hs_token, own.sender_localpart)
        state.write("registration.yaml", to_yaml(made))
        state.write("hub.yaml", yaml.safe_dump(self._configuration(state, servers), sort_keys=False))

    def add(self, **sections: Any) -> None:
        """More sections of the configuration, before it starts."""
        with self.config.open("a") as file:
            yaml.safe_dump(sections, file, sort_keys=False)

    def _configuration(self, state: StateDirectory, servers: Sequence[str]) -> dict[str, Any]:
        return {
            "database": {"url": self._database},
            "seal": {"active": "demo", "keys": {"demo": str(state / "secrets/seal")}},
            "directory": {"flatfile": str(self.people)} | ({"kind": "national"} if self._national else {}),
            "trust": {"matrix_servers": list(servers)},
            "matrix": self._settings,
            "matrix_listen": {"host": _HOST, "port": self._kept.matrix_port},
            "connect_listen": {"host": _HOST, "port": self._kept.connect_port},
            "networks": {
                "connect": {"products": {name: self._product(state, name) for name in PRODUCTS}},
                **({} if self._space is None else {"mail": self._space.section()}),
            },
        }

    def _product(self, state: StateDirectory, name: str) -> dict[str, Any]:
        product = self._kept.products[name]
        return {
            "profile": name,
            "capabilities": {"threads": True},  # whether the real ones have threads is not known; the simulators do
            "webhook_url": f"http://{_HOST}:{product.port}/webhook",
            "webhook_secrets": [f"file:{state / f'secrets/webhook-{name}'}"],
            "tokens": [f"sha256:{hashlib.sha256(product.token.encode()).hexdigest()}"],
        }

    async def learn(self) -> None:
        """Import the files of the national directory; nothing to do without. Raises RuntimeError with what it said."""
        if not self._national:
            return
        names = []
        for name, text in files(self._rows, datetime.now(UTC).strftime("%Y%m%d%H%M")):
            self._state.write(name, text)
            names.append(str(self._state / name))
        done = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "appservice", "directory", "-c", str(self.config), "import", "--force", *names,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await done.communicate()
        if done.returncode:
            raise RuntimeError(f"the directory cannot be imported\n{said.decode()}")

    def users(self, product: str) -> dict[str, str]:
        """The users of a product in the directory: their id and their RPPS id."""
        accounts = [(account, row["rpps"]) for row in self._rows for account in row["products"].split()]
        return {a.partition(":")[2]: rpps for a, rpps in accounts if a.partition(":")[0] == product}

    def named(self) -> list[str]:
        """The names of those who are reached by the hub: as users of one of its products, or by a Matrix account."""
        ours = {rpps for product in PRODUCTS for rpps in self.users(product).values()} | {BEN}
        return [row["name"] for row in self._rows if row["rpps"] in ours]

    @property
    def voice(self) -> str:
        """The Matrix user as whom the hub itself speaks."""
        return f"@{self._settings['ghost_prefix']}liaison:{self._home.name}"

    def ghost(self, rpps: str) -> str:
        """The Matrix user that stands for a professional."""
        return f"@{self._settings['ghost_prefix']}{rpps}:{self._home.name}"

    async def ready(self, patience: float = PATIENCE) -> None:
        """Wait until it takes work from both sides. Raises TimeoutError or RuntimeError with the end of its log."""
        starts = self.process.starts

        async def look() -> bool:
            if self.process.starts > starts + 2:
                raise RuntimeError(f"the hub does not start\n{self.process.log}")
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
                try:
                    return all([await _ok(session, f"{self.url}/ready"), await self._api(session)])
                except (aiohttp.ClientError, OSError, TimeoutError):
                    return False

        try:
            await wait_for(look, "the hub to be ready", patience)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.process.log}") from None

    async def _api(self, session: aiohttp.ClientSession) -> bool:
        """Whether a product's request is answered, which needs the whole hub; nobody has this id."""
        token = next(iter(self._kept.products.values())).token
        url, headers = f"{self.connect}{PREFIX}/users/-", {"Authorization": f"Bearer {token}"}
        async with session.get(url, headers=headers) as answer:
            return answer.status == 404

    async def pinged(self, patience: float = PATIENCE) -> None:
        """Have the homeserver reach the hub (application service API, "Pinging"). Raises TimeoutError."""
        path = f"/_matrix/client/v1/appservice/{self._settings['id']}/ping"

        async def look() -> bool:
            return (await self._as_hub("POST", path, {"transaction_id": "demo"})) is not None

        await wait_for(look, "the homeserver to reach the hub", patience)

    async def warmed(self, patience: float = PATIENCE) -> None:
        """Wait until everybody who may be found has a signed device. Raises TimeoutError."""
        ghosts = {self.ghost(rpps) for product in PRODUCTS for rpps in self.users(product).values()}
        body: dict[str, dict[str, list[str]]] = {"device_keys": {ghost: [] for ghost in ghosts}}

        async def look() -> bool:
            found = await self._as_hub("POST", "/_matrix/client/v3/keys/query", body) or {}
            keys, masters = found.get("device_keys", {}), found.get("master_keys", {})
            return all(keys.get(ghost) and ghost in masters for ghost in ghosts)

        await wait_for(look, "the keys of everybody in the directory", patience)

    async def _as_hub(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {self._kept.secrets.as_token}"}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
            try:
                async with session.request(method, self._home.url + path, json=body) as answer:
                    said: dict[str, Any] = await answer.json()
                    return said if answer.status == 200 else None
            except (aiohttp.ClientError, OSError, TimeoutError):
                return None


def _matrix(state: StateDirectory, kept: Kept, home: Synapse, url: str) -> dict[str, Any]:
    return {
        "homeserver": home.url,
        "server_name": home.name,
        "id": "liaison",
        "as_token_file": str(state / "secrets/as"),
        "hs_token_file": str(state / "secrets/hs"),
        "address": url,
        "ghost_prefix": "rpps_",
        "sender_localpart": kept.secrets.sender_localpart,
    }


async def _ok(session: aiohttp.ClientSession, url: str) -> bool:
    async with session.get(url) as answer:
        return answer.status == 200


def _people(ben: str) -> list[Row]:
    with PEOPLE.open(encoding="utf-8", newline="") as lines:
        rows = [dict(row) for row in csv.DictReader(lines)]
    for row in rows:
        if row["rpps"] == BEN:
            row["matrix"] = ben
    return rows


def _accounts(rows: Sequence[Row]) -> list[Row]:
    """What a site adds to the national directory: the accounts of its people."""
    return [row | {"profession": "", "place": ""} for row in rows if row["matrix"] or row["products"]]


def _csv(rows: Sequence[Row]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
