"""Pure: the shifts of a function, as rules and as the times that follow from them. Every time is in ms since 1970.

A rule is in local time, so a night shift ends at eight o'clock on the nights of a clock change, too. A shift belongs to
the day on which it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

from dateutil.rrule import rruleset

from bridge.people.duty.holidays import is_holiday

SUNDAY, HOLIDAY = 6, 7  # Monday is 0
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Who is on duty from ``begin`` until ``end`` (ms, not included); the first of ``who`` before the others."""

    begin: int
    end: int
    who: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Zone:
    """Where a function is: its time zone and its public holidays."""

    time: tzinfo
    alsace_moselle: bool = False

    def at(self, wall: datetime) -> int:
        """What the clocks there show, in ms. A time that does not exist counts by the offset before the change."""
        return milliseconds(wall.replace(tzinfo=self.time))

    def day(self, at: int) -> date:
        """The day there."""
        return datetime.fromtimestamp(at / 1000, self.time).date()


class Shifts(Protocol):
    """A rule of a function."""

    def between(self, begin: int, end: int, zone: Zone) -> Iterator[Span]:
        """The turns that have a part between two times (ms)."""


@dataclass(frozen=True, slots=True)
class Weekly:
    """On these days of the week (Monday is 0, 7 is a public holiday), or on all days between two dates.

    ``ends`` at or before ``begins`` is on the next day. ``sundays``: a public holiday counts as a Sunday here.
    """

    who: tuple[str, ...]
    begins: time
    ends: time
    days: frozenset[int] = frozenset(range(8))
    dates: tuple[date, date] | None = None
    sundays: bool = True

    def between(self, begin: int, end: int, zone: Zone) -> Iterator[Span]:
        """See :class:`Shifts`."""
        day, last = zone.day(begin) - _DAY, zone.day(end)
        while day <= last:
            if self._holds(day, zone):
                after = day + _DAY if self.ends <= self.begins else day
                turn = Span(
                    zone.at(datetime.combine(day, self.begins)), zone.at(datetime.combine(after, self.ends)), self.who
                )
                if turn.begin < end and turn.end > begin:
                    yield turn
            day += _DAY

    def _holds(self, day: date, zone: Zone) -> bool:
        if self.dates is not None:
            return self.dates[0] <= day <= self.dates[1]
        if not is_holiday(day, zone.alsace_moselle):
            return day.weekday() in self.days
        return HOLIDAY in self.days or (self.sundays and SUNDAY in self.days)


@dataclass(frozen=True, slots=True)
class Planned:
    """An event of a calendar, which may come again.

    ``start`` is a local time of ``zone`` (None: of the function's own zone); ``length`` is what the clocks show, too.
    """

    who: tuple[str, ...]
    start: datetime
    length: timedelta
    zone: tzinfo | None = None
    again: rruleset | None = None

    def between(self, begin: int, end: int, zone: Zone) -> Iterator[Span]:
        """See :class:`Shifts`."""
        where = zone if self.zone is None else Zone(self.zone)
        first = datetime.fromtimestamp(begin / 1000, where.time).replace(tzinfo=None) - self.length - _DAY
        last = datetime.fromtimestamp(end / 1000, where.time).replace(tzinfo=None) + _DAY
        starts = [self.start] if self.again is None else self.again.between(first, last, inc=True)
        for start in starts:
            turn = Span(where.at(start), where.at(start + self.length), self.who)
            if turn.begin < end and turn.end > begin:
                yield turn


def milliseconds(moment: datetime) -> int:
    """A time with its zone, in ms since 1970."""
    return round(moment.astimezone(UTC).timestamp() * 1000)
