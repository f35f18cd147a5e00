"""A table's rows as plain text: every value stays in its column, also where a cell reaches over several. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MOST_COLUMNS = 60  # what a row has beyond stands in the last one
_SPAN = re.compile(r"[1-9][0-9]?")


def span(value: str) -> int:
    """Over how many columns or rows a cell reaches: the attribute, 1 for what is no number up to 99."""
    return int(value) if _SPAN.fullmatch(value.strip()) else 1


@dataclass(slots=True)
class Columns:
    """One table. ``begin`` and ``end`` stand around a row's cells; ``cut`` ends what reaches down (a new row group)."""

    _below: dict[int, int] = field(default_factory=dict)  # column: for how many rows more a cell reaches into it
    _taken: frozenset[int] = frozenset()
    _row: list[str] | None = None

    @property
    def in_row(self) -> bool:
        """Whether a cell may come now."""
        return self._row is not None

    def begin(self) -> None:
        """A row begins."""
        self._row = []
        self._taken = frozenset(self._below)
        self._below = {column: rows - 1 for column, rows in self._below.items() if rows > 1}

    def cell(self, text: str, columns: int, rows: int) -> None:
        """The next cell, over so many ``columns`` and ``rows``; its lines are joined, because a line is a row."""
        row = self._row if self._row is not None else []
        text = " ; ".join(line for part in text.split("\n") if (line := " ".join(part.split())))
        while len(row) in self._taken:
            row.append("")
        if len(row) >= MOST_COLUMNS:
            row[-1] += f" | {text}"
            return
        for column in range(len(row), min(len(row) + columns, MOST_COLUMNS)):
            row.append(text)
            text = ""
            if rows > 1:
                self._below[column] = rows - 1

    def end(self) -> str:
        """The row that ended, as a line; what is empty at its end is left out."""
        line = re.sub(r" {2,}", " ", " | ".join(self._row or []))
        self._row = None
        return re.sub(r"[ |]+$", "", line.lstrip())

    def cut(self) -> None:
        """A group of rows ended: no cell reaches into the next one (HTML, "forming a table")."""
        self._below = {}
