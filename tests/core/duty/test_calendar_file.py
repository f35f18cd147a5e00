"""Calendars as planning programs write them: what comes again, what was moved, what is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config import BadConfig
from bridge.people.duty.rota import Rota
from tests.core.duty.make import ANNA, CLEO, DAN, local, ms, rota

NIGHTS = """
    UID:nights
    SUMMARY:Garde : Dan
    DTSTART;TZID=Europe/Paris:20260907T200000
    DTEND;TZID=Europe/Paris:20260908T080000
    RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU;UNTIL=20270401T000000Z
    EXDATE;TZID=Europe/Paris:20260908T200000
"""
MOVED = """
    UID:nights
    RECURRENCE-ID;TZID=Europe/Paris:20260921T200000
    SUMMARY:anna, dan
    DTSTART;TZID=Europe/Paris:20260923T200000
    DURATION:PT12H
"""
DAYS = """
    SUMMARY:rpps:10000000003
    DTSTART;VALUE=DATE:20261002
    DTEND;VALUE=DATE:20261005
"""
UTC = """
    SUMMARY:CLEO
    DTSTART:20261110T190000Z
    DTEND:20261111T070000Z
    RDATE:20261112T190000Z
"""
GONE = """
    SUMMARY:dan
    STATUS:CANCELLED
    DTSTART:20261120T190000Z
    DTEND:20261121T070000Z
"""


def calendar(*events: str) -> str:
    lines = [f"BEGIN:VEVENT\n{one.strip()}\nEND:VEVENT" for one in events]
    whole = "\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//FR", *lines, "END:VCALENDAR", ""])
    return "\r\n".join(line.strip() for line in whole.splitlines()) + "\r\n"


def planned(folder: Path, *events: str) -> Rota:
    (folder / "garde.ics").write_text(calendar(*events), "utf-8", newline="")
    return rota(folder, "{who: cleo, days: daily, from: 08:00, to: 20:00}", "    calendars: garde.ics\n")


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-09-07 21:00", [DAN]),
        ("2026-09-08 07:00", [DAN]),
        ("2026-09-08 21:00", []),  # EXDATE
        ("2026-09-14 21:00", []),  # every second week
        ("2026-09-21 21:00", []),  # moved from here …
        ("2026-09-23 21:00", [ANNA, DAN]),  # … to here, with two names
        ("2026-09-22 21:00", [DAN]),
        ("2027-03-30 07:59", []),  # UNTIL is later, but this week is the other one
        ("2027-03-23 07:00", [DAN]),
        ("2026-10-04 23:00", [CLEO]),  # whole days
        ("2026-10-05 00:00", []),
        ("2026-11-11 07:30", [CLEO]),  # in UTC
        ("2026-11-12 20:30", [CLEO]),
        ("2026-11-20 21:00", []),
        ("2026-09-07 10:00", [CLEO]),  # the week where nothing is planned
    ],
)
def test_what_a_calendar_says(tmp_path: Path, at: str, who: list[str]) -> None:
    found = planned(tmp_path, NIGHTS, MOVED, DAYS, UTC, GONE)
    assert list(found.duty("garde", ms(at)).people) == who


def test_a_shift_keeps_its_hours_when_the_clocks_change(tmp_path: Path) -> None:
    times = "DTSTART;TZID=Europe/Paris:20261010T200000\nDTEND;TZID=Europe/Paris:20261011T080000"
    event = f"SUMMARY:dan\n{times}\nRRULE:FREQ=WEEKLY"
    found = planned(tmp_path, event)
    for night, morning in (("2026-10-24", "2026-10-25"), ("2026-10-31", "2026-11-01"), ("2027-03-27", "2027-03-28")):
        assert local(found.duty("garde", ms(f"{night} 20:00")).until) == f"{morning} 08:00"
    assert found.duty("garde", ms("2026-10-25 07:59")).people == (DAN,)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("SUMMARY:eve\nDTSTART:20261110T190000Z\nDTEND:20261111T070000Z", "line 9: eve is none of the members"),
        ("DTSTART:20261110T190000Z\nDTEND:20261111T070000Z", "line 9: an event without a title"),
        ("SUMMARY:dan\nDTSTART:20261110T190000Z\nDTEND:20261110T070000Z", "line 9: it ends before it begins"),
        ("SUMMARY:dan\nDTEND:20261110T070000Z", "line 9: DTSTART is missing"),
        ("SUMMARY:dan\nDTSTART:2026-11-10\nDTEND:20261110T070000Z", "line 9:"),
        ("SUMMARY:dan\nDTSTART:20261110T190000Z\nDTEND:20261111T070000Z\nRRULE:FREQ=SOMETIMES", "line 9:"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, event: str, said: str) -> None:
    with pytest.raises(BadConfig) as problem:
        planned(tmp_path, "SUMMARY:dan\nDTSTART:20261101T190000Z\nDTEND:20261101T200000Z", event)
    assert f"rota.yaml, line 7: garde.ics, {said}" in str(problem.value)


def test_files_that_are_no_calendar(tmp_path: Path) -> None:
    for written in (None, b"", b"\xff\xfe", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", b"no calendar"):
        if written is not None:
            (tmp_path / "garde.ics").write_bytes(written)
        with pytest.raises(BadConfig, match=r"garde\.ics (cannot be read|is no iCalendar file)"):
            rota(tmp_path, "{who: cleo, days: daily, from: 08:00, to: 20:00}", "    calendars: garde.ics\n")
