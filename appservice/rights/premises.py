"""A hub that does not run, as a command finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appservice.client.names import Names
from bridge.config import Config
from bridge.db import Component
from bridge.people.directory import Directory


@dataclass(frozen=True, slots=True)
class Premises:
    """Its configuration, its tables, who is who, and what its ghosts are called."""

    config: Config
    components: Sequence[Component]
    directory: Directory
    names: Names
