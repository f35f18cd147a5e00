"""``liaison bench``: the bench comes with the source, not with what is installed, and is a process of its own."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec

_PARTS = {"grow": "deploy.bench.grow", "nation": "deploy.bench.grow.nation"}
_REST = "deploy.bench"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whatever comes is the bench's."""
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="grow, nation, or options of the whole bench")


def command(arguments: list[str]) -> list[str]:
    """What has to be run for these arguments."""
    part = _PARTS.get(arguments[0]) if arguments else None
    return [sys.executable, "-m", part or _REST, *(arguments[1:] if part else arguments)]


def main(asked: argparse.Namespace) -> int:
    """Become the bench; gives 2 where it is not there."""
    if find_spec("deploy") is None or find_spec(_REST) is None:
        print(
            "bench: it is in the source tree only: `make setup` there, then `.venv/bin/liaison bench`", file=sys.stderr
        )
        return 2
    words = command(asked.arguments)
    os.execv(words[0], words)  # noqa: S606 - our own modules
