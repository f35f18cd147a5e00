"""Times that others name are believed only if they can be: at the door, and wherever a time is written. Pure."""

from __future__ import annotations

AHEAD = 10 * 60 * 1000  # ms: clocks differ; more than that would put messages out of order for good
LONG_AGO = 30 * 86_400_000  # ms: no network brings a message later than that
_LAST = 253_402_300_799_999  # the end of the year 9999, in milliseconds since 1970


def credible(at: object, now: int, oldest: int = 0) -> int:
    """A time (ms since 1970) as somebody names it; what is older than ``oldest``, or lies ahead, is now."""
    if isinstance(at, int) and not isinstance(at, bool) and oldest <= at <= now + AHEAD:
        return at
    return now


def written(at: int) -> int:
    """A time (ms since 1970) that every calendar has."""
    return min(max(at, 0), _LAST)
