"""Pure: who is on duty for a function at a time, until when, and who comes next. Times are in ms since 1970."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bridge.model import Absence
from bridge.parts.lru import Lru
from bridge.people.duty.absences import Absences
from bridge.people.duty.shifts import Shifts, Span, Zone

PREFIX = "function:"
_WEEK = 7 * 86_400_000
_AHEAD = 54  # weeks that are looked through for who comes next
_SUBSTITUTES = 5  # one for another, who may be absent too


@dataclass(frozen=True, slots=True)
class Function:
    """One function: ``weekly`` rules, and ``planned`` ones that replace them while they hold.

    ``after`` is the time (ms) within which an urgent message has to be read.
    """

    slug: str
    name: str
    zone: Zone
    profession: str = ""
    place: str = ""
    members: tuple[str, ...] = ()
    weekly: tuple[Shifts, ...] = ()
    planned: tuple[Shifts, ...] = ()
    after: int = 600_000

    @property
    def person(self) -> str:
        """Its id as somebody of the directory."""
        return PREFIX + self.slug


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on duty, the first before the others, from ``since`` until ``until`` (ms, None: for more than a year)."""

    people: tuple[str, ...]
    since: int
    until: int | None

    @property
    def first(self) -> str | None:
        """Who is asked first."""
        return self.people[0] if self.people else None


class Rota:
    """Every function and every absence of a file; a new file makes a new one. ``declared``: what people say themselves.

    Weeks are kept as they are planned; who is absent is looked up each time.
    """

    def __init__(
        self, functions: Iterable[Function] = (), absences: Iterable[Absence] = (), declared: Absences | None = None
    ) -> None:
        self.functions: Mapping[str, Function] = {one.slug: one for one in functions}
        self.absences: Sequence[Absence] = tuple(absences)
        self._away = Absences()
        for one in self.absences:
            self._away.add(one)
        self._declared = declared or Absences()
        self._weeks: Lru[tuple[str, int], tuple[Span, ...]] = Lru(2_000)

    def function(self, person: str) -> Function | None:
        """The function with this person id (``function:<slug>``)."""
        return self.functions.get(person.removeprefix(PREFIX)) if person.startswith(PREFIX) else None

    def absence(self, person: str, at: int) -> Absence | None:
        """Why somebody is away at a time; of several the one that ends last."""
        absences = self.absences_of(person)
        if not absences:  # as of nearly everybody, at each message
            return None
        return max((one for one in absences if one.begin <= at < one.end), key=lambda one: one.end, default=None)

    def stands_in(self, person: str, at: int) -> str | None:
        """Whoever is there for somebody at a time: she herself, her substitute, or hers; None: nobody."""
        for _ in range(_SUBSTITUTES):
            absence = self.absence(person, at)
            if absence is None:
                return person
            if absence.substitute is None:
                return None
            person = absence.substitute
        return None

    def absences_of(self, person: str) -> list[Absence]:
        """Every absence of a person, over or not."""
        return [*self._away.of(person), *self._declared.of(person)]

    def duty(self, slug: str, at: int) -> Duty:
        """Who is on duty at a time: nobody, too, has an end."""
        spans = self._from(slug, at)
        first = next(spans)
        until: int | None = first.end
        for span in spans:
            if span.who[:1] != first.who[:1]:
                return Duty(first.who, first.begin, until)
            until = span.end
        return Duty(first.who, first.begin, None)

    def following(self, slug: str, at: int) -> Duty | None:
        """Who is on duty next: somebody else than now, or after a time with nobody. None: nobody within a year."""
        now = self.duty(slug, at)
        while now.until is not None:
            now = self.duty(slug, now.until)
            if now.people:
                return now
        return None

    def after(self, slug: str, at: int, asked: Sequence[str]) -> str | None:
        """Who is asked when ``asked`` have not read: whoever else is on duty now, else whoever comes next."""
        for person in self.duty(slug, at).people:
            if person not in asked:
                return person
        then = self.following(slug, at)
        return next((p for p in then.people if p not in asked), None) if then is not None else None

    def _from(self, slug: str, at: int) -> Iterator[Span]:
        """Spans without a gap, the first holds ``at``; the last one ends more than a year later."""
        week = at // _WEEK
        for number in range(week, week + _AHEAD):
            spans = self._week(slug, number)
            begin = bisect_right(spans, at, key=lambda span: span.begin) - 1 if number == week else 0
            for span in spans[begin:]:
                yield from (one for one in self._there(span) if one.end > at)

    def _week(self, slug: str, number: int) -> tuple[Span, ...]:
        known = self._weeks.get((slug, number))
        if known is None:
            spans = self._spans(self.functions[slug], number * _WEEK, (number + 1) * _WEEK)
            known = self._weeks.put((slug, number), tuple(spans))
        return known

    def _spans(self, function: Function, begin: int, end: int) -> list[Span]:
        """Who is planned, be they there or not."""
        layers = [[turn for rule in rules for turn in rule.between(begin, end, function.zone)]
                  for rules in (function.planned, function.weekly)]  # fmt: skip
        cuts = {begin, end} | {at for layer in layers for turn in layer for at in (turn.begin, turn.end)}
        within = sorted(at for at in cuts if begin <= at <= end)
        return _joined(Span(start, stop, tuple(_covering(layers, start))) for start, stop in pairwise(within))

    def _there(self, span: Span) -> list[Span]:
        """The parts of a span with those of its people who are there, or who replaces them; each once."""
        cuts = {span.begin, span.end} | {at for one in self._borders(span.who) for at in one}
        within = sorted(at for at in cuts if span.begin <= at <= span.end)
        parts = []
        for start, stop in pairwise(within):
            there = (found for one in span.who if (found := self.stands_in(one, start)) is not None)
            parts.append(Span(start, stop, tuple(dict.fromkeys(there))))
        return _joined(parts)

    def _borders(self, people: Iterable[str]) -> Iterator[tuple[int, int]]:
        """When these people, and whoever replaces them, come and go."""
        seen, left = set[str](), list(people)
        while left:
            if (person := left.pop()) in seen:
                continue
            seen.add(person)
            for one in self.absences_of(person):
                yield one.begin, one.end
                left += [one.substitute] if one.substitute is not None else []


def _covering(layers: Iterable[list[Span]], at: int) -> Iterable[str]:
    """What is planned counts alone; the weekly rules where nothing is planned."""
    for layer in layers:
        found = [who for turn in layer if turn.begin <= at < turn.end for who in turn.who]
        if found:
            return found
    return ()


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Neighbours with the same people are one."""
    found: list[Span] = []
    for span in spans:
        if found and found[-1].who == span.who:
            found[-1] = Span(found[-1].begin, span.end, span.who)
        else:
            found.append(span)
    return found
