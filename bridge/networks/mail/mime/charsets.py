"""Bytes to text whatever the label says: nothing raises, no byte disappears. Pure."""

from __future__ import annotations

import codecs
import re

_NOT_TEXT = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "utf_7"}
_ALIASES = {
    "x-mac-roman": "mac_roman",
    "x-unknown": "",
    "unknown-8bit": "",
    "8bit": "",
    "ansi": "cp1252",
    "iso-8859-1-windows-3.0-latin-1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "x-sjis": "shift_jis",
    "ks_c_5601-1987": "cp949",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
}
_C1 = {code: bytes([code]).decode("cp1252", "ignore") or "\ufffd" for code in range(0x80, 0xA0)}
# U+0085, U+2028 and U+2029 end lines for some readers only; no store and no XML takes the other C0 and lone surrogates.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_NEWLINE = re.compile("\r\n|\r")

# Marks that turn or hide text: bidi embeddings, overrides, isolates; zero-width space and joiners; soft hyphen; tags.
INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
_JOINER = re.compile("(?<![^\x00-\u02ff])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\u02ff])")


def _odd_bytes(error: UnicodeError) -> tuple[str, int]:
    """What is not UTF-8 is read as cp1252, byte by byte: mails mix the two."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(chr(b) if b < 0x80 else _C1.get(b, chr(b)) for b in wrong), error.end


codecs.register_error("liaison_cp1252", _odd_bytes)


def readable(text: str) -> str:
    """The text with ``\\n`` as its only line end and without characters that no store or XML document takes."""
    return _UNFIT.sub(_instead, _NEWLINE.sub("\n", text))


def _instead(match: re.Match[str]) -> str:
    char = match[0]
    if char in "\x0b\x0c\x85\u2028\u2029":
        return "\n"
    return "\ufffd" if char >= "\ud800" else ""


def visible(text: str) -> str:
    """The text without bidi controls and zero-width characters; joiners stay in scripts and emoji that need them."""
    if text.isascii() or _is_western(text):
        return text
    return _JOINER.sub("", INVISIBLE.sub("", text))


def _is_western(text: str) -> bool:
    """Whether cp1252 has all of it: of what is invisible that charset knows the soft hyphen only."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return "\u00ad" not in text


def one_line(text: str, most: int = 1000) -> str:
    """A header's text for people: one line, no invisible characters, at most ``most`` characters."""
    return " ".join(visible(readable(text)).split())[:most]


def known(label: str) -> str | None:
    """Python's name of a charset that really is one for text, None for any other label."""
    label = label.strip().strip("\"'").lower()
    label = _ALIASES.get(label, label)
    if not label or len(label) > 60 or not label.isascii() or "\0" in label:
        return None
    try:
        name = codecs.lookup(label).name
        b"a".decode(name, "replace")  # codecs that make no text of bytes raise here, though not for empty bytes
    except (LookupError, ValueError, UnicodeError):
        return None
    return None if name.replace("-", "_") in _NOT_TEXT else name


def decode(data: bytes, label: str = "") -> tuple[str, bool]:
    """The text, and whether the label was right. Never raises.

    ``iso-8859-1`` and ``us-ascii`` are read as cp1252 where they cannot be meant; without a usable label UTF-8 is tried
    first, then cp1252; what is not UTF-8 in UTF-8 is read as cp1252, byte by byte.
    """
    if "7" in label and (seven := _utf7(data, label)) is not None:
        return seven, False
    name = _utf16(data, known(label))
    if name in ("iso8859-1", "iso8859-15", "cp1252"):
        return _latin(data, name), True
    if name is None or name == "ascii":
        text, right = _utf8(data)
        return text, data.isascii() or (right and not label.strip())
    if name == "utf-8":
        return _utf8(data)
    try:
        return data.decode(name), True
    except (UnicodeError, ValueError, LookupError):
        return data.decode(name, "replace"), False


def _utf7(data: bytes, label: str) -> str | None:
    """UTF-7 where it is named, for bodies only: mails are not to be in it, and some are."""
    try:
        return data.decode("utf-7") if codecs.lookup(label.strip().strip("\"'")[:60]).name == "utf-7" else None
    except (LookupError, ValueError):
        return None


def _utf16(data: bytes, name: str | None) -> str | None:
    """The byte order of UTF-16: by mark, else by where the zeros are (RFC 2781 says big-endian, Windows does not)."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and name in (None, "ascii", "utf-8", "utf-16"):
        return "utf-16"
    if name != "utf-16":
        return name
    head = data[:2000]
    return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"


def _latin(data: bytes, name: str) -> str:
    text = data.decode("iso8859-15" if name == "iso8859-15" else "iso8859-1")
    return text.translate(_C1)


def _utf8(data: bytes) -> tuple[str, bool]:
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode(), True
    except UnicodeDecodeError:
        return data.decode("utf-8", "liaison_cp1252"), False
