"""How every command asks the running hub, and what all of them print alike."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Any

from appservice.operating.door import knock
from bridge.config import BadConfig, Config
from bridge.words import meaning

Json = dict[str, Any]


async def ask(config: Config, what: str, asked: Json) -> Json:
    """Ask the running hub. Raises BadConfig, Refused, Unavailable (no hub answers)."""
    if config.matrix_listen.port == 0:
        raise BadConfig("matrix_listen.port: with port 0 nobody can find the hub")
    return await knock(config.seal.open(), config.matrix_listen, what, asked)


def login() -> str:
    """Who decides, for the record, if they do not say so."""
    try:
        return f"operator {getpass.getuser()}"
    except (OSError, KeyError):  # a container without a name for its user
        return "operator"


def at(milliseconds: int) -> str:
    """A time, for people (UTC)."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def lasting(seconds: float) -> str:
    """A length of time, for people: its largest unit and the next."""
    left = max(0, int(seconds))
    for size, unit, smaller, less in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if left >= size:
            return f"{left // size} {unit} {left % size // smaller} {less}"
    return f"{left} s"


def explained(code: str) -> str:
    """A code with what it means, where there are words for it."""
    words = meaning(code)
    return f"{code} ({words.rstrip('.')})" if words else code
