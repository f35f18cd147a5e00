"""All of `liaison check`, in the order in which mistakes are made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appservice.process.app import COMPONENTS
from appservice.process.checking import (
    configuration,
    console,
    database,
    homeserver,
    listening,
    mail,
    national,
    proxied,
    reach,
    rights,
    scanner,
    synapse,
    whose,
)
from appservice.process.checking.findings import Finding
from bridge.config import (
    ClientsListenSettings,
    ConnectListenSettings,
    DatabaseSettings,
    FilesSettings,
    MatrixListenSettings,
)
from bridge.db.looking import look
from bridge.networks import NETWORKS, networks


async def everything(path: Path, homeserver_files: Sequence[Path]) -> list[Finding]:
    """Look at all that can be looked at, whatever else is wrong."""
    read = await configuration.read(path)
    found, sections = read.findings, read.sections
    if not sections:
        return found
    found += rights.findings(read)
    url = sections.get("database", DatabaseSettings()).url
    tables = [table for name, row in networks() if name in NETWORKS for table in row.tables]
    seen = await look(url, [*COMPONENTS, *tables])
    found += database.findings(seen, read.seal)
    if "directory" in sections:
        found += await national.findings(sections["directory"], url)
    matrix_listen = sections.get("matrix_listen", MatrixListenSettings())
    clients_listen = sections.get("clients_listen", ClientsListenSettings())
    for name, where in (
        ("matrix_listen", matrix_listen),
        ("connect_listen", sections.get("connect_listen", ConnectListenSettings())),
        ("clients_listen", clients_listen),
    ):
        if where is not clients_listen or clients_listen.public_url is not None:
            found += await listening.findings(name, where)
    found += await console.findings(sections.get("console"))
    if read.connect is not None:
        found += await reach.webhooks(read.connect)
    if clients_listen.public_url is not None:
        found += await proxied.findings(clients_listen)
    if read.mail is not None:
        found += await mail.findings(read.mail)
    found += await scanner.findings(sections.get("files", FilesSettings()))
    if "trust" in sections:
        found += await reach.servers(sections["trust"].matrix_servers)
    if read.matrix is not None:
        found += listening.address(read.matrix, matrix_listen)
        found += synapse.findings(homeserver_files, read.matrix)
        trusted = sections["trust"].matrix_servers if "trust" in sections else ()
        found += await homeserver.check(read.matrix, matrix_listen, trusted)
        found += await whose.findings(read.matrix, seen)
    return found
