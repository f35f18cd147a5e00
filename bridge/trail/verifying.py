"""Finds the first row of a chain that was altered, removed, reordered or inserted, and a chain that was cut. Pure.

Rows are fed in the order of their numbers and a few are looked at together; memory stays the same for any length. After
a first fault the rest is only searched for the row that belongs in its place, which tells reordered from altered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bridge.trail.chain import START, ChainRow, fits
from bridge.trail.checkpoints import Checkpoint

_AHEAD = 3  # rows after the one that is judged
_MOST_REMOVED = 10_000  # rows whose absence is recognised by the numbers of those after them


class FaultKind(StrEnum):
    """What was done to a chain."""

    ALTERED = "altered"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"
    REWRITTEN = "rewritten"  # rows chain, but not to what was signed: made anew without the key
    CUT = "cut"  # the end is missing


@dataclass(frozen=True, slots=True)
class Fault:
    """The first one. ``number``: the row, or the first missing one; ``until``: for REWRITTEN the signed end."""

    kind: FaultKind
    number: int
    until: int | None = None

    def __str__(self) -> str:
        if self.kind is FaultKind.REWRITTEN:
            return f"rows {self.number} to {self.until}: rewritten: they are not what was signed"
        if self.kind is FaultKind.CUT:
            return f"row {self.number}: cut: it was signed, and nothing is there from it on"
        if self.kind is FaultKind.ALTERED:
            return f"row {self.number}: altered (or the one before it, with its hash)"
        return f"row {self.number}: {self.kind}"


class Verifier:
    """``checkpoints``: those whose signature counts; ``after``: the one at which the chain begins (None: row 1)."""

    def __init__(self, checkpoints: Iterable[Checkpoint] = (), after: Checkpoint | None = None) -> None:
        self._signed = deque(sorted(checkpoints, key=lambda c: c.number))
        self._before = self._last = (0, START) if after is None else (after.number, after.hash)
        self._rows: deque[ChainRow] = deque()
        self._good = self._last[0]
        self.fault: Fault | None = None
        self.signed = self._last[0] if after is not None else 0
        """The last row that is covered by a signature."""
        self.last = self._last[0]
        """The last row that was fed."""

    def expect(self, checkpoint: Checkpoint) -> None:
        """One more checkpoint whose signature counts, of a row that is not judged yet or was fed last."""
        if checkpoint.number > self._last[0]:
            self._signed.append(checkpoint)

    def feed(self, row: ChainRow) -> None:
        """The next row."""
        self.last = row.number
        if self.fault is not None:
            self._search(row)
            return
        self._rows.append(row)
        if len(self._rows) > _AHEAD:
            self._judge()

    def end(self) -> Fault | None:
        """There are no more. Gives the first fault."""
        while self._rows and self.fault is None:
            self._judge()
        if self.fault is None and self._signed:
            self.fault = Fault(FaultKind.CUT, self._last[0] + 1)
        return self.fault

    def _judge(self) -> None:
        row = self._rows.popleft()
        number, before = self._last
        if row.number == number + 1 and fits(before, row.number, row):
            self._before, self._last = self._last, (row.number, row.hash)
            self._compare()
            return
        self.fault = self._what(row, number + 1, before)
        if self.fault.kind is FaultKind.ALTERED:
            for later in self._rows:
                self._search(later)
        self._rows.clear()

    def _compare(self) -> None:
        """With what was signed at this number."""
        number, found = self._last
        while self._signed and self._signed[0].number <= number:
            checkpoint = self._signed.popleft()
            if checkpoint.number == number and checkpoint.hash != found:
                self.fault = Fault(FaultKind.REWRITTEN, self._good + 1, number)
                return
            self._good = self.signed = checkpoint.number

    def _what(self, row: ChainRow, number: int, before: bytes) -> Fault:
        after = list(self._rows)
        if row.number > number:
            return Fault(FaultKind.REMOVED, number)
        if number > 1 and fits(self._before[1], number - 1, row) and self._before[0] == number - 2:
            return Fault(FaultKind.INSERTED, number - 1)
        if after and fits(before, number, after[0]):
            follows = len(after) > 1 and fits(after[0].hash, number + 1, after[1])
            alone = len(after) == 1 and not fits(after[0].hash, number + 1, row)
            return Fault(FaultKind.INSERTED if follows or alone else FaultKind.REORDERED, number)
        if after and any(fits(row.hash, number + 1 + n, after[0]) for n in range(1, _MOST_REMOVED)):
            return Fault(FaultKind.REMOVED, number)
        return Fault(FaultKind.ALTERED, number)

    def _search(self, row: ChainRow) -> None:
        """Whether this is the row that belongs where the fault is."""
        assert self.fault is not None
        number = self._last[0] + 1
        if self.fault.kind is FaultKind.ALTERED and fits(self._last[1], number, row):
            self.fault = Fault(FaultKind.REORDERED, number)
