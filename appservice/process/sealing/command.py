"""`liaison seal`: how far everything is sealed anew, which old key may go, and which one is lost."""

from __future__ import annotations

import argparse
from typing import Any

from appservice.operating.asking import ask
from appservice.process.proof import COMPONENT
from appservice.process.sealing.keys import forget
from bridge.config import Config
from bridge.db import open_database
from bridge.store.store import COMPONENT as STORE
from bridge.trail.entry import COMPONENT as TRAIL

Json = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing, or the name of a key that nobody has any more."""
    about = "a key that nobody has any more (the hub does not run): a start does not ask for it again"
    parser.add_argument("--lost", metavar="KEY", help=about)


async def main(asked: argparse.Namespace, config: Config) -> int:
    """Ask the running hub and print. Raises BadConfig, Unavailable (no hub answers; one runs, where it may not)."""
    if asked.lost is None:
        print("\n".join(lines(await ask(config, "seal", {}))))
        return 0
    if asked.lost in config.seal.keys:
        print(f"seal.keys has the key {asked.lost}: it is not lost")
        return 1
    db = await open_database(config.database.url, (STORE, TRAIL, COMPONENT))
    try:
        await forget(db, asked.lost, lost=True)
    finally:
        await db.close()
    print(f"the key {asked.lost} is not asked for again; what it has sealed cannot be read")
    return 0


def lines(found: Json) -> list[str]:
    """What an operator reads."""
    others = [name for name in found["keys"] if name != found["active"]]
    said = [f"active key: {found['active']}"]
    if not others:
        return [*said, "no other key is needed"]
    if found["done"] < found["columns"]:
        return [
            *said,
            f"sealed anew: {found['changed']} of {found['seen']} rows that were looked at, "
            f"{found['done']} of {found['columns']} columns done",
            f"still needed: {', '.join(others)}",
        ]
    return [*said, f"nothing is sealed with {', '.join(others)}: take them out of seal.keys and restart"]
