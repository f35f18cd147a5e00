"""Files that cannot be used are said with the line; the rota follows its files, and keeps the last good one."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from bridge.config import BadConfig
from bridge.people.duty.kept_rota import KeptRota
from tests.core.duty.make import CLEO, DAN, ms, rota, text_of

WHERE = "line 6: functions.garde.shifts.0"
ALL_DAY = "{who: cleo, days: daily, from: 00:00, to: 24:00}"

AWAY = 'absences:\n- {{who: "rpps:10000000003", from: {}, to: 2026-12-01}}\n'
EVENT = "SUMMARY:{}\nDTSTART:20261201T000000Z\nDTEND:20261202T000000Z"
CALENDAR = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{EVENT}\nEND:VEVENT\nEND:VCALENDAR\n"


@pytest.mark.parametrize(
    ("shift", "more", "said"),
    [
        ("{who: eve, days: daily, from: 08:00, to: 18:00}", "", "line 6: eve is none of the members"),
        ("{who: cleo, days: someday, from: 08:00, to: 18:00}", "", f"{WHERE}.days: no such day"),
        ("{who: cleo, days: daily, from: 25:00, to: 18:00}", "", f"{WHERE}.from: a time of"),
        ("{who: cleo, days: daily, to: 18:00}", "", f"{WHERE}.from: is missing"),
        ("{who: cleo, from: 08:00, to: 18:00}", "", f"{WHERE}: give either days or dates"),
        ("{who: cleo, dates: [2026-12-02, 2026-12-01], from: 08:00, to: 18:00}", "", "the first day is after the last"),
        (ALL_DAY, "    read_inside: 5m\n", "line 7: functions.garde.read_inside: there is no such option"),
        (ALL_DAY, "    read_within: 0\n", "line 7: functions.garde.read_within"),
        (ALL_DAY, "  Garde-2: {}\n", "line 7: functions.Garde-2"),
        (ALL_DAY, AWAY.format("2026-12-02"), "line 8: it ends before it begins"),
        (ALL_DAY, AWAY.format("demain"), "line 8: absences.0.from: a local date"),
        (ALL_DAY, "timezone: Europe/Lutece\n", "line 7: timezone: no such time zone"),
        (ALL_DAY, "   broken\n", "no YAML, line"),
        (ALL_DAY, "functions: {}\n", "functions is given twice, line 7"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, shift: str, more: str, said: str) -> None:
    with pytest.raises(BadConfig) as problem:
        rota(tmp_path, shift, more)
    assert said in str(problem.value)


def test_every_problem_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as problem:
        rota(tmp_path, "{who: eve, days: daily, from: 8h, to: 18:00}\n{who: cleo, from: 08:00, to: 25:00}")
    assert len(str(problem.value).splitlines()) == 2


def test_a_member_of_another_shape(tmp_path: Path) -> None:
    (tmp_path / "rota.yaml").write_text("functions:\n  garde:\n    name: G\n    members:\n      eve: pandalab:eve\n")
    with pytest.raises(BadConfig, match=r"line 5: functions\.garde\.members\.eve"):
        KeptRota(tmp_path / "rota.yaml")


def written(path: Path, text: str, at: int) -> None:
    path.write_text(text, "utf-8")
    os.utime(path, (at, at))


def test_the_rota_follows_its_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, at = tmp_path / "rota.yaml", ms("2026-12-01 12:00")
    written(path, text_of(ALL_DAY), 1000)
    kept = KeptRota(path)
    assert not kept.look()
    written(path, text_of(ALL_DAY.replace("cleo", "dan")), 2000)
    assert kept.look()
    assert kept.now.duty("garde", at).people == (DAN,)
    with caplog.at_level(logging.ERROR):
        written(path, text_of(ALL_DAY.replace("cleo", "eve")), 3000)
        assert not kept.look()
    assert "line 6: eve is none of the members" in caplog.text
    assert kept.now.duty("garde", at).people == (DAN,)  # the last good one
    caplog.clear()
    assert not kept.look()  # it is said once
    path.unlink()
    assert not kept.look()
    assert kept.now.duty("garde", at).people == (DAN,)
    written(path, text_of(ALL_DAY), 4000)
    assert kept.look()
    assert kept.now.duty("garde", at).people == (CLEO,)


def test_a_calendar_is_one_of_its_files(tmp_path: Path) -> None:
    path, ics = tmp_path / "rota.yaml", tmp_path / "garde.ics"
    written(ics, CALENDAR.format("dan"), 1000)
    written(path, text_of(ALL_DAY, "    calendars: [garde.ics]\n"), 1000)
    kept = KeptRota(path)
    assert kept.now.duty("garde", ms("2026-12-01 12:00")).people == (DAN,)
    written(ics, CALENDAR.format("cleo"), 2000)
    assert kept.look()
    assert kept.now.duty("garde", ms("2026-12-01 12:00")).people == (CLEO,)


def test_without_a_file_there_is_no_function() -> None:
    kept = KeptRota()
    assert not kept.look()
    assert not kept.now.functions
