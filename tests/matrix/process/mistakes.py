"""A right configuration with every file that it names, and the mistakes that are made in it."""

from __future__ import annotations

import base64
import copy
import hashlib
import socket
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from appservice.process.registration import registration
from appservice.process.settings import MatrixSettings
from deploy.world.ports import free_port
from deploy.world.synapse import ROOT
from deploy.world.trust import Authority

Json = dict[str, Any]
PEOPLE = "rpps,name,products\n10001001113,Anna Martin,pandalab:anna\n"


@dataclass
class Site:
    """What an operator has written: hub.yaml, its files, and Synapse's. ``webhook`` is where a product answers."""

    folder: Path
    webhook: str
    hub: Json = field(default_factory=dict)
    synapse: Json = field(default_factory=dict)
    registration: Json = field(default_factory=dict)
    others: list[Json] = field(default_factory=list)
    text: str | None = None  # instead of ``hub``
    synapse_text: str = ""  # below ``synapse``

    def __post_init__(self) -> None:
        port = free_port()
        self.hub = {
            "database": {"url": f"sqlite:///{self.folder}/hub.db"},
            "seal": {"active": "1", "keys": {"1": self.file("seal", base64.b64encode(bytes(32)).decode())}},
            "directory": {"flatfile": self.file("people.csv", PEOPLE)},
            "trust": {"matrix_servers": ["*.chu.example"]},
            "matrix": {
                "homeserver": "http://127.0.0.1:1", "server_name": "chu.example",
                "as_token_file": self.file("as", "as-token"), "hs_token_file": self.file("hs", "hs-token"),
                "address": f"http://localhost:{port}",
            },
            "matrix_listen": {"port": port}, "connect_listen": {"port": free_port()},
            "networks": {"connect": {"products": {"pandalab": self.product("t")}}},
        }  # fmt: skip
        self.synapse = yaml.safe_load((ROOT / "homeserver_config/homeserver.liaison.yaml").read_text())
        self.synapse["federation_domain_whitelist"] = ["chu.example"]
        settings = MatrixSettings(**self.hub["matrix"])
        self.registration = registration(settings, "as-token", "hs-token")

    def product(self, token: str) -> Json:
        return {
            "webhook_url": self.webhook,
            "webhook_secrets": ["file:" + self.file("hook", "whsec_" + base64.b64encode(bytes(32)).decode())],
            "tokens": [f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"],
        }

    @property
    def pandalab(self) -> Json:
        product: Json = self.hub["networks"]["connect"]["products"]["pandalab"]
        return product

    def file(self, name: str, text: str | bytes) -> str:
        """Write a file; gives its path."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else (text + "\n").encode())
        path.chmod(0o600)
        return str(path)

    def people(self, text: str | bytes) -> None:
        self.file("people.csv", text)

    def write(self) -> tuple[Path, list[Path]]:
        """The files on disk: hub.yaml, and Synapse's."""
        text = self.text if self.text is not None else yaml.safe_dump(self.hub, sort_keys=False)
        listed = [
            self.file(f"registration-{n}.yaml", yaml.safe_dump(one))
            for n, one in enumerate([self.registration, *self.others])
            if one
        ]
        synapse = yaml.safe_dump(self.synapse | {"app_service_config_files": listed}) + self.synapse_text
        return Path(self.file("hub.yaml", text)), [Path(self.file("homeserver.yaml", synapse))]


@dataclass(frozen=True)
class Mistake:
    """``make`` puts it into a right site. A line of the check holds ``fault``, it or its remedy holds ``mend``."""

    name: str
    make: Callable[[Site], Any]
    fault: str
    mend: str


def put(*path: str, to: Any) -> Callable[[Site], None]:
    """Set an option of hub.yaml."""
    return lambda site: _put(site.hub, path, to)


def drop(*path: str) -> Callable[[Site], None]:
    """Leave an option out."""
    return lambda site: _put(site.hub, path, None, leave=True)


def in_synapse(*path: str, to: Any = None) -> Callable[[Site], None]:
    """Set a setting of homeserver.yaml; None: leave it out."""
    return lambda site: _put(site.synapse, path, to, leave=to is None)


def registered(name: str, to: Any) -> Callable[[Site], None]:
    """Change a line of the registration."""
    return lambda site: site.registration.update({name: copy.deepcopy(to)})


def _put(where: Json, path: tuple[str, ...], to: Any, *, leave: bool = False) -> None:
    for one in path[:-1]:
        where = where.setdefault(one, {})
    if leave:
        del where[path[-1]]
    else:
        where[path[-1]] = to


def text(change: Callable[[str], str]) -> Callable[[Site], None]:
    """Change the text of hub.yaml."""

    def make(site: Site) -> None:
        site.text = change(yaml.safe_dump(site.hub, sort_keys=False))

    return make


def certificate(site: Site, section: str, *, days: int = 300, key_of_another: bool = False) -> None:
    """TLS for a listener."""
    made = [Authority(key="ec").issue("CN=hub", valid=(timedelta(days=-400), timedelta(days=days))) for _ in range(2)]
    site.hub[section] |= {
        "certificate": site.file("tls.crt", made[0].pem),
        "key": site.file("tls.key", made[1 if key_of_another else 0].key_pem),
    }


def database(site: Site, *statements: str) -> None:
    """A database of an earlier life."""
    with sqlite3.connect(site.folder / "hub.db") as db:
        db.execute("CREATE TABLE migration (component TEXT, number INTEGER)")
        for one in statements:
            db.execute(one)
    db.close()
    (site.folder / "hub.db").chmod(0o600)


def in_use(site: Site) -> socket.socket:
    """Somebody else has a port; give the socket to whoever closes it."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    site.hub["connect_listen"]["port"] = taken.getsockname()[1]
    return taken
