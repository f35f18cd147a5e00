"""What the national directory needs of a database: the tables of one load, and the loads of which one is in use.

A load is never changed into another one. The next one is written beside it and takes its place in one step; who still
reads the old one finishes there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from bridge.db.database import Component, Row, read_statements

COMPONENT = Component("national", Path(__file__).parent / "sql")
MADE = (
    "make-state", "make-entry", "make-posting", "make-mark", "make-word", "make-gram", "make-gone",
)  # fmt: skip
FINISHED = ("finish-entry", "finish-number", "finish-posting", "finish-mark", "finish-marked", "finish-word")
"""The statements that make the tables, and those that end a load once its rows are there."""

Bulk = Mapping[str, Sequence[Sequence[Any]]]
"""Rows for tables, by their names."""

Todo = Sequence[tuple[str, Sequence[Sequence[Any]]]]
"""Statements by name, each with its parameters for every time that it is run."""


class Tables(Protocol):
    """The tables of one load. Raises Unavailable when the disk or the server is to blame."""

    @property
    def number(self) -> int:
        """The load's."""

    async def all(self, name: str, *args: Any) -> Sequence[Row]:
        """Every row of a statement; a list among the parameters is one parameter."""

    async def write(self, bulk: Bulk, todo: Todo = ()) -> None:
        """One transaction: rows into tables, then statements. It is on the disk when this returns."""

    async def change(self, statements: Sequence[str]) -> None:
        """Statements of :data:`MADE` or :data:`FINISHED`, which take as long as the tables are large."""

    async def close(self) -> None:
        """Let go of it; what runs is waited for."""


class Loads(Protocol):
    """Where the loads are. Raises Unavailable."""

    async def current(self) -> int | None:
        """The number of the load in use, or None."""

    async def open(self, number: int) -> Tables:
        """A load, to read or to add to."""

    async def draft(self) -> Tables:
        """The load that is being written, begun before or new."""

    async def publish(self, number: int) -> None:
        """From now on this load is in use."""

    async def tidy(self) -> None:
        """Remove every load but the one in use."""

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Nobody else writes loads inside of the block. Raises Unavailable (directory_in_use)."""

    async def close(self) -> None:
        """Let go of it."""


def statements(engine: str) -> dict[str, str]:
    """The statements by their short names, in the dialect of an engine."""
    found = read_statements(COMPONENT, engine)
    return {name.removeprefix("national."): text for name, text in found.items()}
