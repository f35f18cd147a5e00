"""What is told of a message's way where somebody follows it: steps with ids, codes and times, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Spans(Protocol):
    """Hears of the steps of messages. A step belongs to its message, whichever worker takes it, and after a restart."""

    def begin(self, step: str) -> None:
        """A step begins now; ``step`` is any name by which :meth:`end` knows it."""

    def end(self, step: str, what: str, message: str, about: Mapping[str, str | int]) -> None:
        """It ends now. ``what`` was done for a message (hub id), ``about``: ids and codes. Unknown steps begin now."""
