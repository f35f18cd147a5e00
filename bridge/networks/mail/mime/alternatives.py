"""Which of the two forms of a mail's body says it all: the plain text, or the HTML that stands beside it. Pure."""

from __future__ import annotations

import re
from collections import Counter

_ADDRESS = re.compile(r"(?:https?://|mailto:|tel:)[^\s<>()\[\]]{1,2000}|\[(?:cid|image)[^\[\]]{0,300}\]", re.I)
_COUNTED = re.compile(r"(?m)^[> ]{0,40}\d{1,3}[.)] ")  # the marks of a list, which programs write or leave out
_WORD = re.compile(r"\w+(?:[.,]\w+)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_CELL = " | "
_MANY, _SHARE = 12, 0.2  # words of the HTML that the plain text lacks, and their share


def says_more(rich: str, plain: str) -> bool:
    """Whether ``rich``, the text of the HTML, holds what ``plain`` lacks: a number, a table's words, many words."""
    if rich.split() == plain.split():  # the two are mostly the same, and counting words is slow
        return False
    words = _words(rich)
    lacking = words - _words(plain)
    if not lacking:
        return False
    if any(map(_NUMBER.fullmatch, lacking)):
        return True
    rows = _words("\n".join(line for line in rich.split("\n") if _CELL in line))
    missing = lacking.total()
    return any(word in rows for word in lacking) or (missing >= _MANY and missing >= _SHARE * words.total())


def has_own(plain: str, rich: str) -> bool:
    """Whether the plain text holds words that the HTML's text lacks."""
    return bool(_words(plain) - _words(rich))


def unsaid(text: str, *shown: str) -> bool:
    """Whether a text holds words that none of the others has."""
    return not _words(text).keys() <= {word for other in shown for word in _words(other)}


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(_COUNTED.sub("", _ADDRESS.sub(" ", text)).casefold()))
