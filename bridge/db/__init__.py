"""One small face for SQLite and PostgreSQL: opened by URL, the same statements and transactions on both."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.db.database import (
    BadAddress,
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
from bridge.errors import Unavailable

if TYPE_CHECKING:
    from bridge.db.postgres.keeper import Keeper

__all__ = [
    "BadAddress", "Component", "Conflict", "Counts", "Database", "Row", "Tx", "brief", "fence_of", "file_of",
    "is_server", "open_database", "open_present", "present", "read_migrations", "read_statements", "translate",
]  # fmt: skip


_FILE = "sqlite:///"
_ENGINES = "database.url must begin with sqlite:/// or postgresql://"


def is_server(url: str) -> bool:
    """Whether several processes can use a database: that of a server, not a file."""
    return url.startswith(("postgresql://", "postgres://"))


def file_of(url: str) -> Path:
    """Where the file of an address is. Raises BadAddress."""
    if not url.startswith(_FILE):
        raise BadAddress(_ENGINES)
    return Path(url.removeprefix(_FILE))


async def open_database(url: str, components: Sequence[Component], keeper: Keeper | None = None) -> Database:
    """Open ``sqlite:///path`` or ``postgresql://…`` and bring its tables up to date.

    ``keeper`` has the lease of a server's database already. Raises Unavailable, BadAddress.
    """
    if url.startswith(_FILE):
        from bridge.db.sqlite import Sqlite

        return await Sqlite.open(url.removeprefix(_FILE), components)
    if is_server(url):
        from bridge.db.postgres import Postgres

        return await Postgres.open(url, components, keeper)
    raise BadAddress(_ENGINES)


async def open_present(url: str, components: Sequence[Component]) -> Database:
    """The same for a database that a hub has used: a file that is not there is not made.

    Raises Unavailable, BadAddress.
    """
    if not is_server(url):
        present(url)
    return await open_database(url, components)


def present(url: str) -> Path:
    """The file of an address, which is there. Raises Unavailable, BadAddress."""
    path = file_of(url)
    if path.is_file():
        return path
    code = errno.EISDIR if path.is_dir() else errno.ENOENT
    raise Unavailable("database", 1.0, alone=True) from OSError(code, os.strerror(code), str(path))


def fence_of(db: Database) -> int | None:
    """The number of the lease under which this process holds it; None: a file, which has one holder at a time."""
    if db.engine == "sqlite":
        return None
    from bridge.db.postgres import Postgres

    return db.fence if isinstance(db, Postgres) else None
