"""Pure: why a load is held until somebody has looked: it is older, shorter, of another shape, or changes too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.people.national.loads.succession import Tally

_FEW = 1000  # below so many people shares mean little


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares (0 to 1) beyond which a load is held."""

    removed: float = 0.02
    changed: float = 0.05
    lines: float = 0.9


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text as it was read for a load."""

    name: str
    generated: str
    header: str
    lines: int
    digest: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason. ``code`` is stable; ``said`` is the rest of the sentence: names of files and numbers only."""

    code: str
    said: str


def before(new: Mapping[str, ReadText], old: Mapping[str, ReadText], limits: Limits) -> list[Hold]:
    """What the texts themselves tell, by kind of record, against those of the load in use."""
    held = [Hold("truncated", f"{one.name}: the last line is not whole") for one in new.values() if one.cut]
    for kind, one in new.items():
        known = old.get(kind)
        if one.lines == 0:
            held.append(Hold("empty", f"{one.name}: no line after the header"))
        if known is None:
            continue
        if one.generated < known.generated:
            held.append(Hold("goes_back", f"{one.name}: generated {one.generated}, the one in use {known.generated}"))
        if one.generated == known.generated and one.digest != known.digest:
            held.append(
                Hold("same_time", f"{one.name}: other content than the one in use, of the same {one.generated}")
            )
        if one.header != known.header:
            held.append(Hold("header", f"{one.name}: other columns than {known.name}"))
        if one.lines < limits.lines * known.lines:
            held.append(Hold("fewer_lines", f"{one.name}: {one.lines} lines, {known.lines} before"))
    return held


def after(tally: Tally, limits: Limits, odd: Mapping[str, tuple[int, int]]) -> list[Hold]:
    """What the load would change. ``odd``: by name of a text, its lines that could not be used, and all of them."""
    held = [
        Hold("odd_lines", f"{name}: {bad} of {lines} lines name nobody or are no rows")
        for name, (bad, lines) in odd.items()
        if bad > limits.changed * max(lines, _FEW)
    ]
    whole = max(tally.before, _FEW)
    if tally.absent > limits.removed * whole:
        held.append(Hold("removes", f"{tally.absent} of {tally.before} people are missing"))
    if tally.boxes_gone > limits.removed * max(tally.boxes_before, _FEW):
        held.append(Hold("removes_boxes", f"{tally.boxes_gone} of {tally.boxes_before} mailboxes are missing"))
    if tally.changed > limits.changed * whole:
        held.append(Hold("changes", f"{tally.changed} of {tally.before} people are changed"))
    return held
