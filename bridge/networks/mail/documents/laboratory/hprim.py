"""HPRIM Médecins 3.0: letters and laboratory results in plain text, read leniently. Pure.

The norm (1997) is not public; the line rules are those of public readers. The attachment itself travels byte-exact.
"""

from __future__ import annotations

import codecs
import html
import re
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation

from bridge.errors import Refused
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.patient import Patient

MOST_BYTES = 8 << 20
MOST_LINES = 50_000
MOST_RECORDS = 50
BIRTH = 6  # where the birth date stands, counted from 0

_MARK = re.compile(r"\s*\*{4}\s*(LAB|FINFICHIER|FIN)\s*\*{4}\s*", re.I)
_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-f]{1,5}|[a-z]{2,8}\d?);", re.I)
_DAY = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-](?:\d{4}|\d{2})|\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"([<>]=?|≤|≥)?\s*([+-]?\d{1,18}(?:[.,]\d{1,12})?)")
_CODED = re.compile(r"(\S{1,10})\s+(\S.*)")
_FRENCH = frozenset("éèêëàâäîïôöùûüçÉÈÊËÀÂÎÏÔÙÛÜÇœŒ°²³µ±«»–’…€ ")
_CHARSETS = ("cp1252", "mac_roman", "cp850", "cp437")
_FLAGS = {"L": "bas", "LL": "très bas", "H": "élevé", "HH": "très élevé"}


@dataclass(frozen=True, slots=True)
class Measure:
    """A value with unit and reference range, as written."""

    value: str = field(repr=False)
    unit: str = ""
    low: str = ""
    high: str = ""

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
    """One RES line: one analysis, perhaps in two units."""

    label: str
    code: str
    measure: Measure
    flag: str = ""
    status: str = ""
    second: Measure | None = None

    @property
    def out(self) -> str:
        """Why it is out of range (``L``, ``LL``, ``H``, ``HH``), empty if nothing says so.

        The laboratory's flag or the comparison with the range: either one is enough.
        """
        if self.flag in _FLAGS:
            return self.flag
        sides = [m.side for m in (self.measure, self.second) if m is not None]
        return next((side for side in sides if side in _FLAGS), "")

    @property
    def disagrees(self) -> bool:
        """Whether the laboratory's flag and the range say different things."""
        side = self.measure.side
        return (self.flag == "N" and side in _FLAGS) or (
            self.flag in _FLAGS and side in _FLAGS and side != self.flag[0]
        )


@dataclass(frozen=True, slots=True)
class Record:
    """One record: who, from whom, the letter, and the results with the texts between them in their order."""

    patient: Patient = field(repr=False)
    sender: str = ""
    recipient: str = field(default="", repr=False)
    number: str = field(default="", repr=False)
    day: str = ""
    birth: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    lines: tuple[Result | str, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()

    @property
    def results(self) -> tuple[Result, ...]:
        """The RES lines alone."""
        return tuple(one for one in self.lines if isinstance(one, Result))


def looks_like(data: bytes) -> bool:
    """Whether the content has a HPRIM Médecins end mark (in any charset)."""
    plain = data[:MOST_BYTES].replace(b"\0", b"")
    return re.search(rb"\*{4}\s?(?:LAB|FIN|FINFICHIER)\s?\*{4}", plain, re.I) is not None


def decode(data: bytes) -> str:
    """The text: by its mark (BOM), as UTF-8 if it is that, else the charset with the most plausible French letters."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, "replace")
    if len(data) > 3 and data[:200].count(0) * 3 > len(data[:200]):
        return data.decode("utf-16-le" if data[1] == 0 else "utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        letters = data.translate(None, delete=bytes(range(128)))[:20_000]
        charset = max(_CHARSETS, key=lambda name: _plausible(letters.decode(name, "replace")))
        return data.decode(charset, "replace")


def _plausible(text: str) -> int:
    """Letters of French count for it, other signs beyond ASCII against it; the first charset wins a draw."""
    return sum(1 if c in _FRENCH else -3 for c in text)


def parse(data: bytes) -> tuple[Record, ...]:
    """All records of a file. What is missing or odd is told in ``problems`` of each record.

    Raises Refused: ``hprim_too_large``, ``hprim_no_record``.
    """
    if len(data) > MOST_BYTES:
        raise Refused("hprim_too_large", about=f"{MOST_BYTES} bytes")
    lines = re.split(r"\r\n|\r|\n", decode(data), maxsplit=MOST_LINES)
    if len(lines) > MOST_LINES:
        raise Refused("hprim_too_large", about=f"{MOST_LINES} lines")
    blocks, problems = _blocks([_unescaped(one) for one in lines])
    if not blocks:
        raise Refused("hprim_no_record")
    records = [_record(block) for block in blocks[:MOST_RECORDS]]
    if len(blocks) > MOST_RECORDS:
        problems = (*problems, "hprim_records")
    records[-1] = replace(records[-1], problems=(*records[-1].problems, *problems))
    return tuple(records)


def _unescaped(text: str) -> str:
    return html.unescape(text) if _ENTITY.search(text) else text


@dataclass(slots=True)
class _Block:
    head: list[str] = field(default_factory=list)
    lab: list[str] = field(default_factory=list)
    in_lab: bool = False
    ended: bool = False


def _blocks(lines: list[str]) -> tuple[list[_Block], tuple[str, ...]]:
    """The records' lines, and what is wrong with the file's end."""
    blocks, current, over, after = [], _Block(), False, False
    for one in lines:
        found = _MARK.fullmatch(one)
        mark = found[1].upper() if found else ""
        if over:
            after = after or bool(one.strip("\x1a \t\0"))
        elif mark == "LAB":
            current.in_lab = True
        elif mark == "FIN":
            current.ended = True
            blocks.append(current)
            current = _Block()
        elif mark == "FINFICHIER":
            over = True
        else:
            (current.lab if current.in_lab else current.head).append(one)
    if any(one.strip("\x1a \t\0") for one in (*current.head, *current.lab)):
        blocks.append(current)
    problems = ([] if over else ["hprim_no_file_end"]) + (["hprim_after_end"] if after else [])
    return blocks, tuple(problems)


def _record(block: _Block) -> Record:
    head = [one.rstrip("\x1a\0").rstrip() for one in block.head]
    birth = next((i for i in range(4, min(9, len(head))) if _DAY.fullmatch(head[i].strip())), None)
    shift = BIRTH if birth is None else birth
    fields = [one.strip()[:200] for one in head[: shift + 6]] + [""] * 12
    number = re.sub(r"\s", "", fields[shift + 1])
    patient = patients.make((), [fields[1]], [fields[2]], fields[birth] if birth is not None else "")
    lines, odd = _lab(block.lab)
    problems = _problems(fields, patient, birth is not None) + ([] if block.ended else ["hprim_no_end"])
    problems += (["hprim_bad_line"] if odd else []) + (["hprim_bad_number"] if number and not _nir(number) else [])
    problems += ["hprim_flag_disagrees"] if any(isinstance(r, Result) and r.disagrees for r in lines) else []
    return Record(
        patient, _name(fields[shift + 4]), _name(fields[shift + 5]), fields[shift + 2], fields[shift + 3],
        fields[birth] if birth is not None else "", "\n".join(head[shift + 6 :]).strip("\n"), lines, tuple(problems),
    )  # fmt: skip


def _problems(fields: list[str], patient: Patient, dated: bool) -> list[str]:
    """What the identity lacks. The number of line 8 identifies the insured, perhaps a parent: it names no patient."""
    found = [] if fields[1] else ["hprim_no_name"]
    found += [] if fields[2] else ["hprim_no_given"]
    if not dated:
        return [*found, "hprim_no_birth"]
    return found if patient.birth else [*found, "hprim_birth_unclear"]


def _nir(number: str) -> bool:
    return patients.valid_ins(number) or (len(number) == 13 and number[:5].isdigit())


def _name(text: str) -> str:
    """``1234567890 Dr DURAND`` without its code."""
    found = _CODED.fullmatch(text)
    return found[2] if found and any(c.isdigit() for c in found[1]) else text


def _lab(lines: list[str]) -> tuple[tuple[Result | str, ...], bool]:
    found: list[Result | str] = []
    odd = False
    for one in lines:
        kind, _, rest = one.strip("\x1a\0").strip().partition("|")
        if kind.upper() == "RES" and rest:
            found.append(_result(rest))
        elif kind.upper() == "TEX":
            found.append(rest.rstrip("|").rstrip()[:2000])
        elif one.strip("\x1a\0 \t"):
            odd = True
            found.append(one.strip()[:2000])
    return tuple(found), odd


def _result(rest: str) -> Result:
    cells = [cell.strip()[:500] for cell in rest.split("|", 40)] + [""] * 13
    label, code, _, value, unit, low, high, flag, status, value2, unit2, low2, high2 = cells[:13]
    second = Measure(value2, unit2, low2, high2) if value2 else None
    return Result(label, code, Measure(value, unit, low, high), flag.upper(), status.upper(), second)
