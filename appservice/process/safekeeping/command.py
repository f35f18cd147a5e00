"""The commands about copies of the database, each with its arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from appservice.process.safekeeping import moving

Loop = Callable[[Coroutine[Any, Any, int]], int]


def add(commands: Any, loop: Loop, config: Path) -> None:
    """Add them; ``config``: where a configuration is looked for."""
    text = "the database to another engine, whole or not at all; the hub does not run"
    command: argparse.ArgumentParser = commands.add_parser("move", help=text, description=text)
    moving.add_arguments(command)
    command.set_defaults(call=lambda asked: loop(moving.main(asked)))
