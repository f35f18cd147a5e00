"""How far an import has come: one line that is written over on a terminal, a line for each stage elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_WIDTH = 30
_OFTEN = 0.2  # s between two lines on a terminal
STAGES = {
    "look": "lecture / reading",
    "sort": "tri / sorting",
    "write": "écriture / writing",
    "index": "index / indexing",
}


class Progress:
    """Told of stages by an import (:data:`.loading.Told`)."""

    def __init__(self, out: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._terminal = out.isatty()
        self._began = self._last = clock()
        self._stage = ""

    def __call__(self, stage: str, done: int, whole: int) -> None:
        """Something is done of a stage; ``whole`` 0: nobody knows of how much."""
        now = self._clock()
        if stage != self._stage:
            self._end_line()
            self._stage = stage
            if not self._terminal:
                self._out.write(f"{now - self._began:6.0f} s  {STAGES[stage]}\n")
                self._out.flush()
        elif not self._terminal or now - self._last < _OFTEN:
            return
        if self._terminal:
            self._last = now
            self._out.write(f"\r{self._line(stage, done, whole, now)}\x1b[K")
            self._out.flush()

    def _line(self, stage: str, done: int, whole: int, now: float) -> str:
        share = min(done / whole, 1.0) if whole else 0.0
        full = int(share * _WIDTH)
        bar = f"[{'#' * full}{'.' * (_WIDTH - full)}] {share:4.0%}" if whole else f"{done:,}".replace(",", " ")
        return f"{now - self._began:6.0f} s  {STAGES[stage]:24} {bar}"

    def _end_line(self) -> None:
        if self._terminal and self._stage:
            self._out.write("\n")

    def end(self) -> None:
        """Nothing more comes."""
        self._end_line()
        self._out.flush()
