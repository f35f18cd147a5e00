"""Pure: what becomes of somebody between one load and the next one: the same, changed, absent, closed, forgotten.

Whoever is missing from a file may be missing by mistake: absence in one load marks them, in two loads closes them. The
same holds for a mailbox. What a delta has said after the file was made stays.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.people.national.files.merging import print_of
from bridge.people.national.files.records import MAILBOX, to_line, to_record

ACTIVE, ABSENT, CLOSED = 0, 1, 2
_ABSENT_MARK = "-"
_KEPT_DAYS = 30  # after a closure; then nothing of it is kept


@dataclass(frozen=True, slots=True)
class Kept:
    """Somebody as a load has them. ``since``: generation time of the standing; ``said``: of the last delta, if any."""

    lines: str
    standing: int = ACTIVE
    since: str = ""
    said: str = ""
    print: bytes = b""


@dataclass(slots=True)
class Tally:
    """What a load changes; ``before``: the active entries of the load before."""

    before: int = 0
    people: int = 0
    added: int = 0
    changed: int = 0
    absent: int = 0
    closed: int = 0
    boxes_before: int = 0
    boxes_gone: int = 0


def at(generated: str) -> datetime:
    """A generation time (``AAAAMMJJhhmm``, UTC)."""
    return datetime.strptime(generated, "%Y%m%d%H%M").replace(tzinfo=UTC)


class Succession:
    """From one load to the next one, made of the ``kinds`` of records that were given, generated at ``generated``."""

    def __init__(self, kinds: Collection[str], generated: str) -> None:
        self.tally = Tally()
        self._kinds = set(kinds)
        self._generated = generated

    def next(self, lines: str, old: Kept | None) -> Kept | None:
        """Somebody of whom the files say this (nothing: ""), and whom the load before has so; None: nobody any more."""
        if old is None:
            self.tally.added += 1
            self.tally.people += 1
            return Kept(lines, since=self._generated, print=print_of(lines))
        active = old.standing == ACTIVE
        self.tally.before += active
        if old.said > self._generated:
            self.tally.people += active
            return old
        self.tally.boxes_before += old.lines.count("@") if active else 0
        if old.standing != CLOSED:
            lines = self._with_the_others(lines, old)
        return self._present(lines, old) if lines else self._missing(old)

    def _present(self, lines: str, old: Kept) -> Kept:
        self.tally.people += 1
        seen = print_of(lines)
        if seen == old.print and old.standing == ACTIVE:
            return old if old.lines == lines else Kept(lines, ACTIVE, old.since, print=seen)
        self.tally.changed += 1
        since = old.since if old.standing == ACTIVE else self._generated
        return Kept(self._with_absent_boxes(lines, old), ACTIVE, since, print=seen)

    def _missing(self, old: Kept) -> Kept | None:
        if old.standing == ACTIVE:
            self.tally.absent += 1
            self.tally.boxes_gone += old.lines.count("@")
            return Kept(old.lines, ABSENT, self._generated, print=old.print)
        if old.standing == ABSENT:
            self.tally.closed += 1
            return Kept(old.lines, CLOSED, self._generated, print=old.print)
        return old if (at(self._generated) - at(old.since)).days < _KEPT_DAYS else None

    def _with_the_others(self, lines: str, old: Kept) -> str:
        """With the records of kinds that this load was not given."""
        others = [line for line in old.lines.split("\n") if line[:1] not in self._kinds]
        return "\n".join(sorted({*lines.split("\n"), *others} - {""})) if others else lines

    def _with_absent_boxes(self, lines: str, old: Kept) -> str:
        """With the mailboxes that are missing for the first time."""
        if MAILBOX not in self._kinds:
            return lines
        here = {to_record(line).address for line in lines.split("\n") if line[:1] == MAILBOX}
        more = []
        for line in old.lines.split("\n"):
            if line[:1] != MAILBOX or (record := to_record(line)).address in here:
                continue
            if not record.source.startswith(_ABSENT_MARK):
                self.tally.boxes_gone += 1
                more.append(to_line(record._replace(source=_ABSENT_MARK + self._generated)))
        return "\n".join(sorted([*lines.split("\n"), *more])) if more else lines
