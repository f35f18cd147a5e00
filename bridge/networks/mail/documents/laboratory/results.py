"""What a laboratory's file says, whatever its format: records, results, values beside their range. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from bridge.model import File
from bridge.networks.mail.documents.interpretation import Interpretation, interpreted, listed
from bridge.networks.mail.documents.patient import Patient

_NUMBER = re.compile(r"([<>]=?|≤|≥)?\s*([+-]?\d{1,18}(?:[.,]\d{1,12})?)")
_SIDES = frozenset({"L", "LL", "H", "HH"})


@dataclass(frozen=True, slots=True)
class Measure:
    """A value with unit and reference range, as written; ``spelled`` is a range that is no pair of numbers."""

    value: str = field(repr=False)
    unit: str = ""
    low: str = ""
    high: str = ""
    spelled: str = ""

    @property
    def side(self) -> str:
        """``L`` below the range, ``H`` above it, ``?`` if it cannot be told, empty inside or without a range."""
        found = _NUMBER.fullmatch(self.value)
        low, high = _number(self.low), _number(self.high)
        if found is None or (low is None and high is None) or (low == high == 0) or _crossed(low, high):
            return ""
        return _side(found[1] or "", Decimal(found[2].replace(",", ".")), low, high)


def _number(text: str) -> Decimal | None:
    found = _NUMBER.fullmatch(text)
    try:
        return Decimal(found[2].replace(",", ".")) if found else None
    except InvalidOperation:
        return None


def _crossed(low: Decimal | None, high: Decimal | None) -> bool:
    return low is not None and high is not None and low > high


def _side(sign: str, value: Decimal, low: Decimal | None, high: Decimal | None) -> str:
    below, above = low is not None and value < low, high is not None and value > high
    if sign in ("<", "<=", "≤"):  # the true value is at most this one
        if below or (sign == "<" and value == low):
            return "L"
        return "?" if above or low is not None else ""
    if sign in (">", ">=", "≥"):
        if above or (sign == ">" and value == high):
            return "H"
        return "?" if below or high is not None else ""
    return "L" if below else "H" if above else ""


@dataclass(frozen=True, slots=True)
class Result:
    """One result: one analysis, perhaps in two units. ``flag``: the laboratory's codes between spaces."""

    label: str
    code: str
    measure: Measure
    flag: str = ""
    status: str = ""
    second: Measure | None = None

    @property
    def out(self) -> str:
        """Why it is marked: the laboratory's codes but the normal ones, else the side of its range; empty if not.

        Either one is enough. A code that nobody knows is a mark as long as the range says nothing.
        """
        codes = [code for code in self.flag.split() if interpreted(code) is not None]
        if known := [code for code in codes if listed(code)]:
            return " ".join(known)
        sides = [m.side for m in (self.measure, self.second) if m is not None]
        return next((side for side in sides if side in _SIDES), "") or " ".join(codes)

    @property
    def marks(self) -> tuple[Interpretation, ...]:
        """What those codes mean."""
        return tuple(found for code in self.out.split() if (found := interpreted(code)) is not None)

    @property
    def marked(self) -> str:
        """The marks as they are shown: arrows speak for themselves, others stand with their word."""
        return " ".join(found.mark if found.range else f"{found.mark} ({found.word})" for found in self.marks)

    @property
    def disagrees(self) -> bool:
        """Whether the laboratory's flag and the range say different things."""
        side = self.measure.side
        flags = [code for code in self.flag.split() if code in _SIDES]
        return side in _SIDES and (("N" in self.flag.split()) or any(code[0] != side for code in flags))


@dataclass(frozen=True, slots=True)
class Record:
    """One record: who, from whom, the letter, and the results with the texts between them in their order.

    ``title`` is what it is called; ``files`` were inside of it.
    """

    patient: Patient = field(repr=False)
    sender: str = ""
    recipient: str = field(default="", repr=False)
    number: str = field(default="", repr=False)
    day: str = ""
    birth: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    lines: tuple[Result | str, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()
    title: str = field(default="", repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)

    @property
    def results(self) -> tuple[Result, ...]:
        """The results alone."""
        return tuple(one for one in self.lines if isinstance(one, Result))
