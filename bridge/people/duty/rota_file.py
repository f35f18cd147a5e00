"""A rota as a YAML file, with the calendars that it names. What is wrong is said with the file and the line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from bridge.config import BadConfig, Seconds, Section, read_yaml
from bridge.model import Absence
from bridge.people.duty.absences import Absences
from bridge.people.duty.calendar_file import BadCalendar, read_calendar
from bridge.people.duty.rota import Function, Rota
from bridge.people.duty.shifts import HOLIDAY, Weekly, Zone, milliseconds

_MEMBER = r"^(rpps:[0-9]{11}|matrix:@[^:\s]+:\S+|mail:[^@\s]+@[^@\s]+)$"
_SLUG = r"^[a-z0-9][a-z0-9-]{0,47}$"
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS: dict[str, frozenset[int]] = {
    **{name: frozenset({n}) for n, name in enumerate(_WEEK)},
    "weekdays": frozenset(range(5)), "weekend": frozenset({5, 6}), "holidays": frozenset({HOLIDAY}),
    "daily": frozenset(range(8)),
}  # fmt: skip


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _time(value: Any) -> Any:
    """``18:00`` is a number of minutes in YAML, ``08:00`` a text; ``24:00`` is the midnight that ends a day."""
    if isinstance(value, str) and (found := re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", value)):
        value = int(found[1]) * 60 + int(found[2])
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1440:
        raise ValueError('a time of the day reads "08:00"')
    return time(value // 60 % 24, value % 60)


def _days(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    wrong = [one for one in names if one not in _DAYS] if isinstance(names, list) else [value]
    if wrong:
        raise ValueError(f"no such day: {wrong[0]} (there are {', '.join(_DAYS)})")
    return frozenset().union(*(_DAYS[one] for one in names))


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, date) or (isinstance(value, datetime) and value.tzinfo is not None):
        raise ValueError("a local date, or date and time, reads 2026-08-01 or 2026-08-01 08:00")
    return value


def _zone(value: Any) -> Any:
    try:
        return ZoneInfo(value)
    except (ValueError, TypeError, OSError, KeyError):
        raise ValueError("no such time zone (Europe/Paris, Indian/Reunion, America/Guadeloupe …)") from None


Names = Annotated[list[str], BeforeValidator(_several), Field(min_length=1, max_length=50)]
TimeOfDay = Annotated[Any, BeforeValidator(_time)]
Days = Annotated[Any, BeforeValidator(_days)]
Moment = Annotated[Any, BeforeValidator(_moment)]


class ShiftEntry(Section):
    """When somebody is on duty: on ``days``, or from the first to the last of ``dates``."""

    who: Names
    days: Days | None = None
    dates: Annotated[list[date], Field(min_length=1, max_length=2)] | None = None
    begins: TimeOfDay = Field(alias="from")
    ends: TimeOfDay = Field(alias="to")

    @model_validator(mode="after")
    def _one_of_both(self) -> ShiftEntry:
        if (self.days is None) == (self.dates is None):
            raise ValueError("give either days or dates")
        if self.dates is not None and self.dates[0] > self.dates[-1]:
            raise ValueError("dates: the first day is after the last")
        return self


class FunctionEntry(Section):
    """One function."""

    name: str = Field(min_length=1, max_length=100)
    profession: str = Field(default="", max_length=100)
    place: str = Field(default="", max_length=100)
    members: dict[str, Annotated[str, Field(pattern=_MEMBER)]] = Field(min_length=1, max_length=500)
    shifts: list[ShiftEntry] = Field(default=[], max_length=500)
    calendars: Annotated[list[Path], BeforeValidator(_several)] = []
    read_within: Annotated[Seconds, Field(gt=0)] = 600.0


class AbsenceEntry(Section):
    """Somebody is away. A last day without a time is away, too."""

    who: str = Field(pattern=_MEMBER)
    begins: Moment = Field(alias="from")
    ends: Moment = Field(alias="to")
    substitute: Annotated[str, Field(pattern=_MEMBER)] | None = None
    words: str = Field(default="", max_length=300)


class RotaFile(Section):
    """The whole file."""

    timezone: Annotated[Any, BeforeValidator(_zone)] = ZoneInfo("Europe/Paris")
    alsace_moselle: bool = False
    functions: dict[Annotated[str, Field(pattern=_SLUG)], FunctionEntry] = {}
    absences: list[AbsenceEntry] = Field(default=[], max_length=20_000)


def read_rota(path: Path, declared: Absences | None = None) -> tuple[Rota, list[Path]]:
    """The rota of a file, and the files that it came from. Raises BadConfig with one line for each problem.

    ``declared``: who is absent by their own word.
    """
    raw = read_yaml(path)
    try:
        file = RotaFile.model_validate(raw)
    except ValidationError as error:
        raise BadConfig("\n".join(_said(path, error))) from None
    zone = Zone(file.timezone, file.alsace_moselle)
    read, problems, functions = [path], list[str](), list[Function]()
    for slug, entry in file.functions.items():
        problems += [f"{_where(path, loc)}: {what}" for loc, what in _strangers(slug, entry)]
        try:
            functions.append(_function(slug, entry, zone, path.parent))
        except BadCalendar as bad:
            problems.append(f"{_where(path, ('functions', slug, 'calendars'))}: {bad}")
        read += [path.parent / one for one in entry.calendars]
    absences = [_absence(entry, file.timezone) for entry in file.absences]
    for n, one in enumerate(absences):
        if one.begin >= one.end:
            problems.append(f"{_where(path, ('absences', n))}: it ends before it begins")
    if problems:
        raise BadConfig("\n".join(problems))
    return Rota(functions, absences, declared), read


def _function(slug: str, entry: FunctionEntry, zone: Zone, folder: Path) -> Function:
    named = [shift.days for shift in entry.shifts if shift.days is not None and shift.days != _DAYS["daily"]]
    sundays = not any(HOLIDAY in days for days in named)
    rules = [(shift.dates is not None, _shift(shift, entry.members, sundays)) for shift in entry.shifts]
    planned = [event for one in entry.calendars for event in read_calendar(folder / one, entry.members)]
    return Function(
        slug=slug, name=entry.name, zone=zone, profession=entry.profession, place=entry.place,
        members=tuple(dict.fromkeys(entry.members.values())),
        weekly=tuple(rule for dated, rule in rules if not dated),
        planned=(*(rule for dated, rule in rules if dated), *planned),
        after=round(entry.read_within * 1000),
    )  # fmt: skip


def _shift(entry: ShiftEntry, members: dict[str, str], sundays: bool) -> Weekly:
    who = tuple(members.get(name, name) for name in entry.who)
    days = frozenset(range(8)) if entry.days is None else entry.days
    dates = None if entry.dates is None else (entry.dates[0], entry.dates[-1])
    return Weekly(who, entry.begins, entry.ends, days, dates, sundays)


def _strangers(slug: str, entry: FunctionEntry) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for n, shift in enumerate(entry.shifts):
        for name in shift.who:
            if name not in entry.members:
                yield ("functions", slug, "shifts", n, "who"), f"{name} is none of the members"


def _absence(entry: AbsenceEntry, zone: tzinfo) -> Absence:
    begin = _wall(entry.begins, zone, timedelta())
    return Absence(entry.who, begin, _wall(entry.ends, zone, timedelta(days=1)), entry.substitute, entry.words)


def _wall(day: date, zone: tzinfo, more: timedelta) -> int:
    """A local time in ms; a day without a time is its midnight and ``more``."""
    if isinstance(day, datetime):
        return milliseconds(day.replace(tzinfo=zone))
    return milliseconds(datetime.combine(day + more, time(), zone))


def _said(path: Path, error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_input=False, include_url=False):
        what = {"missing": "is missing", "extra_forbidden": "there is no such option"}.get(one["type"])
        place = ".".join(str(part) for part in one["loc"] if part != "[key]")
        yield f"{_where(path, one['loc'])}: {place}: {what or one['msg'].removeprefix('Value error, ')}"


def _where(path: Path, loc: Sequence[str | int]) -> str:
    """The file and the line in which something stands, or should stand."""
    node = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    line = 0
    for part in loc:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return f"{path.name}, line {line + 1}"
