"""What stands in the columns of copies: values, numbers that go on, and what is made once for each copy.

A sheet is a table with a row for each copy (``k``: which one of those that are written together) and a column for each
thing that is made. Rows of copies are expressions over it, so the database writes them by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Say = Callable[[int], str]
"""A name's text in the i-th copy."""
Make = Callable[[int], str | bytes]


@dataclass(frozen=True, slots=True)
class Same:
    """The template's own value."""

    value: Any

    def sql(self, literal: Callable[[Any], str]) -> str:
        """As an expression."""
        return literal(self.value)


@dataclass(frozen=True, slots=True)
class Counted:
    """A number, further by ``step`` in each copy."""

    first: int
    step: int

    def sql(self, literal: Callable[[Any], str]) -> str:
        """As an expression."""
        return f"{self.first} + k * ({self.step})"


@dataclass(frozen=True, slots=True)
class Made:
    """What the sheet has in this column."""

    column: str

    def sql(self, literal: Callable[[Any], str]) -> str:
        """As an expression."""
        return self.column


@dataclass(frozen=True, slots=True)
class Joined:
    """A text in which names stand."""

    parts: Sequence[Same | Made]

    def sql(self, literal: Callable[[Any], str]) -> str:
        """As an expression."""
        return " || ".join(part.sql(literal) for part in self.parts)


Cell = Same | Counted | Made | Joined


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of the template, in every copy; ``only``: in the first so many copies."""

    columns: Sequence[Cell]
    only: int | None = None

    def select(self, sheet: str, literal: Callable[[Any], str]) -> str:
        """The rows of the copies that the sheet has now."""
        young = "" if self.only is None else f" WHERE k < {self.only}"
        return f"SELECT {', '.join(cell.sql(literal) for cell in self.columns)} FROM {sheet}{young}"


@dataclass
class Sheet:
    """Columns by name."""

    _made: dict[str, Make] = field(default_factory=dict)
    _names: dict[str, Made] = field(default_factory=dict)

    def name(self, text: str, say: Say) -> Made:
        """A name's column, one however often it stands in a template."""
        if text not in self._names:
            self._names[text] = self.add(say)
        return self._names[text]

    def add(self, make: Make) -> Made:
        """One more column."""
        column = f"made{len(self._made)}"
        self._made[column] = make
        return Made(column)

    def kinds(self) -> Mapping[str, type]:
        """The columns, and whether texts or bytes are in them."""
        return {column: type(make(0)) for column, make in self._made.items()}

    def rows(self, which: range, k: int) -> Iterator[tuple[Any, ...]]:
        """A row for each copy, the first of which is the ``k``-th."""
        return zip(range(k, k + len(which)), *(map(make, which) for make in self._made.values()), strict=True)
