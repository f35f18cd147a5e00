"""The state directory of a demo world: names, ports and secrets that outlive a run, and files that only we may read."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from bridge.networks.connect.signing import new_secret, new_token
from deploy.world import ports

PRODUCTS = ("pandalab", "siilo")
OPERATORS = ("mss-a.example", "mss-b.example")
_FORMAT = 2


class InUse(Exception):
    """Another run has this directory."""


@dataclass(frozen=True, slots=True)
class Product:
    """What a product and the hub know of each other."""

    port: int
    token: str = field(repr=False)
    webhook_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Server:
    """What a homeserver keeps from run to run."""

    client_port: int
    federation_port: int
    registration_shared_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Of the hub and of the one native account."""

    as_token: str = field(repr=False)
    hs_token: str = field(repr=False)
    sender_localpart: str
    seal_key: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MailPorts:
    """Of the hub as an operator; of each other operator (domain) for its peers, for submission, for IMAP."""

    hub: int
    operators: dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that is chosen once for a state directory."""

    matrix_port: int
    connect_port: int
    home: Server
    away: Server
    products: dict[str, Product]
    secrets: Secrets
    mail: MailPorts

    @classmethod
    def new(cls) -> Self:
        """Choose free ports and fresh secrets."""
        matrix_port, connect_port, *product_ports = ports.free_ports(2 + len(PRODUCTS), ports.KEPT)
        products = {
            name: Product(port, new_token(), new_secret()) for name, port in zip(PRODUCTS, product_ports, strict=True)
        }
        own = Secrets(_token(), _token(), f"liaison-{secrets.token_hex(8)}", _key(), secrets.token_urlsafe(12))
        mail = MailPorts(ports.free_port(ports.KEPT), {domain: ports.free_ports(3, ports.KEPT) for domain in OPERATORS})
        return cls(matrix_port, connect_port, _server(), _server(), products, own, mail)

    @classmethod
    def read(cls, text: str) -> Self:
        """What an earlier run has written. Raises ValueError when it cannot be used."""
        try:
            raw = json.loads(text)
            if raw.pop("format") != _FORMAT:
                raise ValueError("of another version")
            own = {f.name: raw[f.name] for f in fields(cls)}
            own |= {"home": Server(**raw["home"]), "away": Server(**raw["away"]), "secrets": Secrets(**raw["secrets"])}
            own["products"] = {name: Product(**raw["products"][name]) for name in PRODUCTS}
            own["mail"] = MailPorts(raw["mail"]["hub"], {name: raw["mail"]["operators"][name] for name in OPERATORS})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not readable") from error
        return cls(**own)

    def write(self) -> str:
        """For the next run."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=2)

    def all_ports(self) -> list[int]:
        """Every port of this world."""
        servers = [p for s in (self.home, self.away) for p in (s.client_port, s.federation_port)]
        mail = [self.mail.hub, *(port for each in self.mail.operators.values() for port in each)]
        return [self.matrix_port, self.connect_port, *servers, *(p.port for p in self.products.values()), *mail]


class StateDirectory:
    """A directory that one run holds at a time."""

    def __init__(self, path: Path) -> None:
        """Make or take the directory. Raises InUse."""
        self.path = path.absolute()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise InUse(str(self.path)) from None

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def open(self, *, fresh: bool = False) -> tuple[Kept, str]:
        """The names, ports and secrets of this directory, and in a few words where they come from."""
        (self / "endpoints.json").unlink(missing_ok=True)
        known = self / "world.json"
        if not known.exists():
            return self._begin(), "new"
        if fresh:
            return self._begin_again("a story begins with an empty world")
        try:
            kept = Kept.read(known.read_text())
        except (ValueError, OSError) as error:
            return self._begin_again(f"world.json is {error}")
        taken = [port for port in kept.all_ports() if not ports.reserve(port)]
        if taken:
            return self._begin_again(f"port {taken[0]} of the earlier run is in use")
        return kept, "as it was left"

    def _begin(self) -> Kept:
        kept = Kept.new()
        self.write("world.json", kept.write())
        return kept

    def _begin_again(self, why: str) -> tuple[Kept, str]:
        """Move what is there aside, so that nothing is lost, and begin."""
        aside = self / f"before-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        aside.mkdir()
        for entry in self.path.iterdir():
            if entry.name != ".lock" and not entry.name.startswith("before-"):
                entry.rename(aside / entry.name)
        return self._begin(), f"new, because {why}; what was there is in {aside.name}/"

    def write(self, name: str, text: str) -> Path:
        """Write a file that only we may read, whole or not at all."""
        path = self / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        draft.replace(path)
        return path

    def write_json(self, name: str, value: Mapping[str, Any]) -> Path:
        """The same for JSON."""
        return self.write(name, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def release(self, *, remove: bool = False) -> None:
        """Let another run have it; or remove it with all that is in it."""
        if remove:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _server() -> Server:
    client, federation = ports.free_ports(2, ports.KEPT)
    return Server(client, federation, secrets.token_urlsafe(24))


def _token() -> str:
    return secrets.token_hex(32)  # no dash at its head, which a command line takes for an option


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
