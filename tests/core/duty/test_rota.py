"""Who is on duty when: nights, weekends, holidays, clock changes, absences, calendars."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bridge.people.duty.holidays import holidays
from tests.core.duty.make import ANNA, CLEO, DAN, local, ms, rota

WEEK = """
    {who: cleo, days: weekdays, from: 08:00, to: 18:00}
    {who: [dan, anna], days: daily, from: 18:00, to: 08:00}
    {who: anna, days: weekend, from: 08:00, to: 18:00}
"""


@pytest.mark.parametrize(
    ("at", "who", "until"),
    [
        ("2026-11-30 08:00", [CLEO], "2026-11-30 18:00"),  # a Monday, at the very minute
        ("2026-11-30 07:59", [DAN, ANNA], "2026-11-30 08:00"),
        ("2026-11-30 18:00", [DAN, ANNA], "2026-12-01 08:00"),
        ("2026-12-01 03:00", [DAN, ANNA], "2026-12-01 08:00"),  # the night belongs to the day on which it began
        ("2026-12-05 12:00", [ANNA], "2026-12-05 18:00"),  # a Saturday
        ("2026-12-25 12:00", [ANNA], "2026-12-25 18:00"),  # a holiday on a Friday counts as a Sunday
        ("2026-05-14 12:00", [ANNA], "2026-05-14 18:00"),  # Ascension
        ("2026-12-26 12:00", [ANNA], "2026-12-26 18:00"),  # a Saturday here, no holiday
        ("2027-03-28 01:30", [DAN, ANNA], "2027-03-28 08:00"),  # the night of 11 hours
        ("2027-10-31 05:00", [DAN, ANNA], "2027-10-31 08:00"),  # the night of 13 hours
    ],
)
def test_who_is_on_duty_and_until_when(tmp_path: Path, at: str, who: list[str], until: str) -> None:
    found = rota(tmp_path, WEEK).duty("garde", ms(at))
    assert (list(found.people), local(found.until)) == (who, until)


@pytest.mark.parametrize(("night", "hours"), [("2027-03-27", 13), ("2027-10-30", 15), ("2027-01-10", 14)])
def test_a_night_lasts_as_long_as_the_clocks_make_it(tmp_path: Path, night: str, hours: int) -> None:
    found = rota(tmp_path, WEEK).duty("garde", ms(f"{night} 18:00"))
    assert found.until is not None
    assert found.until - ms(f"{night} 18:00") == hours * 3_600_000


def test_a_shift_that_names_holidays_takes_them_from_the_sundays(tmp_path: Path) -> None:
    found = rota(tmp_path, WEEK + "{who: dan, days: holidays, from: 08:00, to: 18:00}")
    assert found.duty("garde", ms("2026-12-25 12:00")).people == (DAN,)
    assert found.duty("garde", ms("2026-12-27 12:00")).people == (ANNA,)
    assert found.duty("garde", ms("2026-12-25 20:00")).people == (DAN, ANNA)  # daily is every day


def test_dates_replace_the_week_while_they_last(tmp_path: Path) -> None:
    found = rota(tmp_path, WEEK + "{who: anna, dates: [2026-12-01, 2026-12-02], from: 06:00, to: 12:00}")
    assert [found.duty("garde", ms(f"2026-12-0{d} 09:00")).first for d in (1, 2, 3)] == [ANNA, ANNA, CLEO]
    assert found.duty("garde", ms("2026-12-01 07:00")).people == (ANNA,)  # not Dan, whose night it still is
    assert found.duty("garde", ms("2026-12-01 12:00")).people == (CLEO,)


def test_who_is_next(tmp_path: Path) -> None:
    found = rota(tmp_path, WEEK)
    then = found.following("garde", ms("2026-12-04 17:00"))
    assert then is not None
    assert (then.people, local(then.since)) == ((DAN, ANNA), "2026-12-04 18:00")
    assert found.after("garde", ms("2026-12-04 20:00"), [DAN]) == ANNA  # the second one of now
    assert found.after("garde", ms("2026-12-01 20:00"), [DAN, ANNA]) == CLEO  # else the first one of what comes
    assert found.after("garde", ms("2026-12-01 12:00"), [CLEO]) == DAN


def test_nobody_is_on_duty_at_night(tmp_path: Path) -> None:
    found = rota(tmp_path, "{who: cleo, days: weekdays, from: 08:00, to: 18:00}")
    night = found.duty("garde", ms("2026-12-24 19:00"))
    assert (night.first, local(night.until)) == (None, "2026-12-28 08:00")  # Christmas, then a weekend
    then = found.following("garde", ms("2026-12-24 19:00"))
    assert then is not None
    assert (then.first, local(then.since)) == (CLEO, "2026-12-28 08:00")
    assert found.after("garde", ms("2026-12-24 12:00"), [CLEO]) is None  # there is nobody but her


def test_one_person_for_ever_and_nobody_ever(tmp_path: Path) -> None:
    always = rota(tmp_path, "{who: cleo, days: daily, from: 00:00, to: 24:00}")
    assert always.duty("garde", ms("2027-10-31 02:30")).people == (CLEO,)
    assert always.duty("garde", ms("2026-12-01 12:00")).until is None
    assert always.following("garde", ms("2026-12-01 12:00")) is None
    never = rota(tmp_path, "{who: cleo, dates: [2020-01-01], from: 08:00, to: 18:00}")
    assert never.duty("garde", ms("2026-12-01 12:00")).until is None
    assert never.following("garde", ms("2026-12-01 12:00")) is None


AWAY = f"""
absences:
  - {{who: "{CLEO}", from: 2026-12-07, to: 2026-12-08, substitute: "{DAN}", words: En congrès}}
  - {{who: "{DAN}", from: 2026-12-08 12:00, to: 2026-12-08 15:00}}
"""


def test_absences(tmp_path: Path) -> None:
    found = rota(tmp_path, WEEK, AWAY)
    on = {at: found.duty("garde", ms(at)).people for at in ("2026-12-07 09:00", "2026-12-08 13:00", "2026-12-09 09:00")}
    assert list(on.values()) == [(DAN,), (), (CLEO,)]  # the substitute; whose substitute is away too; back
    assert local(found.duty("garde", ms("2026-12-08 09:00")).until) == "2026-12-08 12:00"
    away = found.absence(CLEO, ms("2026-12-08 23:59"))
    assert away is not None
    assert (away.words, away.substitute) == ("En congrès", DAN)
    assert found.absence(CLEO, ms("2026-12-09 00:00")) is None


def test_public_holidays() -> None:
    assert {date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25), date(2026, 7, 14)} <= holidays(2026)
    assert len(holidays(2026)) == 11
    assert holidays(2026, True) - holidays(2026) == {date(2026, 4, 3), date(2026, 12, 26)}
    assert holidays(2008) & {date(2008, 5, 1)} == {date(2008, 5, 1)}  # Ascension fell on the first of May


def test_alsace_moselle_by_setting(tmp_path: Path) -> None:
    rules = "{who: cleo, days: weekdays, from: 08:00, to: 18:00}"
    friday = ms("2026-04-03 12:00")
    assert rota(tmp_path, rules).duty("garde", friday).people == (CLEO,)
    assert rota(tmp_path, rules, top="alsace_moselle: true\n").duty("garde", friday).people == ()


def test_another_time_zone(tmp_path: Path) -> None:
    found = rota(tmp_path, "{who: cleo, days: daily, from: 08:00, to: 18:00}", top="timezone: Indian/Reunion\n")
    assert found.duty("garde", ms("2026-12-01 05:30")).people == (CLEO,)  # 08:30 there
    assert found.duty("garde", ms("2026-12-01 16:00")).people == ()
