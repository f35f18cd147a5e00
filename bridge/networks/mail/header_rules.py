"""What must be true of a mail's header before the mail is taken, whatever its body holds; pure.

Deliberately simpler and stricter than a MIME parser: whoever reads the mail later must not find another sender.
Sources: RFC 5321 (2.3.8, 6.3), RFC 5322 (3.6).
"""

from __future__ import annotations

import re
from email.headerregistry import HeaderRegistry
from email.utils import getaddresses
from typing import Any

from bridge.errors import Refused
from bridge.networks.mail.smtp_address import domain_of

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_UNFOLD = re.compile(rb"\r\n(?=[ \t])")
_LONGEST_FROM = 1024  # bytes
_REGISTRY: Any = HeaderRegistry()


def check_lines(raw: bytes) -> None:
    """Raises Refused (bare_line_end): a CR or LF alone ends a line for some programs and not for others."""
    if _BARE.search(raw):
        raise Refused("bare_line_end")


def header(raw: bytes, longest: int) -> list[tuple[str, bytes]]:
    """Names (lower case) and values of the fields, unfolded. Raises Refused (header_too_large)."""
    end = 0 if raw.startswith(b"\r\n") else raw.find(b"\r\n\r\n", 0, longest + 4)
    if end < 0:
        if len(raw) > longest:
            raise Refused("header_too_large")
        end = len(raw)
    fields = (_FIELD.fullmatch(line) for line in _UNFOLD.sub(b"", raw[:end]).split(b"\r\n"))
    return [(field[1].decode("ascii").lower(), field[2].strip()) for field in fields if field]


def check_loop(fields: list[tuple[str, bytes]], most: int) -> None:
    """Raises Refused (loop) when the mail has passed more than ``most`` servers."""
    if sum(name == "received" for name, _ in fields) > most:
        raise Refused("loop")


def author_domains(fields: list[tuple[str, bytes]]) -> frozenset[str]:
    """The domains of everybody in the From header. Raises Refused (from_missing, from_several)."""
    values = [value for name, value in fields if name == "from"]
    if len(values) > 1:
        raise Refused("from_several")
    if not values or len(values[0]) > _LONGEST_FROM:
        raise Refused("from_missing")
    text = values[0].decode("utf-8", "replace")
    found = {domain_of(address) for address in _readings(text) if "@" in address}
    if not found:
        raise Refused("from_missing")
    return frozenset(found)


def _readings(text: str) -> list[str]:
    """Every address that the lenient or the strict parser of the standard library sees."""
    try:
        strict: list[str] = [each.addr_spec for each in _REGISTRY("from", text).addresses]
        return strict + [address for _, address in getaddresses([text])]
    except (ValueError, IndexError, AttributeError, RecursionError, LookupError):  # seen with hostile input
        raise Refused("from_missing") from None
