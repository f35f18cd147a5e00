"""HPRIM Médecins 3.0: letters and laboratory results in plain text, read leniently. Pure.

The norm (1997) is not public; the line rules are those of public readers. The attachment itself travels byte-exact.
"""

from __future__ import annotations

import codecs
import html
import re
from dataclasses import dataclass, field, replace

from bridge.errors import Refused
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.laboratory.results import Measure, Record, Result
from bridge.networks.mail.documents.patient import Patient

MOST_BYTES = 8 << 20
MOST_LINES = 50_000
MOST_RECORDS = 50
BIRTH = 6  # where the birth date stands, counted from 0

_MARK = re.compile(r"[ \t]*\*{4}[ \t]*(LAB|FINFICHIER|FIN)[ \t]*\*{4}[ \t]*", re.I)
_LINE_MARK = re.compile(rf"^{_MARK.pattern}$", re.I | re.M)
_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-f]{1,5}|[a-z]{2,8}\d?);", re.I)
_DAY = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-](?:\d{4}|\d{2})|\d{4}-\d{2}-\d{2}")
_CODED = re.compile(r"(\S{1,10})\s+(\S.*)")
_FRENCH = frozenset("éèêëàâäîïôöùûüçÉÈÊËÀÂÎÏÔÙÛÜÇœŒ°²³µ±«»–’…€ ")
_CHARSETS = ("cp1252", "mac_roman", "cp850", "cp437")


def looks_like(data: bytes) -> bool:
    """Whether the content has a HPRIM Médecins end mark (in any charset)."""
    plain = data[:MOST_BYTES].replace(b"\0", b"")
    return re.search(rb"\*{4}\s?(?:LAB|FIN|FINFICHIER)\s?\*{4}", plain, re.I) is not None


def of_body(text: str) -> tuple[tuple[Record, ...], str] | None:
    """The records that a mail's text is, and the text after them; None if it is none, or names no patient beyond doubt.

    Some programs write the file into the mail itself. An answer that quotes it begins otherwise and is a letter.
    """
    ends = [found for found in _LINE_MARK.finditer(text) if found[1].upper() != "LAB"]
    if not ends:
        return None
    head, rest = text[: ends[-1].end()], text[ends[-1].end() :]
    try:
        records = parse(head.encode("utf-8", "replace"))
    except Refused:
        return None
    unsure = {"hprim_no_name", "hprim_no_birth", "hprim_no_end"}
    return None if any(unsure & set(one.problems) for one in records) else (records, rest.strip())


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
    return (
        found[2] if found and (any(c.isdigit() for c in found[1]) or not any(c.isalpha() for c in found[1])) else text
    )


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
