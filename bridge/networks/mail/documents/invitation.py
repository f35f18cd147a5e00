"""Invitations (text/calendar) as a short card: what, when with its time zone, where, who invites. Pure.

Source: RFC 5545, RFC 5546. Time zone rules that a file brings are not worked out (they may be endless): known zone
names are looked up, an unknown one is shown beside the time as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from icalendar import Calendar

from bridge.errors import Refused
from bridge.networks.mail.documents import card as cards
from bridge.networks.mail.documents.card import Card, line

MOST_BYTES = 1 << 20
MOST_LINES = 5_000
MOST_EVENTS = 5

_RULES = re.compile(r"^(?:RRULE|RDATE|EXDATE|EXRULE)[:;].*$\n?", re.I | re.M)
_EVERY = re.compile(r"^RRULE[^:\n]*:.*?FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)", re.I | re.M)
_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_MONTHS = ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
           "décembre")  # fmt: skip
_METHODS = {"REQUEST": "Invitation", "CANCEL": "Annulation", "REPLY": "Réponse à une invitation",
            "COUNTER": "Autre proposition"}  # fmt: skip
_REPEATS = {"DAILY": "chaque jour", "WEEKLY": "chaque semaine", "MONTHLY": "chaque mois", "YEARLY": "chaque année"}


def looks_like(data: bytes) -> bool:
    """Whether it begins as a calendar does."""
    return data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").upper().startswith(b"BEGIN:VCALENDAR")


def card(data: bytes) -> Card:
    """The events of a calendar as one card. Raises Refused: ``ics_damaged``, ``ics_too_large``, ``ics_no_event``."""
    text = _plain(data)
    repeated = _EVERY.search(text)
    calendar = _parsed(_RULES.sub("", text))
    try:
        events = list(calendar.walk("VEVENT"))
        if not events:
            raise Refused("ics_no_event")
        method = str(calendar.get("METHOD", "")).upper()
        shown = [_event(one) for one in events[:MOST_EVENTS]]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise Refused("ics_damaged") from None
    pairs = [pair for one in shown for pair in one[1]]
    pairs += [("Répétition", _REPEATS[repeated[1].upper()])] if repeated else []
    pairs += (
        [("Autres", f"{len(events) - MOST_EVENTS} autres rendez-vous dans le fichier")] if events[MOST_EVENTS:] else []
    )
    title = f"{_METHODS.get(method, 'Rendez-vous')} : {shown[0][0] or 'sans titre'}"
    return cards.card(title, pairs, _description(events[0]))


def _plain(data: bytes) -> str:
    """The unfolded text without time zone rules (RFC 5545 3.1)."""
    if len(data) > MOST_BYTES:
        raise Refused("ics_too_large", about=f"{MOST_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    text = re.sub(r"\n[ \t]", "", re.sub(r"\r\n|\r", "\n", text))
    if text.count("\n") > MOST_LINES:
        raise Refused("ics_too_large", about=f"{MOST_LINES} lines")
    return "\n".join(_without_zones(text.split("\n")))


def _without_zones(lines: list[str]) -> Iterator[str]:
    inside = False
    for one in lines:
        mark = one.strip().upper()
        inside = inside or mark == "BEGIN:VTIMEZONE"
        if not inside:
            yield one
        inside = inside and mark != "END:VTIMEZONE"


def _parsed(text: str) -> Any:
    try:
        return Calendar.from_ical(text)
    except Exception:  # icalendar raises whatever the text provokes
        raise Refused("ics_damaged") from None


def _event(event: Any) -> tuple[str, list[tuple[str, str]]]:
    organiser = event.get("ORGANIZER")
    pairs = [
        ("Quand", _when(event)),
        ("Où", _value(event, "LOCATION")),
        ("Organisé par", _who(organiser) if organiser is not None else ""),
    ]
    return _value(event, "SUMMARY"), pairs


def _value(event: Any, name: str) -> str:
    value = event.get(name)
    return line(str(value[0] if isinstance(value, list) else value)) if value else ""


def _description(event: Any) -> str:
    value = event.get("DESCRIPTION")
    text = str(value[0] if isinstance(value, list) else value) if value else ""
    return text[:2000].strip()


def _who(organiser: Any) -> str:
    one = organiser[0] if isinstance(organiser, list) else organiser
    address = line(re.sub(r"(?i)^mailto:", "", str(one)), 200)
    name = line(str(getattr(one, "params", {}).get("CN", "")), 100)
    return f"{name} <{address}>" if name and name != address else address


def _when(event: Any) -> str:
    start, end = _moment(event, "DTSTART"), _moment(event, "DTEND")
    if start is None:
        return "date illisible"
    if end is None:
        length = getattr(event.get("DURATION"), "dt", None)
        end = start + length if isinstance(length, timedelta) else None
    if not isinstance(start, datetime):
        last = end - timedelta(days=1) if end is not None else start
        return _day(start) if last <= start else f"{_day(start)} – {_day(last)}"
    return f"{_day(start)}, {start:%H:%M}{_until(start, end)}{_zone(event, start)}"


def _moment(event: Any, name: str) -> date | None:
    value = event.get(name)
    try:
        found = getattr(value[0] if isinstance(value, list) else value, "dt", None)
    except ValueError:  # a broken value is kept by icalendar until somebody asks for it
        return None
    return found if isinstance(found, date) else None


def _until(start: datetime, end: date | None) -> str:
    if not isinstance(end, datetime) or (end.tzinfo is None) != (start.tzinfo is None) or end <= start:
        return ""
    return f" – {end:%H:%M}" if end.date() == start.date() else f" – {_day(end)}, {end:%H:%M}"


def _zone(event: Any, start: datetime) -> str:
    """The zone as named in the file; an offset from UTC if it is known only so; nothing said means local time."""
    value = event.get("DTSTART")
    named = line(str(getattr(value[0] if isinstance(value, list) else value, "params", {}).get("TZID", "")), 60)
    if start.tzinfo is None:
        return f" (heure de {named})" if named else " (heure locale)"
    offset = start.utcoffset() or timedelta()
    if not named and (start.tzinfo is UTC or not offset):
        return " UTC"
    return f" ({named or start.tzname()}, UTC{_signed(offset)})"


def _signed(offset: timedelta) -> str:
    minutes = int(offset.total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _day(day: date) -> str:
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"
