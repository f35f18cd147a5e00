"""A life of a hub that ends suddenly; imports little, as it is a process of its own."""

from __future__ import annotations

from pathlib import Path

import bridge.store
from bridge.db import Component, open_database
from bridge.seal import Seal
from bridge.trail.chaining import Chainer
from bridge.trail.entry import COMPONENT as TRAIL
from bridge.trail.entry import TrailEntry, TrailKind, note_all
from bridge.trail.rules import TrailRules


async def chain_some(url: str) -> None:
    """Note 700 rows, then chain them."""
    db = await open_database(url, [Component("bridge", Path(bridge.store.__path__[0]) / "sql"), TRAIL])
    async with db.transaction("test") as tx:
        await note_all(tx, [TrailEntry(TrailKind.OPERATOR, "operator", f"s{n}") for n in range(700)], 1)
    await Chainer(db, Seal({"k1": bytes(range(32))}, "k1"), None, TrailRules(), lambda: 1).catch_up()
    await db.close()
