"""Reads what may be long a page at a time: others have their turn after each, and no more than a page is in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from bridge.db.database import Database, Row

PAGE = 1000


async def pages(
    db: Database, statement: str, first: Sequence[Any], key: Sequence[str], *args: Any
) -> AsyncIterator[list[Row]]:
    """The pages of a statement whose parameters are ``args``, the key that comes before the page, and its size.

    ``key``: the columns by which the rows are ordered and which no two rows have alike; ``first`` is before all.
    """
    last = list(first)
    while rows := await db.all(statement, *args, *last, PAGE):
        yield rows
        if len(rows) < PAGE:
            return
        last = [rows[-1][column] for column in key]
        await asyncio.sleep(0)
