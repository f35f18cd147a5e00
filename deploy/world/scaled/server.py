"""A Synapse with PostgreSQL, Redis, workers and their proxy, as `liaison homeserver init --workers N` writes it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from appservice.process.conforming import choices, proxies, synapse_workers
from appservice.process.conforming.choices import Site
from deploy.world import process
from deploy.world.certificates import Authority
from deploy.world.forking.forked import Forked
from deploy.world.ports import free_port, free_together
from deploy.world.postgres import Postgres
from deploy.world.proxy import NGINX
from deploy.world.scaled.redis import Redis
from deploy.world.scaled.relay import Relay
from deploy.world.synapse import WORKER, Options, Synapse
from deploy.world.waiting import STARTING, wait_for

_REPLICATION = 1085  # what lies between the ports of a site: `synapse_workers`
_WORKERS = 75
_NGINX = """\
{user}daemon off; pid {folder}/nginx/pid; error_log stderr crit; worker_processes 1; events {{}}
http {{
    access_log off; {folders}
    include {folder}/nginx/liaison.conf;
    server {{  # the same without TLS, for clients that know no private authority
        listen 127.0.0.1:{door};
        location / {{
            proxy_pass https://127.0.0.1:{https}; proxy_ssl_name localhost; proxy_http_version 1.1;
            proxy_set_header Host localhost:{https}; proxy_read_timeout 120s;
        }}
    }}
}}
"""


class ScaledSynapse(Synapse):
    """Many processes under one address. Its database outlives `stop` and `kill`; end it with :meth:`close`."""

    def __init__(
        self,
        directory: Path,
        authority: Authority,
        postgres: Postgres,
        *,
        workers: int = 1,
        late: Collection[str] = (),
        registrations: Sequence[Path] = (),
        options: Options | None = None,
    ) -> None:
        """``workers``: that serve clients; what else comes with them is `synapse_workers`' to say.

        ``late``: the processes that hear of the others by way of :attr:`relay`, which can be slow.
        """
        super().__init__(directory, authority, registrations=registrations, options=options or Options())
        self._postgres = postgres
        self._database = ""
        count = len(synapse_workers.all_of(self._site(workers)))
        offsets = [0, 1, *range(_WORKERS, _WORKERS + count), *range(_REPLICATION, _REPLICATION + count + 1)]
        self.client_port = free_together(offsets)
        self.site = self._site(workers)
        self.processes: dict[str, Forked] = {}
        self._door = free_port()
        self._sockets = Path(tempfile.mkdtemp(prefix="liaison-redis-"))  # a short path
        self.redis = Redis(self._sockets / "redis")
        self.relay = Relay(self._sockets / "relay", self.redis.socket)
        self._late = late
        self._nginx: subprocess.Popen[bytes] | None = None

    def _site(self, workers: int) -> Site:
        places = {"certificate": str(self.directory / "tls.crt"), "key": str(self.directory / "tls.pem")}
        ports = {"synapse_port": self.client_port, "https_port": self.federation_port}
        return choices.site(
            {"domain": self.name, "host": self.name, "workers": workers, "folder": str(self.directory)} | ports | places
        )

    @property
    def url(self) -> str:
        """The base URL of the client-server API: of the proxy, which knows who serves a call of somebody."""
        return f"http://127.0.0.1:{self._door}"

    @property
    def hub_url(self) -> str:
        """The address of the proxy for the hub."""
        return self.site.behind

    @property
    def names(self) -> list[str]:
        """Every process beside the main one."""
        return synapse_workers.all_of(self.site)

    @property
    def pids(self) -> dict[str, int]:
        """Each process that runs, by its name."""
        return super().pids | {name: one.pid for name, one in self.processes.items()}

    def at(self, name: str) -> str:
        """Where one of the processes that serve clients is reached without the proxy."""
        return f"http://127.0.0.1:{synapse_workers.port(self.site, name)}"

    async def start(self, patience: float = STARTING) -> None:
        """Start all of it, or what of it is not there; return when every process answers."""
        if not self._database:
            self._database = await self._postgres.create_database()
        if not self.redis.running:
            await self.redis.start()
        await self.relay.start()
        await super().start(patience)  # it makes the tables that the others ask for
        await self.start_processes(name for name in self.names if name not in self.processes)
        await self._start_nginx()

    async def start_processes(self, names: Iterable[str]) -> None:
        """Start some of the processes; return when those answer that can."""
        wanted = list(names)
        for name in wanted:
            self.processes[name] = await self._run(
                WORKER, "-c", self.directory / "homeserver.yaml", "-c", self._file(name)
            )
        await asyncio.gather(*(self._healthy(name) for name in wanted))

    async def kill_process(self, name: str, by: signal.Signals = signal.SIGKILL) -> None:
        """End one of the processes beside the main one."""
        await process.end(self.processes.pop(name), by)

    async def kill_main(self, by: signal.Signals = signal.SIGKILL) -> None:
        """End the main process; :meth:`start` brings it back."""
        await super()._end(by)

    async def close(self) -> None:
        """End everything and remove its database."""
        await self.kill()
        if self._database:
            await self._postgres.drop_database(self._database)
            self._database = ""
        shutil.rmtree(self._sockets, ignore_errors=True)

    async def _end(self, by: signal.Signals) -> None:
        others = list(self.processes.values())
        self.processes.clear()
        if self._nginx is not None:
            await process.end(self._nginx, signal.SIGKILL)
            self._nginx = None
        await asyncio.gather(super()._end(by), *(process.end(one, by) for one in others))
        await self.redis.stop(by)
        await self.relay.stop()

    def _file(self, name: str) -> Path:
        path = self.directory / f"{name}.yaml"
        path.write_text(yaml.safe_dump(self._worker(name)))
        return path

    def _worker(self, name: str) -> dict[str, Any]:
        """The file of one process."""
        made = synapse_workers.worker(self.site, name, str(self.directory / "log.yaml"))
        return made | ({"redis": {"enabled": True, "path": str(self.relay.socket)}} if name in self._late else {})

    async def _healthy(self, name: str) -> None:
        listeners = self._worker(name).get("worker_listeners", [])
        if not listeners:
            return

        async def look() -> bool:
            if self.processes[name].poll() is not None:
                raise RuntimeError(f"{name} of {self.name} did not start:\n{self.log.read_text()[-2000:]}")
            return await _answers(f"http://127.0.0.1:{listeners[0]['port']}/health")

        await wait_for(look, f"{name} of {self.name}", STARTING)

    def _more(self) -> dict[str, Any]:
        secret = self.directory / "replication"
        if not secret.exists():  # those that run go on when the main process is started again
            secret.write_text(secrets.token_urlsafe(24))
        _, shared = synapse_workers.shared(self.site, str(secret))
        listeners = synapse_workers.listeners(self.site)
        main: dict[str, Any] = {"port": self.client_port, "type": "http", "bind_addresses": ["127.0.0.1"]}
        main |= {"x_forwarded": True, "resources": [{"names": ["client", "federation"], "compress": False}]}
        own = {"user": "postgres", "dbname": self._database.rpartition("/")[2], "host": "127.0.0.1"}
        own |= {"port": str(self._postgres.port)}
        redis: Mapping[str, Any] = {"enabled": True, "path": str(self.redis.socket)}
        return {
            **shared,
            "redis": redis,
            "listeners": [main, *listeners],
            "database": {"name": "psycopg2", "args": own | {"cp_min": 1, "cp_max": 5}},
        }

    async def _start_nginx(self) -> None:
        if self._nginx is not None:
            return
        if NGINX is None:
            raise RuntimeError("nginx is missing: run `make setup`")
        folder = self.directory / "nginx"
        folder.mkdir(exist_ok=True)
        (folder / "liaison.conf").write_text(proxies.nginx(self.site))
        kinds = "client_body", "proxy", "fastcgi", "uwsgi", "scgi"
        folders = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        places = {"folder": self.directory, "folders": folders, "door": self._door, "https": self.federation_port}
        user = "" if os.geteuid() else "user root; "  # its folders are one's own
        (folder / "nginx.conf").write_text(_NGINX.format(user=user, **places))
        launch = process.Launch(log=folder / "log")
        self._nginx = await asyncio.to_thread(process.spawn, [NGINX, "-c", folder / "nginx.conf"], launch)

        async def look() -> bool:
            assert self._nginx is not None
            if self._nginx.poll() is not None:
                raise RuntimeError((folder / "log").read_text())
            return await _answers(f"{self.url}/_matrix/client/versions")

        await wait_for(look, f"the proxy of {self.name}")


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.request("GET", url) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, OSError):
        return False
