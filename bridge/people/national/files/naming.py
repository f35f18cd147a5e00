"""Pure: names and labels of the public files, which are in capitals or carry codes, as people write them."""

from __future__ import annotations

import re
from functools import lru_cache

_PART = re.compile(r"[^\W\d_]+")
_SMALL = {"de", "du", "des", "d", "et"}
_SMALL_OF_TOWNS = _SMALL | {"sur", "sous", "en", "la", "le", "les", "lès", "lez", "aux", "au", "l"}
_CODE = re.compile(r" \([A-Z]{1,5}\)$")
_TITLES = {"dr": "Dr", "docteur": "Dr", "pr": "Pr", "professeur": "Pr", "m": "M.", "mme": "Mme", "mlle": "Mme"}


@lru_cache(16_384)
def name(text: str) -> str:
    """``DE LA TOUR-MARTIN`` as ``de La Tour-Martin``; what is not all in capitals stays."""
    return _cased(text, _SMALL) if text.isupper() else text


@lru_cache(16_384)
def town(text: str) -> str:
    """``NEUILLY SUR SEINE`` as ``Neuilly sur Seine``."""
    cased = _cased(text, _SMALL_OF_TOWNS) if text.isupper() else text
    return cased[:1].upper() + cased[1:]


@lru_cache(8192)
def label(text: str) -> str:
    """``Médecine Générale (SM)`` without the code of its table."""
    return _CODE.sub("", text)


def title(text: str) -> str:
    """``DR`` as ``Dr``."""
    return _TITLES.get(text.casefold().rstrip("."), text)


def _cased(text: str, small: set[str]) -> str:
    def one(match: re.Match[str]) -> str:
        word = match[0].lower()
        return word if word in small else word.capitalize()

    return _PART.sub(one, text)
