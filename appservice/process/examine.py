"""What a configuration names outside of itself: files, keys, certificates; for a start and for `liaison check`."""

from __future__ import annotations

import ssl
import time

from pydantic import BaseModel

from appservice.console.settings import ConsoleSettings
from appservice.operating.audit import signing_key
from appservice.process.settings import MatrixSettings
from bridge.config import BadConfig, Config, DutySettings, ListenSettings, TrustSettings, validate
from bridge.errors import said
from bridge.network import Network
from bridge.networks import NETWORKS, networks
from bridge.people.directories.watched import WatchedFile
from bridge.people.duty.kept_rota import KeptRota
from bridge.people.federation.federation import Federation
from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.national import National
from bridge.signatures import read_public


def examine(config: Config, *, people: bool = True) -> MatrixSettings:
    """Read everything, without network and database; gives the section of the homeserver. Raises BadConfig.

    ``people``: the directory, too, which takes long where it is large.
    """
    settings = validate(MatrixSettings, config.matrix, "matrix")
    settings.read_as_token()
    settings.read_hs_token()
    seal = config.seal.open()
    if people:
        directory(config)
    rota(config.duty)
    federation(config.trust)
    signing_key(config)
    tls("matrix_listen", config.matrix_listen)
    tls("connect_listen", config.connect_listen)
    tls("clients_listen", config.clients_listen)
    if (pages := console(config)) is not None:
        tls("console", pages)
    for row, section in sections(config):
        try:
            row.prove(section, seal)
        except (OSError, ValueError) as error:
            raise BadConfig(said(error)) from None
    return settings


def console(config: Config) -> ConsoleSettings | None:
    """The operator's console; None: there is none. Raises BadConfig."""
    if config.console is None:
        return None
    settings = validate(ConsoleSettings, config.console, "console")
    settings.prove()
    return settings


def directory(config: Config) -> WatchedFile | National:
    """Who is who; nothing of the national directory has been read yet. Raises BadConfig."""
    path = config.directory.flatfile
    try:
        local = None if path is None else WatchedFile(path)
    except (OSError, ValueError) as error:
        raise BadConfig(f"directory.flatfile: {said(error)}") from None
    if config.directory.kind == "csv" and local is not None:
        return local
    return National(loads_of(config.database.url), local)


def rota(settings: DutySettings) -> KeptRota:
    """Who is on duty for which function. Raises BadConfig."""
    try:
        return KeptRota(settings.rota)
    except BadConfig as problem:
        raise BadConfig("\n".join(f"duty.rota: {line}" for line in str(problem).splitlines())) from None


def federation(settings: TrustSettings) -> Federation | None:
    """The federation's list with what an earlier life has kept of it; None: none is used. Raises BadConfig."""
    section = settings.federation
    if section is None:
        return None
    keys = []
    for n, path in enumerate(section.keys):
        try:
            keys.append(read_public(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise BadConfig(f"trust.federation.keys.{n}: {path}: {said(error)}") from None
    made = Federation(keys, section.state, lambda: int(time.time()))
    try:
        made.load()
    except OSError as error:
        raise BadConfig(f"trust.federation.state: {said(error)}") from None
    return made


def sections(config: Config) -> list[tuple[Network, BaseModel]]:
    """The networks of the configuration with their settings. Raises BadConfig."""
    return [(row, section) for _, row, section in named_sections(config)]


def named_sections(config: Config) -> list[tuple[str, Network, BaseModel]]:
    """The same with the name of each section below ``networks``. Raises BadConfig."""
    unknown = sorted(set(config.networks) - set(NETWORKS))
    if unknown:
        raise BadConfig(f"networks.{unknown[0]}: there is no such connector; there are {' and '.join(NETWORKS)}")
    rows = [(name, row) for name, row in networks() if row.always or name in config.networks]
    found = [(name, row, config.networks.get(name, {})) for name, row in rows]
    return [(name, row, validate(row.settings, given, f"networks.{name}")) for name, row, given in found]


def tls(section: str, where: ListenSettings) -> ssl.SSLContext | None:
    """The context of a listener, if it has a certificate. Raises BadConfig."""
    if where.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        for path in (where.certificate, where.key, where.client_ca):
            if path is not None:
                path.read_bytes()  # OpenSSL does not say which one it could not read
        context.load_cert_chain(where.certificate, where.key)
        if where.client_ca is not None:
            context.load_verify_locations(where.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
    except OSError as error:  # ssl.SSLError is one
        raise BadConfig(f"{section}: certificate, key or client_ca cannot be used: {said(error)}") from None
    return context
