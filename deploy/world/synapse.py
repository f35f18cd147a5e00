"""A real Synapse homeserver on free ports, federating over 127.0.0.1 under a private certificate authority."""

import asyncio
import base64
import hashlib
import hmac
import os
import secrets
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import aiohttp
import yaml

from appservice.process.conforming import choices, synapse_settings
from deploy.world import process
from deploy.world.certificates import Authority
from deploy.world.forking.forked import Forked, Program, Start, template
from deploy.world.ports import free_ports
from deploy.world.waiting import STARTING

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-synapse/bin/python"
WORKER = "synapse.app.generic_worker"


class User(TypedDict):
    """A registered user with a first device that has no keys."""

    user_id: str
    access_token: str
    device_id: str


@dataclass(frozen=True, slots=True)
class Options:
    """What one Synapse has that another has not; `settings` goes over the made homeserver.yaml.

    `loggers` gives the level of each (WARNING for all others). `more` is a file or a folder (as Debian's conf.d) that
    goes over both.
    """

    room_version: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    pythonpath: Sequence[Path] = ()
    loggers: Mapping[str, str] = field(default_factory=dict)
    more: Path | None = None


class Synapse:
    """One homeserver. Its name and ports are known before it starts; `registrations` may be filled until then."""

    def __init__(
        self,
        directory: Path,
        authority: Authority,
        *,
        registrations: Sequence[Path] = (),
        options: Options = Options(),
    ) -> None:
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.registrations = list(registrations)
        self.client_port, self.federation_port = free_ports(2)
        self.registration_shared_secret = secrets.token_urlsafe(24)
        self._authority = authority
        self._options = options
        self._process: Forked | None = None

    @property
    def name(self) -> str:
        """The server name, which holds the federation port: `localhost:PORT`."""
        return f"localhost:{self.federation_port}"

    @property
    def url(self) -> str:
        """The base URL of the client-server API."""
        return self.main_url

    @property
    def hub_url(self) -> str:
        """Where a hub beside it calls."""
        return self.url

    @property
    def main_url(self) -> str:
        """Where the process is reached that serves the administration, too."""
        return f"http://127.0.0.1:{self.client_port}"

    @property
    def authority(self) -> Authority:
        """Whose certificates the servers that it federates with have."""
        return self._authority

    @property
    def ca(self) -> Path:
        """The certificate authority that the federation port's certificate comes from."""
        return self._authority.path

    @property
    def log(self) -> Path:
        """What the server said at level WARNING and above, or on its way down."""
        return self.directory / "synapse.log"

    @property
    def pid(self) -> int | None:
        """The number of the (main) process, if it is there."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def pids(self) -> dict[str, int]:
        """Each process that runs, by its name."""
        return {"main": self._process.pid} if self._process is not None and self.running else {}

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    async def start(self, patience: float = STARTING) -> None:
        """Start, or start again on the same data; return when it answers.

        Raises RuntimeError with the end of the log at once when it has ended, else after `patience` seconds.
        """
        if self.running:
            return
        if not PYTHON.exists():
            raise RuntimeError("Synapse is missing: run `make setup`")
        self._process = await self._run("", "-c", self._configure())
        await self._answering(patience)

    async def stop(self) -> None:
        """End it the polite way, and by force when that takes over 10 s."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop and start on the same data and ports."""
        await self.stop()
        await self.start()

    async def register_user(self, localpart: str, password: str, displayname: str | None = None) -> User:
        """Make a user by the shared secret.

        Raises RuntimeError with the server's answer when it refuses.
        """
        url = f"{self.main_url}/_synapse/admin/v1/register"
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as answer:
                nonce = (await answer.json())["nonce"]
            said = "\0".join([nonce, localpart, password, "notadmin"]).encode()
            mac = hmac.new(self.registration_shared_secret.encode(), said, hashlib.sha1).hexdigest()
            body = {"nonce": nonce, "username": localpart, "password": password, "admin": False, "mac": mac}
            if displayname is not None:
                body["displayname"] = displayname
            async with session.post(url, json=body) as answer:
                made = await answer.json()
        if "user_id" not in made:
            raise RuntimeError(f"{self.name} did not register {localpart}: {made}")
        return User(user_id=made["user_id"], access_token=made["access_token"], device_id=made["device_id"])

    async def _run(self, module: str, *args: str | Path) -> Forked:
        """Start a process: the main one, or one of another ``module``."""
        more: list[str | Path] = ["-c", self._options.more] if self._options.more else []
        paths = os.pathsep.join(map(str, self._options.pythonpath))
        environment = (("PYTHONPATH", paths),) if paths else ()
        program = Program(str(PYTHON), "synapse.app.homeserver", more=(WORKER,), env=environment)
        source = template(program)  # its import is most of a start, and the same for every server
        start = Start([*args, *more], self.log, self.directory, module=module)
        return await asyncio.to_thread(Forked, source, start)

    async def _end(self, by: signal.Signals) -> None:
        if self._process:
            await process.end(self._process, by)
            self._process = None

    async def _answering(self, patience: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        async with aiohttp.ClientSession() as session:
            while loop.time() < deadline and self.running:
                try:
                    async with session.get(f"{self.main_url}/health") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        await self.kill()
        raise RuntimeError(f"Synapse {self.name} did not start:\n{self.log.read_text()[-2000:]}")

    def _configure(self) -> Path:
        signing_key = self.directory / "signing.key"
        if not signing_key.exists():
            seed = base64.b64encode(os.urandom(32)).decode().rstrip("=")
            signing_key.write_text(f"ed25519 a_{secrets.token_hex(2)} {seed}\n")
        log_config = self.directory / "log.yaml"
        log_config.write_text(yaml.safe_dump(_log_config(self.log, self._options.loggers)))
        certificate, key = self._authority.issue(self.directory, "localhost")
        config = {
            **_settings(self.directory, self.name),
            "server_name": self.name,
            "public_baseurl": f"{self.url}/",
            "signing_key_path": str(signing_key),
            "log_config": str(log_config),
            "tls_certificate_path": str(certificate),
            "tls_private_key_path": str(key),
            "federation_custom_ca_list": [str(self.ca)],
            "registration_shared_secret": self.registration_shared_secret,
            "app_service_config_files": [str(path) for path in self.registrations],
            "listeners": [
                _listener(self.client_port, tls=False, names=["client", "federation"]),
                _listener(self.federation_port, tls=True, names=["federation"]),
            ],
            **({"default_room_version": self._options.room_version} if self._options.room_version else {}),
            **self._options.settings,
            **self._more(),
        }
        path = self.directory / "homeserver.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path

    def _more(self) -> dict[str, Any]:
        """What one of a special kind has in its homeserver.yaml beside, or otherwise."""
        return {}


async def start_all(*servers: Synapse) -> None:
    """Start several homeservers at once."""
    await asyncio.gather(*(server.start() for server in servers))


def _listener(port: int, *, tls: bool, names: list[str]) -> dict[str, Any]:
    resources = [{"names": names, "compress": False}]
    return {"port": port, "type": "http", "tls": tls, "bind_addresses": ["127.0.0.1"], "resources": resources}


def _log_config(path: Path, loggers: Mapping[str, str]) -> dict[str, Any]:
    handler = {"class": "logging.FileHandler", "filename": str(path), "formatter": "line"}
    line = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    root = {"level": "WARNING", "handlers": ["file"]}
    kept: dict[str, Any] = {"disable_existing_loggers": False}  # a module is imported before the log is set up
    kept |= {"loggers": {name: {"level": level} for name, level in loggers.items()}}
    return {"version": 1, **kept, "formatters": {"line": line}, "handlers": {"file": handler}, "root": root}


def _settings(directory: Path, name: str) -> dict[str, Any]:
    """What an operator gets of `liaison homeserver init`, and over it what a server of the tests has otherwise."""
    folder = {"domain": name, "host": name, "database": "sqlite", "folder": str(directory)}
    conforming = synapse_settings.settings(choices.site(folder))
    kept = {key: value for key, value in conforming.items() if key not in LEFT_OUT}
    return {**kept, **_places(directory), **OTHERWISE}


def closed(directory: Path, *servers: str) -> dict[str, Any]:
    """What :data:`LEFT_OUT` and :data:`OTHERWISE` open: it federates with ``servers``, by the federation's rules.

    The rules ask no hub: they know its ghosts by their name alone.
    """
    folder = {"domain": "localhost", "servers": list(servers), "folder": str(directory.absolute())}
    conforming = synapse_settings.settings(choices.site(folder))
    policy = dict(conforming["modules"][0]["config"])
    del policy["hub"]
    policy["state"] = str(directory.absolute() / "policy")
    Path(policy["state"]).mkdir(parents=True, exist_ok=True)
    names = "federation_domain_whitelist", "encryption_enabled_by_default_for_room_type"
    modules = [{"module": conforming["modules"][0]["module"], "config": policy}]
    return {name: conforming[name] for name in names} | {"modules": modules}


def _places(directory: Path) -> dict[str, Any]:
    return {
        "pid_file": str(directory / "synapse.pid"),
        "media_store_path": str(directory / "media"),
        "database": {"name": "sqlite3", "args": {"database": str(directory / "synapse.db")}},
        "macaroon_secret_key": secrets.token_urlsafe(16),
        "form_secret": secrets.token_urlsafe(16),
    }


LEFT_OUT = {
    "federation_domain_whitelist", "modules",  # tests choose with whom a server federates, by which rules
    "macaroon_secret_key_path", "form_secret_path", "registration_shared_secret_path",  # a new server for each test
}  # fmt: skip
"""Settings of a conforming homeserver that a server of the tests has not."""

_FREE = {"per_second": 10000, "burst_count": 10000}
_LIMITS = (
    "message", "registration", "joins_per_room", "third_party_invite", "media_create", "admin_redaction",
    "room_creation", "reports", "user_directory", "profile", "delayed_event_mgmt", "key_requests",
)  # fmt: skip

OTHERWISE: Mapping[str, Any] = {
    "bcrypt_rounds": 4,
    "ip_range_whitelist": ["127.0.0.0/8", "::1/128"],  # all of them are here
    "encryption_enabled_by_default_for_room_type": "off",  # what becomes of rooms in clear is tried, too
    "presence": {"enabled": True},
    "filter_timeline_limit": -1,
    # A peer that was stopped on purpose is tried again at once (milliseconds).
    "federation": {
        "max_short_retry_delay": 500,
        "max_long_retry_delay": 1000,
        "destination_min_retry_interval": 500,
        "destination_retry_multiplier": 1,
        "destination_max_retry_interval": 1000,
    },
    # Nobody is slowed down.
    **{f"rc_{name}": _FREE for name in _LIMITS},
    "rc_login": {"address": _FREE, "account": _FREE, "failed_attempts": _FREE},
    "rc_joins": {"local": _FREE, "remote": _FREE},
    "rc_invites": {"per_room": _FREE, "per_user": _FREE, "per_issuer": _FREE},
    "rc_presence": {"per_user": _FREE},
    "rc_3pid_validation": _FREE,
    "rc_registration_token_validity": _FREE,
    "rc_federation": {"window_size": 1, "sleep_limit": 10000, "reject_limit": 10000, "concurrent": 100},
}
"""What a server of the tests has otherwise than a conforming one."""
