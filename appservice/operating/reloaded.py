"""`liaison reload`: the running hub reads its files again, and says what has changed and what waits for a restart."""

from __future__ import annotations

import argparse

from appservice.operating.asking import ask
from bridge.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print; status 1: a file cannot be used. Raises BadConfig, Unavailable (no hub)."""
    found = await ask(config, "reload", {})
    lines = [f"read again: {line}" for line in found["changed"]]
    lines += [f"waits for a restart: {line}" for line in found["restart"]]
    lines += [f"NOT USED, the last one stays: {line}" for line in found["trouble"]]
    for line in lines or ["nothing has changed"]:
        print(line)
    return 1 if found["trouble"] else 0
