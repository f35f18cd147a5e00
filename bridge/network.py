"""What a folder of ``bridge/networks/`` offers: its settings, its tables, and how its connectors are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from bridge.connector import Connector
from bridge.db import Component, Database
from bridge.files import Files
from bridge.receiver import Receiver
from bridge.seal import Seal
from bridge.workers.entrances import Entrances


@dataclass(frozen=True, slots=True)
class Outfit:
    """What a network is made with: where its messages go, where it keeps what must not be lost, what encrypts it.

    ``files``: where the files of messages lie. ``entrances``: the ports of the process.
    """

    hub: Receiver
    db: Database
    seal: Seal
    files: Files = field(default_factory=Files)
    entrances: Entrances = field(default_factory=Entrances)


@dataclass(slots=True)
class Reread:
    """What became of a section that was read again: in use since then, or waiting for a restart. One line each."""

    changed: list[str] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Built:
    """The connectors of one section of the configuration; ``routes`` adds what they answer over HTTP.

    ``reload`` uses of a section that has changed what can be used at once; ValueError: nothing of it.
    """

    connectors: Sequence[Connector]
    routes: Callable[[web.Application], None] | None = None
    reload: Callable[[Any], Reread] | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """One row of :data:`bridge.networks.NETWORKS`.

    ``settings`` validates the section ``networks.<name>``. ``build`` makes the connectors; ``prove`` reads every file
    that the section names, without a network. Both raise OSError or ValueError. ``always``: also without a section.
    """

    settings: type[BaseModel]
    build: Callable[[Any, Outfit], Built]
    prove: Callable[[Any, Seal], None]
    tables: tuple[Component, ...] = ()
    always: bool = False
