"""Which of the two forms of a mail's body says it all: the plain text, or the HTML that stands beside it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_ADDRESS = re.compile(r"(?:https?://|mailto:|tel:)[^\s<>()\[\]]{1,2000}|\[(?:cid|image)[^\[\]]{0,300}\]", re.I)
_COUNTED = re.compile(r"(?m)^[> ]{0,40}\d{1,3}[.)] ")  # the marks of a list, which programs write or leave out
_WORD = re.compile(r"\w+(?:[.,]\w+)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_CELL = " | "
_MANY, _SHARE = 12, 0.2  # words of the HTML that the plain text lacks, and their share


@dataclass(frozen=True, slots=True)
class Differences:
    """What one form says and the other lacks: a number, a table's words or many words ("more"), or any word ("own")."""

    rich_says_more: bool = False
    plain_says_more: bool = False
    plain_has_own: bool = False


def differences(rich: str, plain: str) -> Differences:
    """Of the text of the HTML and the plain text."""
    if rich.split() == plain.split():  # the two are mostly the same, and counting words is slow
        return Differences()
    of_rich, of_plain = _words(rich), _words(plain)
    own = of_plain - of_rich
    return Differences(_more(of_rich - of_plain, rich, of_rich), _more(own, plain, of_plain), bool(own))


def _more(lacking: Counter[str], text: str, words: Counter[str]) -> bool:
    """Whether what a text has and the other lacks is much, or weighs much."""
    if not lacking:
        return False
    if any(map(_NUMBER.fullmatch, lacking)):
        return True
    rows = _words("\n".join(line for line in text.split("\n") if _CELL in line))
    missing = lacking.total()
    return any(word in rows for word in lacking) or (missing >= _MANY and missing >= _SHARE * words.total())


def unsaid(text: str, *shown: str) -> bool:
    """Whether a text holds words that none of the others has."""
    return not _words(text).keys() <= {word for other in shown for word in _words(other)}


def _words(text: str) -> Counter[str]:
    if ":" in text or "[" in text:
        text = _ADDRESS.sub(" ", text)
    return Counter(_WORD.findall(_COUNTED.sub("", text).casefold()))
