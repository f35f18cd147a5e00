"""What is read again while the hub runs: people, servers, products' tokens and secrets, certificates, the log's level.

The files count together: one that cannot be used changes nothing, and that is said. Every worker follows the
configuration's file by itself; an operator may ask for it, and for the directory, at once (`liaison reload`, SIGHUP).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from appservice.operating.door import Act
from appservice.process import examine
from appservice.process.trust_sources import TrustSources
from bridge.config import BadConfig, Config, ListenSettings, read_config
from bridge.errors import said
from bridge.network import Reread
from bridge.parts.disk import FileWatch
from bridge.people.directories.watched import WatchedFile
from bridge.people.national.national import National

log = logging.getLogger(__name__)
Json = dict[str, Any]
Reload = Callable[[Any], Reread]
Serves = Callable[[str, ListenSettings, ssl.SSLContext | None], None]


@dataclass(frozen=True, slots=True)
class TlsPort:
    """A port that answers with TLS; ``name``: its section."""

    name: str
    where: ListenSettings
    context: ssl.SSLContext


class Reloading:
    """``config`` is what the hub was started with, from the file of ``watch`` (None: from none).

    ``networks``: what can take a section of ``networks`` again, by its name.
    """

    def __init__(
        self, watch: FileWatch | None, config: Config, networks: Mapping[str, Reload],
        directory: WatchedFile | National, sources: TrustSources, look_again: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """``look_again``: the networks' own lists are asked for, when an operator says so."""
        self._look_again = look_again
        self._watch, self._networks, self._directory, self._sources = watch, networks, directory, sources
        self._in_use = _flat(config)
        self._one = asyncio.Lock()
        self.ports: list[TlsPort] = []
        """Those whose certificate is read again."""
        self._certificates: dict[str, bytes] = {}

    def acts(self) -> Mapping[str, Act]:
        """What the hub does when it is asked."""

        async def reload(asked: Json) -> Json:
            return await self.now(people=True)

        return {"reload": reload}

    def serves(self, name: str, where: ListenSettings, context: ssl.SSLContext | None) -> None:
        """A port is served."""
        if context is not None:
            self.ports.append(TlsPort(name, where, context))
            self._certificates[name] = _bytes(where)

    async def follow(self) -> None:
        """Read the configuration again whenever its file changes, or somebody asks, until cancelled."""
        while self._watch is not None:
            await self.now(people=await self._watch.changed())
        await asyncio.Event().wait()

    async def now(self, *, people: bool) -> Json:
        """Read it all; ``people``: the directory, too, whoever is missing from it.

        Gives ``changed``, ``restart`` (what has changed and waits for one) and ``trouble`` (what is not used).
        """
        async with self._one:
            try:
                config = await asyncio.to_thread(self._read)
                found = self._networks_of(config)
            except (BadConfig, ValueError) as bad:
                log.error("ALARM the configuration is not read again, the last one stays: %s", bad)
                return {"changed": [], "restart": [], "trouble": str(bad).splitlines()}
            await self._servers(config, found)
            self._level(config, found)
            trouble = self._tls(found)
            if people:
                trouble += await self._people(found)
                self._look_again()
            found.restart += self._waits(config)
            for line in found.changed:
                log.warning("read again: %s", line)
            for line in found.restart:
                log.warning("waits for a restart: %s", line)
            return {"changed": found.changed, "restart": found.restart, "trouble": trouble}

    def _read(self) -> Config:
        """Raises BadConfig for any file that a start would not take."""
        if self._watch is None:
            raise BadConfig("there is no file of the configuration")
        config = read_config(self._watch.path)
        examine.examine(config)
        return config

    def _networks_of(self, config: Config) -> Reread:
        whole = Reread()
        for name, _, section in examine.named_sections(config):
            if name in self._networks:
                try:
                    found = self._networks[name](section)
                except OSError as error:
                    raise ValueError(said(error)) from None
                whole.changed += found.changed
                whole.restart += found.restart
        return whole

    async def _servers(self, config: Config, found: Reread) -> None:
        line = await self._sources.take(config.trust.matrix_servers)
        found.changed += [f"trust.matrix_servers: {line}"] if line else []
        self._in_use["trust.matrix_servers"] = config.trust.matrix_servers
        self._sources.reload()

    def _level(self, config: Config, found: Reread) -> None:
        if config.log_level != self._in_use["log_level"]:
            logging.getLogger().setLevel(config.log_level)
            self._in_use["log_level"] = config.log_level
            found.changed.append(f"log_level: {config.log_level}")

    def _tls(self, found: Reread) -> list[str]:
        """Gives what cannot be used. The files are those of the start, which may be elsewhere by now."""
        trouble = []
        for port in self.ports:
            now = _bytes(port.where)
            if now == self._certificates[port.name] or port.where.certificate is None:
                continue
            try:
                examine.tls(port.name, port.where)  # in another context first: a key of another certificate spoils it
                port.context.load_cert_chain(port.where.certificate, port.where.key)  # new connections show it
            except (BadConfig, OSError) as bad:
                trouble.append(str(bad) if isinstance(bad, BadConfig) else f"{port.name}: {said(bad)}")
                log.error("ALARM a certificate is not read again, the last one stays: %s", trouble[-1])
                continue
            self._certificates[port.name] = now
            found.changed.append(f"{port.name}.certificate")
        return trouble

    async def _people(self, found: Reread) -> list[str]:
        line, trouble = await self._directory.read_again()
        found.changed += [f"directory: {line}"] if line else []
        return [f"directory: {trouble}"] if trouble else []

    def _waits(self, config: Config) -> Sequence[str]:
        now = _flat(config)
        own = tuple(f"networks.{name}" for name in self._networks)  # they have said it themselves
        options = sorted(now.keys() | self._in_use.keys())
        return [name for name in options if now.get(name) != self._in_use.get(name) and not name.startswith(own)]


def _bytes(where: ListenSettings) -> bytes:
    files = [path for path in (where.certificate, where.key) if path is not None]
    try:
        return b"".join(path.read_bytes() for path in files)
    except OSError:
        return b""


def _flat(config: Config) -> dict[str, Any]:
    """Every option by its dotted name."""
    return dict(_options("", config.model_dump()))


def _options(above: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _options(f"{above}{name}.", value)
        elif not isinstance(value, BaseModel):
            yield f"{above}{name}", value
