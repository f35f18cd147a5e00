"""The shifts of an iCalendar file (RFC 5545): each event is a shift of the member whom its title names.

``icalendar`` reads the file and ``dateutil`` expands what comes again, in local time, so a shift keeps its hours when
the clocks change.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any

from dateutil.rrule import rruleset, rrulestr
from icalendar import Calendar

from bridge.people.duty.shifts import Planned

_LARGEST = 10_000_000  # bytes


class BadCalendar(ValueError):
    """A calendar that cannot be used; the text names the file and the line."""


def read_calendar(path: Path, members: Mapping[str, str]) -> list[Planned]:
    """The shifts of a file. ``members``: what events call somebody -> person id. Raises BadCalendar."""
    try:
        data = path.read_bytes()
        if len(data) > _LARGEST:
            raise BadCalendar(f"{path.name} is larger than {_LARGEST} bytes")
        text = data.decode("utf-8-sig")
        calendar = Calendar.from_ical(text)
    except OSError as error:
        raise BadCalendar(f"{path.name} cannot be read ({type(error).__name__})") from None
    except BadCalendar:
        raise
    except Exception:  # icalendar raises whatever the text provokes
        raise BadCalendar(f"{path.name} is no iCalendar file") from None
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.strip().upper() == "BEGIN:VEVENT"]
    events = list(calendar.walk("VEVENT"))
    moved = _moved(events)
    found: list[Planned] = []
    for n, event in enumerate(events):
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        where = f"{path.name}, line {lines[n] if n < len(lines) else '?'}"
        try:
            found.append(_planned(event, _names(event, members), moved))
        except ValueError as error:
            raise BadCalendar(f"{where}: {error}") from None
        except Exception:  # a broken value is kept by icalendar until somebody asks for it
            raise BadCalendar(f"{where}: the event cannot be read") from None
    return found


def _names(event: Any, members: Mapping[str, str]) -> tuple[str, ...]:
    """``Petit, Durand``: the first is on duty, the second after her. Neither case nor what follows a ``:`` counts."""
    known = {name.casefold(): person for name, person in members.items()}
    known |= {person.casefold(): person for person in members.values()}
    title = str(event.get("SUMMARY", "")).strip()
    who = []
    for name in re.split(r"\s*[,;/+]\s*", title):
        person = known.get(name.casefold()) or known.get(name.rpartition(":")[2].strip().casefold())
        if person is None:
            raise ValueError(f"{name or 'an event without a title'} is none of the members")
        who.append(person)
    return tuple(who)


def _planned(event: Any, who: tuple[str, ...], moved: Mapping[str, list[datetime]]) -> Planned:
    begin = event.decoded("DTSTART", None)
    if begin is None:
        raise ValueError("DTSTART is missing")
    end, lasts = event.decoded("DTEND", None), event.decoded("DURATION", None)
    start, zone = _wall(begin), begin.tzinfo if isinstance(begin, datetime) else None
    if end is not None:
        length = _in(end, zone) - start
    else:
        length = lasts if lasts is not None else timedelta(0 if isinstance(begin, datetime) else 1)
    if length <= timedelta():
        raise ValueError("it ends before it begins")
    return Planned(who, start, length, zone, _again(event, start, zone, moved))


def _again(event: Any, start: datetime, zone: tzinfo | None, moved: Mapping[str, list[datetime]]) -> rruleset | None:
    """Every start of an event that comes again, in local time; None for one that comes once."""
    rules = _listed(event.get("RRULE"))
    dates = list(_dates(event, "RDATE", zone))
    if not rules and not dates:
        return None
    every = rruleset(cache=True)
    every.rdate(start)
    for rule in rules:
        every.rrule(rrulestr(_local_until(rule.to_ical().decode(), zone), dtstart=start))
    for one in dates:
        every.rdate(one)
    gone = list(_dates(event, "EXDATE", zone))
    if "RECURRENCE-ID" not in event:
        gone += [_in(one, zone) for one in moved[str(event.get("UID", ""))]]
    for one in gone:
        every.exdate(one)
    return every


def _local_until(rule: str, zone: tzinfo | None) -> str:
    """The rule with its last time as the clocks show it: what is expanded has no zone."""
    found = re.search(r"UNTIL=(\d{8}T\d{6})Z", rule)
    if found is None or zone is None:
        return rule.replace("Z", "") if found else rule
    until = datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).astimezone(zone)
    return rule.replace(found[0], f"UNTIL={until:%Y%m%dT%H%M%S}")


def _moved(events: list[Any]) -> Mapping[str, list[Any]]:
    """By UID: the occurrences that an event of their own replaces."""
    found: dict[str, list[Any]] = defaultdict(list)
    for event in events:
        if "RECURRENCE-ID" in event:
            found[str(event.get("UID", ""))].append(event.decoded("RECURRENCE-ID"))
    return found


def _dates(event: Any, name: str, zone: tzinfo | None) -> Iterator[datetime]:
    for listed in _listed(event.get(name)):
        for one in listed.dts:
            if isinstance(one.dt, tuple):
                raise ValueError(f"{name} with periods is not read")
            yield _in(one.dt, zone)


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _in(moment: date, zone: tzinfo | None) -> datetime:
    """What the clocks of a zone show at a moment."""
    if isinstance(moment, datetime) and moment.tzinfo is not None and zone is not None:
        moment = moment.astimezone(zone)
    return _wall(moment)


def _wall(moment: date) -> datetime:
    """A moment without its zone; a day is its midnight."""
    return moment.replace(tzinfo=None) if isinstance(moment, datetime) else datetime.combine(moment, time())
