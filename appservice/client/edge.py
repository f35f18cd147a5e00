"""What every part of the Matrix edge uses, given to each of them as one thing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from appservice.client.homeserver import Homeserver
from appservice.client.media import Media
from appservice.client.names import Names
from bridge.db import Database
from bridge.files import Files
from bridge.receiver import Receiver


@dataclass(frozen=True, slots=True)
class MatrixEdge:
    """``hub`` is where messages go; ``clock`` gives milliseconds since 1970.

    ``trusted`` judges servers, ``unreachable`` gives the code of why a person id cannot be written to. ``media`` is the
    store in which the hub's ``files`` lie.
    """

    hub: Receiver
    db: Database
    homeserver: Homeserver
    names: Names
    clock: Callable[[], int]
    trusted: Callable[[str], bool]
    unreachable: Callable[[str], Awaitable[str | None]]
    media: Media
    files: Files
