"""Finds the rows of a directory by the beginnings of their words; a search costs what it finds, not what there is."""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain

_WORD = re.compile(r"\w+")
_KEPT = 8192  # professions and places, which many share
_LAST = "\U0010ffff"  # after every continuation of a word


class Index:
    """Rows are numbers in the order of ``texts``, the fields of each. No accents, case or punctuation count."""

    def __init__(self, texts: Iterable[Sequence[str]]) -> None:
        rows: dict[str, array[int]] = {}
        self._texts: list[str] = []  # each word has a blank before it
        known = lru_cache(_KEPT)(fold)
        for number, fields in enumerate(texts):
            words = list(chain.from_iterable(map(known, fields)))
            self._texts.append(f" {' '.join(words)}")
            for word in set(words):
                have = rows.get(word)
                if have is None:
                    rows[word] = array("I", (number,))
                else:
                    have.append(number)
        self._words = sorted(rows)
        self._first = array("I", [0])  # of each word's rows in ``_rows``; one entry more at the end
        self._rows = array("I")
        for word in self._words:
            self._rows.extend(rows.pop(word))
            self._first.append(len(self._rows))

    def find(self, query: str) -> Iterator[int]:
        """The rows in which every word of the query begins a word; whole words of the rarest one come first.

        No more rows are looked at than have the rarest of the words.
        """
        asked = fold(query)
        if not asked:
            return
        rarest = min(asked, key=lambda word: len(self._places(word)))
        others = [f" {word}" for word in asked if word != rarest]
        seen: set[int] = set()
        for place in self._places(rarest):
            row = self._rows[place]
            if row not in seen:
                seen.add(row)
                if all(word in self._texts[row] for word in others):
                    yield row

    def _places(self, begin: str) -> range:
        """Where in ``_rows`` the rows of all words that begin like this stand: side by side."""
        low = bisect_left(self._words, begin)
        high = bisect_left(self._words, begin + _LAST, low)
        return range(self._first[low], self._first[high])


def fold(text: str) -> list[str]:
    """The words of a text without accents and case."""
    plain = text.casefold()
    if not plain.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    return _WORD.findall(plain)
