"""HL7 v2 messages (ER7) as segments of fields, whatever the line ends and the charset. Pure.

Source: HL7 v2.5.1, chapter 2. The library splits, and no more: its own reading of escape sequences writes what it does
not know into the log, and repeats a blank line as often as the message says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import hl7

from bridge.errors import Refused
from bridge.networks.mail.documents.laboratory import hprim

MOST_BYTES = 32 << 20
MOST_MARKS = 100_000  # separators of one file: each costs the library some microseconds and half a kilobyte

_START = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\x0b\s]*(?:MSH|FHS|BHS)([^\w\s])[^\w\s]{1,5}\1?")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}(?:[^\w\s]|$)")
_BATCH = ("FHS", "BHS", "FTS", "BTS")
_LINES = {".br": "\n", ".sp": "\n", ".ce": "\n", ".in": " ", ".ti": " ", ".sk": " "}
_CHARSETS = {"8859/1": "cp1252", "8859/15": "iso8859-15", "8859/2": "iso8859-2"}


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. ``marks`` are the message's own separators: field, repetition, component, subcomponent, escape."""

    name: str
    marks: str
    _fields: Sequence[Any] = field(repr=False)

    def repetitions(self, number: int) -> list[list[str]]:
        """The repetitions of a field (counted from 1), each as its components, as they are written."""
        if number >= len(self._fields):
            return []
        return [[str(part) for part in one] if not isinstance(one, str) else [one] for one in self._fields[number]]

    def components(self, number: int) -> list[str]:
        """The components of a field's first repetition as text, with as many empty ones behind as anybody asks for."""
        found = self.repetitions(number)
        return [self.plain(part) for part in (found[0] if found else [])] + [""] * 12

    def text(self, number: int, place: int = 1) -> str:
        """One component of a field's first repetition as text."""
        return self.components(number)[place - 1]

    def parts(self, written: str) -> list[str]:
        """The subcomponents of a component as text."""
        return [self.plain(part) for part in written.split(self.marks[3])]

    def plain(self, written: str) -> str:
        """A value as text: escape sequences are read, ``""`` (a value that is known to be empty) is nothing."""
        if written == '""':
            return ""
        mark = self.marks[4]
        if mark not in written:
            return written
        sequence = re.compile(f"{re.escape(mark)}([^{re.escape(mark)}\\s]{{0,200}}){re.escape(mark)}")
        return sequence.sub(lambda found: self._escaped(found[1], found[0]), written)

    def _escaped(self, code: str, whole: str) -> str:
        if code in ("F", "R", "S", "T", "E") and code:
            return self.marks["FRSTE".index(code)]
        if code[:3].lower() in _LINES:
            return _LINES[code[:3].lower()]
        if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", code):
            return hprim.decode(bytes.fromhex(code[1:]))
        return "" if code in ("H", "N", ".fi", ".nf") or code[:1] in ("C", "M") else whole


def looks_like(data: bytes) -> bool:
    """Whether it begins as a message or a batch does (MSH, FHS, BHS and their separators)."""
    return _START.match(data[:400].replace(b"\0", b"")) is not None


def messages(data: bytes) -> Iterator[list[Segment]]:
    """The messages of a file or a batch. Raises Refused: ``hl7_too_large``, ``hl7_no_record``."""
    if len(data) > MOST_BYTES:
        raise Refused("hl7_too_large", about=f"{MOST_BYTES} bytes")
    left = MOST_MARKS
    for text in _texts(_decoded(data)):
        left -= sum(text.count(mark) for mark in {"\r", *text[3:8]})
        if left < 0:
            raise Refused("hl7_too_large", about=f"{MOST_MARKS} separators")
        try:
            found = hl7.parse(text)
        except (hl7.HL7Exception, AssertionError, ValueError, IndexError):  # it asserts that separators differ
            raise Refused("hl7_no_record") from None
        marks = found.separators[1:5] + found.esc
        yield [Segment(str(one[0]), marks, one) for one in found]


def _decoded(data: bytes) -> str:
    """The text: UTF-8 if it is that, else by the charset that MSH-18 names, else the most plausible one."""
    if not data.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\0" not in data[:200]:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            head = re.split(rb"[\r\n]", data.lstrip(b"\x0b\r\n "), maxsplit=1)[0].decode("latin-1")
            named = head.split(head[3:4] or "|")[17:18] if head.startswith("MSH") else []
            for charset in (_CHARSETS[one.strip()] for one in named if one.strip() in _CHARSETS):
                return data.decode(charset, "replace")
    return hprim.decode(data)


def _texts(text: str) -> Iterator[str]:
    """Each message with CR between its segments. A line that is no segment continues the one above it."""
    current: list[str] = []
    for one in re.split(r"[\r\n\x0b\x1c\u2028\x85]+", text.lstrip("\ufeff")):
        if one.startswith("MSH"):
            if current:
                yield "\r".join(current)
            current = [one]
        elif not one.strip() or one[:3] in _BATCH or not current:
            continue
        elif _SEGMENT.match(one):
            current.append(one)
        else:
            escape = current[0][6:7] or "\\"
            current[-1] += f"{escape}.br{escape}{one}"
    if current:
        yield "\r".join(current)
