"""What the demo says on the terminal: French first, then English; colours only for a person who watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

_GREEN, _RED, _DIM, _BOLD = "32", "31", "2", "1"


@dataclass(slots=True)
class Outcome:
    """What became of one step; ``seconds`` is None when it was not reached."""

    fr: str
    en: str
    seconds: float | None = None
    seen: bool = False


class Teller:
    """Writes lines, with the time since the beginning."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._colours = self._out.isatty()
        self._began = time.monotonic()

    def line(self, text: str = "") -> None:
        """One line as it is."""
        print(text, file=self._out, flush=True)

    def title(self, fr: str, en: str) -> None:
        """Begin a part."""
        self.line()
        self.line(self._in(_BOLD, f"{fr} — {en}"))

    def note(self, text: str) -> None:
        """Something on the way."""
        self.line(self._in(_DIM, f"  {time.monotonic() - self._began:6.1f} s  {text}"))

    def step(self, number: int, of: int, outcome: Outcome) -> None:
        """A step begins."""
        self.line(self._in(_BOLD, f"{number:2}/{of}  {outcome.fr} — {outcome.en}"))

    def outcome(self, outcome: Outcome, details: Sequence[str]) -> None:
        """A step has ended: what was seen, or why not."""
        mark = self._in(_GREEN, "✔ vu — seen") if outcome.seen else self._in(_RED, "✘ pas vu — not seen")
        self.line(f"       {mark}, {outcome.seconds or 0:.2f} s")
        for detail in details:
            self.line(self._in(_DIM, f"         {detail}"))

    def table(self, outcomes: Sequence[Outcome]) -> None:
        """All steps."""
        self.title("Résumé", "Summary")
        for number, outcome in enumerate(outcomes, 1):
            mark = self._in(_GREEN, "✔") if outcome.seen else self._in(_RED, "✘")
            taken = "     —  " if outcome.seconds is None else f"{outcome.seconds:6.2f} s"
            self.line(f"  {mark} {number:2}  {taken}  {outcome.fr} — {outcome.en}")
        seen = sum(outcome.seen for outcome in outcomes)
        taken = f"{time.monotonic() - self._began:.0f} s"
        self.line(f"  {seen}/{len(outcomes)} étapes vues à l'autre bout — steps seen at the far end, {taken}")

    def _in(self, colour: str, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colours else text
