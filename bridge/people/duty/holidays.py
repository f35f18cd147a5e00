"""Pure: the public holidays of France (Code du travail, L3133-1), those of Alsace and Moselle too (L3134-13)."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from dateutil.easter import easter

_FIXED = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))  # (month, day)
_AFTER_EASTER = (1, 39, 50)  # days: Easter Monday, Ascension, Whit Monday


@lru_cache(maxsize=64)
def holidays(year: int, alsace_moselle: bool = False) -> frozenset[date]:
    """The public holidays of a year; in Alsace and Moselle also Good Friday and 26 December."""
    sunday = easter(year)
    days = {date(year, month, day) for month, day in _FIXED}
    days |= {sunday + timedelta(days=n) for n in _AFTER_EASTER}
    if alsace_moselle:
        days |= {sunday - timedelta(days=2), date(year, 12, 26)}
    return frozenset(days)


def is_holiday(day: date, alsace_moselle: bool = False) -> bool:
    """Whether a day is a public holiday."""
    return day in holidays(day.year, alsace_moselle)
