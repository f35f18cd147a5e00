"""A file's name as every leg may show and keep it: no path, nothing that hides or turns what is shown, short. Pure."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 255  # bytes of UTF-8: what common file systems take
UNNAMED = "fichier"
_LONGEST_SUFFIX = 16
_SEPARATORS = re.compile(r"[/\\]")
# They turn the order of what is shown ("exe.fdp" reads "pdf.exe"): UAX #9, 2
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}


def good_name(name: str) -> bool:
    """Whether a name can be given to a file as it is."""
    plain = not _SEPARATORS.search(name) and all(_is_text(c) for c in name)
    return plain and name.strip(" .") != "" and len(name.encode()) <= LONGEST_NAME


def clean_name(name: str) -> str:
    """The same name if it is a good one, else the nearest good one."""
    if good_name(name):
        return name
    plain = "".join(c for c in _SEPARATORS.sub("_", name) if _is_text(c))
    return _shorten(plain.strip(" .")) or UNNAMED


def _is_text(character: str) -> bool:
    return unicodedata.category(character) not in _NO_TEXT and character not in _BIDI


def _shorten(name: str) -> str:
    """At most 255 bytes; what says the kind of file (``.pdf``) stays."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    ending = dot + suffix if stem and len(suffix.encode()) <= _LONGEST_SUFFIX else ""
    kept = name.removesuffix(ending).encode()[: LONGEST_NAME - len(ending.encode())]
    return kept.decode("utf-8", "ignore").rstrip(" .") + ending
