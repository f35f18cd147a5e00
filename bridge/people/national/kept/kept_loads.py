"""Where the loads of the national directory are, from the URL of the hub's database."""

from __future__ import annotations

from pathlib import Path

from bridge.people.national.kept.in_files import FileLoads
from bridge.people.national.kept.tables import Loads


def loads_of(url: str) -> Loads:
    """Beside the file of SQLite (``hub.db`` → ``hub.directory/``), or in the database of PostgreSQL."""
    if url.startswith("sqlite:///"):
        return FileLoads(folder_of(url))
    from bridge.people.national.kept.in_schemas import SchemaLoads

    return SchemaLoads(url)


def folder_of(url: str) -> Path:
    """The folder of the loads, and for what an import sorts on disk; for SQLite only."""
    return Path(url.removeprefix("sqlite:///")).with_suffix(".directory")
