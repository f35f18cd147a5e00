"""A new database begins as a copy of one that was migrated just so: the same tables, without the work.

What a program reads once at its start, and tests hundreds of times, is remembered, too: the files of statements, what
they look at, and the types that PostgreSQL gives their parameters. Migrations and statements themselves are tested in
``tests/core/db``, which makes every database anew and remembers nothing, as every child process does.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from appservice.process.app import COMPONENTS
from bridge.db import database, sqlite
from bridge.db.database import Component, read_migrations, read_statements
from bridge.db.postgres import Postgres, engine
from bridge.db.postgres.together import Statement, Together
from bridge.db.sqlite import Sqlite
from bridge.networks.connect import fingerprints, shelf
from bridge.networks.mail.leg import ledger
from deploy.world.postgres import Postgres as Server
from tests.clock import CLOCK

T = TypeVar("T")
Open = Callable[[str, Sequence[Component]], Awaitable[Sqlite]]
Types = Callable[[Any, Mapping[str, Statement]], Awaitable[dict[str, tuple[str, ...]]]]
EVERYTHING = (*COMPONENTS, ledger.COMPONENT, fingerprints.COMPONENT, shelf.COMPONENT)

_CONNECTIONS = 4  # of each hub to PostgreSQL: enough to have several at once

_files: dict[tuple[Component, ...], bytes] = {}
_types: dict[frozenset[str], dict[str, tuple[str, ...]]] = {}
_together: dict[frozenset[str], Together] = {}
_statements, _migrations, _statement = cache(read_statements), cache(read_migrations), cache(Statement.of)


def remember(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of SQLite are migrated once; what every opening reads is read once; few connections are opened."""
    monkeypatch.setattr(Sqlite, "open", opened(Sqlite.open))
    for module in (engine, sqlite):
        monkeypatch.setattr(module, "read_statements", lambda component, name: dict(_statements(component, name)))
    monkeypatch.setattr(database, "read_migrations", _migrations)
    monkeypatch.setattr(Statement, "of", _statement)
    monkeypatch.setattr(engine, "_types", _typed(engine._types))
    monkeypatch.setattr(engine, "Together", _functions)
    monkeypatch.setattr(engine, "_CONNECTIONS", _CONNECTIONS)


def opened(real: Open) -> Open:
    """``real``; where there is no file it finds a migrated one."""

    async def opens(path: str, components: Sequence[Component]) -> Sqlite:
        if Path(path).parent.is_dir() and not Path(path).exists():
            file = await _migrated(real, tuple(components))
            with suppress(OSError):  # whatever is wrong there, the real one says so
                _write(path, file)
        return await real(path, components)

    return opens


async def _migrated(real: Open, components: tuple[Component, ...]) -> bytes:
    if components not in _files:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hub.db"
            await (await real(str(path), components)).close()
            _files[components] = path.read_bytes()
    return _files[components]


def _write(path: str, file: bytes) -> None:
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as new:
        new.write(file)


def _typed(real: Types) -> Types:
    async def types(connection: Any, statements: Mapping[str, Statement]) -> dict[str, tuple[str, ...]]:
        key = _key(statements)
        if key not in _types:
            _types[key] = await real(connection, statements)
        return _types[key]

    return types


def _functions(statements: Mapping[str, Statement], types: Mapping[str, tuple[str, ...]], fence: int) -> Together:
    key = _key(statements)
    if key not in _together:
        _together[key] = Together(statements, types, fence)
    made = copy(_together[key])
    made.holds(fence)
    return made


def _key(statements: Mapping[str, Statement]) -> frozenset[str]:
    return frozenset(f"{name} {statement.text}" for name, statement in statements.items())


class Databases:
    """Databases of one server, made and removed over one connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._over: asyncpg.Connection | None = None
        self._template = ""

    def empty(self) -> str:
        """The URL of one without tables."""
        return self._run(self._server.create_database)

    def migrated(self) -> str:
        """The URL of one that has all tables of a hub, and nothing in them."""
        if not self._template:
            self._template = self.empty()
            self._loop.run_until_complete(_migrate(self._template))
        return self.copy(self._template)

    def copy(self, url: str) -> str:
        """The URL of a copy of one that nobody is connected to."""
        return self._run(self._server.create_database, url.rpartition("/")[2])

    def drop(self, url: str) -> None:
        """Remove it: its 300 files are gone before anything has to write them to a disk."""
        self._run(self._server.drop_database, url)

    def close(self) -> None:
        """Let go of the connection."""
        if self._over is not None:
            self._loop.run_until_complete(self._over.close())
        self._loop.close()

    def _run(self, what: Callable[..., Awaitable[T]], *args: str) -> T:
        with CLOCK.real():
            return self._loop.run_until_complete(self._over_one(what, *args))

    async def _over_one(self, what: Callable[..., Awaitable[T]], *args: str) -> T:
        try:
            if self._over is not None:
                return await what(*args, over=self._over)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
            pass  # tests of databases end everybody's connections
        self._over = await asyncpg.connect(self._server.url("postgres"))
        return await what(*args, over=self._over)


async def _migrate(url: str) -> None:
    await (await Postgres.open(url, EVERYTHING)).close()
