"""One small face for SQLite and PostgreSQL: opened by URL, the same statements and transactions on both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bridge.db.database import (
    Component,
    Conflict,
    Counts,
    Database,
    Row,
    Tx,
    brief,
    read_migrations,
    read_statements,
    translate,
)

if TYPE_CHECKING:
    from bridge.db.postgres.keeper import Keeper

__all__ = [
    "Component", "Conflict", "Counts", "Database", "Row", "Tx", "brief", "is_server", "open_database",
    "read_migrations", "read_statements", "translate",
]  # fmt: skip


def is_server(url: str) -> bool:
    """Whether several processes can use a database: that of a server, not a file."""
    return url.startswith(("postgresql://", "postgres://"))


async def open_database(url: str, components: Sequence[Component], keeper: Keeper | None = None) -> Database:
    """Open ``sqlite:///path`` or ``postgresql://…`` and bring its tables up to date.

    ``keeper`` has the lease of a server's database already. Raises Unavailable, ValueError.
    """
    if url.startswith("sqlite:///"):
        from bridge.db.sqlite import Sqlite

        return await Sqlite.open(url.removeprefix("sqlite:///"), components)
    if is_server(url):
        from bridge.db.postgres import Postgres

        return await Postgres.open(url, components, keeper)
    raise ValueError("database.url must begin with sqlite:/// or postgresql://")
