"""What must be true of a mail's header before the mail is taken, whatever its body holds; pure.

Stricter than what reads the mail later (every From counts, wherever it stands), but the author is read by the same
code and out of the same bytes: whoever is judged here is whom the room shows.
Sources: RFC 5321 (2.3.8, 6.3), RFC 5322 (3.6).
"""

from __future__ import annotations

import re

from bridge.errors import Refused
from bridge.networks.mail.mime.boxes import Box, parse_boxes
from bridge.networks.mail.mime.headers import raw_text

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_LONGEST_FROM = 1024  # bytes


def check_lines(raw: bytes) -> None:
    """Raises Refused (bare_line_end): a CR or LF alone ends a line for some programs and not for others."""
    both = raw.count(b"\r\n")
    if raw.count(b"\r") != both or raw.count(b"\n") != both:
        raise Refused("bare_line_end")


def header(raw: bytes, longest: int) -> list[tuple[str, bytes]]:
    """Names (lower case) and values of the fields, each with its continuation lines after ``\\n``.

    What is no field is passed over, so a field behind it still counts. Raises Refused (header_too_large).
    """
    end = 0 if raw.startswith(b"\r\n") else raw.find(b"\r\n\r\n", 0, longest + 4)
    if end < 0:
        if len(raw) > longest:
            raise Refused("header_too_large")
        end = len(raw)
    found: list[tuple[str, list[bytes]]] = []
    lines: list[bytes] = []
    for line in raw[:end].split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            lines += [line] if line.strip() else []
            continue
        field = _FIELD.fullmatch(line)
        lines = [field[2]] if field else []
        if field:
            found.append((field[1].decode("ascii").lower(), lines))
    return [(name, b"\n".join(lines)) for name, lines in found]


def check_loop(fields: list[tuple[str, bytes]], most: int) -> None:
    """Raises Refused (loop) when the mail has passed more than ``most`` servers."""
    if sum(name == "received" for name, _ in fields) > most:
        raise Refused("loop")


def author_domains(fields: list[tuple[str, bytes]]) -> frozenset[str]:
    """The domains (A-labels) of everybody in the From header. Raises Refused (from_missing, from_several)."""
    return frozenset(box.domain for box in authors(fields))


def authors(fields: list[tuple[str, bytes]]) -> list[Box]:
    """Everybody in the From header. Raises Refused (from_missing, from_several).

    NUL ends a text for some programs, which would read another author: it is in no From that is taken.
    """
    values = [value for name, value in fields if name == "from"]
    if len(values) > 1:
        raise Refused("from_several")
    if not values or len(values[0]) > _LONGEST_FROM or b"\0" in values[0]:
        raise Refused("from_missing")
    boxes, _ = parse_boxes(raw_text(values[0]))
    if not boxes:
        raise Refused("from_missing")
    return list(boxes)
