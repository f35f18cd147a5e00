"""One small face for SQLite and PostgreSQL: opened by URL, the same statements and transactions on both."""

from collections.abc import Sequence

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

__all__ = [
    "Component", "Conflict", "Counts", "Database", "Row", "Tx", "brief", "open_database", "read_migrations",
    "read_statements", "translate",
]  # fmt: skip


async def open_database(url: str, components: Sequence[Component]) -> Database:
    """Open ``sqlite:///path`` or ``postgresql://…`` and bring its tables up to date."""
    if url.startswith("sqlite:///"):
        from bridge.db.sqlite import Sqlite

        return await Sqlite.open(url.removeprefix("sqlite:///"), components)
    if url.startswith(("postgresql://", "postgres://")):
        from bridge.db.postgres import Postgres

        return await Postgres.open(url, components)
    raise ValueError("database.url must begin with sqlite:/// or postgresql://")
