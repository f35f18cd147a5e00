"""Counts the lines of the log that an operator has to see: those that begin with ``ALARM``."""

from __future__ import annotations

import logging
from collections import Counter, deque

ALARM = "ALARM "
_REMEMBERED = 100


class Alarms(logging.Handler):
    """``by`` counts them by the part of the hub that says them, since the process began.

    ``newest``: the last of them, the newest first, with their time (s since 1970) and part.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.by: Counter[str] = Counter()
        self.newest: deque[tuple[float, str, str]] = deque(maxlen=_REMEMBERED)

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        if record.msg.__class__ is str and record.msg.startswith(ALARM):
            self.by[record.name] += 1
            self.newest.appendleft((record.created, record.name, record.getMessage().removeprefix(ALARM)))


ALARMS = Alarms()
"""Of this process."""
