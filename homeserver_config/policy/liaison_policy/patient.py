"""Whether a text names a patient: room names, topics and aliases lie in clear on every server of a room. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

# 13 digits and a key of two, in any grouping: sex, year, month, department (2A and 2B of Corsica), commune, order.
_NIR = re.compile(
    r"(?<![0-9A-Za-z])([1-478][0-9]{2}(?:0[1-9]|[1-9][0-9])(?:[0-9]{2}|2[AB])[0-9]{6})([0-9]{2})?(?![0-9])", re.I
)
_BETWEEN = re.compile(r"(?<=[0-9ABab])[\s.\u00a0\u202f_-](?=[0-9ABab])")
_BORN = re.compile(
    r"\b(?:n[ée]e?(?:\(e\))?\s*(?:le|en)?|ddn|d\.d\.n\.|dob|(?:date\s+de\s+)?naissance|born(?:\s+(?:on|in))?)\s*:?\s*[0-9]{1,4}"
    r"|\bn[ée]e?(?:\(e\))?\s+le\b",
    re.I,
)
_DAY = re.compile(
    r"(?<![0-9])(0?[1-9]|[12][0-9]|3[01])\s?[/.\s-]\s?(0?[1-9]|1[0-2])\s?[/.\s-]\s?((?:19|20)[0-9]{2})(?![0-9])"
)
_ISO_DAY = re.compile(r"(?<![0-9])((?:19|20)[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(?![0-9])")
_NAMED = re.compile(
    r"\b(?:patiente?|pt|mr|m|mme|mlle|monsieur|madame|mademoiselle|enfant|b[ée]b[ée]|nourrisson)\b\.?\s*:?\s*"
    r"(?-i:[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ'’-]+\s+[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ]+|[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ]+\s+[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ'’-]+)",
    re.I,
)
_IDENTITY = re.compile(
    r"\b(?:ipp|iep|ins|ins-c|nir|n[°o]\s*(?:de\s*)?(?:s[ée]cu|dossier|patient))\b\s*[:n°o.]*\s*[0-9][0-9\s]{3,}", re.I
)


def valid_nir(number: str) -> bool:
    """Whether 15 characters are a national number with the right key (decree 82-103: 97 less the rest by 97)."""
    number = number.upper()
    if not re.fullmatch(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{8}", number):
        return False
    plain = number[:13].replace("2A", "19").replace("2B", "18") if number[5:7] in ("2A", "2B") else number[:13]
    return int(number[13:]) == 97 - int(plain) % 97


def names_patient(text: str, year: int, more: Sequence[re.Pattern[str]] = ()) -> bool:
    """Whether a text holds a national number, a day of birth, a patient's file number or a patient's name.

    ``year`` is the present one: a date alone before it counts as a day of birth, a later one may be that of a meeting.
    After "né le" every date counts. ``more`` are patterns of the site.
    """
    text = text[:4096]
    return (
        _has_nir(text)
        or _has_birth_day(text, year)
        or _NAMED.search(text) is not None
        or _IDENTITY.search(text) is not None
        or any(pattern.search(text) is not None for pattern in more)
    )


def _has_nir(text: str) -> bool:
    together = _BETWEEN.sub("", text)
    return any(found[2] is not None and valid_nir(found[1] + found[2]) for found in _NIR.finditer(together))


def _has_birth_day(text: str, now: int) -> bool:
    if _BORN.search(text) is not None:
        return True
    years = [int(found[3]) for found in _DAY.finditer(text)] + [int(found[1]) for found in _ISO_DAY.finditer(text)]
    return any(year < now for year in years)
