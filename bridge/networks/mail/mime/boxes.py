"""Mailboxes in header fields (RFC 5322 §3.4): one strict reading, because trust is decided by it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import idna

from bridge.networks.mail.mime.charsets import one_line
from bridge.networks.mail.mime.headers import words

MOST_BOXES = 1000
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_ATOM = re.compile(r"[^\s\x00-\x1f\x7f\"(),:;<>@\[\\\]]{1,64}")
_QUOTED = re.compile(r"\"(?:[^\"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f]){0,62}\"")
_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|\\.|[(),:;<>]|[^\"\\(),:;<>]+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox: local part as written, domain as lower-case A-labels, and the name that goes with it."""

    address: str
    name: str = field(default="", repr=False)

    @property
    def domain(self) -> str:
        """What the trust list knows: lower case, A-labels."""
        return self.address.rpartition("@")[2]

    @property
    def local(self) -> str:
        """The part before the domain, as written."""
        return self.address.rpartition("@")[0]


def parse_boxes(text: str, most: int = MOST_BOXES) -> tuple[tuple[Box, ...], int]:
    """The mailboxes of a field (groups opened, repeats of one address dropped), and how many entries were none."""
    found: dict[str, Box] = {}
    wrong = 0
    for count, entry in enumerate(_entries(text)):
        if count >= most:
            return tuple(found.values()), wrong + 1
        box = _box(entry)
        if box is None:
            wrong += 1
        else:
            found.setdefault(box.address.lower(), box)
    return tuple(found.values()), wrong


def clean_address(text: str) -> str | None:
    """An address with its domain as lower-case A-labels, None if it is none (no local part, no usable domain)."""
    local, at, domain = text.strip().rpartition("@")
    if not at or not (_ATOM.fullmatch(local) or _QUOTED.fullmatch(local)):
        return None
    domain = clean_domain(domain)
    return f"{local}@{domain}" if domain else None


def clean_domain(text: str) -> str:
    """A domain as lower-case A-labels without final dot; empty if it is none. Address literals are none here."""
    text = text.strip().rstrip(".").lower()
    if not text or len(text) > 253:
        return ""
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError, ValueError, IndexError):
            return ""
    return text if len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split(".")) else ""


@dataclass(slots=True)
class _Entry:
    """One entry of the list while it is read: what stands before, inside and after the angle brackets."""

    phrase: str = ""
    inside: str | None = None
    comment: str = ""
    bad: bool = False

    @property
    def blank(self) -> bool:
        return not self.phrase.strip() and self.inside is None and not self.bad


def _entries(text: str) -> Iterator[_Entry]:
    """The entries between commas; comments (RFC 5322 §3.2.2) apart, the names of groups dropped."""
    entry, depth, angle = _Entry(), 0, False
    for piece in (match[0] for match in _TOKEN.finditer(text)):
        if piece == "(" or depth:
            depth += (piece == "(") - (piece == ")")
            entry.comment += piece if depth and (piece != "(" or entry.comment) else ""
        elif angle:
            angle = piece != ">"
            entry.inside = (entry.inside or "") + (piece if angle else "")
        elif piece == "<":
            entry.bad = entry.bad or entry.inside is not None
            entry.inside, angle = entry.inside or "", True
        elif piece in (",", ";"):
            if not entry.blank:
                yield entry
            entry = _Entry()
        elif piece == ":":
            entry = _Entry()
        else:
            entry.bad = entry.bad or (entry.inside is not None and bool(piece.strip()) and "@" in piece)
            entry.phrase += piece
    if not entry.blank:
        entry.bad = entry.bad or angle
        yield entry


def _box(entry: _Entry) -> Box | None:
    if entry.bad:
        return None
    if entry.inside is not None:
        # A source route (RFC 5322 §4.4) is no part of the address.
        inside = re.sub(r"^\s*@[^:]*:", "", entry.inside)
        address, name = clean_address("".join(inside.split()) if '"' not in inside else inside), entry.phrase
    else:
        address, name = clean_address(entry.phrase), entry.comment
    if address is None:
        return None
    return Box(address, _name(name))


def _name(text: str) -> str:
    text = text.strip()
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    name = one_line(words(text), 200)
    # Outlook writes 'anna' for a name that it does not know.
    return name[1:-1].strip() if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'" else name
