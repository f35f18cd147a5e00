"""Counts the lines of the log that an operator has to see: those that begin with ``ALARM``."""

from __future__ import annotations

import logging
from collections import Counter

ALARM = "ALARM "


class Alarms(logging.Handler):
    """``by`` counts them by the part of the hub that says them, since the process began."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.by: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        if record.msg.__class__ is str and record.msg.startswith(ALARM):
            self.by[record.name] += 1


ALARMS = Alarms()
"""Of this process."""
