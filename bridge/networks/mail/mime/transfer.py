"""Base64 as mails have it (RFC 2045 §6.8): joined runs, foreign lines in between, a label on what is none. Pure."""

from __future__ import annotations

import binascii
import re
from contextlib import suppress
from itertools import groupby

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BLANKS = b" \t\r\n\x0b\x0c"
_LINE = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}|[A-Za-z0-9+/]*={1,2}")  # what can be nothing but base64
_WORD = 24  # letters: a shorter text without its padding may be a word
_ODD = re.compile(rb"[^\t\n\r\x20-\x7e\x80-\xff]")

JOINED, FOREIGN, MISLABELLED = "base64_joined", "base64_odd", "not_base64"


def base64_bytes(data: bytes) -> bytes:
    """What base64 can be read out of it; padding may be missing or stand in the middle."""
    letters = data.translate(None, _BLANKS)
    try:
        return binascii.a2b_base64(letters, strict_mode=True)
    except ValueError:
        return b"".join(map(_run, re.split(rb"=+", letters)))


def unbase64(data: bytes, text: bool) -> tuple[bytes, str]:
    """The bytes of a part, and what was odd: a code, empty for nothing.

    Servers put a warning before a body without decoding it, so that two runs stand in one part; lists put a footer
    after one. Of a ``text`` such lines are kept as they are, and a text that only claims to be base64 is that text.
    """
    letters = data.translate(None, _BLANKS)
    with suppress(ValueError):
        return binascii.a2b_base64(letters, strict_mode=True), ""
    foreign = bool(letters.translate(None, _LETTERS + b"="))
    if text and (foreign or b" " in data.strip()) and _is_plain(data):
        return data, MISLABELLED
    runs = [run for run in re.split(rb"=+", letters) if run]
    if foreign:
        return (_mixed(data) if text else base64_bytes(data)), FOREIGN
    if len(runs) > 1:
        return base64_bytes(data), JOINED
    found = base64_bytes(data)
    return (data, MISLABELLED) if text and len(letters) < _WORD and _ODD.search(found) else (found, "")


def _run(letters: bytes) -> bytes:
    """One run without its padding; a letter too many says nothing."""
    letters = letters.translate(None, bytes(set(range(256)) - set(_LETTERS)))
    return binascii.a2b_base64(letters[: len(letters) - (len(letters) % 4 == 1)] + b"==")


def _is_plain(data: bytes) -> bool:
    """Whether most of it cannot be base64."""
    lines = [line.strip() for line in data.splitlines()]
    said = sum(len(line) for line in lines if (b" " in line or len(line) < 16) and not _LINE.fullmatch(line))
    return 2 * said > sum(map(len, lines))


def _mixed(data: bytes) -> bytes:
    """Each stretch of base64 decoded, the lines between them as they are."""
    out = []
    for coded, lines in groupby(data.splitlines(keepends=True), lambda line: bool(_LINE.fullmatch(line.strip()))):
        stretch = b"".join(lines)
        out.append(base64_bytes(stretch) if coded else stretch)
    return b"".join(out)
