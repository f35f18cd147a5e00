"""What can go wrong before a database of a server is open, as the program knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from bridge.db.postgres import lease, session
from bridge.db.postgres.connections import AWAY
from bridge.errors import Unavailable


@contextmanager
def reaching() -> Iterator[None]:
    """What can go wrong before a database is open. Raises Unavailable, BadAddress."""
    try:
        yield
    except (*AWAY, asyncpg.InsufficientPrivilegeError, TimeoutError) as error:
        raise Unavailable("database", 1.0, alone=True) from error
    except asyncpg.PostgresError as error:
        if error.sqlstate != lease.FENCED:
            raise
        raise Unavailable("database_in_use", 1.0, alone=True) from error


async def reach(url: str) -> Any:
    """A connection beside a hub, which takes no lease. Raises Unavailable, BadAddress."""
    with reaching():
        return await session.plain(url)
