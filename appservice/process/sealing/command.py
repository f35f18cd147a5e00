"""`liaison seal`: how far everything is sealed anew, which old key may go, and which one is lost."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from appservice.operating.asking import ask
from appservice.process.proof import COMPONENT
from appservice.process.sealing.keys import forget
from bridge.config import Config
from bridge.db import open_present
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
    db = await open_present(config.database.url, (STORE, TRAIL, COMPONENT))
    try:
        await forget(db, asked.lost, lost=True)
    finally:
        await db.close()
    print(f"the key {asked.lost} is not asked for again; what it has sealed cannot be read")
    return 0


def lines(found: Json) -> list[str]:
    """What an operator reads."""
    said, others = [f"active key: {found['active']}"], ", ".join(found["others"])
    if not others:
        return [*said, "no other key is needed"]
    if found["done"] < found["columns"]:
        last = f", last at {_time(found['worked_at'])}" if found["worked_at"] else ""
        said.append(
            f"sealed anew: {found['changed']} of {found['seen']} rows that were looked at, "
            f"{found['done']} of {found['columns']} columns done{last}"
        )
    elif not found["kept"]:
        return [*said, f"nothing is sealed with {others}: take them out of seal.keys and restart"]
    if found["kept"]:
        said.append(f"{found['kept']} rows do not open and keep their old seal: the log names their columns")
    return [*said, f"still needed: {others}"]


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
