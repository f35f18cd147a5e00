"""The commands about copies of the database, each with its arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from appservice.process.safekeeping import backing, moving, restoring, upgrading
from bridge.config import read_config

Loop = Callable[[Coroutine[Any, Any, int]], int]


def add(commands: Any, loop: Loop, config: Path) -> None:
    """Add them; ``config``: where a configuration is looked for."""
    text = "the database to another engine, whole or not at all; the hub does not run"
    command: argparse.ArgumentParser = commands.add_parser("move", help=text, description=text)
    moving.add_arguments(command)
    command.set_defaults(call=lambda asked: loop(moving.main(asked)))
    for name, add_arguments, main, about in (
        ("backup", backing.add_arguments, backing.main, "a copy of the database, as of one moment, while the hub runs"),
        (
            "restore",
            restoring.add_arguments,
            restoring.main,
            "verify a backup; put it back where nothing is yet",
        ),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("-c", "--config", type=Path, default=config, help=f"default: {config}")
        add_arguments(command)
        command.set_defaults(call=lambda asked, main=main: loop(main(asked, read_config(asked.config))))
    about = "what this release will do to the database and the configuration of the one that runs now"
    command = commands.add_parser("upgrade", help=about, description=about)
    command.add_argument("-c", "--config", type=Path, default=config, help=f"default: {config}")
    upgrading.add_arguments(command)
    command.set_defaults(call=lambda asked: loop(upgrading.main(asked)))
