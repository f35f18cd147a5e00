"""Trails for tests."""

from __future__ import annotations

from bridge.db import Database
from bridge.trail.chain import ChainRow


async def chain_of(db: Database) -> list[ChainRow]:
    """The first rows of a chain."""
    return [ChainRow(row["number"], bytes(row["hash"]), row["body"]) for row in await db.all("trail.rows", 0, 2000)]
